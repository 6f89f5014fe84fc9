"""One finished job of the studio, as its line in the history tells it. Chapter 13.

A newer version of the course may write more about a job than this one knows: that is kept and told, not refused.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from mjcourse.config import UserError

KINDS = ("imagine", "vary", "upscale", "remix", "zoom", "pan", "region", "blend", "filter")
_TYPES = {"id": str, "time": str, "command": str, "kind": str, "settings": dict, "parent": str | None,
          "index": int | None, "seeds": tuple, "files": tuple, "seconds": int | float}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One finished job, as its line in the history tells it.

    Args:
        id: names the job and its files; of letters, digits, - and _.
        time: when it was finished, ISO 8601 with the offset from UTC.
        command: what to type to get the same pictures.
        kind: one of `KINDS`, or of a newer version of the course.
        settings: of the command, by name.
        parent, index: the job that it was made from and which of its pictures, from 0; None when it starts afresh.
        seeds: of its pictures.
        files: names of its pictures in the history's folder.
        seconds: how long it took.
        extra: what a newer version wrote beside these, kept as it is.
    """

    id: str
    time: str
    command: str
    kind: str = "imagine"
    settings: dict = field(default_factory=dict)
    parent: str | None = None
    index: int | None = None
    seeds: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    extra: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in _TYPES.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}")
        if not re.fullmatch(r"[\w-]{1,64}", self.id, re.ASCII):
            raise ValueError(f"id is {self.id!r}")
        for name in self.files:  # none leads out of the folder
            if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
                raise ValueError(f"file is {name!r}")

    @classmethod
    def of(cls, record: dict) -> Entry:
        """Return the entry of a line's JSON object; ValueError or TypeError when it is none."""
        known = {key: tuple(v) if isinstance(v, list) else v for key, v in record.items() if key in _TYPES}
        return cls(**known, extra={key: value for key, value in record.items() if key not in _TYPES})

    def record(self) -> dict:
        """Return the JSON object of its line, with what a newer version wrote."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"} | self.extra

    def told(self, folder: Path) -> str:
        """Return all of it as readable lines; `folder` is where its files are."""
        lines = [f"{self.kind} · {self.time.replace('T', ' ')} · {self.seconds:.1f} s", self.command]
        if self.parent is not None:
            which = "" if self.index is None else f"picture {self.index + 1} of "
            lines.append(f"made from {which}{self.parent}")
        if self.seeds:
            lines.append(f"seeds: {', '.join(map(str, self.seeds))}")
        lines += [f"{name}: {value}" for name, value in (self.settings | self.extra).items() if value is not None]
        for path in (folder / name for name in self.files):
            lines.append(f"file: {path}{'' if path.exists() else ' (missing)'}")
        return "\n".join(lines)


Jobs = tuple[dict[str, Entry], dict[str, Entry]]  # those that are there and those that were deleted, by id


def jobs_of(records: list[dict]) -> Jobs:
    """Return the jobs that the records of a journal tell, oldest first, and the deleted ones as they were deleted."""
    found: dict[str, Entry] = {}
    gone: dict[str, None] = {}
    for record in records:
        if isinstance(id := record.get("deleted"), str):
            gone.pop(id, None)
            gone[id] = None
        elif isinstance(id := record.get("restored"), str):
            gone.pop(id, None)
        else:
            with suppress(ValueError, TypeError):  # not a job, or one that somebody altered
                entry = Entry.of(record)
                if entry.id in gone:  # a new job of that name
                    gone.pop(entry.id)
                    found.pop(entry.id, None)
                found[entry.id] = entry
    there = {id: entry for id, entry in found.items() if id not in gone}
    return there, {id: found[id] for id in gone if id in found}


def new_id() -> str:
    """Return a name for a job that no other notebook gives and that sorts by time: ``20260131-142530-9f3a61c2``."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def checked_kind(kind: str) -> str:
    """Return a kind of job, or raise a UserError with the nearest of `KINDS`."""
    if kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"there is no kind of job {kind!r}; there are {', '.join(KINDS)}.{hint}")
    return kind


def checked_pictures(pictures) -> np.ndarray:
    """Return pictures as an array (N, H, W, 3) uint8, N at least 1, or raise a UserError."""
    array = np.asarray(pictures)
    if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8 or not array.size:
        raise UserError(f"a job's pictures must be (N, H, W, 3) uint8, at least one; got {array.shape} {array.dtype}.")
    return array
