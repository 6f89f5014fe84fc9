"""What happened to whom: the graded notebook of each hand-in, read into a row, and the rows as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from nbformat import NotebookNode

from mjcourse.classroom.mend import name_of
from mjcourse.learn.exercise import NOT_ATTEMPTED, RIGHT, WRONG

# Beside right, wrong and not attempted.
TIME, MEMORY, CRASH, PRINTED, NOT_RUN, ERROR = "time", "memory", "crash", "printed", "not run", "error"
BY_NAME = {
    "TimeUp": TIME, "MemoryUp": MEMORY, "MemoryError": MEMORY, "KernelDied": CRASH, "PrintedTooMuch": PRINTED,
    "NotRun": NOT_RUN,
}  # fmt: skip
NO_MEMORY = re.compile(r"MemoryError|can't allocate memory|not enough memory")  # numpy and Python; torch; torch
MARKS = {RIGHT: "✓", WRONG: "✗", NOT_ATTEMPTED: "–", TIME: "t", MEMORY: "m", CRASH: "c", PRINTED: "p", NOT_RUN: "·",
         ERROR: "e"}  # fmt: skip


@dataclass
class Row:
    """One hand-in: points, the state of each test cell with its line, and what happened besides."""

    student: str
    points: float = 0
    of: float = 0
    graded: bool = False
    states: dict[str, str] = field(default_factory=dict)  # test cell → one of MARKS
    messages: dict[str, str] = field(default_factory=dict)  # test cell → the line beside it
    happened: list[str] = field(default_factory=list)
    seconds: float = 0


def take(row: Row, graded: NotebookNode) -> None:
    """Read a graded notebook into a row."""
    for index, cell in enumerate(graded.cells):
        if cell.cell_type != "code":
            continue
        errors = [one for one in cell.outputs if one.output_type == "error"]
        name = name_of(cell) or f"cell {index + 1}"
        states = [state(one) for one in errors]
        if cell.metadata.get("nbgrader", {}).get("grade"):
            found = next((one for one in states if one in (TIME, MEMORY, PRINTED)), (states or [RIGHT])[0])
            row.states[name] = found
            row.messages[name] = printable(errors[states.index(found)].evalue) if errors else ""
        elif ERROR in states and not name_of(cell).startswith("answer"):
            row.happened.append(f"{printable(errors[0].ename)} in {name}")
        row.happened += [f"{one} in {name}" for one in dict.fromkeys(states) if one in (TIME, MEMORY, CRASH, PRINTED)]


def state(error: NotebookNode) -> str:
    """Return what an error output of a cell means."""
    if error.ename == "AssertionError":
        return WRONG
    if error.ename == "NotPassed":
        if error.evalue.startswith("–"):
            return NOT_ATTEMPTED
        return MEMORY if NO_MEMORY.search(error.evalue) else WRONG
    return BY_NAME.get(error.ename, ERROR)


def printable(text: object, most: int = 300) -> str:
    """Return a text of a hand-in's as one line without control characters, which a terminal would obey."""
    line = "".join(one if one.isprintable() else " " for one in str(text))
    return line if len(line) <= most else line[: most - 1] + "…"


def as_text(rows: Sequence[Row]) -> str:
    """Return a line for each hand-in, the marks in the order of the test cells, and what the marks mean."""
    width = max((len(row.student) for row in rows), default=0)
    lines = []
    for row in rows:
        marks = "".join(MARKS[one] for one in row.states.values()) or "(not graded)"
        lines.append(
            f"{row.student:<{width}}  {row.points:4g} of {row.of:<4g} {marks}  {'; '.join(row.happened)}".rstrip()
        )
    legend = ", ".join(f"{mark} {name}" for name, mark in MARKS.items())
    missing = [row.student for row in rows if not row.graded]
    lines += [f"{len(rows)} hand-ins; not graded: {', '.join(missing) or 'none'}.", f"({legend})"]
    return "\n".join(lines)


def as_csv(rows: Sequence[Row]) -> str:
    """Return a table for a spreadsheet: a row a hand-in, a column a test cell."""
    cells = list(dict.fromkeys(name for row in rows for name in row.states))
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["student", "points", "of", *cells, "graded", "happened", "seconds"])
    for row in rows:
        states = [row.states.get(name, "") for name in cells]
        name = f"'{row.student}" if row.student[:1] in "=+-@" else row.student  # a spreadsheet would compute it
        graded = "yes" if row.graded else "no"
        table.writerow([name, row.points, row.of, *states, graded, "; ".join(row.happened), f"{row.seconds:.1f}"])
    return out.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """Return all that is known of each hand-in, the messages of the checks among it."""
    return json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> list[Row]:
    """Return the rows that `as_json` wrote."""
    return [Row(**row) for row in json.loads(text)]
