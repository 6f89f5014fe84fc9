"""The networks against trusted references: torch's own attention, its KL, and flows solved by hand."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.data.captions import caption
from mjcourse.data.scenes import sample_scene
from mjcourse.models.attention import attention
from mjcourse.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from mjcourse.models.flow import FlowBlock, FlowConfig, FlowTransformer, flow_loss, sample, sinusoids
from mjcourse.models.text import Block, CaptionReader, TextConfig, TextEncoder, Tokenizer


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def stirred(net: nn.Module) -> nn.Module:
    """Return a network whose weights are all random: none starts at zero or one."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    return net


# ---- attention -----------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_torchs(masked):
    q, k, v = (torch.randn(3, 2, 5, 8, requires_grad=True) for _ in range(3))
    mask = (torch.arange(5) < torch.tensor([5, 3, 1])[:, None])[:, None, None, :] if masked else None
    found, wanted = attention(q, k, v, mask), F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    weight = torch.randn_like(found)
    slopes = [torch.autograd.grad((y * weight).sum(), (q, k, v), retain_graph=True) for y in (found, wanted)]
    torch.testing.assert_close(*slopes, atol=1e-5, rtol=1e-4)


def test_text_block_equals_torchs_encoder_layer():
    ours = stirred(Block(width=24, heads=3))
    theirs = nn.TransformerEncoderLayer(24, 3, 96, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    own = ours.state_dict()
    names = {
        "self_attn.in_proj_": "qkv.", "self_attn.out_proj.": "out.", "linear1.": "mlp.0.", "linear2.": "mlp.2.",
        "norm1.": "norm1.", "norm2.": "norm2.",
    }  # fmt: skip
    theirs.load_state_dict({a + part: own[b + part] for a, b in names.items() for part in ("weight", "bias")})
    x = torch.randn(4, 7, 24)
    there = torch.arange(7) < torch.tensor([7, 5, 3, 1])[:, None]
    found = ours(x, there[:, None, None, :])
    wanted = theirs(x, src_key_padding_mask=~there)
    torch.testing.assert_close(found[there], wanted[there], atol=2e-5, rtol=1e-5)
    everyone = torch.ones_like(there)[:, None, None, :]
    assert (ours(x, everyone) - found)[1:].abs().max() > 0.01  # the mask matters


def test_flow_block_equals_attention_written_out():
    width, heads = 24, 3
    block, x, condition = stirred(FlowBlock(width, heads)), torch.randn(2, 5, width), torch.randn(2, width)
    shift1, scale1, gate1, shift2, scale2, gate2 = (
        block.modulation(condition).view(2, 6, 1, width).unbind(1)  # each (B, 1, C)
    )

    def normed(h):
        return (h - h.mean(-1, keepdim=True)) / (h.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    h = normed(x) * (1 + scale1) + shift1
    out = []
    for i in range(heads):
        part = slice(i * 8, i * 8 + 8)
        q, k, v = (h @ w.T + b for w, b in zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True))
        q, k = (y[..., part] / (y[..., part] ** 2).mean(-1, keepdim=True).sqrt() for y in (q, k))
        out.append((q @ k.transpose(1, 2) / 8**0.5).softmax(-1) @ v[..., part])
    wanted = x + gate1 * (torch.cat(out, -1) @ block.out.weight.T + block.out.bias)
    h = normed(wanted) * (1 + scale2) + shift2
    wanted = wanted + gate2 * block.down(F.gelu(block.up(h), approximate="tanh"))
    torch.testing.assert_close(block(x, condition), wanted, atol=1e-4, rtol=1e-4)


def test_flow_block_starts_as_identity():
    x = torch.randn(2, 5, 24)
    assert torch.equal(FlowBlock(24, 3)(x, torch.randn(2, 24)), x)


def test_sinusoids():
    found = sinusoids(torch.tensor([0.0, 3.0]), 8, 100.0)
    rates = [100 ** (-i / 4) for i in range(4)]
    wanted = [*np.sin([3 * r for r in rates]), *np.cos([3 * r for r in rates])]
    np.testing.assert_allclose(found[1], wanted, atol=1e-6)
    assert found[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


# ---- autoencoder ---------------------------------------------------------------------------------


def test_reconstruction_loss_is_l1_and_l2():
    x, recon = torch.rand(2, 3, 8, 8) * 2 - 1, torch.rand(2, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(reconstruction_loss(x, recon), (x - recon).abs().mean() + ((x - recon) ** 2).mean())
    assert float(reconstruction_loss(x, x)) == 0


class Known(nn.Module):
    """An encoder that always says the same mean and log-variance, (B, 8, 2, 2)."""

    mean, logvar = torch.tensor([0.5, -1.0, 0, 2]), torch.tensor([0.0, -2.0, 1.0, -4.0])

    def forward(self, x):
        return torch.cat([self.mean, self.logvar]).view(1, 8, 1, 1).expand(len(x), 8, 2, 2)


def test_reparameterisation_and_torchs_kl():
    net = Autoencoder(AutoencoderConfig(width=16, fine_width=16, blocks=1, kl_weight=0.7))
    net.encoder, net.decoder = Known(), nn.Identity()
    noise = torch.randn(5000, 4, 2, 2)
    z, loss, told = net(torch.zeros(5000, 3, 8, 8), noise)
    std = (0.5 * Known.logvar).exp()
    torch.testing.assert_close(z.mean((0, 2, 3)), Known.mean, atol=0.04, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), std, atol=0.03, rtol=0.02)
    torch.testing.assert_close(z, Known.mean.view(1, 4, 1, 1) + std.view(1, 4, 1, 1) * noise)
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(Known.mean, std), normal(0.0, 1.0)).mean()
    torch.testing.assert_close(told["kl"], kl)
    torch.testing.assert_close(loss, 0.7 * kl)


def test_latents_are_scaled_and_scaled_back():
    net = stirred(Autoencoder(AutoencoderConfig.tiny())).eval()
    x = torch.rand(16, 3, 16, 16) * 2 - 1
    before = net.decode(net.encode(x))
    assert net.encode(x).std() > 1.2 or net.encode(x).mean().abs() > 0.2
    net.fit_scale(x)
    z = net.encode(x)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    assert (net.decode(z) - before).abs().max() < 1e-4 * before.abs().max()  # decode undoes the scale
    assert {"shift", "scale"} <= set(net.state_dict())  # and it travels with the weights


@pytest.mark.parametrize("h, w", [(64, 64), (48, 72), (72, 48), (48, 96), (96, 48)])
def test_any_trained_size(h, w):
    net = Autoencoder(AutoencoderConfig.tiny())
    recon, _, _ = net(torch.zeros(2, 3, h, w), torch.zeros(2, 4, h // 4, w // 4))
    assert recon.shape == (2, 3, h, w)
    z = net.encode(torch.zeros(2, 3, h, w))
    assert z.shape == (2, 4, h // 4, w // 4)
    flow = FlowTransformer(FlowConfig.tiny())
    assert flow(z, torch.zeros(2), torch.zeros(2, 4, 32)).shape == z.shape


def test_patches_keep_their_place():
    net = FlowTransformer(FlowConfig.tiny())
    z, seen = torch.randn(1, 4, 6, 4), []
    net.patch_in.register_forward_hook(lambda _layer, given, _out: seen.append(given[0]))
    with torch.no_grad():
        net.patch_out.bias.copy_(torch.arange(16))
    out = net(z, torch.zeros(1), torch.zeros(1, 4, 32))
    torch.testing.assert_close(seen[0][0, 3], z[0, :, 2:4, 2:4].flatten())  # row 1, column 1 of 3 × 2 patches
    torch.testing.assert_close(out[0, :, 4:6, 2:4].flatten(), torch.arange(16.0))


# ---- flow ----------------------------------------------------------------------------------------


class Straight(nn.Module):
    """A flow whose velocity is known: from anywhere straight to `target`, or what `text` says."""

    def __init__(self, velocity):
        super().__init__()
        self.velocity, self.calls = velocity, []
        self.null_text = nn.Parameter(torch.full((2, 3), -2.0))

    def forward(self, z, t, text):
        self.calls.append((z.clone(), t.clone(), text.clone()))
        return self.velocity(z, t[:, None, None, None], text)


def says(z, t, text):
    return text.mean((1, 2))[:, None, None, None].expand_as(z)


@pytest.mark.parametrize("steps", [1, 4, 25])
def test_sample_walks_to_the_target(steps):
    target, noise, text = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2), torch.zeros(3, 2, 3)
    constant = Straight(lambda z, t, _: (target - noise).repeat(len(z) // 3, 1, 1, 1))
    torch.testing.assert_close(sample(constant, noise, text, steps=steps), target, atol=1e-5, rtol=0)
    towards = Straight(lambda z, t, _: (target.repeat(len(z) // 3, 1, 1, 1) - z) / (1 - t))
    torch.testing.assert_close(sample(towards, noise, text, steps=steps), target, atol=1e-5, rtol=0)
    times = [float(t[0]) for _, t, _ in towards.calls]
    assert times == pytest.approx([i / steps for i in range(steps)])
    assert torch.equal(towards.calls[0][0][:3], noise)  # time 0 is noise


@pytest.mark.parametrize("scale", [1.0, 1.5, 3.0, 7.0])
def test_guidance_is_exact(scale):
    noise, text = torch.randn(2, 4, 2, 2), torch.stack([torch.full((2, 3), 1.0), torch.full((2, 3), 0.25)])
    net = Straight(says)
    found = sample(net, noise, text, guidance_scale=scale, steps=5)
    told, untold = torch.tensor([1.0, 0.25])[:, None, None, None], -2.0
    torch.testing.assert_close(found, noise + untold + scale * (told - untold), atol=1e-4, rtol=1e-5)


def test_no_guidance_asks_once_and_never_without_words():
    net, text = Straight(says), torch.randn(2, 2, 3)
    sample(net, torch.randn(2, 4, 2, 2), text, guidance_scale=1, steps=3)
    assert all(torch.equal(asked, text) for _, _, asked in net.calls) and len(net.calls) == 3


def test_progress_shows_where_the_walk_leads():
    target, noise, seen = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2), []
    net = Straight(lambda z, t, _: (target - z) / (1 - t))
    sample(net, noise, torch.zeros(1, 2, 3), 1, 4, progress=lambda i, x: seen.append((i, x.clone())))
    assert [i for i, _ in seen] == [1, 2, 3, 4]
    for _, x in seen:
        torch.testing.assert_close(x, target, atol=1e-5, rtol=0)


def test_flow_loss_is_nothing_for_the_right_velocity():
    x, noise, t, text = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2), torch.rand(3), torch.zeros(3, 2, 3)
    right = Straight(lambda z, t, _: x - noise)
    assert float(flow_loss(right, x, noise, t, text)) == 0
    mix = t[:, None, None, None]
    torch.testing.assert_close(right.calls[0][0], (1 - mix) * noise + mix * x)
    assert torch.equal(right.calls[0][1], t)
    still = Straight(lambda z, t, _: torch.zeros_like(z))
    torch.testing.assert_close(flow_loss(still, x, noise, t, text), ((x - noise) ** 2).mean())
    assert float(flow_loss(Straight(lambda z, t, _: noise - x), x, noise, t, text)) > 1
    counts = torch.tensor([[2.0, 0.0], [1.0, 1.0]]).expand(3, 1, 2, 2)
    wanted = (counts * (x - noise) ** 2).mean()
    torch.testing.assert_close(flow_loss(still, x, noise, t, text, counts), wanted)


# ---- text ----------------------------------------------------------------------------------------


def corpus() -> list[str]:
    rng = np.random.default_rng(0)
    return [caption(sample_scene("train", i), ("en", "zh")[i % 2], rng).text for i in range(300)]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(corpus(), vocab_size=400, length=24)


def test_ids_are_padded_and_cut(tokenizer):
    texts = ["sun", "a red sun over the sea, sandy beach, " * 5, "太阳沙滩大海", ""]
    ids = tokenizer(texts)
    assert ids.shape == (4, 24) and ids.dtype == torch.int64
    counts = (ids != 0).sum(1).tolist()
    assert 1 <= counts[0] <= 3 and counts[1] == 24 and 2 <= counts[2] <= 6 and counts[3] == 0
    for row, n in zip(ids, counts, strict=True):
        assert (row[n:] == 0).all() and (row[:n] != 0).all()  # padding comes after, never between
    assert torch.equal(ids[2:3], tokenizer(texts[2:3]))  # whatever else is in the batch
    assert int(ids.max()) < tokenizer.size <= 400


def test_unknown_signs_have_a_token_of_their_own(tokenizer):
    assert tokenizer.backend.token_to_id("[pad]") == 0
    unknown = tokenizer.backend.token_to_id("[unk]")
    assert unknown == 1
    ids = tokenizer(["🦄", "a 🦄 sun", "a red sun"])
    assert ids[0, 0] == unknown and ids[0, 1] == 0
    assert unknown in ids[1] and unknown not in ids[2]


def test_case_width_and_language_mix(tokenizer):
    same = tokenizer(["A Red SUN", "a red sun", "ａ ｒｅｄ ｓｕｎ", "a  red\tsun"])
    assert all(torch.equal(row, same[0]) for row in same)
    mixed = tokenizer.tokens("a red sun, 红色的太阳")
    assert "".join(mixed).replace(" ", "") == "aredsun,红色的太阳"
    assert "[unk]" not in mixed
    alone = tokenizer.tokens("red sun")
    assert mixed[1 : 1 + len(alone)] == alone
    with_comma, without = tokenizer(["red sun, blue house", "red sun blue house"])
    assert not torch.equal(with_comma, without)  # a comma can bind a colour to its noun


TRAIN = """
import sys; sys.path.insert(0, sys.argv[1])
from test_models import corpus
from mjcourse.models.text import Tokenizer
import hashlib; print(hashlib.sha256(Tokenizer.train(corpus(), 400, 24).json.encode()).hexdigest())
"""


def test_training_a_tokenizer_is_repeatable(tokenizer):
    import hashlib

    here = hashlib.sha256(tokenizer.json.encode()).hexdigest()
    assert hashlib.sha256(Tokenizer.train(iter(corpus()), 400, 24).json.encode()).hexdigest() == here
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    command = [sys.executable, "-c", TRAIN, os.path.dirname(__file__)]
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert there.stdout.strip() == here


def test_a_tokenizer_travels_as_bytes(tokenizer):
    again = Tokenizer.from_bytes(tokenizer.as_bytes(), 24)
    texts = corpus()[:20]
    assert torch.equal(again(texts), tokenizer(texts))
    assert tokenizer.as_bytes().dtype == torch.uint8
    assert torch.equal(Tokenizer.from_bytes(tokenizer.as_bytes(), 10)(texts), tokenizer(texts)[:, :10])


def test_registers_do_not_see_padding():
    net = stirred(TextEncoder(TextConfig.tiny())).eval()
    ids = torch.randint(1, 300, (3, 9))
    short = net(ids)
    assert short.shape == (3, 4, 32)
    long = net(F.pad(ids, (0, 15)))
    torch.testing.assert_close(long, short, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        net.tokens.weight[0] += 100  # what padding looks like is nobody's business
    torch.testing.assert_close(net(F.pad(ids, (0, 15))), long, atol=1e-5, rtol=1e-5)
    other = ids.clone()
    other[0, 8] = ids[0, 8] % 299 + 1
    difference = (net(other) - short).abs().amax((1, 2))
    assert difference[0] > 1e-3 and difference[1:].max() < 1e-5
    assert (net(ids.flip(1)) - short).abs().max() > 1e-3  # order counts


def test_nothing_to_read_is_no_nan():
    net = stirred(CaptionReader(TextConfig.tiny(), torch.zeros(3, dtype=torch.uint8)))
    assert all(torch.isfinite(logits).all() for logits in net(torch.zeros(2, 24, dtype=torch.int64)))


# ---- every network -------------------------------------------------------------------------------


def autoencoder_step():
    net = Autoencoder(AutoencoderConfig.tiny())
    x = torch.rand(2, 3, 16, 16)
    recon, latent_loss, _ = net(x, torch.randn(2, 4, 4, 4))
    return net, reconstruction_loss(x, recon) + latent_loss


def text_step():
    net = CaptionReader(TextConfig.tiny(), torch.zeros(3, dtype=torch.uint8))
    logits = net(torch.randint(0, 300, (2, 24)))
    assert [x.shape for x in logits] == [(2, 3), (2, 4)]
    return net, sum(F.cross_entropy(x, torch.tensor([0, 2])) for x in logits)


def flow_step():
    net = stirred(FlowTransformer(FlowConfig.tiny()))
    x = torch.randn(2, 4, 8, 8)
    text = torch.stack([torch.randn(4, 32), net.null_text])
    return net, flow_loss(net, x, torch.randn_like(x), torch.tensor([0.2, 0.9]), text)


@pytest.mark.parametrize("step", [autoencoder_step, text_step, flow_step])
def test_tiny_networks_learn_with_all_their_weights(step):
    net, loss = step()
    loss.backward()
    assert torch.isfinite(loss)
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name
    assert sum(p.numel() for p in net.parameters()) < 200_000


def test_neighbours_speak_before_each_block():
    net = stirred(FlowTransformer(FlowConfig.tiny()))
    seen = []
    hook = net.blocks[0].register_forward_hook(lambda block, given, out: seen.append(given[0]))
    z, text = torch.randn(2, 4, 8, 12), torch.randn(2, 4, 32)  # 4 × 6 image tokens
    with torch.no_grad():
        net(z, torch.tensor([0.3, 0.6]), text)
        with_conv, kernel, bias = seen[0], net.near[0].weight.clone(), net.near[0].bias.clone()
        net.near[0].weight.zero_()
        net.near[0].bias.zero_()
        net(z, torch.tensor([0.3, 0.6]), text)
    hook.remove()
    grid = F.pad(seen[1][:, 4:].view(2, 4, 6, 32), (0, 0, 1, 1, 1, 1))  # words first, then the rows of the image
    wanted = grid[:, 1:-1, 1:-1] + bias
    for dy in range(3):
        for dx in range(3):
            wanted = wanted + grid[:, dy : dy + 4, dx : dx + 6] * kernel[:, 0, dy, dx]
    torch.testing.assert_close(with_conv[:, 4:], wanted.reshape(2, 24, 32), atol=1e-4, rtol=1e-4)
    assert torch.equal(with_conv[:, :4], seen[1][:, :4])


def test_an_untrained_flow_predicts_nothing():
    net = FlowTransformer(FlowConfig.tiny())
    assert not net(torch.randn(1, 4, 8, 8), torch.rand(1), torch.randn(1, 4, 32)).any()
