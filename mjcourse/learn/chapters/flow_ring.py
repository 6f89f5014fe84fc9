"""The plane of chapter 10: Gaussian heaps on a ring, and what is known exactly about them."""

from __future__ import annotations

import math

import torch

MODES, RADIUS, SPREAD = 8, 1.4, 0.15  # heaps; radius of the ring and width of a heap, for points of size 1


def ring_centres(size: float = 1.0, modes: int = MODES) -> torch.Tensor:
    """Return the centres of the heaps, (modes, 2), of points with a standard deviation of about `size`."""
    angle = torch.arange(modes) * 2 * math.pi / modes
    return size * RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def ring_points(count: int, g: torch.Generator, centres: torch.Tensor, spread: float = SPREAD) -> torch.Tensor:
    """Return points (count, 2) of heaps with these centres (K, 2) and this width."""
    return centres[torch.randint(len(centres), (count,), generator=g)] + spread * torch.randn(count, 2, generator=g)


def mean_picture(z: torch.Tensor, t: float, centres: torch.Tensor, spread: float = SPREAD) -> torch.Tensor:
    """Return the mean of x given z_t = z, (B, 2): what the best network says that says x.

    Args:
        z: (B, 2).
        t: 0 (noise) to 1 (data).
        centres: of the heaps, (K, 2), all as frequent.
        spread: their width.
    """
    return _mean(z, t, centres, spread, t * spread**2)


def mean_velocity(z: torch.Tensor, t: float, centres: torch.Tensor, spread: float = SPREAD) -> torch.Tensor:
    """Return equation (7), the mean of x - noise given z_t = z, (B, 2); arguments as for `mean_picture`."""
    return _mean(z, t, centres, spread, t * spread**2 - (1 - t))


def _mean(z: torch.Tensor, t: float, centres: torch.Tensor, spread: float, pull: float) -> torch.Tensor:
    """Return the mean over the heaps of what (7) has in its bracket, with `pull` over the variance before z - t c."""
    var = (1 - t) ** 2 + (t * spread) ** 2
    centres = centres.to(z.dtype)
    away = z[:, None] - t * centres  # (B, K, 2)
    weight = (-away.square().sum(-1) / (2 * var)).softmax(1)  # which heap it was, by Bayes' rule
    return (weight[..., None] * (centres + pull / var * away)).sum(1)
