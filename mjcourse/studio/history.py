"""The studio's history: a line for each finished job and its pictures beside it. Chapter 13 takes it apart.

``history.jsonl`` only grows: a finished job is a line, a deletion is a line, its undoing is one. The pictures are
written before the line that names them, so a job that can be found has its pictures, and several notebooks may write
at once.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from PIL import Image

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.files import write_atomically
from mjcourse.studio.entry import Entry, Jobs, checked_kind, checked_pictures, jobs_of, new_id
from mjcourse.studio.journal import add_line, read_lines, to_line


@dataclass(frozen=True)
class Shown:
    """One picture of the gallery: number ``index``, from 0, of a job; ``there`` tells whether its file is."""

    entry: Entry
    index: int
    path: Path
    there: bool


def write_png(picture: np.ndarray, path: Path, entry: Entry, index: int) -> None:
    """Write a picture (H, W, 3) uint8 as a plain PNG, whole or not at all: `History`'s default ``write``."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())


class History:
    """The finished jobs of all notebooks that share a folder, and a cursor over those of this one.

    Args:
        folder: where the lines and the pictures live, made when first written to; by default ``runs/studio``.
        write: called as ``write(picture, path, entry, index)`` for each picture of a job, (H, W, 3) uint8; it must
            write the file whole or not at all and may add to the PNG what the entry tells. The default adds nothing.
    """

    def __init__(
        self, folder: Path | None = None, write: Callable[[np.ndarray, Path, Entry, int], None] = write_png
    ) -> None:
        self.folder = Path(folder or config.RUNS / "studio")
        self.path, self.write = self.folder / "history.jsonl", write
        self._seen: tuple[tuple, Jobs] = ((), ({}, {}))  # the file's state when it was last read, and its jobs
        self._moving = threading.Lock()  # a job may finish in the worker while the notebook undoes
        self._mine: list[str] = []
        self._at = -1

    def append(
        self,
        pictures: np.ndarray,
        command: str,
        *,
        id: str | None = None,
        kind: str = "imagine",
        settings: dict | None = None,
        parent: str | None = None,
        index: int | None = None,
        seeds: Sequence[int] = (),
        seconds: float = 0.0,
    ) -> Entry:
        """Keep a finished job; when this returns, it outlives a killed process. The cursor moves to it.

        Args:
            pictures: (N, H, W, 3) uint8.
            command, kind, settings, parent, index, seeds, seconds: as for `Entry`; kind is one of `KINDS`.
            id: by default a new one.

        Raises:
            UserError: the pictures or the kind are not such, the history has this id, or it cannot be written (a full
                disk, a read-only folder, a lock that is not given back). Then what was there is as it was.
        """
        pictures, id = checked_pictures(pictures), id or new_id()
        if id in self._read():
            raise UserError(f"the history has a job {id} already; leave id out to get a new one.")
        names = [f"{id}-{i + 1}.png" for i in range(len(pictures))]
        told = Entry(id, _now(), command, checked_kind(kind), settings or {}, parent, index, tuple(seeds), tuple(names),
                     round(float(seconds), 3))  # fmt: skip
        line = to_line(told.record())
        entry = Entry.of(json.loads(line))  # as a reader will find it
        with self._writing(names):
            self.folder.mkdir(parents=True, exist_ok=True)
            for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
                self.write(picture, self.folder / name, entry, i)
            add_line(self.path, line)
        with self._moving:  # as in a browser: what was undone is no longer ahead, but it is still in the gallery
            self._mine[self._at + 1 :] = [id]
            self._at += 1
        return entry

    def entries(self) -> list[Entry]:
        """Return all jobs that were not deleted, newest first."""
        return list(self._read().values())[::-1]

    def find(self, id: str) -> Entry:
        """Return a job by its id; a UserError when there is none, or it was deleted."""
        found = self._read()
        if id not in found:
            near = get_close_matches(str(id), found, 1) or list(found)[-1:]
            hint = f"the nearest is {near[0]}." if near else "it is empty."
            raise UserError(f"the history in {self.folder} has no job {id!r}; {hint}")
        return found[id]

    def pictures(self, id: str) -> np.ndarray:
        """Return the pictures of a job, (N, H, W, 3) uint8.

        Raises:
            UserError: there is no such job, or a file of it is missing, damaged or of another size.
        """
        entry, found = self.find(id), []
        for name in entry.files:
            try:
                data = (self.folder / name).read_bytes()
                with Image.open(io.BytesIO(data)) as image:
                    image.verify()  # the checksums
                with Image.open(io.BytesIO(data)) as image:
                    found.append(np.asarray(image.convert("RGB")))
                problem = "has another size than the first one" if found[-1].shape != found[0].shape else ""
            except FileNotFoundError:
                problem = "is missing"
            except Exception:  # Pillow has many names for it
                problem = "is damaged"
            if problem:
                raise UserError(f"{self.folder / name} {problem}; to draw it again, type: {entry.command}")
        if not found:
            raise UserError(f"the job {id} names no pictures; to draw it again, type: {entry.command}")
        return np.stack(found)

    def delete(self, id: str) -> None:
        """Take a job out of the history by a line that says so; its files stay in the folder, `restore` undoes it.

        Raises:
            UserError: there is no such job, or the line cannot be written.
        """
        self.find(id)
        with self._writing():
            add_line(self.path, to_line({"deleted": id, "time": _now()}))

    def deleted(self) -> list[Entry]:
        """Return the jobs that were deleted and can be put back, in the order of their deletion."""
        return list(self._load()[1].values())

    def restore(self, id: str) -> Entry:
        """Put a deleted job back to where it was, by a line that says so, and return it.

        Raises:
            UserError: no job of this id was deleted, or the line cannot be written.
        """
        gone = self._load()[1]
        if id not in gone:
            near = get_close_matches(str(id), gone, 1) or list(gone)[-1:]
            hint = f"the nearest that can be put back is {near[0]}." if near else "none was deleted."
            raise UserError(f"the history in {self.folder} has no deleted job {id!r}; {hint}")
        with self._writing():
            add_line(self.path, to_line({"restored": id, "time": _now()}))
        return gone[id]

    def gallery(self) -> list[Shown]:
        """Return every picture of every job as a flat list, newest job first, without opening a file."""
        entries = self.entries()
        there = set(os.listdir(self.folder)) if entries else set()
        return [
            Shown(entry, i, self.folder / name, name in there)
            for entry in entries
            for i, name in enumerate(entry.files)
        ]

    def info(self, id: str) -> str:
        """Return what is known of a job as readable lines."""
        return self.find(id).told(self.folder)

    @property
    def current(self) -> Entry | None:
        """The job that the cursor is on: this notebook's last one, or where undo and redo led; None without one."""
        return self._read().get(self._mine[self._at]) if self._mine else None

    def undo(self) -> Entry:
        """Move the cursor back to the job that this notebook finished before, and return it; nothing is deleted.

        Raises:
            UserError: there is none.
        """
        return self._move(-1, "undo: this notebook has no job before this one; older ones are in the gallery.")

    def redo(self) -> Entry:
        """Move the cursor forward again, to the job that `undo` left, and return it.

        Raises:
            UserError: there is none.
        """
        return self._move(+1, "redo: no job was undone since the last one was drawn.")

    def _move(self, step: int, otherwise: str) -> Entry:
        found = self._read()
        with self._moving:
            at = self._at + step
            while 0 <= at < len(self._mine) and self._mine[at] not in found:  # deleted, here or elsewhere
                at += step
            if not 0 <= at < len(self._mine):
                raise UserError(f"there is nothing to {otherwise}")
            self._at = at
            return found[self._mine[at]]

    def _read(self) -> dict[str, Entry]:
        """Return the jobs by id, oldest first."""
        return self._load()[0]

    def _load(self) -> Jobs:
        """Return what `jobs_of` tells of the file, which is read again only when it has changed."""
        try:
            stat = self.path.stat()  # before reading: what comes in between is read next time
            state, (seen, found) = (stat.st_ino, stat.st_size, stat.st_mtime_ns), self._seen
            if state != seen:
                found = jobs_of(read_lines(self.path.read_bytes()))
                self._seen = state, found
            return found
        except FileNotFoundError:
            return {}, {}
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror or error}; check its rights.") from error

    @contextmanager
    def _writing(self, names: Sequence[str] = ()) -> Iterator[None]:
        """Tell an error of the disk in one line; take away the files of a job that could not be kept."""
        try:
            yield
        except Exception as error:
            for name in names:
                with suppress(OSError):
                    (self.folder / name).unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise UserError(
                f"cannot write the history in {self.folder}: {error.strerror or error}; free some disk space or point "
                "MJCOURSE_RUNS at another folder, then run the same command again."
            ) from error


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
