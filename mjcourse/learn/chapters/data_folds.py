"""An exercise of chapter 01: folds for cross-validation, by what a scene shows."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from mjcourse.data.scenes import random_scene
from mjcourse.learn.compare import expect, number_of
from mjcourse.learn.exercise import Answers, Wrong


def check_fold(answers: Answers, g: torch.Generator) -> None:
    """`fold(scene, folds, salt)` → a whole number, 0 to folds − 1."""
    fold = answers["fold"]
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    scenes, folds = [random_scene(rng) for _ in range(60)], int(rng.integers(5, 10))
    salt, other = (f"run {n}" for n in rng.choice(10_000, 2, replace=False))

    def all_of(number, salt=salt):
        return torch.tensor([float(number(scene, salt)) for scene in scenes], dtype=torch.float64)

    def key(scene):
        return "|".join(scene.attributes().values())

    def hashed(scene, salt):  # what Python's `hash` may be asked for
        values = scene.attributes().values()
        return f"{salt}|{key(scene)}", (salt, key(scene)), salt + key(scene), (salt, *values), (salt, tuple(values))

    def digest(text, count=4, order="big"):
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:count], order)

    def share(text):
        return digest(text) / 2**32

    def right(scene, salt):
        return int(folds * share(f"{salt}|{key(scene)}"))

    taken = [number_of(fold(scene, folds, salt), "the fold") for scene in scenes]
    for scene, number in zip(scenes, taken, strict=True):
        take = scene.replace(seed=(scene.seed + 7919) % 2**31)
        if number_of(fold(take, folds, salt), "the fold") != number:
            raise Wrong("two takes of a scene fall into different folds; what is shown decides, and no seed or luck.")
    mistakes = {
        "the salt changes nothing; it comes before the key: salt + '|' + key.":
            all_of(lambda s, _: int(folds * share(key(s)))),
        "the salt is in the wrong place or not set apart; what is hashed is salt + '|' + key.": (
            all_of(lambda s, salt: int(folds * share(salt + key(s)))),
            all_of(lambda s, salt: int(folds * share(f"{key(s)}|{salt}"))),
            all_of(lambda s, salt: int(folds * share(key(s) + salt))),
        ),
        "folds count from 0.": all_of(right) + 1,
        "that is the remainder of the hash; wanted is the whole part of folds · u.": (
            all_of(lambda s, salt: digest(f"{salt}|{key(s)}") % folds),
            all_of(lambda s, salt: digest(f"{salt}|{key(s)}", 32) % folds),
        ),
        "that is folds · u or u itself; take the whole part of folds · u.": (
            all_of(lambda s, salt: folds * share(f"{salt}|{key(s)}")),
            all_of(lambda s, salt: share(f"{salt}|{key(s)}")),
        ),
        "it is rounded to the nearest; then fold 0 gets half its share, and one fold too many comes out.":
            all_of(lambda s, salt: round(folds * share(f"{salt}|{key(s)}"))),
        "Python's `hash` of a text is another one after each start of Python; use SHA-256, as equation (7) does.": [
            all_of(lambda s, salt, i=i, cut=cut: cut(hash(hashed(s, salt)[i])))
            for cut in (lambda h: h % folds, lambda h: int(folds * (h % 2**32 / 2**32))) for i in range(5)
        ],
        "the bytes are read from the wrong end: `\"big\"`, as in `split_of`.":
            all_of(lambda s, salt: int(folds * (digest(f"{salt}|{key(s)}", order="little") / 2**32))),
    }  # fmt: skip
    expect(torch.tensor(taken), all_of(right), "the fold", mistakes)
    got = torch.tensor([number_of(fold(scene, folds, other), "the fold") for scene in scenes])
    expect(got, all_of(right, other), "the fold with another salt")
