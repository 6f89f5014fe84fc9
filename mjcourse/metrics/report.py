"""A set of pictures against real scenes, as a whole: the numbers that cards and `mjcourse evaluate` state."""

from __future__ import annotations

import numpy as np

from mjcourse.data.store import COUNTS, SceneData
from mjcourse.metrics.distribution import density_coverage, frechet_distance, kernel_distance, probe_features
from mjcourse.metrics.memorisation import nearest


def distances(real: np.ndarray, pictures: np.ndarray, probe) -> dict:
    """Compare pictures with real test scenes as a whole, beside what other real pictures score at the same n.

    Args:
        real, pictures: (N, 64, 64, 3) uint8, test scenes and as many made pictures.
        probe: gives the features.

    Returns:
        ``n``; Fréchet distance and coverage (k = 5), each of the pictures and of N training scenes; kernel distance
        with its deviation over subsets; the median distance to the nearest training picture (root mean square at
        16 px) of the pictures and of the real test scenes, which a model that copies would fall below.
    """
    n, train = len(real), SceneData("train", COUNTS["train"])
    test, made = probe_features(probe, real), probe_features(probe, pictures)
    other = probe_features(probe, train.images(range(n)))
    kernel, spread = kernel_distance(test, made)
    both, near = np.concatenate([pictures, real]), np.full(2 * n, np.inf)
    for start in range(0, len(train), 5000):
        near = np.minimum(near, nearest(both, train.images(range(start, min(start + 5000, len(train)))))[1])
    return {
        "n": n,
        "frechet": round(frechet_distance(test, made), 3), "frechet_real": round(frechet_distance(test, other), 3),
        "coverage": round(density_coverage(test, made)[1], 4),
        "coverage_real": round(density_coverage(test, other)[1], 4),
        "kernel": round(kernel, 5), "kernel_spread": round(spread, 5),
        "nearest": round(float(np.median(near[:n])), 4), "nearest_real": round(float(np.median(near[n:])), 4),
    }  # fmt: skip
