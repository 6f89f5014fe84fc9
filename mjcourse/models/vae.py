"""A variational autoencoder: pictures to a short code and back, and new pictures from noise. Chapter 02 builds it.

Kingma & Welling 2013 (the VAE), Higgins et al. 2017 (β), Rybkin et al. 2021 (the decoder's noise σ, calibrated).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the VAE and the weight β of its KL term."""

    size: int = 64  # side of the pictures, a power of two from 16
    latent: int = 96  # numbers in a code
    width: int = 32  # channels at half the resolution; they double at each halving, up to four times
    blocks: int = 0  # residual blocks at each resolution
    beta: float = 1.0

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at size / 2, size / 4, … 4 pixels."""
        return tuple(self.width * min(4, 2**k) for k in range(int(math.log2(self.size)) - 2))

    @classmethod
    def tiny(cls) -> VAEConfig:
        """A configuration for tests."""
        return cls(size=16, latent=8, width=8)


class Residual(nn.Module):
    """Two 3 × 3 convolutions added to their input, each on normalised values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.GroupNorm(4, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.net(x)


class VAE(nn.Module):
    """Picture (B, 3, size, size) in -1 to 1 → code (B, latent) → picture."""

    def __init__(self, cfg: VAEConfig) -> None:
        super().__init__()
        self.cfg = cfg
        widths, down, up = cfg.widths, [], []
        for before, after in pairwise((3, *widths)):
            down += [nn.Conv2d(before, after, 4, stride=2, padding=1), *(Residual(after) for _ in range(cfg.blocks))]
        for before, after in pairwise((*widths[::-1], 3)):
            up += [*(Residual(before) for _ in range(cfg.blocks)), nn.SiLU()]
            up += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        corner = (widths[-1], 4, 4)
        self.encoder = nn.Sequential(*down, nn.SiLU(), nn.Flatten(), nn.Linear(math.prod(corner), 2 * cfg.latent))
        self.decoder = nn.Sequential(nn.Linear(cfg.latent, math.prod(corner)), nn.Unflatten(1, corner), *up)
        self.register_buffer("sigma", torch.ones(()))  # the decoder's noise; `fit_sigma` measures it

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log-variance of q(z | x), each (B, latent)."""
        mean, logvar = self.encoder(x).chunk(2, dim=1)
        return mean, logvar.clamp(-20, 10)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return the mean picture of p(x | z), (B, 3, size, size)."""
        return self.decoder(z)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (reconstruction, mean, logvar), the code drawn with `noise` (B, latent)."""
        mean, logvar = self.encode(x)
        return self.decode(reparameterize(mean, logvar, noise)), mean, logvar

    @torch.no_grad()
    def fit_sigma(self, x: torch.Tensor, noise: torch.Tensor) -> None:
        """Set σ to its best value, the root-mean-square error of reconstructions of x (N, 3, size, size)."""
        self.sigma.fill_((self(x, noise)[0] - x).square().mean().sqrt())


def reparameterize(mean: torch.Tensor, logvar: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return z = μ + σ ⊙ ε, a sample of N(μ, diag σ²) through which gradients reach μ and σ."""
    return mean + torch.exp(0.5 * logvar) * noise


def kl_divergence(mean: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """Return KL(N(μ, diag σ²) ‖ N(0, I)) of each picture, (B,), in nats."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1)


def gaussian_nll(x: torch.Tensor, recon: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Return -log N(x; recon, σ² I) of each picture, (B,), in nats."""
    squares = (x - recon).square().flatten(1).sum(1)
    return squares / (2 * sigma**2) + x[0].numel() * (torch.log(sigma) + 0.5 * math.log(2 * math.pi))


def vae_loss(
    x: torch.Tensor, recon: torch.Tensor, mean: torch.Tensor, logvar: torch.Tensor, beta: float
) -> tuple[torch.Tensor, dict]:
    """Return reconstruction + β · KL per number of the picture, in nats, with the best σ for this batch."""
    x, recon, mean, logvar = x.float(), recon.float(), mean.float(), logvar.float()
    sigma = (recon - x).square().mean().sqrt().detach()
    nll, kl = gaussian_nll(x, recon, sigma).mean(), kl_divergence(mean, logvar).mean()
    return (nll + beta * kl) / x[0].numel(), {
        "nll": nll.detach(),
        "kl": kl.detach(),
        "psnr": -20 * torch.log10(sigma / 2),
    }


@torch.no_grad()
def log_likelihood(model: VAE, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Estimate log p(x) of each picture with K codes from q(z | x), (B,), in nats (Burda et al. 2016, eq. 8).

    log 1/K Σ p(x | z) p(z) / q(z | x); with K = 1 the mean of this is the ELBO, and it rises with K.

    Args:
        model: the VAE, its σ measured.
        x: (B, 3, size, size).
        noise: (K, B, latent) standard normal.
    """
    mean, logvar = model.encode(x)
    terms = []
    for eps in noise:
        z = reparameterize(mean, logvar, eps)
        log_prior, log_q = -0.5 * z.square().sum(1), -0.5 * (eps.square() + logvar).sum(1)  # both without 2π
        terms.append(-gaussian_nll(x, model.decode(z), model.sigma) + log_prior - log_q)
    return torch.logsumexp(torch.stack(terms), 0) - math.log(len(noise))
