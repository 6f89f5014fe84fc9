"""A hundred prompts as people write them, with what they mean: ``data/prompts/people.csv``. Chapters 05 and 07.

Written by hand, before any model had been tried on them: typing errors, other word orders, words that no
caption of the course contains.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from mjcourse.config import DATA, UserError
from mjcourse.data.scenes import ATTRIBUTES

HOME = DATA / "prompts" / "people.csv"
KINDS = ("typo", "order", "synonym")


@dataclass(frozen=True)
class Prompt:
    """A text and the attributes that a person would understand it to name."""

    text: str
    language: str
    kind: str  # what is unlike the captions: one of `KINDS`
    means: dict[str, str]


def load_people(path: Path = HOME) -> list[Prompt]:
    """Return the prompts in the order of the file.

    Raises:
        UserError: the file is missing, or a line of it names no attribute or value of a scene.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    except OSError as error:
        raise UserError(f"{path.name} is missing; restore it with `git checkout -- data/prompts`.") from error
    found = []
    for number, row in enumerate(rows, 2):
        means = dict(pair.split("=", 1) for pair in (row["means"] or "").split())
        wrong = [f"{k}={v}" for k, v in means.items() if v not in ATTRIBUTES.get(k, ())]
        if wrong or not means or row["kind"] not in KINDS:
            raise UserError(
                f"{path.name}, line {number}: {', '.join(wrong) or row['kind'] or 'no meaning'} is not known."
            )
        found.append(Prompt(row["text"], row["language"], row["kind"], means))
    return found
