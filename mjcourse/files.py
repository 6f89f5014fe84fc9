"""Files that are there whole or not at all. Chapter 02 tells why a training run needs them."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from mjcourse.config import UserError


def write_atomically(path: Path, data: bytes, room: str = "MJCOURSE_RUNS") -> None:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    Args:
        path: of the file; its folder is made.
        data: all of it.
        room: environment variable that points to another folder, for the message on a full disk.

    Raises:
        UserError: the disk is full or the folder cannot be written to.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f"{path.name}.*.partial"):  # of a save that was killed
            if time.time() - stale.stat().st_mtime > 600:
                stale.unlink(missing_ok=True)
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # there may be no folder
            partial.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {path.name} in {path.parent}: {error.strerror or error}; free some disk space "
            f"or point {room} at another folder, then run the same command again."
        ) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
