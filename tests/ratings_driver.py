"""Processes that `test_ratings` starts, kills, fills the disk under and takes the rights from."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from numpy.random import default_rng  # this and the next one before rights are dropped
from PIL import PngImagePlugin  # noqa: F401

from mjcourse.config import UserError
from mjcourse.feedback.ratings import RatingStore

NOBODY = 65534  # a user's number
PROMPT = "a red sun over the sea"


def noise(number: int) -> np.ndarray:
    """Return a picture that no PNG file makes small: 12 kB."""
    return default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)


def rate(path: Path, rater: str, first: int, count: int, tell, start=None) -> None:
    """Give stars to `count` pictures; tell each rating when the call that stored it has returned."""
    if start is not None:
        start.wait(60)
    with RatingStore(path) as store:
        for i in range(first, first + count):
            key = store.add_picture(noise(i), PROMPT)
            number = store.star(key, 1 + i % 5, rater)
            tell([number, key, 1 + i % 5])


def write(pipe, path: Path, rater: str, first: int, count: int, start=None) -> None:
    """Do `rate` and tell through a pipe, each message whole or not at all."""
    rate(path, rater, first, count, lambda told: pipe.send_bytes(json.dumps(told).encode()), start)


def stall(pipe, path: Path, rater: str) -> None:
    """Begin to store a rating and stop for ever before it is committed."""
    store = RatingStore(path)
    with store._file.use(write=True) as db:
        db.execute("UPDATE ratings SET stars = 6 - stars, rater = ?", (rater,))
        db.execute("DELETE FROM made WHERE picture NOT IN (SELECT picture FROM ratings)")
        db.execute("DELETE FROM pictures WHERE id NOT IN (SELECT picture FROM ratings)")
        pipe.send_bytes(b"stalled")
        time.sleep(600)


def fill(path: Path, limit: int | None) -> None:
    """Rate until the disk is full, then make room and rate once more; print each rating and the error.

    Args:
        path: of the ratings.
        limit: bytes that a file may have; None where the file system is small by itself.
    """
    import resource

    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    ballast = path.with_name("ballast")
    if not limit:
        ballast.write_bytes(bytes(100_000))
    with RatingStore(path) as store:
        first = len(store.stars())

        def tell(told):
            print(json.dumps(told), flush=True)

        for i in range(first, 1000):
            key = None
            try:
                key = store.add_picture(noise(i), PROMPT)
                tell([store.star(key, 1 + i % 5), key, 1 + i % 5])
            except UserError as error:
                tell(str(error))
                break
        assert len(store.pairs(from_stars=True)) > 0  # it can still be read
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            ballast.unlink()
        key = store.add_picture(noise(i), PROMPT)
        tell([store.star(key, 3), key, 3])
    print(json.dumps([[*row] for row in RatingStore(path).stars().items()]))  # a small file system is gone at the end


def without_rights(pipe, folder: Path, rights: tuple[int, int]) -> None:
    """As a user who is not root, rate, lose the right to write, try, get it back and rate again; tell what came of it.

    Args:
        pipe: for the message: what the try gave, whether the file is as it was, and the stars before and at the end.
        folder: an empty one; root gives it to a user without rights.
        rights: of the file and of the folder during the try.
    """
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    path = folder / "r.sqlite"

    def star(number: int) -> dict[str, int]:
        with RatingStore(path) as store:
            store.star(store.add_picture(noise(number), PROMPT), 4)
            return store.stars()

    first, data = star(0), path.read_bytes()
    path.chmod(rights[0])
    folder.chmod(rights[1])
    try:
        star(1)
        tried = "stored"
    except UserError as error:
        tried = str(error)
    folder.chmod(0o755)
    path.chmod(0o644)
    same = path.read_bytes() == data
    pipe.send_bytes(json.dumps([tried, same, first, star(2)]).encode())


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]) or None)
