"""A generative adversarial network: a generator and a discriminator that train each other. Chapter 03 builds it.

Goodfellow et al. 2014 (the game), Radford et al. 2015 (strided convolutions, batch norm in the generator),
Mescheder et al. 2018 (R1), Huang et al. 2024 (the relativistic loss with R1 and R2).
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
    width: int = 24  # channels at full size; they double at each halving, up to eight times
    loss: str = "relativistic"
    gamma: float = 0.5  # weight of the gradient penalty

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at size, size / 2, … 4 pixels."""
        return tuple(self.width * min(8, 2**k) for k in range(int(math.log2(self.size)) - 1))

    @classmethod
    def tiny(cls) -> GANConfig:
        """A configuration for tests."""
        return cls(size=16, latent=8, width=8)


class Generator(nn.Module):
    """Noise (B, latent) → picture (B, 3, size, size) in -1 to 1."""

    def __init__(self, cfg: GANConfig) -> None:
        super().__init__()
        corner = (cfg.widths[-1], 4, 4)
        layers = [nn.Linear(cfg.latent, math.prod(corner)), nn.Unflatten(1, corner)]
        for before, after in pairwise(cfg.widths[::-1]):
            layers += [nn.BatchNorm2d(before), nn.LeakyReLU(0.2)]
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]  # twice the side
        layers += [nn.BatchNorm2d(cfg.width), nn.LeakyReLU(0.2), nn.Conv2d(cfg.width, 3, 3, padding=1), nn.Tanh()]
        self.net = nn.Sequential(*layers)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z)


class Discriminator(nn.Module):
    """Picture (B, 3, size, size) → logit (B,): large for 'real', small for 'made'."""

    def __init__(self, cfg: GANConfig) -> None:
        super().__init__()
        layers = []
        for before, after in pairwise((3, *cfg.widths[1:])):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]  # half the side
            nn.init.kaiming_normal_(layers[-2].weight, 0.2)  # keeps the size of the signal, as nothing is normalised
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(cfg.widths[-1] * 16, 1))

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
