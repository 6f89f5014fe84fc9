"""The curves of chapter 11_rendering."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mjcourse import config
from mjcourse.data.draw import render
from mjcourse.data.scenes import sample_scene
from mjcourse.data.store import to_tensor
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.autoencoder import reconstruction_loss
from mjcourse.models.upscaler import FACTOR, Upscaler, UpscalerConfig, bicubic
from mjcourse.training.loop import LoopConfig, Trainer

SIZE, BATCH, SIDE = 64, 8, 24  # pixels of a small picture; squares in a batch; their side, in small pixels
HELD = 8  # pictures that are measured
FLAT = 12  # levels by which the small pixels of a flat block differ at most, as in (14)
BLOCK = 8  # side of such a block, in small pixels


class Bare(Upscaler):
    """The upscaler without its shortcut, as in section 7."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def uneven() -> Upscaler:
    """Return a bare upscaler whose enlarging layers are transposed convolutions of kernel 3 and stride 2."""
    net = Bare(upscaler().cfg)
    for i, layer in enumerate(net.net):
        if isinstance(layer, nn.PixelShuffle):
            wide, narrow = net.net[i - 1].in_channels, net.net[i - 1].out_channels // 4
            net.net[i - 1] = nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1)
            net.net[i] = nn.Identity()
    return net


def upscaler() -> Upscaler:
    """Return the small upscaler of section 4."""
    return Upscaler(UpscalerConfig(width=32, blocks=2, fine_width=16))


def scenes(split: str, style: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scenes in a style at both sizes, (count, 3, SIZE, SIZE) and four times as large."""
    those = [sample_scene(split, i).replace(style=style) for i in range(count)]
    return tuple(to_tensor(np.stack([render(s, size) for s in those])) for size in (SIZE, FACTOR * SIZE))


def ripple(small: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
    """Return (14) in grey levels."""
    d = (large - bicubic(small)).mean(1).mul(127.5)
    n, blocks = len(small), SIZE // BLOCK
    levels = small.mul(127.5).view(n, 3, blocks, BLOCK, blocks, BLOCK)
    flat = (levels.amax((3, 5)) - levels.amin((3, 5))).amax(1) <= FLAT  # (N, blocks, blocks)
    tile = d.view(n, blocks, BLOCK, FACTOR, blocks, BLOCK, FACTOR).mean((2, 5))  # (N, blocks, 4, blocks, 4)
    return tile.var((2, 4), correction=0)[flat].mean().sqrt()


def steepness(x: torch.Tensor) -> torch.Tensor:
    """Return the mean step between neighbours in a row."""
    return (x[..., 1:] - x[..., :-1]).abs().mean()


def record_all(seed: int = 4, steps: int = 400, every: int = 50) -> dict[tuple[str, str], list[float]]:
    """Train four small upscalers: on two posters, uneven and bare, on pixel art, and as it should be."""
    small, large = scenes("val", "poster", HELD)
    rule = psnr(large, bicubic(small)).mean()

    def record(net: Upscaler, style: str, count: int) -> list[dict]:
        x, y = scenes("train", style, count)
        own = psnr(y[:HELD], bicubic(x[:HELD])).mean()

        def loss(net, step):
            g = config.generator(seed, step)
            corners = torch.randint(SIZE - SIDE + 1, (BATCH, 2), generator=g).tolist()
            picks = torch.randint(count, (BATCH,), generator=g).tolist()
            given, wanted = (
                torch.stack([
                    part[k, :, s * top : s * (top + SIDE), s * left : s * (left + SIDE)]
                    for k, (top, left) in zip(picks, corners, strict=True)
                ])
                for part, s in ((x, 1), (y, FACTOR))
            )  # fmt: skip
            return reconstruction_loss(wanted, net(given).float()), {}

        def check(net, step):
            made, again = (net(part).float().clamp(-1, 1) for part in (small, x[:HELD]))
            return {
                "held": psnr(large, made).mean() - rule,
                "own": psnr(y[:HELD], again).mean() - own,
                "ripple": ripple(small, made),
                "sharp": steepness(made) / steepness(large),
            }

        loop = LoopConfig(
            steps=steps, batch_size=BATCH, lr=3e-3, warmup=steps // 10, weight_decay=0.0, ema=0.95, log_every=every,
            check_every=every,
        )  # fmt: skip
        return Trainer(net, loss, loop, check=check, report=lambda row: None).fit().log

    runs = {
        "A": (upscaler, "poster", 2),
        "B": (uneven, "poster", 120),
        "C": (upscaler, "pixel", 120),
        "D": (upscaler, "poster", 120),
    }
    found = {("exact", "ripple"): [round(float(ripple(small, large)), 2)]}
    for run, (make, style, count) in runs.items():
        torch.manual_seed(seed)
        rows = record(make(), style, count)
        for key, digits in (("held", 2), ("own", 2), ("ripple", 2), ("sharp", 3)):
            found[run, key] = [round(float(row[key]), digits) for row in rows]
    return found
