"""Chapter 07: the conditional VAE and GAN, and the loop that also refuses wrong texts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mjcourse.config import generator
from mjcourse.models.conditional import CGAN, CVAE, CGANConfig, CVAEConfig
from mjcourse.models.vae import vae_loss
from mjcourse.training.loop import LoopConfig
from mjcourse.training.matching import MatchingTrainer

TEXT = torch.randn(4, 4, 32, generator=generator(1))  # four texts, four registers each
QUIET = {"warmup": 2, "weight_decay": 0, "betas": (0.0, 0.99), "amp": False}


def told(count, g):
    """Return plain pictures (count, 3, 16, 16) whose colour the text decides, and the texts."""
    which = torch.randint(4, (count,), generator=g)
    colors = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]])
    x = colors[which, :, None, None].expand(-1, -1, 16, 16) * 0.8 + 0.05 * torch.randn(count, 3, 16, 16, generator=g)
    return x, TEXT[which], which


def test_shapes_and_that_both_read_the_text():
    torch.manual_seed(0)
    x, text = torch.randn(4, 3, 16, 16, generator=generator(2)), TEXT
    vae, gan = CVAE(CVAEConfig.tiny()), CGAN(CGANConfig.tiny())
    noise = torch.randn(4, 8, generator=generator(3))
    recon, mean, logvar = vae(x, noise, text)
    assert recon.shape == x.shape and mean.shape == logvar.shape == (4, 8)
    assert gan(noise, text).shape == x.shape and gan.discriminator(x, text).shape == (4,)
    other = text.roll(1, 0)
    for before, after in (
        (vae.decode(noise, text), vae.decode(noise, other)),
        (vae.encode(x, text)[0], vae.encode(x, other)[0]),
        (gan(noise, text), gan(noise, other)),
        (gan.discriminator(x, text), gan.discriminator(x, other)),
    ):
        assert not torch.equal(before, after)


def test_the_conditional_vae_draws_the_colour_that_the_text_names():
    torch.manual_seed(0)
    net, optimizer = CVAE(CVAEConfig.tiny()), None
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for step in range(120):
        g = generator(0, step)
        x, text, _ = told(32, g)
        loss, _ = vae_loss(x, *net(x, torch.randn(32, 8, generator=g), text), 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    real, text, which = told(64, generator(9))
    with torch.no_grad():
        made = net.decode(torch.randn(64, 8, generator=generator(10)), text).mean((2, 3))
    centres = torch.stack([real[which == k].mean((0, 2, 3)) for k in range(4)])
    assert float((torch.cdist(made, centres).argmin(1) == which).float().mean()) > 0.95


def game(trainer=MatchingTrainer, steps=3, folder=None, **changes):
    torch.manual_seed(0)
    net = CGAN(CGANConfig(**{**vars(CGANConfig.tiny()), **changes}))

    def batch(net, step):
        g = generator(0, step)
        x, text, _ = told(8, g)
        return x, torch.randn(8, 8, generator=g), text

    loop = LoopConfig(steps=steps, save_every=2, **QUIET)
    return trainer(net, batch, loop, folder, {"run": "game"}, report=lambda row: None)


@pytest.mark.parametrize("loss", ["non-saturating", "hinge", "relativistic"])
def test_each_step_moves_both_players(loss):
    play = game(loss=loss)
    before = {k: v.clone() for k, v in play.model.state_dict().items()}
    play.fit()
    moved = {k.split(".")[0] for k, v in play.model.named_parameters() if not torch.equal(v, before[k])}
    assert moved == {"generator", "discriminator"}


def test_a_real_picture_beside_a_wrong_text_is_a_fake():
    play = game(loss="non-saturating", gamma=0.0)
    play.forward = play.loss
    real, noise, text = play.loss(play.model, 0)
    with torch.no_grad():
        fake = play.model.generator(noise, text)
        right, made, wrong = (
            play.model.discriminator(*pair) for pair in ((real, text), (fake, text), (real, text.roll(1, 0)))
        )
    wanted = F.softplus(-right).mean() + (F.softplus(made).mean() + F.softplus(wrong).mean()) / 2
    torch.testing.assert_close(play.update()[0].detach(), wanted, atol=1e-5, rtol=1e-5)

    class Deaf(MatchingTrainer):
        matching = False

    play = game(Deaf, loss="non-saturating", gamma=0.0)
    play.forward = play.loss
    torch.testing.assert_close(play.update()[0].detach(), F.softplus(-right).mean() + F.softplus(made).mean())


def test_a_resumed_game_ends_like_one_that_never_stopped(tmp_path):
    whole = game(steps=6)
    whole.fit()
    first = game(steps=6, folder=tmp_path)
    full = first.loss

    def breaks(net, step):
        if step == 5:
            raise RuntimeError("power cut")
        return full(net, step)

    first.loss = breaks
    with pytest.raises(RuntimeError, match="power cut"):
        first.fit()
    second = game(steps=6, folder=tmp_path)
    assert second.resume() and second.step == 4
    second.fit()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
