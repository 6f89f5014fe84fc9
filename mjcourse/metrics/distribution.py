"""Distances between two sets of pictures, on the probe's features. Chapters 02, 03 and 10 use them.

None of these is 'FID': that name belongs to features of an Inception network trained on ImageNet. These use the
probe's 256 features (`Probe.features`) and say so. Every number needs its n and its reference, the same distance
between real pictures and other real pictures at the same n.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mjcourse.config import UserError
from mjcourse.data.store import to_tensor


@torch.no_grad()
def probe_features(probe, images: np.ndarray, batch: int = 256) -> torch.Tensor:
    """Return the probe's features of pictures.

    Args:
        probe: a trained probe.
        images: (N, 64, 64, 3) uint8.

    Returns:
        (N, 256) float32 on the CPU.
    """
    device = next(probe.parameters()).device
    parts = (images[i : i + batch] for i in range(0, len(images), batch))
    return torch.cat([probe.features(to_tensor(part).to(device)).float().cpu() for part in parts])


class _Features(nn.Module):
    """Lets torchmetrics take features where it expects pictures."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _check(real: torch.Tensor, fake: torch.Tensor, at_least: int) -> None:
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise UserError(f"features must be (N, d) with one d; got {tuple(real.shape)} and {tuple(fake.shape)}.")
    if min(len(real), len(fake)) < at_least:
        raise UserError(f"this distance needs at least {at_least} pictures a side; got {len(real)} and {len(fake)}.")


def frechet_distance(real: torch.Tensor, fake: torch.Tensor) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of features (Heusel et al. 2017).

    ‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½); it falls with n, so compare at the same n only.

    Args:
        real, fake: (N, d) and (M, d) features, 2 or more of each.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    _check(real, fake, 2)
    metric = FrechetInceptionDistance(feature=_Features(real.shape[1])).set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return float(metric.compute())


def kernel_distance(real: torch.Tensor, fake: torch.Tensor, subsets: int = 50, seed: int = 0) -> tuple[float, float]:
    """Return the kernel distance and its standard deviation over subsets (Bińkowski et al. 2018).

    Unbiased in n, unlike the Fréchet distance; 0 on average for sets from one distribution.

    Args:
        real, fake: (N, d) and (M, d) features, 20 or more of each.
        subsets: number of random subsets, each of half of the smaller set, at most 500.
        seed: fixes the subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    _check(real, fake, 20)
    size = min(500, min(len(real), len(fake)) // 2)
    metric = KernelInceptionDistance(feature=_Features(real.shape[1]), subsets=subsets, subset_size=size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        metric.update(real, real=True)
        metric.update(fake, real=False)
        mean, spread = metric.compute()
    return float(mean), float(spread)


def density_coverage(real: torch.Tensor, fake: torch.Tensor, k: int = 5) -> tuple[float, float]:
    """Return density and coverage (Naeem et al. 2020), with balls to the k-th neighbour among the real.

    Density says how many real balls a fake lies in, over k: fidelity, about 1 for real against real. Coverage is
    the share of real balls that hold at least one fake: diversity, at most 1.

    Args:
        real, fake: (N, d) and (M, d) features, more than k of each.
        k: neighbours.
    """
    _check(real, fake, k + 1)
    among = torch.cdist(real, real)
    radius = among.kthvalue(k + 1, dim=1).values  # the nearest is the picture itself
    inside = torch.cdist(real, fake) < radius[:, None]  # (N, M)
    return float(inside.sum(0).float().mean() / k), float(inside.any(1).float().mean())
