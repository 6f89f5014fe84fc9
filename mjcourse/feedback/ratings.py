"""Ratings on disk: pictures, stars, and choices between two pictures, in one SQLite file. Chapter 12.

Several notebooks may write at once, and a rating is on the disk when the call that stores it returns. Nothing is
deleted: of several ratings of the same thing by the same rater the last one counts, and an undone one is marked so.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.prompts import clean_prompt
from mjcourse.feedback import tables
from mjcourse.feedback.database import Database
from mjcourse.feedback.pictures import from_png, picture_id
from mjcourse.files import write_atomically
from mjcourse.viz import to_png

ME = "me"  # the rater when none is named
NAME_MAX = 40  # characters of a rater's name

_FLAG = re.compile(r"(?<![A-Za-z0-9])(?:--|—|–)[A-Za-z]+")


class Made(Protocol):
    """What made a picture: the studio's `Command`, or anything with these three; its `str` is what to type."""

    prompt: str
    model: str
    seed: int


@dataclass(frozen=True, eq=False)
class Rated:
    """A stored picture and how it was made; `model` and `seed` are None where only a prompt was told.

    `place` is the picture's number, from 0, among those of its command, and `seed` is the command's.
    """

    id: str
    pixels: np.ndarray  # (H, W, 3) uint8
    command: str
    place: int
    prompt: str
    model: str | None
    seed: int | None


class Pair(NamedTuple):
    """One choice between two pictures of the same prompt, by their ids."""

    winner: str
    loser: str
    prompt: str


class Count(NamedTuple):
    """How many pictures have stars, how many pairs were chosen, and how many pairs there are with those of stars."""

    stars: int
    pairs: int
    all_pairs: int


class RatingStore:
    """The file of ratings: ``with RatingStore() as store: store.star(store.add_picture(pixels, "a red sun"), 5)``.

    One store may be used from several threads, and several programs may have the same file open.

    Args:
        path: of the file, made if it is not there; by default ``ratings.sqlite`` in ``config.RUNS``.

    Raises:
        UserError: what `Database` refuses. Each method, too, raises it when the disk is full or the file may not be
            written; what was stored before stays.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else config.RUNS / "ratings.sqlite"
        self._file = Database(self.path, tables.APPLICATION, tables.VERSION, tables.CREATE)

    def close(self) -> None:
        """Close the file; what was stored is on the disk already."""
        self._file.close()

    def __enter__(self) -> RatingStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_picture(self, pixels: np.ndarray, command: str | Made, place: int = 0) -> str:
        """Store a picture, once, and how it was made; return its id.

        Args:
            pixels: (H, W, 3) uint8 in one of `pictures.SIZES`.
            command: the studio's `Command`, or a prompt without flags.
            place: the picture's number among those of the command, from 0.

        Raises:
            UserError: what `picture_id` and `how_made` refuse.
        """
        key, (text, *made) = picture_id(pixels), how_made(command)
        with self._file.use(write=True) as db:
            if not db.execute("SELECT 1 FROM pictures WHERE id = ?", (key,)).fetchone():
                db.execute("INSERT INTO pictures VALUES (?, ?, ?)", (key, to_png(pixels), time.time()))
            db.execute("INSERT OR IGNORE INTO made VALUES (?, ?, ?, ?, ?, ?)", (key, text, int(place), *made))
        return key

    def star(self, picture: str, stars: int, rater: str = ME) -> int:
        """Give a picture 1 to 5 stars, which count from now on in place of earlier ones; return the rating's number.

        Raises:
            UserError: another number of stars, no such picture, or a name that is none.
        """
        if isinstance(stars, bool) or not isinstance(stars, int | np.integer) or stars not in tables.STARS:
            allowed = ", ".join(map(str, tables.STARS))
            raise UserError(f"a picture cannot get {stars!r} stars; allowed are {allowed}.")
        return self._add(rater, picture, None, int(stars))

    def prefer(self, winner: str, loser: str, rater: str = ME) -> int:
        """Say which of two pictures of one prompt is better, in place of what was said before; return the number.

        Raises:
            UserError: the pictures are the same, are not stored, or have no prompt in common; a name that is none.
        """
        if winner == loser:
            raise UserError("a picture cannot be better than itself; give the ids of two pictures of one prompt.")
        return self._add(rater, winner, loser, None)

    def _add(self, rater: str, picture: str, other: str | None, stars: int | None) -> int:
        rater, both = _name(rater), (picture, other or picture)
        with self._file.use(write=True) as db:
            for key in both:
                self._require(db, key)
            prompt = db.execute(tables.SHARED_PROMPT, both).fetchone()
            if prompt is None:
                raise UserError("the two pictures were made for different prompts; compare pictures of one prompt.")
            row = (rater, time.time(), picture, other, stars, *prompt)
            insert = "INSERT INTO ratings (rater, time, picture, other, stars, prompt) VALUES (?, ?, ?, ?, ?, ?)"
            return db.execute(insert, row).lastrowid

    def undo(self, rater: str = ME, rating: int | None = None) -> int:
        """Take back a rating, by default the rater's last that is not taken back yet; return its number.

        Raises:
            UserError: there is none.
        """
        found = "SELECT max(id) FROM ratings WHERE rater = ? AND undone IS NULL AND id = ifnull(?, id)"
        with self._file.use(write=True) as db:
            (last,) = db.execute(found, (_name(rater), rating)).fetchone()
            if last is None:
                raise UserError(f"there is nothing to undo: {rater} has no such rating that still counts.")
            db.execute("UPDATE ratings SET undone = ? WHERE id = ?", (time.time(), last))
        return last

    def stars(self, rater: str = ME) -> dict[str, int]:
        """Return picture id → the stars that count."""
        with self._file.use() as db:
            return {picture: stars for picture, stars, _ in db.execute(tables.STARRED, {"rater": _name(rater)})}

    def pairs(self, rater: str = ME, from_stars: bool = False) -> list[Pair]:
        """Return the choices that count, oldest first.

        Args:
            rater: whose.
            from_stars: also any two pictures of a prompt with different stars, unless they were compared directly.
        """
        with self._file.use() as db:
            rows = db.execute(tables.PAIRS, {"rater": _name(rater), "from_stars": from_stars})
            return [Pair(*row[:3]) for row in rows]

    def count(self, rater: str = ME) -> Count:
        """Return how much of a rater's counts."""
        return Count(len(self.stars(rater)), len(self.pairs(rater)), len(self.pairs(rater, from_stars=True)))

    def pictures(self, ids: Iterable[str]) -> list[Rated]:
        """Return stored pictures in the order asked for.

        Raises:
            UserError: one is not stored or is damaged.
        """
        found, ids = [], list(ids)
        columns = "png, command, place, prompt, model, seed FROM pictures JOIN made ON picture = id"
        with self._file.use() as db:
            for key in ids:
                self._require(db, key)
                png, *made = db.execute(f"SELECT {columns} WHERE id = ? ORDER BY made.rowid", (key,)).fetchone()
                if (pixels := from_png(png, key)) is None:
                    raise UserError(f"picture {key[:12]} in {self.path} is damaged; put a copy of the file there.")
                found.append(Rated(key, pixels, *made))
        return found

    def export_csv(self, path: str | Path) -> int:
        """Write all ratings, those undone or replaced too, as a table for a spreadsheet; return their number.

        Raises:
            UserError: there is no such folder, or the file cannot be written.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise UserError(f"cannot write {path.name}: there is no folder {path.parent}.")
        with self._file.use() as db:
            answer = db.execute(tables.EXPORT)
            names, rows = [column[0] for column in answer.description], answer.fetchall()
        text = io.StringIO()
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        for row in rows:
            told = dict(zip(names, row, strict=True))
            writer.writerow(told | {name: _date(told[name]) for name in ("time", "undone")})
        write_atomically(path, text.getvalue().encode("utf-8-sig"))  # the mark lets Excel read Chinese
        return len(rows)

    def _require(self, db: sqlite3.Connection, picture: str) -> None:
        if not db.execute("SELECT 1 FROM pictures WHERE id = ?", (picture,)).fetchone():
            raise UserError(f"there is no picture {str(picture)[:12]!r} in {self.path}; add it with add_picture first.")


def how_made(command: str | Made) -> tuple[str, str, str | None, int | None]:
    """Return what is stored of a command: what to type, the prompt, the model and the seed.

    Raises:
        UserError: a prompt that `clean_prompt` refuses, or a text that holds flags.
    """
    if not isinstance(command, str):
        return str(command), clean_prompt(command.prompt), str(command.model), int(command.seed)
    prompt = clean_prompt(command)
    if flag := _FLAG.search(prompt):
        raise UserError(f"{flag[0]!r} is a flag, not a part of the prompt; give the command that `parse` returns.")
    return prompt, prompt, None, None


def _name(rater: str) -> str:
    if not isinstance(rater, str) or not rater.isprintable() or not 1 <= len(rater.strip()) == len(rater) <= NAME_MAX:
        raise UserError(f"a rater cannot be called {rater!r}; allowed are 1 to {NAME_MAX} characters, no space around.")
    return rater


def _date(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
