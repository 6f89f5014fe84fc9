"""Does a generator give back its training pictures? Distance to the nearest one, against real held-out scenes."""

from __future__ import annotations

import numpy as np
import torch


def nearest(queries: np.ndarray, library: np.ndarray, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return each query's nearest library picture and its distance, on pictures shrunk to `side` pixels.

    Args:
        queries: (N, H, W, 3) uint8.
        library: (M, H, W, 3) uint8, gone through in parts, so it may be a memory map.
        side: what pictures are averaged down to; small shifts of edges then count little.

    Returns:
        Indices (N,) int64 and root-mean-square distances (N,) float32 in units of the range 0 to 1.
    """

    def shrink(images: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
        return torch.nn.functional.adaptive_avg_pool2d(x, side).flatten(1)

    wanted = shrink(queries)
    best, index = torch.full((len(queries),), float("inf")), torch.zeros(len(queries), dtype=torch.long)
    for start in range(0, len(library), 2000):
        distance, place = torch.cdist(wanted, shrink(library[start : start + 2000])).min(1)
        closer = distance < best
        best, index = torch.where(closer, distance, best), torch.where(closer, place + start, index)
    return index.numpy(), (best / wanted.shape[1] ** 0.5).numpy()
