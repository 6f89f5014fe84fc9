"""An exercise of chapter 01: shrink a picture by averaging light instead of bytes."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.learn.compare import expect
from mjcourse.learn.exercise import Answers, Wrong


def to_light(v: np.ndarray) -> np.ndarray:
    """Return the light, 0 to 1, of sRGB values from 0 to 1."""
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0.04045) + 0.055) / 1.055) ** 2.4)


def from_light(light: np.ndarray) -> np.ndarray:
    """Return the sRGB values, 0 to 1, of light from 0 to 1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def check_shrink(answers: Answers, g: torch.Generator) -> None:
    """`shrink_light(x, k)`, (H, W, 3) uint8 → (H / k, W / k, 3) uint8."""
    shrink = answers["shrink_light"]
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    k = int(rng.integers(2, 5))
    shape = 90, k, k, 3
    kinds = rng.integers(0, 13, shape), rng.integers(0, 2, shape) * 255, rng.integers(0, 256, shape)
    blocks = []
    for kind in kinds:  # dark, hard contrasts, anything; no average near the border between two bytes
        exact = 255 * from_light(to_light(kind / 255).mean((1, 2)))
        blocks.append(kind[(np.abs(exact % 1 - 0.5) > 0.02).all(1)][:5])
    x = rng.permutation(np.concatenate(blocks)).reshape(3, 5, k, k, 3)
    x = x.transpose(0, 2, 1, 3, 4).reshape(3 * k, 5 * k, 3).astype(np.uint8)

    def half_up(v):
        return np.floor(v + 0.5)

    def way(there, back, axes=(1, 3), to=half_up, shape=(3, k, 5, k, 3)):
        return torch.from_numpy(to(255 * back(there(x / 255).reshape(shape).mean(axes))))

    def same(v):
        return v

    want, plain = way(to_light, from_light), x.reshape(3, k, 5, k, 3).mean((1, 3))
    mistakes = {
        "that is equation (2): it averages bytes, not light.":
            [torch.from_numpy(to(plain)) for to in (half_up, np.floor)],
        "the averages are light; turn them back into bytes of sRGB.":
            (way(to_light, same), way(to_light, same, to=np.floor), way(to_light, same, to=same)),
        "there and back have changed places: first from bytes to light, and after the average back.":
            way(from_light, to_light),
        "the last digits are cut off; round to the nearest byte.": way(to_light, from_light, to=np.floor),
        "the result is not rounded; a picture holds bytes.": way(to_light, from_light, to=same),
        "the result lies in 0 to 1; a picture holds bytes, 0 to 255.": want / 255,
        "near black the curve is a straight line, not a power.": (
            way(lambda v: v**2.2, lambda v: v ** (1 / 2.2)), way(lambda v: v**2.4, lambda v: v ** (1 / 2.4)),
            way(lambda v: ((v + 0.055) / 1.055) ** 2.4, lambda v: 1.055 * v ** (1 / 2.4) - 0.055),
        ),
        "that keeps one pixel of each block, as `nearest` does; average the block.":
            tuple(torch.from_numpy(x[i::k, i::k].copy()) for i in (0, k // 2, k - 1)),
        "the colours are averaged together; each channel keeps its own.":
            way(to_light, from_light, (1, 3, 4))[..., None].expand(3, 5, 3),
        "a block is k × k neighbours; the pixels that are averaged lie far apart. Compare `area` of section 3.":
            way(to_light, from_light, (0, 2), shape=(k, 3, k, 5, 3)),
    }  # fmt: skip
    given = x.copy()
    got = shrink(given, k)
    expect(got, want, "the small picture", mistakes)
    if type(got) is np.ndarray and got.dtype != np.uint8:
        raise Wrong(f"the values are right, but of type {got.dtype}; a picture is uint8.")
    if not np.array_equal(given, x):
        raise Wrong("`shrink_light` changes the picture that it was given; work on a copy.")
