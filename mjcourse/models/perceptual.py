"""A feature network of our own, and the distance that it sees between two pictures. Chapter 08 builds it.

Johnson et al. 2016 (a loss on features), Zhang et al. 2018 (LPIPS: features of unit length, compared place by place).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.blocks import conv_norm_relu


@dataclass(frozen=True)
class PerceptualConfig:
    """Sizes of the feature network; `classes` are the values per attribute that it learns to read."""

    width: int = 24  # channels at full size
    classes: tuple[int, ...] = ()

    @classmethod
    def tiny(cls) -> PerceptualConfig:
        """A configuration for tests."""
        return cls(width=8, classes=(3, 4))


class PerceptualNet(nn.Module):
    """Picture (B, 3, 64, 64) in -1 to 1 → per attribute logits (B, values); its inner layers are what we are after."""

    def __init__(self, cfg: PerceptualConfig) -> None:
        super().__init__()
        self.cfg, w = cfg, cfg.width
        self.stages = nn.ModuleList(
            [
                conv_norm_relu(3, w),  # (B, w, 64, 64)
                nn.Sequential(conv_norm_relu(w, 2 * w, stride=2), conv_norm_relu(2 * w, 2 * w)),  # (B, 2w, 32, 32)
                nn.Sequential(conv_norm_relu(2 * w, 4 * w, stride=2), conv_norm_relu(4 * w, 4 * w)),  # (B, 4w, 16, 16)
                nn.Sequential(conv_norm_relu(4 * w, 4 * w, stride=2), conv_norm_relu(4 * w, 4 * w)),  # (B, 4w, 8, 8)
            ]
        )
        self.head = nn.Sequential(
            conv_norm_relu(4 * w, 4 * w, stride=2),  # (B, 4w, 4, 4)
            nn.Flatten(),
            nn.Linear(64 * w, sum(cfg.classes)),
        )

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of pictures (B, 3, H, W), one for each of the four stages."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return list(self.head(self.features(x)[-1]).split(self.cfg.classes, dim=1))


def perceptual_distance(net: PerceptualNet, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return how far two pictures are apart for a feature network, (B,): 0 for equal ones.

    At each place of each stage the two feature vectors are brought to length 1; their squared distance is averaged
    over the places and then over the stages.

    Args:
        net: the feature network, in eval mode.
        x, y: (B, 3, H, W) in -1 to 1; gradients flow into both.
    """
    apart = []
    for a, b in zip(net.features(x), net.features(y), strict=True):
        a, b = F.normalize(a.float(), dim=1, eps=1e-3), F.normalize(b.float(), dim=1, eps=1e-3)
        apart.append((a - b).square().sum(1).mean((1, 2)))
    return torch.stack(apart).mean(0)
