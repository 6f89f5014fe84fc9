"""The prior against its own slow way, torch's categorical distribution and GPT-2's own head."""

from __future__ import annotations

import pytest
import torch

from mjcourse.models.prior import Prior, PriorConfig, keep_top, prior_loss, write_tokens


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    model = Prior(PriorConfig.tiny()).eval()
    for p in model.parameters():  # a fresh GPT-2 says nearly the same of everything
        p.data += 0.2 * torch.randn_like(p)
    return model


@pytest.fixture
def told():
    g = torch.Generator().manual_seed(1)
    return torch.randint(32, (3, 16), generator=g), torch.randn(3, 4, 32, generator=g)


def gumbel(b, seed=0):
    u = torch.rand(b, 16, 32, generator=torch.Generator().manual_seed(seed))
    return -torch.log(-torch.log(u.clamp(1e-9, 1 - 1e-7)))


@torch.no_grad()
def test_each_token_sees_the_text_and_what_came_before(net, told):
    tokens, text = told
    logits = net(tokens, text)
    assert logits.shape == (3, 16, 32)
    other = tokens.clone()
    other[:, 5] = (other[:, 5] + 1) % 32
    moved = (net(other, text) - logits).abs().amax((0, 2))
    assert moved[:6].max() < 1e-5 and moved[6:].min() > 1e-4
    assert (net(tokens, text.roll(1, 0)) - logits).abs().amax((0, 2)).min() > 1e-3


@torch.no_grad()
def test_the_body_is_gpt2_with_its_own_head(net, told):
    from transformers import GPT2LMHeadModel

    tokens, text = told
    theirs = GPT2LMHeadModel(net.body.config).eval()
    theirs.transformer.load_state_dict(net.body.state_dict())
    before = torch.cat([net.text_in(text), net.body.wte(tokens[:, :-1])], 1)
    torch.testing.assert_close(theirs(inputs_embeds=before).logits[:, 3:], net(tokens, text))


@torch.no_grad()
def test_loss_is_minus_the_log_of_the_probability(net, told):
    tokens, text = told
    wanted = -torch.distributions.Categorical(logits=net(tokens, text)).log_prob(tokens)
    torch.testing.assert_close(prior_loss(net, tokens, text), wanted)


@torch.no_grad()
@pytest.mark.parametrize("scale, top_k, temperature", [(1, None, 1.0), (3, None, 0.7), (2.5, 5, 1.0), (0, None, 1.0)])
def test_the_cache_changes_nothing(net, told, scale, top_k, temperature):
    """Token by token without a cache, from the same noise."""
    text, noise = told[1], gumbel(3)
    tokens = torch.empty(3, 0, dtype=torch.int64)
    null = net.null_text.expand(3, -1, -1)
    for i in range(16):
        padded = torch.cat([tokens, torch.zeros(3, 16 - i, dtype=torch.int64)], 1)
        logits = net(padded, null)[:, i] * (1 - scale) + net(padded, text)[:, i] * scale
        if top_k:
            out = logits.argsort(descending=True)[:, top_k:]
            logits = logits.scatter(1, out, float("-inf"))
        tokens = torch.cat([tokens, (logits / temperature + noise[:, i]).argmax(1, keepdim=True)], 1)
    assert torch.equal(write_tokens(net, noise, text, scale, temperature, top_k), tokens)


@torch.no_grad()
def test_given_tokens_are_kept_and_told_to_the_rest(net, told):
    tokens, text = told
    whole = write_tokens(net, gumbel(3), text)
    assert torch.equal(write_tokens(net, gumbel(3), text, given=whole[:, :7]), whole)
    other = write_tokens(net, gumbel(3), text, given=tokens[:, :7])
    assert torch.equal(other[:, :7], tokens[:, :7]) and not torch.equal(other[:, 7:], whole[:, 7:])
    assert torch.equal(write_tokens(net, gumbel(3), text, given=tokens), tokens)


@torch.no_grad()
def test_a_picture_does_not_depend_on_its_neighbours(net, told):
    text, noise = told[1], gumbel(3)
    together = write_tokens(net, noise, text)
    assert torch.equal(write_tokens(net, noise[1:2], text[1:2]), together[1:2])


@torch.no_grad()
def test_drawn_tokens_follow_the_softmax(net):
    n, text = 4000, torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(2))
    wanted = net(torch.zeros(1, 16, dtype=torch.int64), text)[0, 0].softmax(0)
    noise = gumbel(n)[:, :1].expand(-1, 16, -1)
    short = write_tokens(net, noise[:, :1], text.expand(n, -1, -1), guidance_scale=1)[:, 0]
    share = torch.bincount(short, minlength=32) / n
    assert (share - wanted).abs().max() < 4 * (0.25 / n) ** 0.5


def test_keep_top():
    logits = torch.tensor([[1.0, 4.0, 3.0, 2.0]])
    assert keep_top(logits, 2).tolist() == [[-float("inf"), 4.0, 3.0, -float("inf")]]
    assert torch.equal(keep_top(logits, 4), logits)


@torch.no_grad()
def test_without_temperature_the_likeliest_is_taken_and_progress_is_told(net, told):
    text, seen = told[1], []
    cold = [write_tokens(net, gumbel(3, seed), text, temperature=0.0, progress=seen.append) for seed in (0, 1)]
    assert torch.equal(*cold) and seen == 2 * list(range(1, 17))
