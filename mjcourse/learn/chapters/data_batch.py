"""The debugging exercise of chapter 01: a function that gives training batches, with three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import torch

from mjcourse.config import generator
from mjcourse.data.store import to_tensor
from mjcourse.learn.compare import expect, faults_left, pair_of, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

FAULTS = {
    "heap": "pictures of val and test are trained on: a pick counts within the training part, not within the heap.",
    "stream": "every step of a run takes the same pictures; see equation (8).",
    "range": "the pictures do not lie in -1 to 1; see equation (5).",
}
COUNT, SIDE, SIZE = 60, 8, 7
CALLS = ((3, 0), (3, 1), (4, 1), (3, 5))  # (seed, step) of the batches that are compared


def training_batch(pictures, labels, part, seed: int, step: int, size: int, faults: tuple[str, ...] = ()):
    """Return a training batch as equation (8) says, with any of `FAULTS`: pictures (size, 3, H, W), labels (size,).

    With "pictures" or "labels" only the other of the two goes through the numbers of the training part.
    """
    numbers = np.flatnonzero(part == "train")
    g = generator(seed) if "stream" in faults else generator(seed, step)
    picks = torch.randint(len(numbers), (size,), generator=g).numpy()
    chosen = picks if "heap" in faults else numbers[picks]
    x = to_tensor(pictures[picks if "pictures" in faults else chosen])
    return (x + 1) / 2 if "range" in faults else x, torch.from_numpy(labels[picks if "labels" in faults else chosen])


def check_batch(answers: Answers, g: torch.Generator) -> None:
    """`training_batch(pictures, labels, part, seed, step, size)` → pictures (size, 3, H, W), labels (size,)."""
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    pictures = rng.integers(0, 256, (COUNT, SIDE, SIDE + 1, 3), np.uint8)
    labels = rng.permutation(COUNT)  # all different, so that a label tells its picture
    part = rng.permutation(np.repeat(["train", "val", "test"], COUNT // 3))
    given = pictures, labels, part

    def taken(batch, seed, step):  # a row a picture: its label, then its values
        before = [array.copy() for array in given]
        x, y = (tensor_of(one, "each of the two") for one in pair_of(batch(*given, seed, step, SIZE), "a batch"))
        if not all(map(np.array_equal, given, before)):
            raise Wrong("`training_batch` changes an array that it was given; work on a copy.")
        if x.shape != (SIZE, 3, SIDE, SIDE + 1) or y.shape != (SIZE,):
            shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
            raise Wrong(f"a batch of {SIZE} has pictures ({SIZE}, 3, H, W) and labels ({SIZE},); yours has {shapes}.")
        return torch.cat([y[:, None], x.flatten(1)], 1)

    def all_taken(batch):
        return torch.stack([taken(batch, *call) for call in CALLS])

    answer = answers["training_batch"]
    got = all_taken(answer)
    if not torch.equal(got[-1], taken(answer, *CALLS[-1])):
        raise Wrong("the same seed and step give another batch the second time; a batch is a pure function of both.")
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            mistakes.setdefault(found, []).append(partial(all_taken, partial(training_batch, faults=left)))
    apart = mistakes["pictures and labels do not belong together: both have to go through the same numbers."] = []
    for kind in ("labels", "pictures"):
        for left in ((), ("stream",), ("range",), ("stream", "range")):
            apart.append(partial(all_taken, partial(training_batch, faults=(kind, *left))))
    rows, by_label = got.flatten(0, 1), np.argsort(labels)
    shown = to_tensor(pictures[by_label]).flatten(1).double()[rows[:, 0].long().clamp(0, COUNT - 1)]
    trains = set(rows[:, 0].tolist()) <= set(labels[part == "train"].tolist())
    if trains and torch.allclose(rows[:, 1:], shown, atol=1e-5):
        other = "these are training pictures, but not the ones of equation (8): keep the line with `torch.randint`, and"
        mistakes[f"{other} give it generator(seed, step)."] = got
    want = all_taken(training_batch)
    expect(got, want, "the batch", mistakes)
