"""Chapter 02: its faults really break a small VAE, the repairs mend it, and its equations hold in numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.models import vae as V
from mjcourse.models.vae import VAE, VAEConfig
from mjcourse.training.loop import Ema, LoopConfig, learning_rate
from mjcourse.training.vae import gaussian_codes

STEPS = 120


def pictures(count: int = 256, key: int = 0) -> torch.Tensor:
    """Return pictures (count, 3, 16, 16) of a sky and a ground, each of any colour, and a horizon somewhere."""
    g = config.generator(20, key)
    sky, ground = (torch.rand(count, 3, 1, 1, generator=g) * 1.6 - 0.8 for _ in range(2))
    horizon = torch.randint(4, 12, (count, 1, 1, 1), generator=g)
    above = (torch.arange(16).view(1, 1, 16, 1) < horizon).expand(-1, 1, 16, 16)
    return torch.where(above, sky, ground) + 0.05 * torch.randn(count, 3, 16, 16, generator=g)


def collapse(x, recon, mean, logvar, beta):
    nll = V.gaussian_nll(x, recon, torch.tensor(25.5)).mean()
    return (nll + beta * V.kl_divergence(mean, logvar).mean()) / x[0].numel()


def reduction(x, recon, mean, logvar, beta):
    return F.mse_loss(recon, x) + beta * V.kl_divergence(mean, logvar).mean()


def sign(x, recon, mean, logvar, beta):
    return V.vae_loss(x, recon, mean, logvar, -beta)[0]


def healthy(x, recon, mean, logvar, beta):
    return V.vae_loss(x, recon, mean, logvar, beta)[0]


def train(loss, net: VAE | None = None, steps: int = STEPS, beta=lambda step: 1.0) -> VAE:
    """Train a tiny VAE, from the start or further."""
    if net is None:
        torch.manual_seed(0)
        net = VAE(VAEConfig.tiny())
    data, optimizer = pictures(), torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(steps):
        g = config.generator(0, step)
        x = data[torch.randint(len(data), (32,), generator=g)]
        value = loss(x, *net(x, torch.randn(32, net.cfg.latent, generator=g)), beta(step))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    net.last = float(value.detach())
    return net


@torch.no_grad()
def look(net: VAE) -> dict:
    """Return active units, KL in nats, spread of reconstructions over pictures, and their PSNR above the mean's."""
    x = pictures(200, key=1)
    mean, logvar = net.encode(x)
    recon, flat = net.decode(mean), pictures().mean(0)
    return {
        "active": int((mean.var(0) > 0.01).sum()),
        "kl": float(V.kl_divergence(mean, logvar).mean()),
        "spread": float(recon.std(0).mean()),
        "gain": 10 * math.log10(float((x - flat).square().mean() / (x - recon).square().mean())),
        "widest": float(mean.abs().max()),
    }


@pytest.fixture(scope="module")
def well():
    net = train(healthy)
    return look(net) | {"loss": net.last}


def test_the_healthy_run_learns(well):
    assert well["active"] >= 4 and 2 < well["kl"] < 200
    assert well["gain"] > 3 and well["spread"] > 0.2


@pytest.mark.parametrize("wrong", [collapse, reduction])
def test_too_loud_a_noise_collapses_the_posterior_and_the_right_loss_wakes_it(wrong, well):
    net = train(wrong)
    ill = look(net)
    assert ill["active"] == 0 and ill["kl"] < 0.1
    assert ill["spread"] < 0.05 and ill["gain"] < 0.5  # every picture is the mean picture
    mended = look(train(healthy, net))
    assert mended["active"] >= 4 and mended["kl"] > 2 and mended["gain"] > 2


def test_a_warm_up_does_not_mend_a_wrong_sigma():
    net = train(collapse, steps=STEPS, beta=lambda step: 0.0)
    carried = look(net)
    after = look(train(collapse, net, steps=2 * STEPS, beta=lambda step: min(1.0, step / STEPS)))
    assert carried["active"] >= 4 and after["active"] == 0 and after["kl"] < 0.5 < carried["kl"]


def test_with_the_wrong_sign_the_loss_is_best_and_the_codes_run_away(well):
    net = train(sign)
    ill = look(net)
    assert net.last < well["loss"] - 10  # far below what is possible
    assert ill["kl"] > 100 * well["kl"] and ill["widest"] > 50
    assert ill["gain"] < well["gain"] - 2


def test_the_sign_is_caught_without_training():
    x, recon, mean, logvar = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8), torch.randn(4, 6), torch.randn(4, 6)
    with_kl, without = (V.vae_loss(x, recon, mean, logvar, beta)[0] for beta in (1.0, 0.0))
    assert with_kl > without > sign(x, recon, mean, logvar, 1.0)


# ---- equations of the chapter that it does not check itself ---------------------------------------


def test_a_mean_reduction_is_a_sigma_of_half_the_numbers_of_a_picture():
    """Section 11b: mse + KL has the gradients of nll + KL with σ² = D / 2."""
    x, target = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    recon = x.clone().requires_grad_()
    (by_mean,) = torch.autograd.grad(F.mse_loss(recon, target), recon)
    nll = V.gaussian_nll(target, recon, torch.tensor(math.sqrt(192 / 2))).mean()
    (by_nll,) = torch.autograd.grad(nll, recon)
    torch.testing.assert_close(by_mean, by_nll)


def test_beta_and_a_fixed_sigma_are_one_knob():
    """Equation (16): nll(σ) + β KL equals β (nll(σ √β) + KL), but for a constant."""
    beta, sigma = 3.0, torch.tensor(0.7)
    x, mean, logvar = torch.randn(5, 3, 4, 4), torch.randn(5, 6), torch.randn(5, 6)
    kl, differences = V.kl_divergence(mean, logvar), []
    for key in range(3):
        recon = torch.randn(5, 3, 4, 4, generator=config.generator(key))
        one = V.gaussian_nll(x, recon, sigma) + beta * kl
        other = beta * (V.gaussian_nll(x, recon, sigma * math.sqrt(beta)) + kl)
        differences.append(one - other)
    torch.testing.assert_close(differences[0], differences[1], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(differences[0], differences[2], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_an_axis_of_the_data_is_used_if_and_only_if_its_variance_exceeds_beta_sigma_squared(beta):
    """Equation (18), on a linear VAE in closed form: x = w z + noise along each axis, q = N(v x, s²).

    With E x² = λ: E nll = (λ (1 - w v)² + w² s²) / 2σ², KL = (v² λ + s² - 1 - log s²) / 2.
    """
    sigma2 = 0.5
    variances = torch.tensor([0.1, 0.4, 0.6, 1.5, 2.5, 10.0])
    w, v = (torch.full((6,), 0.5, requires_grad=True) for _ in range(2))
    log_s2 = torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.Adam([w, v, log_s2], lr=0.02)
    for _ in range(3000):
        s2 = log_s2.exp()
        nll = (variances * (1 - w * v) ** 2 + w**2 * s2) / (2 * sigma2)
        kl = 0.5 * (v**2 * variances + s2 - 1 - log_s2)
        loss = (nll + beta * kl).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    used = (v**2 * variances > 0.01).tolist()
    assert used == (variances > beta * sigma2).tolist()
    wanted = (variances - beta * sigma2).clamp(min=0)  # Tipping & Bishop 1999: w² = λ - σ²
    torch.testing.assert_close(w.detach() ** 2, wanted, atol=0.02, rtol=0.01)


def test_log_likelihood_is_elbo_plus_the_gap():
    """Equation (8) on a model with two codes' worth of arithmetic: one number, p(x | z) = N(z, σ²)."""
    sigma2, x, m, s2 = 0.3, 1.2, 0.4, 0.5
    evidence = -0.5 * (math.log(2 * math.pi * (1 + sigma2)) + x**2 / (1 + sigma2))
    nll = ((x - m) ** 2 + s2) / (2 * sigma2) + 0.5 * math.log(2 * math.pi * sigma2)  # E_q of (x - z)² is (x - m)² + s²
    kl = float(V.kl_divergence(torch.tensor([[m]]), torch.tensor([[math.log(s2)]])))
    mean, var = x / (1 + sigma2), sigma2 / (1 + sigma2)  # the true posterior
    gap = 0.5 * (s2 / var + (m - mean) ** 2 / var - 1 - math.log(s2 / var))
    assert evidence == pytest.approx(-nll - kl + gap, abs=1e-6)


def test_scaling_codes_leaves_an_autoencoder_as_it_is_and_changes_its_samples():
    """Section 4: the scale of a plain autoencoder's codes is an accident."""
    torch.manual_seed(0)
    net, other = VAE(VAEConfig.tiny()), VAE(VAEConfig.tiny())
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        other.encoder[-1].weight[:8] *= 10
        other.encoder[-1].bias[:8] *= 10
        other.decoder[0].weight /= 10
        x, z = pictures(8), torch.randn(8, 8)
        torch.testing.assert_close(net.decode(net.encode(x)[0]), other.decode(other.encode(x)[0]))
        assert not torch.allclose(net.decode(z), other.decode(z), atol=1e-3)


def test_the_schedule_and_the_average_are_those_of_equations_2_and_3():
    cfg = LoopConfig(steps=100, lr=0.1, warmup=10, lr_end=0.2)
    assert learning_rate(4, cfg) == pytest.approx(0.05)
    assert learning_rate(55, cfg) == pytest.approx(0.1 * (0.2 + 0.8 * 0.5))  # half of the cosine
    assert learning_rate(100, cfg) == pytest.approx(0.02)
    net = torch.nn.Linear(1, 1)
    ema, values, expected = Ema(net, 0.5), torch.randn(30).tolist(), float(net.weight.detach())
    for step, value in enumerate(values):
        with torch.no_grad():
            net.weight.fill_(value)
        ema.update(net, step)
        d = min(0.5, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * value
    assert float(ema.values["weight"]) == pytest.approx(expected, abs=1e-5)


def test_holes_are_seen_by_a_distance_from_own_reconstructions():
    """A fitted Gaussian is nearer to the codes of an autoencoder than N(0, I) is, in pixels too."""
    net = train(lambda x, recon, mean, logvar, beta: F.mse_loss(recon, x), beta=lambda step: 0.0)
    with torch.no_grad():
        codes, z = net.encode(pictures(200, key=1))[0], torch.randn(200, 8, generator=config.generator(5))
        best = net.decode(codes).flatten(1)
        far = [
            float((net.decode(c).flatten(1).std(0) - best.std(0)).abs().mean())
            for c in (z, gaussian_codes(codes, 200, 0))
        ]
    assert far[1] < far[0]
