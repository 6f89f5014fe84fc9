"""The curves of chapter 01_data."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data.draw import render
from mjcourse.data.scenes import random_scene
from mjcourse.data.store import to_tensor


def record_all(scenes: int = 80, takes: int = 4) -> dict[tuple[str, str], list[float]]:
    """Prepare four collections: split by picture, left at 0 to 1, as in the chapter, and measured, divided, clamped.

    ``values``: share of values in each tenth from -1 to 1; ``near``: of test pictures by the distance (RMSE of 16 x 16
    thumbnails, in bins of .05) to the nearest training picture.
    """
    found = {}
    for number, (run, kind) in enumerate(zip("ABCD", ("leakage", "unit-range", "healthy", "clamped"), strict=True)):
        rng = np.random.default_rng([number, 1])
        world = [random_scene(rng) for _ in range(scenes)]
        drawn = (s.replace(seed=(s.seed + 7919 * k) % 2**31) for s in world for k in range(takes))
        x = to_tensor(np.stack([render(scene) for scene in drawn]))
        groups = torch.randperm(len(x) if kind == "leakage" else scenes, generator=config.generator(number))
        test = groups < 0.15 * len(groups) if kind == "leakage" else (groups < 0.15 * scenes).repeat_interleave(takes)
        if kind == "unit-range":
            x = (x + 1) / 2
        if kind == "clamped":
            mean, std = (f(x[~test], (0, 2, 3))[:, None, None] for f in (torch.mean, torch.std))
            x = ((x - mean) / std).clamp(-1, 1)
        small = F.avg_pool2d(x, 4).flatten(1)
        near = torch.cdist(small[test], small[~test]).amin(1) / small.shape[1] ** 0.5
        for key, what, bins, low, high in (("values", x, 20, -1, 1), ("near", near, 14, 0, 0.7)):
            counts = torch.histc(what, bins, low, high)
            found[run, key] = [round(float(share), 3) for share in counts / counts.sum()]
    return found
