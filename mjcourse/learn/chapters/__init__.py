"""One module a chapter: ``ch02_vae.py`` holds ``EXERCISES``, the exercises of ``02_vae``, and their checks.

A check that needs more than a screen has a file of its own, such as ``vae_step.py``.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from mjcourse.config import UserError

if TYPE_CHECKING:
    from mjcourse.learn.exercise import Exercise


def names() -> list[str]:
    """Return the chapters that have exercises, in order."""
    return sorted(module.name.removeprefix("ch") for module in iter_modules(__path__) if module.name.startswith("ch"))


def exercises(chapter: str) -> tuple[Exercise, ...]:
    """Return the exercises of a chapter such as ``02_vae``.

    Raises:
        UserError: there is no such chapter, or it has none.
    """
    if chapter not in names():
        close = difflib.get_close_matches(str(chapter), names(), n=1, cutoff=0.3)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise UserError(f"there are no exercises for {chapter!r}; there are some for {', '.join(names())}.{meant}")
    return import_module(f"{__name__}.ch{chapter}").EXERCISES


def exercise(chapter: str, number: int) -> Exercise:
    """Return one exercise of a chapter.

    Raises:
        UserError: there is no such chapter, or no exercise of that number in it.
    """
    found = {one.number: one for one in exercises(chapter)}
    if type(number) is not int or number not in found:
        raise UserError(f"{chapter} has no exercise {number!r}; it has {min(found)} to {max(found)}.")
    return found[number]
