"""The exercise notebooks as files: their cells by exercise, and our solutions, which stand in ``solutions/`` alone.

The cells' ``grade_id`` tells them apart: ``answer-2`` is where exercise 2 is answered, ``check-2`` where it is
checked, and ``given-…`` is code that comes with the exercise and is run before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mjcourse import config
from mjcourse.config import UserError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@dataclass(frozen=True)
class Cell:
    """A cell of an exercise notebook: ``markdown`` or ``code``, its grade_id or "", and its text."""

    kind: str
    name: str
    source: str


def notebook(chapter: str, folder: str = "solutions") -> Path:
    """Return where a chapter's notebook is, in ``solutions/`` or ``exercises/``."""
    return config.ROOT / folder / chapter / f"{chapter}.ipynb"


def cells(path: Path) -> list[Cell]:
    """Return a notebook's cells in order.

    Raises:
        UserError: there is no such file, or it is no notebook.
    """
    try:
        found = json.loads(path.read_text("utf-8"))["cells"]
        return [
            Cell(cell["cell_type"], cell["metadata"].get("nbgrader", {}).get("grade_id", ""), "".join(cell["source"]))
            for cell in found
        ]
    except FileNotFoundError:
        raise UserError(f"there is no notebook {path}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeError):
        raise UserError(f"{path} is no notebook, or a damaged one; give a file that ends in .ipynb.") from None


def given(path: Path) -> str:
    """Return the code that comes with the exercises, all cells together: imports, data, broken programs."""
    return "\n\n".join(cell.source for cell in cells(path) if cell.kind == "code" and cell.name.startswith("given"))


def answer(path: Path, number: int) -> str:
    """Return the cell where an exercise is answered, markers and all."""
    return next(cell.source for cell in cells(path) if cell.name == f"answer-{number}")


def solution(chapter: str, number: int) -> str:
    """Return our solution of an exercise, ready to run.

    Raises:
        UserError: this copy of the course has no solutions.
    """
    path = notebook(chapter)
    if not path.exists():
        raise UserError(f"this copy of the course has no solutions of {chapter}; ask whoever gave it to you.")
    lines = answer(path, number).splitlines()
    return "\n".join(line for line in lines if line.strip() not in (BEGIN, END))
