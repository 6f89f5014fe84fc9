"""Prompt accuracy: does the picture show what the prompt names? Chapters 07 and 10 use it.

A generator draws a picture for each prompt, a probe reads the picture, and what it reads is compared
with the attributes that the prompt names; attributes that a prompt leaves unsaid do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mjcourse.data.captions import Caption, caption_pair, write_caption
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import COUNTS, SceneData
from mjcourse.data.writers import Dice
from mjcourse.metrics.probe import balanced_accuracy

SHORT = frozenset(("object", "color", "time"))  # what a short prompt names, "a red cat, dusk"


@dataclass(frozen=True)
class Prompts:
    """Paired prompts: `english[i]` and `chinese[i]` name the same attributes of scene `picks[i]`."""

    data: SceneData
    picks: Sequence[int]
    english: list[Caption]
    chinese: list[Caption]

    @property
    def truth(self) -> np.ndarray:
        """The scenes' attributes as indices, (N, attributes) int64."""
        return self.data.attributes(self.picks)

    @property
    def named(self) -> np.ndarray:
        """Whether a prompt names an attribute, (N, attributes) bool."""
        return np.array([[name in c.named for name in ATTRIBUTES] for c in self.english])


def paired_prompts(split: str, count: int, seed: int = 0) -> Prompts:
    """Return `count` paired prompts of the first scenes of a split (``test`` or ``composition``)."""
    data = SceneData(split, count)
    pairs = [caption_pair(data.scene(i), np.random.default_rng([seed, i, 99])) for i in range(count)]
    return Prompts(data, range(count), [p[0] for p in pairs], [p[1] for p in pairs])


def short_prompts(split: str, count: int, seed: int = 0, said: frozenset[str] = SHORT) -> Prompts:
    """Return `count` paired prompts that name `said` alone, of the first scenes of a split that have an object."""
    data = SceneData(split, min(COUNTS[split], 2 * count))
    picks = [i for i in range(len(data)) if data.scene(i).object != "none"][:count]
    told = []
    for i in picks:
        dice = Dice(np.random.default_rng([seed, i, 98]))
        told.append([write_caption(data.scene(i), language, said, dice) for language in ("en", "zh")])
    return Prompts(data, picks, [p[0] for p in told], [p[1] for p in told])


def prompt_accuracy(truth: np.ndarray, read: np.ndarray, named: np.ndarray, least: int = 1) -> dict:
    """Return balanced accuracy by attribute, their mean, and the rate of all named correct.

    Args:
        truth: (N, attributes) int, what the prompts' scenes have.
        read: (N, attributes) int, what the probe reads off the pictures.
        named: (N, attributes) bool, what the prompts name.
        least: values that fewer prompts name do not count: of two prompts for 'no sun', one picture moves the
            accuracy of its attribute by a sixth.

    Returns:
        ``mean`` over attributes, ``all_named``, ``interval`` (95 %, bootstrap over prompts, of the mean),
        ``by_attribute`` (None where no prompt names it) and ``twice``, see `drawn_twice`.
    """

    often = np.zeros_like(named)
    for k in range(truth.shape[1]):
        values, counts = np.unique(truth[named[:, k], k], return_counts=True)
        often[:, k] = np.isin(truth[:, k], values[counts >= least])

    def by_attribute(rows: np.ndarray) -> list[float]:
        t, r, n = truth[rows], read[rows], (named & often)[rows]
        return [balanced_accuracy(t[n[:, k], k], r[n[:, k], k]) for k in range(truth.shape[1])]

    rng, everyone = np.random.default_rng(0), np.arange(len(truth))
    each = by_attribute(everyone)
    draws = [np.nanmean(by_attribute(rng.choice(everyone, len(everyone)))) for _ in range(100)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "mean": round(float(np.nanmean(each)), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "all_named": round(float(((truth == read) | ~named).all(1).mean()), 4),
        "by_attribute": {name: None if np.isnan(v) else round(v, 4) for name, v in zip(ATTRIBUTES, each, strict=True)},
        "twice": round(drawn_twice(read), 4),
    }


def drawn_twice(read: np.ndarray) -> float:
    """Return the share of pictures in which the probe sees, beside the object, another one of its kind.

    No scene has that, since a companion is of another kind: whoever draws it has drawn the object once too often.
    Counting what the prompt names cannot tell, for there the probe counts the objects without the companion.

    Args:
        read: (N, attributes) int, what the probe reads off the pictures.
    """
    thing, beside = (read[:, list(ATTRIBUTES).index(name)] for name in ("object", "companion"))
    return float(((thing == beside) & (beside != ATTRIBUTES["companion"].index("none"))).mean())
