"""What one filter of the studio is: its function, its space, and the values it takes, reads and writes. Chapter 11."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

import numpy as np

from mjcourse.config import UserError
from mjcourse.studio.tone import Points

Value = float | int | str | Points

MAX_POINTS = 8  # of a curve
MIN_RISE = 0.001  # of x from point to point
DIGITS = 6  # after the point, of any number: a slider's 0.30000000000000004 is 0.3
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return a hint at the nearest name, or nothing."""
    near = get_close_matches(word, list(names), 1)
    return f" Did you mean {near[0]}?" if near else ""


def shortened(value: object) -> str:
    """Return how Python writes a value, in one line of at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:38] + "…" + text[-1]


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _rounded(value: float) -> float:
    return round(float(value), DIGITS) + 0.0  # no -0


@dataclass(frozen=True)
class Filter:
    """One filter: what it does, in which space, and which values it takes.

    Its kind is ``number`` or ``whole`` (low to high), ``choice`` (one of some names) or ``points`` (a curve). The
    neutral value, which changes no byte, is always allowed, inside the range or not.
    """

    name: str
    function: Callable[..., np.ndarray]  # (picture in `space`, value) -> picture in `space`; with `seeded`, a seed too
    space: str  # srgb, linear or oklab
    neutral: Value
    meaning: str
    low: float = 0
    high: float = 1
    choices: tuple[str, ...] = ()
    seeded: bool = False

    @property
    def kind(self) -> str:
        """``number``, ``whole``, ``choice`` or ``points``."""
        kinds = {float: "number", int: "whole", str: "choice", tuple: "points"}
        return kinds[type(self.neutral)]

    @property
    def values(self) -> tuple[Value, ...]:
        """All allowed values of a ``whole`` or a ``choice``, neutral first; empty for other kinds."""
        some = range(int(self.low), int(self.high) + 1) if self.kind == "whole" else self.choices
        return tuple(dict.fromkeys((self.neutral, *some))) if self.kind in ("whole", "choice") else ()

    @property
    def allowed(self) -> str:
        """What may be asked for, in words."""
        if self.kind == "choice":
            return ", ".join(self.values)
        if self.kind == "points":
            return f"2 to {MAX_POINTS} points x:y from 0 to 1, x rising, such as 0:0 0.5:0.6 1:1"
        off = "" if self.low <= self.neutral <= self.high else f", or {self.neutral} for off"
        return f"{'whole numbers from ' * (self.kind == 'whole')}{self.low:g} to {self.high:g}{off}"

    def check(self, value: Value) -> Value:
        """Return a value in its own type, numbers to 6 digits after the point.

        Raises:
            UserError: it is of another kind or out of range.
        """
        if self.kind == "choice":
            if not isinstance(value, str) or value not in self.values:
                raise UserError(f"there is no {self.name} {shortened(value)}; allowed are {self.allowed}."
                                f"{did_you_mean(str(value), self.values)}")  # fmt: skip
            return value
        if self.kind == "points":
            return self._check_points(value)
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or value != value:
            raise UserError(f"{self.name} needs a number, not {shortened(value)}; allowed are {self.allowed}.")
        value = float(value)
        if value != self.neutral and not self.low <= value <= self.high:
            below = min(self.low, self.neutral, key=lambda edge: abs(edge - value))
            nearest = self.high if value > self.high else below
            raise UserError(f"{self.name} is {_number(value)}; allowed are {self.allowed}; the nearest is {nearest:g}.")
        if self.kind == "whole":
            if not value.is_integer():
                raise UserError(f"{self.name} is {_number(value)}; allowed are {self.allowed}.")
            return int(value)
        return _rounded(value)

    def _check_points(self, value: Value) -> Points:
        try:
            points = tuple((_rounded(x), _rounded(y)) for x, y in value)
        except (TypeError, ValueError):
            raise UserError(f"{self.name} needs points, not {shortened(value)}; allowed are {self.allowed}.") from None
        inside = all(0 <= number <= 1 for point in points for number in point)
        rising = all(_rounded(b[0] - a[0]) >= MIN_RISE for a, b in pairwise(points))
        if 2 <= len(points) <= MAX_POINTS and inside and rising:
            return points
        why = "has a point outside 0 to 1" if not inside else f"has an x that does not rise by {MIN_RISE} or more"
        if not 2 <= len(points) <= MAX_POINTS:
            why = "has too few points" if len(points) < 2 else "has too many points"
        raise UserError(f"{self.name} {why}; allowed are {self.allowed}.")

    def read(self, text: str) -> Value:
        """Return the value that a text says, checked."""
        if self.kind == "choice":
            return self.check(text)
        if self.kind == "points":
            pairs = [pair.split(":") for pair in text.split()]
            if all(len(p) == 2 and all(map(_NUMBER.fullmatch, p)) for p in pairs):
                return self.check(tuple((float(x), float(y)) for x, y in pairs))
        return self.check(float(text) if self.kind != "points" and _NUMBER.fullmatch(text) else text)

    def write(self, value: Value) -> str:
        """Return what to type for a value."""
        if self.kind == "points":
            return " ".join(f"{_number(x)}:{_number(y)}" for x, y in value)
        return _number(value) if self.kind == "number" else str(value)
