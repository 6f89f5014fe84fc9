"""The VAE and the GAN against torch's own distributions and losses, and against models solved by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import MultivariateNormal, Normal
from torch.distributions import kl_divergence as torch_kl

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.metrics.reconstruction import psnr, ssim
from mjcourse.models import vae as V
from mjcourse.models.gan import (
    GAN,
    GANConfig,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from mjcourse.models.vae import VAE, VAEConfig
from mjcourse.training.adversarial import AdversarialTrainer
from mjcourse.training.loop import LoopConfig
from mjcourse.training.vae import gaussian_codes


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# ---- the VAE's terms -----------------------------------------------------------------------------


def test_kl_equals_torchs():
    mean, logvar = torch.randn(5, 7), torch.randn(5, 7)
    wanted = torch_kl(Normal(mean, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(V.kl_divergence(mean, logvar), wanted)


def test_nll_equals_torchs():
    x, recon, sigma = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5), torch.tensor(0.3)
    wanted = -Normal(recon, sigma).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(V.gaussian_nll(x, recon, sigma), wanted)


def test_codes_are_drawn_from_the_posterior_and_gradients_reach_it():
    mean, logvar = torch.tensor([[1.0, -2.0]]).requires_grad_(), torch.tensor([[0.5, -1.0]]).requires_grad_()
    z = V.reparameterize(mean, logvar, torch.randn(200_000, 2))
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(0), logvar[0].exp(), atol=0.02, rtol=0)
    slopes = torch.autograd.grad(z.square().mean(0).sum(), (mean, logvar))  # of μ² + σ²
    torch.testing.assert_close(slopes[0], 2 * mean, atol=0.05, rtol=0)
    torch.testing.assert_close(slopes[1], logvar.exp(), atol=0.05, rtol=0)


def test_loss_uses_the_best_sigma_of_the_batch():
    x, recon = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    mean, logvar = torch.randn(4, 6), torch.randn(4, 6)
    loss, parts = V.vae_loss(x, recon, mean, logvar, 2.0)
    values = torch.linspace(0.5, 3, 400)
    by_sigma = torch.stack([V.gaussian_nll(x, recon, s).mean() for s in values])
    assert values[by_sigma.argmin()] == pytest.approx(float((x - recon).square().mean().sqrt()), abs=0.01)
    assert float(parts["nll"]) == pytest.approx(float(by_sigma.min()), rel=1e-4)
    assert float(loss) == pytest.approx(float(parts["nll"] + 2 * parts["kl"]) / 192, rel=1e-6)
    assert float(parts["psnr"]) == pytest.approx(10 * math.log10(4 / float((x - recon).square().mean())), abs=1e-3)


class Linear(VAE):
    """x = W z + noise with a posterior of our choice: log p(x) is known."""

    def __init__(self, w, mean, logvar, sigma):
        nn.Module.__init__(self)
        self.w, self.posterior, self.sigma = w, (mean, logvar), sigma

    def encode(self, x):
        return tuple(t.expand(len(x), -1) for t in self.posterior)

    def decode(self, z):
        return (z @ self.w.T)[:, :, None, None]


def test_importance_weighted_estimate_reaches_the_known_likelihood_from_below():
    w, sigma = torch.tensor([[1.0, 0.5], [-0.5, 1.5], [0.7, 0.2]]), torch.tensor(0.6)
    x = torch.tensor([[0.4, 1.0, -0.3]])
    exact = MultivariateNormal(torch.zeros(3), w @ w.T + sigma**2 * torch.eye(3)).log_prob(x)
    model = Linear(w, torch.tensor([[0.1, 0.5]]), torch.tensor([[-1.0, -1.0]]), sigma)
    pictures = x[:, :, None, None].expand(400, -1, -1, -1)
    bounds = [float(V.log_likelihood(model, pictures, torch.randn(k, 400, 2)).mean()) for k in (1, 5, 50, 2000)]
    assert bounds == sorted(bounds) and bounds[0] < float(exact) - 0.1
    assert bounds[-1] == pytest.approx(float(exact), abs=0.01)
    mean, logvar = model.encode(pictures)
    elbo = -V.gaussian_nll(pictures, model.decode(V.reparameterize(mean, logvar, torch.randn(400, 2))), sigma).mean()
    assert bounds[0] == pytest.approx(float(elbo - V.kl_divergence(mean, logvar).mean()), abs=0.25)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_shapes_of_both_models_at_each_size(size):
    vae, gan = VAE(VAEConfig(size=size, latent=6, width=8)), GAN(GANConfig(size=size, latent=6, width=8))
    x = torch.randn(2, 3, size, size)
    recon, mean, logvar = vae(x, torch.randn(2, 6))
    assert recon.shape == x.shape and mean.shape == logvar.shape == (2, 6)
    made = gan(torch.randn(2, 6))
    assert made.shape == x.shape and made.abs().max() <= 1 and gan.discriminator(made).shape == (2,)


def test_sigma_is_the_error_of_reconstructions():
    vae, x, noise = VAE(VAEConfig.tiny()), torch.randn(4, 3, 16, 16), torch.randn(4, 8)
    vae.fit_sigma(x, noise)
    torch.testing.assert_close(vae.sigma**2, F.mse_loss(vae(x, noise)[0], x))


def test_gaussian_codes_have_the_mean_and_covariance_of_the_codes():
    codes = torch.randn(5000, 3) @ torch.tensor([[1.0, 0.4, 0.0], [0.0, 0.5, 0.2], [0.0, 0.0, 2.0]]) + 3
    drawn = gaussian_codes(codes, 50_000, seed=0)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), atol=0.08, rtol=0)


# ---- the GAN's terms -----------------------------------------------------------------------------


def test_losses_of_the_game_equal_torchs():
    real, fake = torch.randn(9) * 3, torch.randn(9) * 3
    one, zero = torch.ones(9), torch.zeros(9)
    bce = F.binary_cross_entropy_with_logits
    for kind in ("minimax", "non-saturating"):
        torch.testing.assert_close(discriminator_loss(kind, real, fake), bce(real, one) + bce(fake, zero))
    torch.testing.assert_close(generator_loss("non-saturating", real, fake), bce(fake, one))
    torch.testing.assert_close(generator_loss("minimax", real, fake), -bce(fake, zero))
    torch.testing.assert_close(discriminator_loss("relativistic", real, fake), bce(real - fake, one))
    torch.testing.assert_close(generator_loss("relativistic", real, fake), bce(fake - real, one))
    hinge = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    torch.testing.assert_close(discriminator_loss("hinge", real, fake), hinge)
    torch.testing.assert_close(generator_loss("hinge", real, fake), -fake.mean())


def test_an_unknown_loss_is_refused():
    for loss in (discriminator_loss, generator_loss):
        with pytest.raises(ValueError, match="'hinge'"):
            loss("wasserstien", torch.zeros(2), torch.zeros(2))


def test_gradient_penalty_of_functions_whose_gradient_is_known():
    x = torch.randn(6, 3, 4, 4, requires_grad=True)
    w = torch.randn(3, 4, 4)
    torch.testing.assert_close(gradient_penalty((x * w).sum((1, 2, 3)), x), 0.5 * w.square().sum())
    squares = gradient_penalty(x.square().sum((1, 2, 3)), x)  # gradient 2 x
    torch.testing.assert_close(squares, 2 * x.square().sum((1, 2, 3)).mean())
    (slope,) = torch.autograd.grad(squares, x)  # it can be trained on
    torch.testing.assert_close(slope, 4 * x / len(x))


# ---- the loop for two players --------------------------------------------------------------------


def play(folder=None, steps=9, **changes) -> AdversarialTrainer:
    torch.manual_seed(0)
    net = GAN(GANConfig(**{"size": 16, "latent": 8, "width": 8} | changes))

    def batch(net, step):
        g = config.generator(3, step)
        return torch.rand(4, 3, 16, 16, generator=g) * 2 - 1, torch.randn(4, 8, generator=g)

    cfg = LoopConfig(steps=steps, batch_size=4, warmup=2, log_every=1, save_every=5, amp=False, betas=(0.0, 0.99))
    return AdversarialTrainer(net, batch, cfg, folder, {"tiny": changes}, report=lambda row: None)


def weights(trainer) -> dict:
    return {k: v.clone() for k, v in trainer.model.state_dict().items()}


@pytest.mark.parametrize("loss", ["minimax", "non-saturating", "hinge", "relativistic"])
def test_each_step_moves_both_players(loss):
    trainer = play(steps=1, loss=loss)
    before = weights(trainer)
    trainer.fit()
    moved = {k.split(".")[0] for k, v in trainer.model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"generator", "discriminator"}


def test_the_discriminators_step_gives_the_generator_no_gradient():
    trainer, seen = play(steps=1), []
    of_d = trainer.optimizers[0]
    step = of_d.step
    of_d.step = lambda: (seen.extend(p.grad for p in trainer.model.generator.parameters()), step())
    trainer.fit()
    assert seen and all(g is None for g in seen)


def test_the_penalty_comes_at_every_eighth_step_and_only_if_wanted():
    trainer = play(steps=17)
    trainer.fit()
    assert [row["step"] - 1 for row in trainer.log if row["penalty"] > 0] == [0, 8, 16]
    trainer = play(steps=3, gamma=0.0)
    trainer.fit()
    assert all(row["penalty"] == 0 for row in trainer.log)


def test_a_resumed_game_ends_like_one_that_never_stopped(tmp_path):
    whole = play(steps=9)
    whole.fit()
    half = play(tmp_path, steps=9)
    report = half.report

    def stop(row):
        if half.step == 7:
            raise KeyboardInterrupt
        report(row)

    half.report = stop
    with pytest.raises(KeyboardInterrupt):
        half.fit()
    again = play(tmp_path, steps=9)
    assert again.resume() and again.step == 5
    again.fit()
    for name, value in weights(whole).items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert all(torch.equal(v, again.ema.values[k]) for k, v in whole.ema.values.items())


# ---- reconstruction ------------------------------------------------------------------------------


def test_psnr_of_a_known_error():
    x = torch.zeros(2, 3, 16, 16)
    torch.testing.assert_close(psnr(x, x + 0.2), torch.full((2,), 20.0), atol=1e-3, rtol=0)  # 20 log10(2 / 0.2)
    assert psnr(x + 1, x + 5).isinf().all()  # beyond the range is cut off, as on the screen


def test_ssim_of_equal_other_and_flat_pictures():
    x, other = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(ssim(x, x), torch.ones(2))
    assert (ssim(x, other).abs() < 0.1).all()
    flat, brighter = torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.5)
    c1 = (0.01 * 2) ** 2  # flat pictures: only the first factor of Wang et al.'s eq. 13 is left; here with means 0, ½
    assert float(ssim(flat, brighter)) == pytest.approx(c1 / (0.25 + c1), rel=1e-2)


def test_pictures_of_other_shapes_are_refused():
    for measure in (psnr, ssim):
        with pytest.raises(UserError, match="alike"):
            measure(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 8, 8))
