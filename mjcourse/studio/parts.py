"""A prompt in parts, each with its weight: ``a lighthouse::2 fog::-0.5``. Chapter 13 gives the equation.

`::` ends a part; a number right after it is the part's weight, else that is 1. A prompt without `::` is one part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from mjcourse.config import UserError
from mjcourse.studio.flag import NUMBER, cut, shown

NO_WEIGHT = -0.75  # of what --no names, all together
MAX_WEIGHT = 10  # to either side of 0
MAX_PARTS = 10  # each is one more pass through the model
SMALLEST_SUM = 1e-6  # less is 0 and the errors of sums: 0.1 + 0.2 - 0.3

_AS_IN = "as in 'a lighthouse::2 fog::-0.5'"


class Part(NamedTuple):
    """Some words of a prompt and how much they count."""

    text: str
    weight: float


def read_parts(prompt: str, no: Iterable[str] = ()) -> tuple[Part, ...]:
    """Return the parts of a prompt, in order, and after them those that ``--no`` names.

    Args:
        prompt: in the form of `clean_prompt`, without flags.
        no: what to keep out, parts that share the weight `NO_WEIGHT`.

    Returns:
        1 to `MAX_PARTS` parts, weights from -`MAX_WEIGHT` to `MAX_WEIGHT`, whose sum is more than 0.

    Raises:
        UserError: an empty part, a weight that is no number or too large, too many parts, or a sum of 0 or less.
    """
    if ":::" in prompt:
        raise UserError(f"the prompt has more than two colons in a row; write :: after a part, {_AS_IN}.")
    parts, ahead = [], ""
    first, *rest = re.split(r"::([^\s:]*)", prompt)  # text, what stands right after ::, text, …
    texts, marks = [first, *rest[1::2]], rest[0::2]
    for text, mark in zip(texts, marks, strict=False):
        weight = _weight(mark)
        parts.append(Part((ahead + text).strip(), 1.0 if weight is None else weight))
        ahead = mark if weight is None else ""
    if (last := (ahead + texts[-1]).strip()) or not parts:
        parts.append(Part(last, 1.0))
    if not all(part.text for part in parts):
        raise UserError(f"a part of the prompt is empty; write words before each ::, {_AS_IN}.")
    no = tuple(no)
    parts += [Part(text, NO_WEIGHT / len(no)) for text in no]
    if len(parts) > MAX_PARTS:
        raise UserError(f"the prompt has {len(parts)} parts, --no counted; allowed are {MAX_PARTS}: join some.")
    total = math.fsum(part.weight for part in parts)
    if total < SMALLEST_SUM:
        text, weight = parts[0]
        enough = math.floor(weight - total) + 1
        example = f", as in {f'{cut(text)}::{enough}'!r}" if enough <= MAX_WEIGHT else ""
        raise UserError(
            f"the weights of the prompt's parts sum to {round(total, 6) + 0.0:g} and must sum to more than 0: "
            f"raise the weight of what you want to see{example}."
        )
    return tuple(parts)


def _weight(mark: str) -> float | None:
    """The number right after ``::``; None where words stand there, or nothing."""
    if not re.match(r"[+−.0-9-]", mark) and mark.lower() not in ("nan", "inf", "infinity"):
        return None
    if not NUMBER.fullmatch(mark):
        raise UserError(
            f"the weight {shown(mark)} is no number; write one from -{MAX_WEIGHT} to {MAX_WEIGHT} right after :: and a "
            f"space after it, {_AS_IN}."
        )
    if abs(weight := float(mark)) > MAX_WEIGHT:
        raise UserError(f"the weight {cut(mark)} is too large; allowed are -{MAX_WEIGHT} to {MAX_WEIGHT}, {_AS_IN}.")
    return weight
