"""A ×4 upscaler: what bicubic interpolation lacks, added by a residual network. Chapter 11 builds it.

Shi et al. 2016 (sub-pixel convolution: work at the small size, rearrange channels into pixels at the end),
Kim et al. 2016 and Lim et al. 2017 (predict the residual; no batch norm).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.autoencoder import ResBlock

FACTOR = 4  # how much larger each side becomes


@dataclass(frozen=True)
class UpscalerConfig:
    """Sizes of the upscaler."""

    width: int = 64  # channels at the size of the input, where most layers are
    blocks: int = 6
    fine_width: int = 32  # channels at twice that size
    fine_blocks: int = 1

    @classmethod
    def tiny(cls) -> UpscalerConfig:
        """A configuration for tests."""
        return cls(width=16, blocks=1, fine_width=8)


def bicubic(x: torch.Tensor) -> torch.Tensor:
    """Return pictures (B, 3, H, W) at `FACTOR` times their size by bicubic interpolation (Keys 1981)."""
    return F.interpolate(x, scale_factor=FACTOR, mode="bicubic", align_corners=False)


class Upscaler(nn.Module):
    """Pictures (B, 3, H, W) in -1 to 1 → (B, 3, 4 H, 4 W); untrained, it is `bicubic`."""

    def __init__(self, cfg: UpscalerConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.net = nn.Sequential(
            nn.Conv2d(3, cfg.width, 3, padding=1),  # (B, width, H, W)
            *(ResBlock(cfg.width, norm=False) for _ in range(cfg.blocks)),
            nn.Conv2d(cfg.width, 4 * cfg.fine_width, 3, padding=1),
            nn.PixelShuffle(2),  # (B, fine_width, 2 H, 2 W)
            *(ResBlock(cfg.fine_width, norm=False) for _ in range(cfg.fine_blocks)),
            nn.SiLU(),
            nn.Conv2d(cfg.fine_width, 12, 3, padding=1),
            nn.PixelShuffle(2),  # (B, 3, 4 H, 4 W)
        )
        nn.init.zeros_(self.net[-2].weight)
        nn.init.zeros_(self.net[-2].bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return bicubic(x) + self.net(x)
