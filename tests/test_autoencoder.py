"""The codebook against a peer's, the perceptual distance, the patch discriminator and the game around them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from mjcourse.models.patch import PatchConfig, PatchDiscriminator, adaptive_weight
from mjcourse.models.perceptual import PerceptualConfig, PerceptualNet, perceptual_distance
from mjcourse.models.vq import Codebook, VQAutoencoder, VQConfig, perplexity
from mjcourse.training.loop import LoopConfig
from mjcourse.training.painter import Painter, PainterTrainer, Terms


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# ---- the codebook --------------------------------------------------------------------------------


def test_codebook_equals_diffusers():
    """On the unit sphere the nearest code by angle is the nearest by distance, which is what the peer looks for."""
    from diffusers.models.autoencoders.vae import VectorQuantizer

    cfg = VQConfig.tiny()
    ours = Codebook(cfg)
    theirs = VectorQuantizer(cfg.codes, cfg.latent_channels, beta=cfg.commitment, legacy=False, sane_index_shape=True)
    theirs.embedding.weight = nn.Parameter(F.normalize(ours.codes.detach(), dim=1))
    mine, yours = (torch.randn(3, 8, 5, 7, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    mine.requires_grad_(), yours.requires_grad_()
    code, tokens, loss = ours(mine)
    their_code, their_loss, (_, _, their_tokens) = theirs(F.normalize(yours, dim=1))
    assert (tokens == their_tokens).all()
    torch.testing.assert_close(code, their_code)
    torch.testing.assert_close(loss, their_loss)
    target = torch.randn(3, 8, 5, 7)
    ((code - target).square().mean() + loss).backward()
    ((their_code - target).square().mean() + their_loss).backward()
    torch.testing.assert_close(mine.grad, yours.grad)  # straight through the codebook


def test_lookup_gives_back_what_was_chosen():
    book = Codebook(VQConfig.tiny())
    code, tokens, _ = book(torch.randn(2, 8, 4, 4))
    torch.testing.assert_close(book.lookup(tokens), code)
    torch.testing.assert_close(code.norm(dim=1), torch.ones(2, 4, 4))


def test_usage_is_counted_in_training_only_and_dead_codes_revive():
    cfg = VQConfig.tiny()
    book, z = Codebook(cfg), torch.randn(1, 8, 1, 1).expand(4, 8, 6, 6)  # all alike: one code is chosen
    book.eval()
    chosen = int(book(z)[1].flatten()[0])
    assert (book.usage == 1).all()
    book.train()
    for _ in range(600):
        book(z)
    assert book.usage[chosen] > 30 and (book.usage[[i for i in range(32) if i != chosen]] < cfg.dead).all()
    fresh = torch.randn(4, 8, 6, 6)
    before = book.codes[chosen].clone()
    assert book.revive(fresh, torch.Generator().manual_seed(0)) == 31
    assert torch.equal(book.codes[chosen], before) and (book.usage >= 1).all()
    among = F.normalize(fresh, dim=1).permute(0, 2, 3, 1).flatten(0, 2)
    others = book.codes[[i for i in range(32) if i != chosen]]
    assert torch.cdist(others, among).min(1).values.max() < 1e-3  # each is one of the latents
    assert len(book(fresh)[1].unique()) > 15
    assert book.revive(fresh, torch.Generator()) == 0


def test_bfloat16_does_not_change_the_tokens():
    cfg = VQConfig()
    book, z = Codebook(cfg).eval(), torch.randn(2, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        tokens = book(z)[1]
    assert (tokens == book(z)[1]).all()


def test_perplexity():
    assert float(perplexity(torch.arange(32), 32)) == pytest.approx(32, rel=1e-5)
    assert float(perplexity(torch.zeros(9, dtype=torch.int64), 32)) == pytest.approx(1)
    assert float(perplexity(torch.tensor([0, 0, 1, 1]), 1024)) == pytest.approx(2)


def test_vq_autoencoder_encodes_and_decodes():
    net = VQAutoencoder(VQConfig.tiny()).eval()
    x = torch.rand(2, 3, 48, 72) * 2 - 1
    tokens = net.encode(x)
    assert tokens.shape == (2, 12, 18) and int(tokens.min()) >= 0 and int(tokens.max()) < 32
    torch.testing.assert_close(net.decode(tokens), net(x)[0])


# ---- the eye ---------------------------------------------------------------------------------------


def test_perceptual_distance():
    net = PerceptualNet(PerceptualConfig.tiny()).eval()
    x, y = torch.rand(3, 3, 64, 64) * 2 - 1, torch.rand(3, 3, 64, 64) * 2 - 1
    assert float(perceptual_distance(net, x, x).abs().max()) == 0
    there, back = perceptual_distance(net, x, y), perceptual_distance(net, y, x)
    torch.testing.assert_close(there, back)
    assert there.shape == (3,) and (there > 0).all() and (there <= 4).all()  # unit vectors are at most 2 apart
    near = perceptual_distance(net, x, x + 0.02 * torch.randn_like(x))
    assert (near < there).all()
    one = perceptual_distance(net, x[1:2], y[1:2])
    torch.testing.assert_close(one, there[1:2])  # each pair by itself
    maps = [m.shape for m in net.features(x)]
    assert maps == [(3, 8, 64, 64), (3, 16, 32, 32), (3, 32, 16, 16), (3, 32, 8, 8)]
    assert [logits.shape for logits in net(x)] == [(3, 3), (3, 4)]


# ---- the game --------------------------------------------------------------------------------------


def test_a_patch_logit_sees_as_much_as_stated():
    net = PatchDiscriminator(PatchConfig.tiny())
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    logits = net(x)
    assert logits.shape == (1, 8, 8)
    (seen,) = torch.autograd.grad(logits[0, 4, 4], x)
    rows = seen[0].abs().sum((0, 2)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 22


def test_adaptive_weight_makes_both_pulls_equal():
    rec, gan = torch.randn(12, 8, 3, 3), 1e-2 * torch.randn(12, 8, 3, 3)
    weight = adaptive_weight(rec, gan)
    torch.testing.assert_close((weight * gan).norm(), rec.norm(), rtol=0.01, atol=0)
    assert float(adaptive_weight(rec, torch.zeros_like(gan))) == pytest.approx(min(float(rec.norm()) / 1e-4, 1e4))


def players(adversarial: float, start: int = 0, steps: int = 1) -> PainterTrainer:
    torch.manual_seed(0)
    net = Painter(Autoencoder(AutoencoderConfig.tiny()), PatchDiscriminator(PatchConfig.tiny()))
    x = torch.rand(4, 3, 16, 16) * 2 - 1

    class Trainer(PainterTrainer):
        terms, eye = Terms(perceptual=0.3, adversarial=adversarial, start=start), PerceptualNet(
            PerceptualConfig.tiny()
        ).eval().requires_grad_(False)  # fmt: skip

    cfg = LoopConfig(steps=steps, lr=1e-3, warmup=1, amp=False, clip=1e9)
    return Trainer(net, lambda model, step: (x, torch.zeros(4, 4, 4, 4)), cfg, report=lambda row: None)


def test_the_autoencoders_gradient_is_that_of_the_whole_loss():
    """The step computes it in pieces at the picture; autograd on the sum must agree."""
    trainer = players(adversarial=0.5)
    net, (x, noise) = trainer.model, trainer.loss(None, 0)
    recon, latent_loss, _ = net.autoencoder(x, noise)
    first = reconstruction_loss(x, recon) + 0.3 * perceptual_distance(trainer.eye, x, recon).mean()
    gan = -net.discriminator(recon).mean()
    last = net.autoencoder.decoder.last.weight
    (a,), (b,) = (torch.autograd.grad(term, last, retain_graph=True) for term in (first, gan))
    total = first + latent_loss + 0.5 * adaptive_weight(a, b) * gan
    wanted = torch.autograd.grad(total, list(net.autoencoder.parameters()), allow_unused=True)
    found = {}
    trainer.optimizers[0].register_step_pre_hook(
        lambda *_: found.update({n: p.grad.clone() for n, p in net.autoencoder.named_parameters()})
    )
    trainer.fit()
    for (name, _), w in zip(net.autoencoder.named_parameters(), wanted, strict=True):
        torch.testing.assert_close(found[name], torch.zeros_like(found[name]) if w is None else w, msg=name)


def test_the_discriminator_waits_for_its_start():
    trainer = players(adversarial=0.5, start=2, steps=2)
    before = {k: v.clone() for k, v in trainer.model.discriminator.state_dict().items()}
    trainer.fit()
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.discriminator.state_dict().items())
    trainer = players(adversarial=0.5, start=2, steps=3)
    trainer.fit()
    assert any(not torch.equal(v, before[k]) for k, v in trainer.model.discriminator.state_dict().items())
    assert {"weight", "gan", "d_loss", "perceptual", "psnr", "kl"} <= set(trainer.log[-1])


def test_the_discriminator_learns_to_tell():
    trainer = players(adversarial=1e-9, steps=60)
    trainer.fit()
    net, (x, noise) = trainer.model, trainer.loss(None, 0)
    with torch.no_grad():
        recon = net.autoencoder(x, noise)[0]
        assert float(net.discriminator(x).mean()) > float(net.discriminator(recon).mean()) + 0.2
