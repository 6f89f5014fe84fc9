"""What a scene is: its attributes, how one is sampled at random, and which split it belongs to.

A `Scene` says everything that a caption may name, so text alignment can be measured exactly.
`mjcourse.data.draw` paints it, `mjcourse.data.captions` tells it in words. Chapter 01.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np

from mjcourse.config import UserError

DATA_VERSION = "scenes-1"  # part of every cache path and weight card: raise it when pictures change

PLACES = ("left", "center", "right")
OBJECTS = (
    *("sailboat", "whale", "lighthouse", "house", "palm", "pine"),
    *("windmill", "castle", "tent", "parasol", "balloon", "cat"),
)
COLORS = ("red", "yellow", "green", "blue", "purple", "white")

# Every attribute and its values. 'none' means that the thing is not in the picture.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "style": ("poster", "watercolor", "neon", "pixel", "ink", "papercut"),
    "time": ("morning", "day", "sunset", "night"),
    "mood": ("calm", "joyful", "gloomy", "mysterious"),
    "weather": ("clear", "cloudy", "rain", "snow", "fog"),
    "body": ("none", "sun", "moon"),
    "body_color": ("none", "yellow", "orange", "red", "white"),
    "body_place": ("none", *PLACES),
    "background": ("none", "mountains", "hills", "city", "forest"),
    "water": ("none", "calm", "waves"),
    "ground": ("sand", "grass", "snow", "rock", "flowers"),
    "object": ("none", *OBJECTS),
    "color": ("none", *COLORS),
    "place": ("none", *PLACES),
    "count": ("none", "one", "two", "three"),
    "companion": ("none", *OBJECTS),
    "companion_color": ("none", *COLORS),
    "relation": ("none", "left", "right"),  # the companion stands left or right of the object
}

AFLOAT = ("sailboat", "whale")  # need water under them

# Pairs of values that no training scene shows together: the test of composing known parts anew.
HELD_OUT: tuple[tuple[str, str, str, str], ...] = (
    ("style", "watercolor", "object", "castle"),
    ("style", "neon", "object", "whale"),
    ("style", "ink", "object", "balloon"),
    ("style", "pixel", "object", "windmill"),
    ("style", "papercut", "object", "cat"),
    ("style", "poster", "object", "tent"),
    ("ground", "snow", "object", "lighthouse"),
    ("background", "mountains", "object", "palm"),
    ("object", "house", "color", "purple"),
    ("object", "sailboat", "color", "green"),
    ("object", "pine", "color", "yellow"),
    ("body", "moon", "body_color", "red"),
    ("time", "sunset", "weather", "snow"),
    ("mood", "gloomy", "ground", "flowers"),
    ("background", "city", "weather", "fog"),
    ("time", "night", "mood", "joyful"),
)

SPLITS = ("train", "val", "test", "composition")
ASPECTS = {"1:1": (64, 64), "3:2": (72, 48), "2:3": (48, 72), "2:1": (96, 48), "1:2": (48, 96)}


@dataclass(frozen=True)
class Scene:
    """One landscape, told by its attributes; `seed` fixes what no caption names (cloud shapes, jitter).

    Raises:
        UserError: a value that its attribute does not have, or values that contradict each other.
    """

    style: str = "poster"
    time: str = "day"
    mood: str = "calm"
    weather: str = "clear"
    body: str = "none"
    body_color: str = "none"
    body_place: str = "none"
    background: str = "none"
    water: str = "none"
    ground: str = "grass"
    object: str = "none"
    color: str = "none"
    place: str = "none"
    count: str = "none"
    companion: str = "none"
    companion_color: str = "none"
    relation: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in ATTRIBUTES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(f"a scene's {name} cannot be {value!r}; allowed are {', '.join(allowed)}.")
        for thing, parts in TOGETHER.items():
            there = getattr(self, thing) != "none"
            for part in parts:
                if (getattr(self, part) != "none") != there:
                    need = "needs" if there else "cannot have"
                    raise UserError(f"a scene with {thing}={getattr(self, thing)!r} {need} a {part}.")
        if self.companion != "none" and self.object in ("none", self.companion):
            raise UserError("a companion needs an object of another kind to stand beside.")
        if self.relation != "none" and self.place == _EDGE[self.relation]:
            raise UserError(f"nothing fits {self.relation} of an object whose place is {self.place!r}.")
        if self.water == "none" and (self.object in AFLOAT or self.companion in AFLOAT):
            raise UserError(f"{' and '.join(AFLOAT)} need water: set water to 'calm' or 'waves'.")
        if self.body == "sun" and self.time == "night":
            raise UserError("the sun does not shine at night: use body='moon' or another time.")

    def attributes(self) -> dict[str, str]:
        """Return attribute name → value, without the seed."""
        return {name: getattr(self, name) for name in ATTRIBUTES}

    def replace(self, **changes: object) -> Scene:
        """Return a copy with some values changed."""
        return dataclasses.replace(self, **changes)


TOGETHER = {  # thing → its parts: none of them without it
    "body": ("body_color", "body_place"),
    "object": ("color", "place", "count"),
    "companion": ("companion_color", "relation"),
}
_EDGE = {"left": "left", "right": "right"}  # nothing stands left of the left third


def held_out_pairs(scene: Scene) -> list[tuple[str, str, str, str]]:
    """Return the held-out pairs that a scene shows; the companion counts as an object too."""
    views = [scene.attributes()]
    if scene.companion != "none":
        views.append({**views[0], "object": scene.companion, "color": scene.companion_color})
    return [pair for pair in HELD_OUT if any(v[pair[0]] == pair[1] and v[pair[2]] == pair[3] for v in views)]


def split_of(scene: Scene) -> str:
    """Return the split that a scene belongs to; scenes alike in all attributes share one, whatever the seed.

    Any held-out pair sends it to ``composition``; of the rest a hash of the attributes
    sends 3 % to ``val``, 3 % to ``test`` and 94 % to ``train``.
    """
    if held_out_pairs(scene):
        return "composition"
    key = "|".join(scene.attributes().values())
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
    return "val" if share < 0.03 else "test" if share < 0.06 else "train"


def random_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene whose values are plausible together, from any split."""

    def pick(options, p=None):
        return str(rng.choice(options, p=p))

    values = {name: pick(ATTRIBUTES[name]) for name in ("style", "time", "background")}
    values["mood"] = pick(ATTRIBUTES["mood"], [0.29, 0.29, 0.21, 0.21])
    values["weather"] = pick(ATTRIBUTES["weather"], [0.32, 0.2, 0.16, 0.16, 0.16])
    values["water"] = pick(ATTRIBUTES["water"], [0.24, 0.38, 0.38])
    values["ground"] = pick(ATTRIBUTES["ground"], [0.24, 0.2, 0.18, 0.18, 0.2])
    day = values["time"] != "night"
    body = pick(("none", "sun", "moon"), [0.15, 0.65, 0.2] if day else [0.15, 0.0, 0.85])
    if body != "none":
        values |= {"body": body, "body_color": pick(ATTRIBUTES["body_color"][1:]), "body_place": pick(PLACES)}
    if rng.random() < 0.92:
        land = [o for o in OBJECTS if values["water"] != "none" or o not in AFLOAT]
        values |= {"object": pick(land), "color": pick(COLORS), "place": pick(PLACES)}
        values["count"] = pick(("one", "two", "three"), [0.6, 0.2, 0.2])
        if rng.random() < 0.35:
            others = [o for o in land if o != values["object"]]
            sides = [side for side in ("left", "right") if values["place"] != _EDGE[side]]
            values |= {"companion": pick(others), "companion_color": pick(COLORS), "relation": pick(sides)}
    return Scene(**values, seed=int(rng.integers(2**31)))


def sample_scene(split: str, index: int, seed: int = 0) -> Scene:
    """Return scene number `index` of a split: a pure function of (split, index, seed).

    Args:
        split: one of ``train``, ``val``, ``test``, ``composition``.
        index: 0-based number within the split.
        seed: seed of the data set.

    Raises:
        UserError: an unknown split.
    """
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; allowed are {', '.join(SPLITS)}.")
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    while True:
        scene = random_scene(rng)
        if split_of(scene) == split:
            return scene
