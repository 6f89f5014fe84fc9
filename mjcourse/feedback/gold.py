"""Gold raters: scripted raters whose hidden taste is known to the tests alone, so that learning it can be measured.

A taste is a weighted sum of statistics of the pixels. No network takes part, so nothing that learns from these ratings
shares weights with the one who gives them. Chapter 12 lets a model guess the taste from 200 choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from mjcourse.config import UserError

BATCH = 256  # pictures worked on at once, for memory
MEASURED_ON = 300  # scenes of the training split, the first ones, behind the numbers of `SCALES`

# Statistic -> mean and standard deviation over real scenes, as `measure_scales` returns them.
SCALES: dict[str, tuple[float, float]] = {
    "warm": (-3.695, 9.642),
    "green": (-5.001, 9.318),
    "bright": (65.519, 12.411),
    "contrast": (11.662, 2.81),
    "vivid": (44.523, 21.453),
    "calm": (-5.959, 1.971),
}

_TO_XYZ = np.array(  # linear sRGB -> XYZ, IEC 61966-2-1; the rows' sums are its white, D65
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def to_lab(pictures: np.ndarray) -> np.ndarray:
    """Return the CIELAB colours of sRGB pictures (CIE 1976, white D65).

    Args:
        pictures: (…, 3) uint8.

    Returns:
        (…, 3) float64: L* from 0 to 100, a* (green to red), b* (blue to yellow).
    """
    xyz = _LINEAR[pictures] @ (_TO_XYZ / _TO_XYZ.sum(1, keepdims=True)).T
    edge = 6 / 29
    x, y, z = np.moveaxis(np.where(xyz > edge**3, np.cbrt(xyz), xyz / (3 * edge**2) + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def colourfulness(pictures: np.ndarray) -> np.ndarray:
    """Return how vivid pictures are: M³ of Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003).

    Args:
        pictures: (N, H, W, 3) uint8.

    Returns:
        (N,) float64; 0 is grey, about 15 slightly, 45 quite and 80 highly colourful.
    """
    red, green, blue = np.moveaxis(pictures.astype(np.float64), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])  # (2, N, H, W)
    spread, mean = (np.hypot(*of(opponents, axis=(2, 3))) for of in (np.std, np.mean))
    return spread + 0.3 * mean


def statistics(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics that a taste may weigh, each (N,) float64, larger meaning more of what it is called.

    Args:
        pictures: (N, H, W, 3) uint8.

    Raises:
        UserError: they are no such pictures.
    """
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise UserError(
            f"cannot rate an array of shape {pictures.shape}, {pictures.dtype}; give uint8 pictures (N, H, W, 3)."
        )
    if len(pictures) > BATCH:
        parts = [statistics(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in SCALES}
    lightness, redness, yellowness = np.moveaxis(to_lab(pictures), -1, 0)  # each (N, H, W)
    edges = sum(np.abs(np.diff(lightness, axis=axis)).mean((1, 2)) for axis in (1, 2))
    return {
        "warm": yellowness.mean((1, 2)),
        "green": -redness.mean((1, 2)),
        "bright": lightness.mean((1, 2)),
        "contrast": lightness.std((1, 2)),
        "vivid": colourfulness(pictures),
        "calm": -edges,
    }


def measure_scales(count: int = MEASURED_ON) -> dict[str, tuple[float, float]]:
    """Return each statistic's mean and standard deviation over the first scenes of the training split."""
    from mjcourse.data.draw import render
    from mjcourse.data.scenes import sample_scene

    found = statistics(np.stack([render(sample_scene("train", i), 64) for i in range(count)]))
    return {name: (round(float(x.mean()), 3), round(float(x.std()), 3)) for name, x in found.items()}


@dataclass(frozen=True)
class GoldRater:
    """A rater with a known taste: ``GoldRater("sunset", {"warm": 1.0, "contrast": 1.0}).utility(pictures)``.

    Args:
        name: under which its ratings are stored.
        taste: statistic → weight, in standard deviations over real scenes; negative for dislike.
        noise: how careless it is, in the same unit: 0 always prefers the better picture.

    Raises:
        UserError: a statistic that there is not, a weight or noise that is not finite, no weight at all.
    """

    name: str
    taste: Mapping[str, float]
    noise: float = 0.2

    def __post_init__(self) -> None:
        for name in self.taste:
            if name not in SCALES:
                near = get_close_matches(str(name), SCALES, 1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise UserError(f"there is no statistic {name!r}; a taste weighs {', '.join(SCALES)}.{hint}")
        if not np.isfinite([*self.taste.values()]).all() or not any(self.taste.values()):
            raise UserError(f"the taste {dict(self.taste)} needs finite weights, and one of them other than 0.")
        if not 0 <= self.noise < np.inf:
            raise UserError(f"the noise is {self.noise}; allowed is 0 or a finite number above.")

    def utility(self, pictures: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Return how much the rater likes each picture: Σ weight · (statistic − mean) / sd, over the weights' norm.

        Args:
            pictures: (N, H, W, 3) uint8.

        Returns:
            (N,) float64.
        """
        found = statistics(pictures)
        terms = [weight * (found[name] - SCALES[name][0]) / SCALES[name][1] for name, weight in self.taste.items()]
        return np.sum(terms, axis=0) / np.linalg.norm([*self.taste.values()])

    def chance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the chance that each picture of `a` is preferred to that of `b`: σ((u(a) − u(b)) / noise).

        That is Bradley and Terry's model (1952), which the reward model of chapter 12 assumes too.

        Args:
            a, b: (N, H, W, 3) uint8.

        Returns:
            (N,) float64 in 0 to 1.
        """
        ahead = self.utility(a) - self.utility(b)
        if self.noise == 0:
            return (np.sign(ahead) + 1) / 2
        return (1 + np.tanh(ahead / self.noise / 2)) / 2  # the logistic function, without overflow

    def prefer(self, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> bool:
        """Return whether the rater prefers picture `a` to `b`, each (H, W, 3) uint8; one number of `rng` decides."""
        return bool(rng.random() < self.chance(a[None], b[None])[0])


GOLD = {
    rater.name: rater
    for rater in (
        GoldRater("sunset", {"warm": 1.0, "contrast": 1.0}),
        GoldRater("meadow", {"green": 1.0, "calm": 1.0}),
    )
}


def share_within(utility: np.ndarray, groups: Sequence[object] | np.ndarray) -> float:
    """Return the share of a utility's variance that is left between pictures of one group, e.g. of one prompt.

    Estimated as 1 minus the intraclass correlation of a one-way analysis of variance (Fisher 1925): near 1 the taste is
    about what the prompt leaves open; near 0 the prompt alone fixes it, and choosing among its pictures gains nothing.

    Args:
        utility: (N,).
        groups: N labels, two or more different ones, each the same number of times, at least twice.

    Raises:
        UserError: the groups are not of that kind.
    """
    labels, member, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    size = sizes[0]
    if len(labels) < 2 or size < 2 or (sizes != size).any():
        raise UserError(f"groups of {sizes.tolist()} pictures: give two or more groups of the same size, 2 or more.")
    means = np.bincount(member, utility) / size
    within = ((utility - means[member]) ** 2).sum() / (len(utility) - len(labels))  # mean squares
    between = size * means.var(ddof=1)
    return float(min(1.0, size * within / (between + (size - 1) * within)))
