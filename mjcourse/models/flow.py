"""A latent flow transformer: words to pictures by flow matching with guidance. Chapter 10 builds it.

Lipman et al. 2022 (flow matching), Peebles & Xie 2022 (transformers with adaptive layer norm),
Ho & Salimans 2022 (classifier-free guidance), Esser et al. 2024 (text and image tokens in one
self-attention, logit-normal times), Chu et al. 2021 (a depthwise convolution tells tokens their surroundings).

    z_t = (1 - t) · noise + t · x,     v = x - noise,     loss = ‖model(z_t, t, text) - v‖²
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.attention import attention


@dataclass(frozen=True)
class FlowConfig:
    """Sizes of the flow transformer."""

    latent_channels: int = 4
    patch: int = 2
    width: int = 128
    layers: int = 6
    heads: int = 4
    registers: int = 16  # text vectors that come with a prompt,
    text_width: int = 128  # and their width: those of the text encoder

    @classmethod
    def tiny(cls) -> FlowConfig:
        """A configuration for tests."""
        return cls(width=32, layers=2, heads=2, registers=4, text_width=32)


def sinusoids(position: torch.Tensor, width: int, longest: float) -> torch.Tensor:
    """Return sines and cosines of positions (...), at `width` / 2 wavelengths up to `longest`: (..., width)."""
    rates = torch.exp(-math.log(longest) * torch.arange(width // 2, device=position.device) / (width // 2))
    angles = position[..., None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


class FlowBlock(nn.Module):
    """Self-attention and perceptron, each scaled, shifted and gated by the condition (adaLN-zero)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None].chunk(6, -1)
        h = F.layer_norm(x, (c,)) * (1 + scale1) + shift1
        q, k, v = self.qkv(h).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k = F.rms_norm(q, (c // self.heads,)), F.rms_norm(k, (c // self.heads,))
        h = attention(q, k, v)  # (B, heads, N, C / heads)
        x = x + gate1 * self.out(h.transpose(1, 2).reshape(b, n, c))
        h = F.layer_norm(x, (c,)) * (1 + scale2) + shift2
        return x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh"))


class FlowTransformer(nn.Module):
    """Predicts the velocity of a noisy latent, given the time and the text.

    ``forward(z, t, text)``: z (B, C, H, W), t (B,) in 0 (noise) to 1 (picture), text (B, registers,
    text_width) → velocity (B, C, H, W). Rows of `text` may be `null_text` for no prompt.
    """

    def __init__(self, cfg: FlowConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.patch_in = nn.Linear(cfg.latent_channels * cfg.patch**2, cfg.width)
        self.text_in = nn.Linear(cfg.text_width, cfg.width)
        self.text_place = nn.Parameter(torch.randn(cfg.registers, cfg.width) * 0.02)
        self.text_pool = nn.Linear(cfg.registers * cfg.text_width, cfg.width)
        self.time = nn.Sequential(nn.Linear(cfg.width, cfg.width), nn.SiLU(), nn.Linear(cfg.width, cfg.width))
        self.null_text = nn.Parameter(torch.randn(cfg.registers, cfg.text_width) * 0.02)
        self.blocks = nn.ModuleList(FlowBlock(cfg.width, cfg.heads) for _ in range(cfg.layers))
        self.near = nn.ModuleList(  # before each block, what the eight neighbours of an image token say
            nn.Conv2d(cfg.width, cfg.width, 3, padding=1, groups=cfg.width) for _ in range(cfg.layers)
        )
        self.last_modulation = nn.Linear(cfg.width, 2 * cfg.width)
        self.patch_out = nn.Linear(cfg.width, cfg.latent_channels * cfg.patch**2)
        for layer in (self.last_modulation, self.patch_out, *self.near):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Return the matrices inside the blocks, which Muon may train."""
        return [m.weight for block in self.blocks for m in (block.qkv, block.out, block.up, block.down)]

    def forward(self, z: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        c, p = self.cfg, self.cfg.patch
        b, _, h, w = z.shape
        rows, cols = h // p, w // p
        patches = z.view(b, c.latent_channels, rows, p, cols, p).permute(0, 2, 4, 1, 3, 5).reshape(b, rows * cols, -1)
        y, x = torch.meshgrid(torch.arange(rows, device=z.device), torch.arange(cols, device=z.device), indexing="ij")
        place = torch.cat(
            [sinusoids(y.flatten(), c.width // 2, 100.0), sinusoids(x.flatten(), c.width // 2, 100.0)], -1
        )
        image = self.patch_in(patches) + place  # (B, rows · cols, width)
        words = self.text_in(text) + self.text_place  # (B, registers, width)
        condition = F.silu(self.time(sinusoids(t * 1000, c.width, 10_000.0)) + self.text_pool(text.flatten(1)))
        tokens = torch.cat([words, image], 1)
        for near, block in zip(self.near, self.blocks, strict=True):
            words, image = tokens.split([c.registers, rows * cols], 1)
            beside = near(image.transpose(1, 2).reshape(b, c.width, rows, cols))  # (B, width, rows, cols)
            tokens = block(torch.cat([words, image + beside.flatten(2).transpose(1, 2)], 1), condition)
        shift, scale = self.last_modulation(condition)[:, None].chunk(2, -1)
        image = F.layer_norm(tokens[:, c.registers :], (c.width,)) * (1 + scale) + shift
        patches = self.patch_out(image).view(b, rows, cols, c.latent_channels, p, p)
        return patches.permute(0, 3, 1, 4, 2, 5).reshape(b, c.latent_channels, h, w)


def flow_loss(
    model: FlowTransformer,
    x: torch.Tensor,
    noise: torch.Tensor,
    t: torch.Tensor,
    text: torch.Tensor,
    counts: torch.Tensor | float = 1.0,
) -> torch.Tensor:
    """Return the flow-matching loss of clean latents x (B, C, H, W) at times t (B,).

    `counts` says how much each place counts, (B, 1, H, W), of mean 1; by default all the same.
    """
    mix = t[:, None, None, None]
    velocity = model((1 - mix) * noise + mix * x, t, text)
    return (counts * (velocity.float() - (x - noise)).square()).mean()


@torch.no_grad()
def sample(
    model: FlowTransformer,
    noise: torch.Tensor,
    text: torch.Tensor,
    guidance_scale: float = 3.0,
    steps: int = 25,
    progress: Callable[[int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Walk from noise to latents along the guided velocity, v = v₀ + s (v_text - v₀), by Euler steps.

    Args:
        model: the flow transformer.
        noise: (B, C, H, W), standard normal.
        text: (B, registers, text_width).
        guidance_scale: s; 1 is no guidance.
        steps: number of Euler steps of equal length.
        progress: called with (steps done, the picture that the current velocity points to).

    Returns:
        Latents (B, C, H, W).
    """
    z, b = noise, len(noise)
    both = torch.cat([text, model.null_text.to(text.dtype).expand(b, -1, -1)])
    for i in range(steps):
        t = torch.full((b,), i / steps, device=z.device)
        if guidance_scale == 1:
            velocity = model(z, t, text)
        else:
            told, untold = model(z.repeat(2, 1, 1, 1), t.repeat(2), both).chunk(2)
            velocity = untold + guidance_scale * (told - untold)
        if progress:
            progress(i + 1, z + (1 - i / steps) * velocity)
        z = z + velocity.float() / steps
    return z
