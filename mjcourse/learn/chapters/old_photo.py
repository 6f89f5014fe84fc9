"""The debugging exercise of chapter 11: a chain of four filters with three faults."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch

from mjcourse.learn.chapters.rendering_inputs import called, numpy_generator
from mjcourse.learn.compare import expect, faults_left
from mjcourse.learn.exercise import Answers
from mjcourse.studio.colour import LUMA, LUMINANCE, to_light, to_values

FAULTS = {
    "cut": "what rises above 1 is cut off on the way, and the later filters cannot bring it back.",
    "space": "one filter pretends to be a lens and does not compute in light.",
    "axis": "the contrast pulls each channel to a mean of its own; m of (5) is one number, the mean of luma.",
}
MIDDLES = {  # of those who mend: what else may stand for m of (5)
    "m of (5) is the mean of *luma*, `values @ LUMA`; yours is that of all numbers.": lambda v: v.mean(),
    "LUMINANCE belongs to linear light; m of (5) is the mean of the *luma* of sRGB values, with LUMA.":
        lambda v: (v @ LUMINANCE).mean(),
    "that is saturation; m of (5) is one number, the mean over the whole picture.": lambda v: (v @ LUMA)[..., None],
}  # fmt: skip


def mean_luma(values: np.ndarray) -> float:
    """Return m of (5)."""
    return (values @ LUMA).mean()


def old_photo(
    values: np.ndarray, stops: float, warmth: float, corner: float, punch: float, faults: tuple[str, ...] = (),
    ends: tuple[int | None, int | None] = (0, 1), middle=mean_luma,
) -> np.ndarray:  # fmt: skip
    """Expose, warm, darken the corners, spread the tones with any of `FAULTS`; sRGB values in and out.

    Args:
        ends: where the fault "cut" cuts off.
        middle: what is taken for m of (5); the fault "axis" has its own.
    """
    values = to_values(to_light(values) * 2.0**stops)
    if "cut" in faults:
        values = values.clip(*ends)
    gains = np.exp2([0.6 * warmth, 0, -0.6 * warmth])
    values = to_values(to_light(values) * gains / (gains @ LUMINANCE))
    y, x = (np.linspace(-1, 1, n) * (n - 1) for n in values.shape[:2])
    r2 = (y[:, None] ** 2 + x**2) / (y[0] ** 2 + x[0] ** 2)
    fall = ((1 + ((1 - corner) ** -0.5 - 1) * r2) ** -2)[..., None]
    values = values * fall if "space" in faults else to_values(to_light(values) * fall)
    m = values.mean((0, 1)) if "axis" in faults else middle(values)
    return m + punch * (values - m)


def check_old_photo(answers: Answers, g: torch.Generator) -> None:
    """`old_photo(values, stops, warmth, corner, punch)`, (H, W, 3) and four numbers → (H, W, 3)."""
    answer, rng = answers["old_photo"], numpy_generator(g)
    for shape in ((6, 9, 3), (11, 7, 3)):
        values = rng.uniform(-0.1, 1, shape) * (1, 0.8, 0.9)  # a colour cast, and both ends to lose
        values = values.astype(np.float32)
        how = rng.uniform(0.8, 1.5), rng.uniform(0.4, 1), rng.uniform(0.5, 0.9), rng.uniform(1.2, 1.6)
        want = old_photo(values, *how)

        def made(faults, values=values, how=how, **slip):
            return torch.tensor(old_photo(values, *how, faults, **slip))

        mistakes = {}
        for count in (1, 2, 3):
            for left in combinations(FAULTS, count):
                found = faults_left(count, FAULTS[left[0]])
                for ends in ((0, 1), (None, 1)) if "cut" in left else ((0, 1),):
                    mistakes.setdefault(found, []).append(made(left, ends=ends))
        below = "what falls below 0 is cut off on the way; in a chain nothing is cut off, at neither end."
        others = [(), ("space",), ("axis",), ("space", "axis")]
        mistakes[below] = [made(("cut", *left), ends=(0, None)) for left in others]
        for found, middle in MIDDLES.items():
            mistakes[found] = [made(left, middle=middle) for left in ((), ("cut",), ("space",), ("cut", "space"))]
        last = "the result is cut off or rounded at the end; what leaves the chain may still go on to another one."
        byte = (want.clip(0, 1) * 255).round()
        mistakes[last] = tuple(torch.tensor(x) for x in (want.clip(0, 1), want.clip(0), want.clip(None, 1), byte / 255))
        mistakes["that is linear light; sRGB values are wanted."] = torch.tensor(to_light(want))
        expect(called(answer, values, *how), torch.tensor(want), "the picture", mistakes)
