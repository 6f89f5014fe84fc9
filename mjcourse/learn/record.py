"""What a learner has tried and solved, as a file of events that only grows: ``runs/exercises.jsonl``.

Several notebooks may add to it at once and ``kill -9`` loses at most the event that was being written.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.learn.exercise import NOT_ATTEMPTED, RIGHT, WRONG
from mjcourse.studio.journal import add_line, read_lines, to_line

HINT, SOLUTION = "hint", "solution"
EVENTS = (RIGHT, WRONG, NOT_ATTEMPTED, HINT, SOLUTION)
SWITCH = "MJCOURSE_PROGRESS"  # set to "off" where somebody else's notebook is run


@dataclass
class Standing:
    """Where a learner stands with one exercise: how often each of `EVENTS` has happened."""

    count: Counter = field(default_factory=Counter)
    unaided: bool = False  # it was right before its solution was shown

    @property
    def solved(self) -> bool:
        """Whether it has been right at least once."""
        return self.count[RIGHT] > 0

    def __str__(self) -> str:
        tries = self.count[RIGHT] + self.count[WRONG]
        if not tries:
            return "not attempted"
        said = f"solved, {tries} tries" if self.solved else f"not yet right, {tries} tries"
        helped = [f"{self.count[HINT]} hints"] if self.count[HINT] else []
        helped += ["solution seen"] if self.count[SOLUTION] and not self.unaided else []
        return ", ".join([said, *helped]).replace(" 1 tries", " 1 try").replace(" 1 hints", " 1 hint")


def path() -> Path:
    """Return the file that progress is kept in."""
    return config.RUNS / "exercises.jsonl"


def add(chapter: str, number: int, event: str) -> None:
    """Keep one event; a full disk or a folder that cannot be written to is said in a line and stops nobody."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return
    line = {"chapter": chapter, "exercise": number, "event": event, "at": datetime.now(UTC).isoformat("T", "seconds")}
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        add_line(path(), to_line(line))
    except (OSError, UserError) as error:
        print(f"(progress was not kept: {error})")


def standings(chapter: str) -> dict[int, Standing]:
    """Return exercise number → where the learner stands, for all with an event."""
    try:
        lines = read_lines(path().read_bytes())
    except OSError:
        lines = []
    found: dict[int, Standing] = {}
    for line in lines:
        number, event = line.get("exercise"), line.get("event")
        if line.get("chapter") == chapter and type(number) is int and event in EVENTS:
            one = found.setdefault(number, Standing())
            one.unaided = one.unaided or (event == RIGHT and not one.count[SOLUTION])
            one.count[event] += 1
    return found
