"""A discriminator that judges a picture patch by patch, and the weight of its voice. Chapter 08 builds it.

Isola et al. 2017 (patches), Lim & Ye 2017 (the hinge loss), Esser et al. 2021 (the adaptive weight).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class PatchConfig:
    """Sizes of the patch discriminator."""

    width: int = 32  # channels at half the resolution

    @classmethod
    def tiny(cls) -> PatchConfig:
        """A configuration for tests."""
        return cls(width=8)


class PatchDiscriminator(nn.Module):
    """Picture (B, 3, H, W) → a logit for each patch (B, H / 8, W / 8): large for 'real', small for 'reconstructed'.

    A logit sees 22 × 22 pixels.
    """

    def __init__(self, cfg: PatchConfig) -> None:
        super().__init__()
        w = cfg.width
        self.net = nn.Sequential(
            nn.Conv2d(3, w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(w, 2 * w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * w, 1, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x).squeeze(1)


def adaptive_weight(rec_grad: torch.Tensor, gan_grad: torch.Tensor) -> torch.Tensor:
    """Return λ = ‖∇rec‖ / (‖∇gan‖ + 10⁻⁴), at most 10⁴: with it, both terms pull equally at the decoder's last layer.

    Args:
        rec_grad, gan_grad: gradients of the two terms by the weights of that layer.
    """
    return (rec_grad.norm() / (gan_grad.norm() + 1e-4)).clamp(max=1e4)
