"""A generative adversarial network: a generator and a discriminator that train each other. Chapter 03 builds it.

Goodfellow et al. 2014 (the game), Mescheder et al. 2018 (R1), Huang et al. 2024 (relativistic loss with R1 and R2,
no normalisation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class GANConfig:
    """Sizes of both networks, and how the game is played."""

    size: int = 64  # side of the pictures, a power of two from 16
    latent: int = 64  # numbers of noise
    width: int = 24  # channels at full size; they double at each halving, up to four times
    loss: str = "relativistic"
    gamma: float = 1.0  # weight of the gradient penalty

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at size, size / 2, … 4 pixels."""
        return tuple(self.width * min(4, 2**k) for k in range(int(math.log2(self.size)) - 1))

    @classmethod
    def tiny(cls) -> GANConfig:
        """A configuration for tests."""
        return cls(size=16, latent=8, width=8)


class GANBlock(nn.Module):
    """Two 3 × 3 convolutions added to their input; the second starts at zero, so nothing needs normalising."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))


class Generator(nn.Module):
    """Noise (B, latent) → picture (B, 3, size, size) in -1 to 1."""

    def __init__(self, cfg: GANConfig) -> None:
        super().__init__()
        widths, corner = cfg.widths[::-1], (cfg.widths[-1], 4, 4)
        layers: list[nn.Module] = [
            nn.Linear(cfg.latent, math.prod(corner)),
            nn.Unflatten(1, corner),
            GANBlock(corner[0]),
        ]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 1), nn.Upsample(scale_factor=2), GANBlock(after)]
        self.net = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Conv2d(widths[-1], 3, 3, padding=1), nn.Tanh())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z)


class Discriminator(nn.Module):
    """Picture (B, 3, size, size) → logit (B,): large for 'real', small for 'made'."""

    def __init__(self, cfg: GANConfig) -> None:
        super().__init__()
        widths = cfg.widths
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1), GANBlock(widths[0])]
        for before, after in pairwise(widths):
            layers += [nn.AvgPool2d(2), nn.Conv2d(before, after, 1), GANBlock(after)]
        self.net = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(widths[-1] * 16, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x).squeeze(1)


class GAN(nn.Module):
    """Both players, kept together so that they are saved together."""

    def __init__(self, cfg: GANConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.generator, self.discriminator = Generator(cfg), Discriminator(cfg)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return pictures (B, 3, size, size) from noise (B, latent)."""
        return self.generator(z)


LOSSES = ("minimax", "non-saturating", "hinge", "relativistic")


def discriminator_loss(kind: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return what the discriminator makes small.

    Args:
        kind: ``minimax`` and ``non-saturating`` (Goodfellow et al. 2014, the same for this player), ``hinge``
            (Lim & Ye 2017), ``relativistic`` (Jolicoeur-Martineau 2019: real against fake, pair by pair).
        real, fake: logits (B,) of real and of made pictures.

    Raises:
        ValueError: `kind` is none of `LOSSES`.
    """
    if kind not in LOSSES:
        raise ValueError(f"there is no GAN loss {kind!r}; allowed are {LOSSES}")
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(kind: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return what the generator makes small; arguments and errors as for `discriminator_loss`."""
    if kind not in LOSSES:
        raise ValueError(f"there is no GAN loss {kind!r}; allowed are {LOSSES}")
    if kind == "minimax":
        return -F.softplus(fake).mean()
    if kind == "hinge":
        return -fake.mean()
    if kind == "relativistic":
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean()


def gradient_penalty(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return ½ E ‖∇ₓ ℓ(x)‖²: R1 where x are real pictures, R2 where they are made (Mescheder et al. 2018).

    Args:
        logits: ℓ(x), (B,), computed from `x`.
        x: (B, …), with ``requires_grad`` set before the logits were computed.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()
