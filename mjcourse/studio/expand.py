"""The text of a command before its flags are read: its normal form, and permutations ``{a, b}``. Chapter 13.

A group in braces is one word for each of its choices; several groups multiply, and groups may stand in groups, in
flags and in their values: ``a {red, blue} house --ar {1:1, 3:2}`` is four texts. ``\\{``, ``\\}`` and ``\\,`` are the
characters themselves; a backslash before anything else is a backslash, as in the path of a file.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Iterator

from mjcourse.config import UserError
from mjcourse.data.prompts import INVISIBLE, clean_prompt

MAX_TEXT = 4_000  # characters of a command: a prompt of 500, all its flags, permutations
MAX_JOBS = 40  # commands that one text may make
MAX_DEPTH = 10  # groups inside groups

Text = list  # of pieces: a str, or a group, which is a tuple of choices, each a Text again

_SPACE = re.compile(r"[^\S\x0b\x0c\x1c-\x1f\x85]+")  # all that `clean_prompt` takes for a space; controls are refused
_TOKEN = re.compile(r"\\[,{}]|[{},]|[^\\{},]+|\\")


def normal(text: str) -> str:
    """Return a text in the form of `clean_prompt`, of any content: NFKC, single spaces, nothing invisible.

    Raises:
        UserError: no text, or one of more than `MAX_TEXT` characters.
    """
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        clean_prompt(text)  # refuses both in its own words
    text = unicodedata.normalize("NFKC", text.translate(dict.fromkeys(map(ord, INVISIBLE))))
    if len(text) > MAX_TEXT:  # NFKC can lengthen a text
        clean_prompt(text)
    return _SPACE.sub(" ", text).strip(" ")


def escape(text: str) -> str:
    """Return what to type so that `permutations` gives exactly this text and nothing else."""
    return re.sub(r"(?=[{}])|(?<=\\)(?=,)", r"\\", text)


def permutations(text: str) -> list[str]:
    """Return the texts that a text with groups stands for, the last group changing fastest.

    Args:
        text: in normal form.

    Returns:
        1 to `MAX_JOBS` texts, in the order of `itertools.product`; equal ones are kept.

    Raises:
        UserError: a brace without its partner, an empty choice, groups too deep, or too many texts.
    """
    tree = _read(iter(_TOKEN.findall(text)), depth=0)[0]
    check_count(_count(tree))
    return _spell(tree)


def check_count(count: int) -> None:
    """Refuse more than `MAX_JOBS` commands, saying how many there would be."""
    if count > MAX_JOBS:
        many = f"{count:,}" if count <= 10**9 else "more than a billion"
        raise UserError(
            f"this text makes {many} commands; allowed are {MAX_JOBS} at a time: leave out some choices in {{…}} "
            "or lower --repeat."
        )


def _read(tokens: Iterator[str], depth: int) -> list[Text]:
    """Read up to the brace that closes a group, or to the end; return the choices (outside of groups: one)."""
    if depth > MAX_DEPTH:
        raise UserError(f"groups {{…}} stand more than {MAX_DEPTH} deep in each other; write them side by side.")
    choices: list[Text] = [[]]
    for token in tokens:
        if token == "{":
            choices[-1].append(tuple(_read(tokens, depth + 1)))
        elif token == "}" and depth:
            return [_trimmed(choice) for choice in choices]
        elif token == "}":
            raise UserError(r"there is a } without its {; write \} for the character itself, or {a, b} for choices.")
        elif token == "," and depth:
            choices.append([])
        else:
            choices[-1].append(token[-1] if token[0] == "\\" else token)
    if depth:
        raise UserError(r"there is a { without its }; write \{ for the character itself, or {a, b} for choices.")
    return choices


def _trimmed(choice: Text) -> Text:
    """A choice without the spaces around it."""
    choice = list(choice)
    if choice and isinstance(choice[0], str):
        choice[0] = choice[0].lstrip(" ")
    if choice and isinstance(choice[-1], str):
        choice[-1] = choice[-1].rstrip(" ")
    if not any(choice):
        raise UserError(r"a group {…} has an empty choice; write each one out, as in {red, blue}, or \{ for a brace.")
    return choice


def _count(text: Text) -> int:
    return math.prod(sum(map(_count, piece)) for piece in text if isinstance(piece, tuple))


def _spell(text: Text) -> list[str]:
    ways = ([piece] if isinstance(piece, str) else [s for choice in piece for s in _spell(choice)] for piece in text)
    return ["".join(parts) for parts in itertools.product(*ways)]
