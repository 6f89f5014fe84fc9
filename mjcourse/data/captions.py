"""Captions: a small grammar that tells a scene in English or Chinese, and says exactly what it told.

First a plan picks which attributes to name; then a writer puts exactly these into words, as a list of
tags, a noun phrase or sentences. Colours, counts and places always stand beside their own noun.
Where a companion is named, it is the thing that stands left or right *of the object*; the converse
('two houses to the right of a tent') is only said where the object's place or number tells the roles.
The words are in `mjcourse.data.words`. Chapters 01 and 05.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mjcourse.config import UserError
from mjcourse.data import words as w
from mjcourse.data.captions_en import English
from mjcourse.data.captions_zh import Chinese
from mjcourse.data.scenes import ATTRIBUTES, Scene
from mjcourse.data.writers import Dice

LANGUAGES = ("en", "zh")
_PARTS = {"body": ("body_color", "body_place"), "object": ("color", "place", "count")}


@dataclass(frozen=True)
class Caption:
    """A text and exactly the attributes that it names (name → value as in `scenes.ATTRIBUTES`)."""

    text: str
    language: str
    named: dict[str, str]


def caption(scene: Scene, language: str, rng: np.random.Generator, full: bool = False) -> Caption:
    """Tell a scene in words, with attributes left unsaid at random.

    Args:
        scene: what to tell.
        language: ``en`` or ``zh``.
        rng: the caption is a pure function of the scene, the language and this generator's state.
        full: name every attribute that is not ``none``.

    Raises:
        UserError: an unknown language.
    """
    if language not in LANGUAGES:
        raise UserError(f"there are no captions in {language!r}; allowed are {', '.join(LANGUAGES)}.")
    dice = Dice(rng)
    return write_caption(scene, language, _plan(scene, dice, full), dice)


def caption_pair(scene: Scene, rng: np.random.Generator, full: bool = False) -> tuple[Caption, Caption]:
    """Return an English and a Chinese caption that name the same attributes (chapters 05 and 06).

    Args:
        scene: what to tell.
        rng: the pair is a pure function of the scene and this generator's state.
        full: name every attribute that is not ``none``.
    """
    dice = Dice(rng)
    said = _plan(scene, dice, full)
    return write_caption(scene, "en", said, dice), write_caption(scene, "zh", said, dice)


def write_caption(scene: Scene, language: str, said: frozenset[str], dice: Dice) -> Caption:
    """Return a caption of a scene that names the attributes `said`, worded by `dice`."""
    writer = English if language == "en" else Chinese
    text = writer(scene, said, dice).text()
    return Caption(text, language, {name: getattr(scene, name) for name in ATTRIBUTES if name in said})


def _plan(scene: Scene, dice: Dice, full: bool) -> frozenset[str]:
    """Choose which attributes to name: from a single thing up to nearly everything."""
    share = 1.0 if full else dice.pick((0.2, 0.35, 0.5, 0.7, 0.95))
    detail = 1.0 if full else dice.pick((0.3, 0.65, 0.95))
    said: set[str] = set()
    while not said:
        for name in ("style", "time", "mood", "weather", "ground"):
            if dice.chance(share):
                said.add(name)
        for name in ("body", "background", "water", "object"):
            there = getattr(scene, name) != "none"
            if dice.chance(share * (1.0 if there else 0.03) + (0.15 if name == "object" and there else 0)):
                said.add(name)
                if there:
                    said.update(part for part in _PARTS.get(name, ()) if dice.chance(detail))
    if "object" in said and scene.companion != "none" and dice.chance(max(share, 0.5)):
        said.update(("companion", "relation"))
        if dice.chance(detail):
            said.add("companion_color")
    return frozenset(said)


def vocabulary() -> dict[str, set[str]]:
    """Return all words that captions can say, ``en`` and ``zh`` (chapter 05).

    English words are lower-case, one by one; Chinese ones are the grammar's own pieces.
    """
    found: dict[str, set[str]] = {"en": set(w.EN_GLUE.split()), "zh": set(w.ZH_GLUE.split())}
    for name, table in vars(w).items():
        if name.startswith("EN_") and name != "EN_GLUE":
            for text in (" ".join(_flat(table))).lower().split():
                found["en"].add(text)
        elif name.startswith("ZH_") and name not in ("ZH_GLUE", "ZH_VERB"):
            found["zh"].update(_flat(table))
    found["en"].update(f"{verb}s" for verbs in w.EN_VERB.values() for verb in verbs)
    found["en"].update(f"{noun.split()[-1]}s" for nouns in w.EN_OBJECT.values() for noun in nouns)
    found["zh"].update(_flat(w.ZH_VERB))
    return found


def _flat(table) -> list[str]:
    if isinstance(table, str):
        return [table]
    values = table.values() if isinstance(table, dict) else table
    return [text for value in values for text in _flat(value)]
