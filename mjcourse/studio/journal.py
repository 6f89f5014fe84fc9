"""A file of JSON lines that only grows and that several processes add to, safe against ``kill -9``. Chapter 13.

A line counts when it is whole. What a killed process left half-written is no line: readers leave it out, and the next
writer ends it and starts its own line after it. `mjcourse.studio.history` is built on this.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mjcourse.config import UserError

PATIENCE = 10.0  # seconds to wait for another process, which holds the lock for milliseconds
BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # another one has the lock, as Linux, macOS and Windows say it


def to_line(record: dict) -> bytes:
    """Return a record as a line of JSON in UTF-8; what JSON does not know becomes a number or text."""
    text = json.dumps(record, ensure_ascii=False, default=lambda o: o.tolist() if hasattr(o, "tolist") else str(o))
    return text.encode("utf-8", "backslashreplace") + b"\n"  # half a surrogate pair, as in odd file names, as \udc80


def read_lines(data: bytes) -> list[dict]:
    """Return the records in a journal's bytes, in order, without the lines that are torn or hold no JSON object."""
    found = []
    for line in data.split(b"\n"):
        with suppress(ValueError, RecursionError):
            record = json.loads(line.decode("utf-8"))
            if isinstance(record, dict):
                found.append(record)
    return found


def add_line(path: Path, line: bytes) -> None:
    """Write one line at the end of a journal, whole or not at all; when this returns, it is on the disk.

    Args:
        path: of the journal, in a folder that exists; the lock is a file beside it.
        line: what `to_line` gave.

    Raises:
        UserError: another process holds the lock and does not give it back. OSError: the disk is full, the folder is
            read-only or cannot be locked. The journal is then as it was.
    """
    with locked(path.with_suffix(".lock")), open(path, "a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if size and file.read(1) != b"\n":
            line = b"\n" + line
        try:
            left = memoryview(line)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


@contextmanager
def locked(path: Path, patience: float | None = None) -> Iterator[None]:
    """Hold a lock that other processes and threads respect; it ends with its process, even by ``kill -9``.

    Args:
        path: of a file for nothing else, made if need be.
        patience: seconds to wait while another one holds it; by default `PATIENCE`.

    Raises:
        UserError: it stayed held. OSError: the file cannot be opened or locked.
    """
    until = time.monotonic() + (PATIENCE if patience is None else patience)
    with open(path, "ab") as file:
        while not _hold(file.fileno()):
            if time.monotonic() > until:
                raise UserError(
                    f"another notebook holds {path} and does not give it back; stop that notebook's kernel, or point "
                    "MJCOURSE_RUNS at another folder, then run the same command again."
                )
            time.sleep(0.005)
        try:
            yield
        finally:
            _let_go(file.fileno())


def _hold(number: int) -> bool:
    """Lock an open file without waiting; return whether that was possible."""
    try:
        try:
            import fcntl
        except ImportError:  # Windows, where a lock is on bytes of the file, from where it stands
            import msvcrt

            os.lseek(number, 0, os.SEEK_SET)
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in BUSY:
            return False
        raise
    return True


def _let_go(number: int) -> None:
    """Unlock what `_hold` locked: closing alone would not, where a forked process has the file open too."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        os.lseek(number, 0, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(number, fcntl.LOCK_UN)
