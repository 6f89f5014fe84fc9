"""Two readers of a caption's mood: a text CNN and a small transformer. Chapter 05 builds them.

Kim 2014 (convolutions over words, the strongest answer of each filter anywhere in the text), Vaswani et al.
2017 (attention). Both read token ids and say which mood is named, or that none is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.text import Block


@dataclass(frozen=True)
class MoodConfig:
    """Sizes of a mood reader; `kind` is ``cnn`` or ``transformer``."""

    kind: str = "cnn"
    vocab_size: int = 1200
    length: int = 64  # tokens read
    width: int = 64  # numbers per token
    kernels: tuple[int, ...] = (2, 3, 4)  # tokens that a filter of the CNN sees
    filters: int = 88  # of each kernel; as many parameters as the transformer has
    layers: int = 1  # of the transformer
    heads: int = 4
    classes: int = 5  # no mood named, or one of four

    @classmethod
    def tiny(cls) -> MoodConfig:
        """A configuration for tests."""
        return cls(vocab_size=300, length=24, width=16, filters=8, heads=2)


class TextCNN(nn.Module):
    """Token ids (B, L), 0 for padding → logits (B, classes)."""

    def __init__(self, cfg: MoodConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.tokens = nn.Embedding(cfg.vocab_size, cfg.width, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(cfg.width, cfg.filters, k, padding=k - 1) for k in cfg.kernels)
        self.head = nn.Linear(len(cfg.kernels) * cfg.filters, cfg.classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        words = self.tokens(ids).transpose(1, 2)  # (B, C, L)
        found = [F.relu(conv(words)).amax(2) for conv in self.convs]  # each (B, filters): the strongest answer
        return self.head(torch.cat(found, 1))


class TextTransformer(nn.Module):
    """Token ids (B, L), 0 for padding → logits (B, classes), from the mean of the tokens after attention."""

    def __init__(self, cfg: MoodConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.tokens = nn.Embedding(cfg.vocab_size, cfg.width, padding_idx=0)
        self.positions = nn.Parameter(torch.randn(cfg.length, cfg.width) * 0.3)
        self.blocks = nn.ModuleList(Block(cfg.width, cfg.heads) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(cfg.width)
        self.head = nn.Linear(cfg.width, cfg.classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        there = ids != 0  # (B, L)
        seen = there | ~there.any(1, keepdim=True)  # an empty text has nothing but its padding to look at
        x = self.tokens(ids) + self.positions[: ids.shape[1]]  # (B, L, C)
        for block in self.blocks:
            x = block(x, seen[:, None, None, :])
        x = self.norm(x) * there[..., None]
        return self.head(x.sum(1) / there.sum(1, keepdim=True).clamp(min=1))


def mood_reader(cfg: MoodConfig) -> nn.Module:
    """Return the network of a configuration."""
    return {"cnn": TextCNN, "transformer": TextTransformer}[cfg.kind](cfg)
