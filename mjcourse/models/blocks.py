"""Blocks of the picture readers: convolution, batch norm and ReLU, alone or with a way around. Chapter 06."""

from __future__ import annotations

import torch
from torch import nn


def conv_norm_relu(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution from `before` to `after` channels, batch norm and ReLU (Ioffe & Szegedy 2015)."""
    conv = nn.Conv2d(before, after, kernel, stride, padding=(kernel - 1) // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """Two convolutions added to their input (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(conv_norm_relu(width, width), conv_norm_relu(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.net(x)
