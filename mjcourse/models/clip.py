"""Pictures and words in one space: two towers trained to recognise each other. Chapter 06 builds it.

Radford et al. 2021 (CLIP), van den Oord et al. 2018 (InfoNCE). A picture and its caption become unit vectors
that point the same way; a batch's other captions are the wrong answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.blocks import ResidualBlock, conv_norm_relu
from mjcourse.models.text import TextConfig, TextEncoder


@dataclass(frozen=True)
class CLIPConfig:
    """Sizes of both towers; `text` is the text tower's own configuration."""

    embed: int = 128  # numbers in the shared space
    width: int = 48  # channels of the image tower at 16 × 16
    blocks: int = 1  # residual blocks at 16 × 16, 8 × 8 and 4 × 4
    text: TextConfig = field(default_factory=TextConfig)

    @classmethod
    def tiny(cls) -> CLIPConfig:
        """A configuration for tests."""
        return cls(embed=16, width=8, blocks=1, text=TextConfig.tiny())


class ImageEncoder(nn.Module):
    """Picture (B, 3, 64, 64) in -1 to 1 → (B, embed)."""

    def __init__(self, cfg: CLIPConfig) -> None:
        super().__init__()
        w, residuals = cfg.width, lambda width: [ResidualBlock(width) for _ in range(cfg.blocks)]
        body = [
            nn.PixelUnshuffle(2),
            conv_norm_relu(12, w // 2),
            conv_norm_relu(w // 2, w, 2, 2),
            *residuals(w),
        ]  # (B, w, 16, 16)
        body += [
            conv_norm_relu(w, 2 * w, 2, 2),
            *residuals(2 * w),
            conv_norm_relu(2 * w, 4 * w, 2, 2),
            *residuals(4 * w),
        ]
        self.net = nn.Sequential(*body, nn.Flatten(), nn.Linear(4 * w * 16, cfg.embed))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class CLIP(nn.Module):
    """Both towers and the temperature; the tokenizer's JSON travels along as bytes, as in `CaptionReader`."""

    def __init__(self, cfg: CLIPConfig, tokenizer: torch.Tensor) -> None:
        super().__init__()
        self.cfg = cfg
        self.register_buffer("tokenizer", tokenizer)
        self.image, self.text = ImageEncoder(cfg), TextEncoder(cfg.text)
        self.project = nn.Linear(cfg.text.registers * cfg.text.width, cfg.embed)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # log s, with s = 1/τ

    @property
    def scale(self) -> torch.Tensor:
        """1/τ, at most 100."""
        return self.log_scale.clamp(max=math.log(100)).exp()

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (B, embed) of pictures (B, 3, 64, 64)."""
        return F.normalize(self.image(x).float(), dim=1)

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (B, embed) of token ids (B, L)."""
        return F.normalize(self.project(self.text(ids).flatten(1)).float(), dim=1)

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the unit vectors of pictures and of texts, and 1/τ."""
        return self.encode_image(x), self.encode_text(ids), self.scale


def clip_loss(
    image: torch.Tensor, text: torch.Tensor, scale: torch.Tensor, wrong: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the symmetric contrastive loss, in nats: each picture finds its text among B, each text its picture.

    Args:
        image, text: unit vectors (B, embed); row i of one belongs to row i of the other.
        scale: 1/τ.
        wrong: unit vectors (B, embed) of one more text for each picture that is almost right, a hard negative
            (Yuksekgonul et al. 2023).
    """
    logits = scale * image @ text.T  # (B, B)
    own, to_text = torch.arange(len(logits), device=logits.device), logits
    if wrong is not None:
        to_text = torch.cat([logits, scale * (image * wrong).sum(1, keepdim=True)], 1)  # (B, B + 1)
    return (F.cross_entropy(to_text, own) + F.cross_entropy(logits.T, own)) / 2


def recall_at_1(image: torch.Tensor, text: torch.Tensor) -> tuple[float, float]:
    """Return the share of pictures whose nearest text is their own, and of texts whose nearest picture is.

    Args:
        image, text: unit vectors (N, embed), row by row.
    """
    likeness, own = image @ text.T, torch.arange(len(image), device=image.device)
    to_text, to_image = (likeness.argmax(1) == own).float().mean(), (likeness.argmax(0) == own).float().mean()
    return float(to_text), float(to_image)
