"""One flag of the command language: what may stand after it, how that is read, refused and written. Chapter 13.

`mjcourse.studio.flags` holds the table of all flags.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from numbers import Integral, Real

from mjcourse.config import UserError
from mjcourse.data.prompts import clean_prompt
from mjcourse.studio.expand import normal

DEFAULTS = {  # what each engine is called with; chosen on validation prompts: benchmarks/guidance.py
    "flow": {"guidance": 3.0, "steps": 25},
    "prior": {"guidance": 4.0},
}
MAX_PATH = 500  # characters
WHOLE = re.compile(r"[+-]?[0-9]{1,100}")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")

Value = int | float | bool | str | tuple[str, ...] | None


@dataclass(frozen=True)
class Flag:
    """What may stand after a flag, what counts without it, and which engines take it.

    Args:
        name: without its dashes; the name of `Command`'s field too.
        kind: ``whole`` or ``number`` (from `low` to `high`), ``choice`` (one of `choices`), ``switch`` (nothing
            follows), ``image`` (the path of a picture) or ``words`` (all up to the next flag).
        meaning: one line for the docs and the widget's tooltips.
        default: without the flag; a dict where each engine has its own.
        aliases: other names for it.
        noun: what the choices are, for refusals.
        also: other spellings of the choices, each with its choice.
        needs: the flag without which this one means nothing.
        lacking: why the prior does not take it; empty where it does.
        harmless: what the prior does anyhow, and so takes.
    """

    name: str
    kind: str
    meaning: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] | tuple[float, ...] = ()
    default: Value | dict[str, Value] = None
    aliases: tuple[str, ...] = ()
    noun: str = ""
    also: tuple[tuple[str, str], ...] = ()
    needs: str = ""
    lacking: str = ""
    harmless: Value = None

    @property
    def engines(self) -> tuple[str, ...]:
        """Return the engines that take the flag."""
        return ("flow",) if self.lacking else tuple(DEFAULTS)

    @property
    def allowed(self) -> str:
        """Return what may stand after the flag, in words."""
        if self.kind == "choice":
            *most, last = map(plain, self.choices)
            return f"{', '.join(most)} or {last}"
        fixed = {"switch": "no value", "image": "the path of a picture", "words": "words, with commas between"}
        return fixed.get(self.kind) or f"{self.low} to {self.high}"

    def default_for(self, model: str) -> Value:
        """Return what counts without the flag; None where the engine does not take it, or there is no default."""
        if model not in self.engines:
            return self.harmless
        return self.default[model] if isinstance(self.default, dict) else self.default

    def value(self, given: object) -> Value:
        """Return what was typed after the flag, or given in Python, in the flag's own type.

        Raises:
            UserError: it is of another kind, or out of range; nothing is rounded or clamped.
        """
        return getattr(self, f"_{self.kind}")(given)

    def spell(self, value: Value) -> str:
        """Return what to type for a value, so that `value` gives it back; empty for a switch."""
        if self.kind == "image":
            return value if re.fullmatch(r"(?!.*--)[\w./~:\\-]+", value) else f'"{value}"'
        if self.kind == "words":
            return ", ".join(value)
        return "" if self.kind == "switch" else plain(value)

    def _whole(self, given: object) -> int | float:
        kind, form, make = (Integral, WHOLE, int) if self.kind == "whole" else (Real, NUMBER, float)
        right = form.fullmatch(given) if isinstance(given, str) else isinstance(given, kind)
        if not right or isinstance(given, bool):
            raise UserError(f"--{self.name} needs a number, not {shown(given)}; allowed are {self.allowed}.")
        if not self.low <= (make(given) if isinstance(given, str) else given) <= self.high:
            raise UserError(f"--{self.name} is {cut(given)}; allowed are {self.allowed}.")
        return make(given)

    _number = _whole

    def find(self, given: object) -> str | float | None:
        """Return the choice that was meant, whatever its case, hyphens and spaces; None where there is none."""
        if isinstance(self.choices[0], str):
            return self._names.get(_bare(given)) if isinstance(given, str) else None
        right = NUMBER.fullmatch(given) if isinstance(given, str) else isinstance(given, Real)
        return float(given) if right and not isinstance(given, bool) and float(given) in self.choices else None

    @cached_property
    def _names(self) -> dict[str, str]:
        return {_bare(name): choice for name, choice in (*self.also, *((choice, choice) for choice in self.choices))}

    def _choice(self, given: object) -> str | float:
        if (choice := self.find(given)) is not None:
            return choice
        near = _nearest_shape(given, self.choices) or get_close_matches(_bare(cut(given)), map(plain, self.choices), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"there is no {self.noun} {shown(given)}; --{self.name} takes {self.allowed}.{hint}")

    def _switch(self, given: object) -> bool:
        if isinstance(given, bool):
            return given
        raise UserError(f"--{self.name} is a switch: True or False, not {shown(given)}.")

    def _image(self, given: object) -> str:
        path = os.fspath(given) if isinstance(given, os.PathLike) else given
        path = normal(path) if isinstance(path, str) and len(path) <= MAX_PATH else ""
        if not path or path.startswith(("--", "—", "–")):
            raise UserError(f"--{self.name} needs the path of a picture, not {shown(given)}.")
        if '"' in path or "://" in path or not path.isprintable() or len(path) > MAX_PATH:
            raise UserError(
                f"--{self.name} cannot take {shown(given)}: allowed are paths without quotes, control characters and "
                "web addresses; save the picture under a plain name."
            )
        return path

    def _words(self, given: object) -> tuple[str, ...]:
        texts = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        if not all(isinstance(text, str) for text in texts):
            raise UserError(f"--{self.name} needs words, not {shown(given)}.")
        items = [item.strip(" ") for text in texts for item in re.split("[,、]", normal(text))]
        for item in items:
            if not item:
                raise UserError(f"--{self.name} has an empty part in {shown(given)}; write words, with commas between.")
            if "::" in item:
                raise UserError(f"--{self.name} takes no weights; write {shown(item)} in the prompt, as in 'x::-0.5'.")
        return tuple(map(clean_prompt, items))


def _nearest_shape(given: object, choices: Iterable) -> list[str]:
    """Return which of some shapes such as 3:2 is nearest to another one; empty where they are no shapes."""
    width_to_height = {}
    for text in (given, *choices):
        if not (isinstance(text, str) and (found := re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", text))):
            return []
        width_to_height[text] = math.log(int(found[1]) / int(found[2]))
    return [min(choices, key=lambda one: abs(width_to_height[one] - width_to_height[given]))]


def cut(given: object, most: int = 40) -> str:
    """Return a value as text for a message, cut where it is long."""
    text = str(given)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown(given: object) -> str:
    """Return what was typed in quotes for a message: short, on one line, odd characters by their numbers."""
    return repr(cut(given))


def plain(value: str | int | float) -> str:
    """Return a value as one types it: 4.0 is 4, and 1e-05 is 0.00001."""
    if not isinstance(value, float):
        return str(value)
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bare(name: str) -> str:
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", "", name.casefold().strip())
