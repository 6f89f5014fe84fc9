"""What the caption writers of both languages share: random choices, and what there is to say."""

from __future__ import annotations

import numpy as np

from mjcourse.data import words as w
from mjcourse.data.scenes import AFLOAT, Scene


class Dice:
    """A stream of random choices from one generator, drawn in blocks because single draws are slow."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.pool = rng, []

    def number(self) -> float:
        if not self.pool:
            self.pool = self.rng.random(64).tolist()
        return self.pool.pop()

    def chance(self, p: float) -> bool:
        return self.number() < p

    def pick(self, options):
        return options[int(self.number() * len(options))]

    def word(self, options):
        """Pick one of the options, the first about half of the time."""
        return options[0] if self.number() < 0.4 else self.pick(options)

    def shuffled(self, items: list) -> list:
        return [item for _, item in sorted(((self.number(), item) for item in items), key=lambda p: p[0])]


class Writer:
    """What both languages share: the scene, the plan and which things the text may touch on."""

    def __init__(self, scene: Scene, said: frozenset[str], dice: Dice):
        self.s, self.said, self.d = scene, said, dice
        self.has = {n for n in said if getattr(scene, n) != "none"}
        self.nothing = [n for n in ("body", "background", "water", "object") if n in said - self.has]
        self.sea = scene.water != "none" and "water" not in said and dice.chance(0.35)  # water, not which
        self.afloat = scene.object in AFLOAT or ("companion" in said and scene.companion in AFLOAT)
        self.converse = "place" in said or ("count" in said and scene.count != "one")

    def say(self, table: w.Table, name: str) -> str:
        """Return a word for the scene's value of an attribute; shores only where there is water."""
        options = table[getattr(self.s, name)]
        text = self.d.word(options)
        dry = self.s.water == "none" and any(sea in text for sea in ("shore", "海滩", "礁石"))
        return options[0] if dry else text
