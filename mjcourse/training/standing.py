"""Where things stand in the scenes: there the losses of `flow` and `prior` count more, at first. Chapters 09 and 10.

Small things are learnt sooner so. But what a picture shows decides what counts, and that bends what is learnt: where a
thing stands with probability p, a loss that counts c times as much there is least for c p / (c p + 1 - p). Such a model
draws things twice. So the last part of the training counts all places alike.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mjcourse import config
from mjcourse.data.draw import boxes
from mjcourse.data.scenes import ASPECTS, DATA_VERSION
from mjcourse.data.store import SceneData
from mjcourse.training.tellings import cached

MORE = 2.0  # how much more the loss counts where things stand: they are small, and much is said of them


def standing(data: SceneData) -> np.ndarray:
    """Return where objects and companions stand in the scenes of a split: (N, H / 4, W / 4) bool, kept in the cache."""
    w, h = (side // 4 for side in ASPECTS[data.aspect])

    def compute() -> np.ndarray:
        found = np.zeros((len(data), h, w), bool)
        for i in range(len(data)):
            for left, top, right, bottom in boxes(data.scene(i), data.aspect):
                rows = slice(max(0, math.floor(top * h)), math.ceil(bottom * h))
                found[i, rows, max(0, math.floor(left * w)) : math.ceil(right * w)] = True
        return found

    shape = "" if data.aspect == "1:1" else "-" + data.aspect.replace(":", "x")
    return cached(config.CACHE / DATA_VERSION / "standing" / f"{data.split}-{len(data)}{shape}.npy", compute)


def counts(there: np.ndarray) -> torch.Tensor:
    """Return how much each place of a batch (B, H / 4, W / 4) bool counts in a loss: float, of mean 1."""
    found = 1 + MORE * torch.from_numpy(there).float()
    return found / found.mean()
