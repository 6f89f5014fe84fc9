"""The probe: a network that reads a scene's attributes off a picture, to judge generators by.

No generator is trained with it. Two probes of different build and training confirm each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mjcourse import config
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import to_tensor
from mjcourse.models.blocks import ResidualBlock, conv_norm_relu
from mjcourse.weights import find_weights, load_weights


@dataclass(frozen=True)
class ProbeConfig:
    """Sizes of a probe; `kind` is ``residual`` (the judge) or ``plain`` (the second opinion)."""

    kind: str = "residual"
    width: int = 64
    classes: tuple[int, ...] = tuple(len(values) for values in ATTRIBUTES.values())

    @classmethod
    def named(cls, stage: str) -> ProbeConfig:
        """Return the configuration of a stage, ``probe`` or ``probe-second``."""
        return cls() if stage == "probe" else cls(kind="plain", width=56)


class Probe(nn.Module):
    """Picture (B, 3, 64, 64) in -1 to 1 → per attribute logits (B, values)."""

    def __init__(self, cfg: ProbeConfig) -> None:
        super().__init__()
        self.cfg = cfg
        w = cfg.width
        if cfg.kind == "residual":
            body = [nn.PixelUnshuffle(2), conv_norm_relu(12, w // 2), conv_norm_relu(w // 2, w, 2, 2)]  # (B, w, 16, 16)
            body += [
                ResidualBlock(w),
                ResidualBlock(w),
                conv_norm_relu(w, 2 * w, 2, 2),
                ResidualBlock(2 * w),
                ResidualBlock(2 * w),
            ]
            body += [conv_norm_relu(2 * w, 3 * w, 2, 2), ResidualBlock(3 * w)]  # (B, 3w, 4, 4)
        else:
            body = [
                conv_norm_relu(3, w // 2, 5, 2),
                conv_norm_relu(w // 2, w, 3, 2),
                conv_norm_relu(w, 2 * w),
                nn.MaxPool2d(2),
            ]
            body += [conv_norm_relu(2 * w, 3 * w), conv_norm_relu(3 * w, 3 * w), nn.MaxPool2d(2)]  # (B, 3w, 4, 4)
        self.body = nn.Sequential(*body, nn.Flatten())
        self.hidden = nn.Linear(3 * w * 16, 256)
        self.heads = nn.Linear(256, sum(cfg.classes))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, 256), for distances between sets of pictures."""
        return F.relu(self.hidden(self.body(x)))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return list(self.heads(self.features(x)).split(self.cfg.classes, dim=1))


def load_probe(stage: str = "probe", device: torch.device | None = None) -> Probe:
    """Return a trained probe, ``probe`` or ``probe-second``."""
    cfg = ProbeConfig.named(stage)
    return load_weights(Probe(cfg), find_weights(stage), cfg).to(device or config.device())


@torch.no_grad()
def read_pictures(probe: Probe, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """Return the attributes that a probe reads, as indices into `ATTRIBUTES`.

    Args:
        probe: a trained probe.
        images: (N, 64, 64, 3) uint8.

    Returns:
        (N, attributes) int64.
    """
    device = next(probe.parameters()).device
    found = []
    for start in range(0, len(images), batch):
        logits = probe(to_tensor(images[start : start + batch]).to(device))
        found.append(torch.stack([x.argmax(1) for x in logits], 1).cpu().numpy())
    return np.concatenate(found)


def balanced_accuracy(truth: np.ndarray, read: np.ndarray) -> float:
    """Return the mean over classes of the share of each class read right.

    Args:
        truth, read: (N,) class indices; N may be 0, which gives nan.
    """
    if not len(truth):
        return float("nan")
    return float(np.mean([(read[truth == k] == k).mean() for k in np.unique(truth)]))
