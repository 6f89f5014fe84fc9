"""One SQLite file that several notebooks share: opened with care, written all or nothing, each error one clear line.

A commit returns when the data are on the disk (``synchronous = FULL``), so neither ``kill -9`` nor a power cut loses
what was acknowledged; a write-ahead log keeps readers and a writer out of each other's way. Chapter 12.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mjcourse.config import UserError

WAIT = 30.0  # seconds to wait for other programs that write

_NOT_OURS = "it is another kind of file and was left as it is; give another path"
_CAUSES = {  # how SQLite's name of an error begins -> what is wrong and what to do
    "SQLITE_FULL": "the disk is full; free some space and do it again",
    "SQLITE_IOERR": "the disk refuses to read or write, as a full one does; free some space and do it again",
    "SQLITE_READONLY": "the file or its folder is read-only; allow writing to both and do it again",
    "SQLITE_CANTOPEN": "it cannot be opened; give a path of a file, in a folder that may be written to",
    "SQLITE_PERM": "it cannot be opened; allow reading and writing in its folder",
    "SQLITE_BUSY": f"another program has kept it locked for {WAIT:.0f} s; close that program and do it again",
    "SQLITE_NOTADB": _NOT_OURS,
    "SQLITE_CORRUPT": "the file is damaged; put a copy in its place, or move it away to begin anew",
}


class Database:
    """An open file, for any number of threads: ``with database.use(write=True) as db: db.execute(…)``.

    Args:
        path: of the file, made if it is not there.
        application: a number that marks the file as ours (SQLite's ``application_id``).
        version: of the tables; a file of a later one is refused.
        create: the statements that make the tables of a new file.

    Raises:
        UserError: another kind of file, a damaged one, one of a newer version, or one that cannot be opened.
    """

    def __init__(self, path: Path, application: int, version: int, create: Sequence[str]) -> None:
        self.path, self._application, self._version = path, application, version
        self._create = (*create, f"PRAGMA application_id = {application}", f"PRAGMA user_version = {version}")
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db: sqlite3.Connection | None = self._open()
            self._inode = os.stat(path).st_ino
        except (sqlite3.Error, OSError) as error:
            raise self._told("open", error) from error

    @contextmanager
    def use(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread at a time; what is written in the block is stored whole or not at all.

        Raises:
            UserError: SQLite cannot do it, or the file was closed, deleted or replaced.
        """
        with self._lock:
            if (db := self._db) is None:
                raise UserError(f"{self.path} was closed; open it again.")
            try:
                if write:
                    self._still_there()
                    db.execute("BEGIN IMMEDIATE")
                yield db
                if write:
                    db.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._told("write to" if write else "read", error) from error
            finally:
                if db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; what was stored is on the disk already."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _open(self) -> sqlite3.Connection:
        if self.path.exists() and not os.access(self.path, os.W_OK):
            # SQLite would read it, but leave a read-only index beside it that outlasts the mended rights.
            raise UserError(f"cannot open {self.path}: {_CAUSES['SQLITE_READONLY']}.")
        deadline = time.monotonic() + WAIT
        while True:
            db = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(db)
                return db
            except BaseException as error:
                db.close()
                # SQLite does not always wait for others while it changes to a write-ahead log, so we do.
                busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Look at the file before anything is written to it, and make the tables of a new one."""
        db.execute("BEGIN")  # the header at one moment: another program may be making the tables
        new = self._is_new(db)
        db.execute("COMMIT")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")  # macOS needs it, to others it is nothing
        db.execute("PRAGMA foreign_keys = ON")
        if new:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            if self._is_new(db):  # still: no other program was quicker
                for statement in self._create:
                    db.execute(statement)
            db.execute("COMMIT")

    def _is_new(self, db: sqlite3.Connection) -> bool:
        application, version, tables = (
            db.execute(question).fetchone()[0]
            for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        if application != self._application and (application or version or tables):
            raise UserError(f"cannot open {self.path}: {_NOT_OURS}.")
        if version > self._version:
            raise UserError(
                f"cannot open {self.path}: it is of version {version}, and this mjcourse reads up to "
                f"{self._version}; update mjcourse or give another path."
            )
        return not application

    def _still_there(self) -> None:
        """Refuse a file that was deleted or replaced: SQLite would write on, and all would vanish when it closes."""
        there = False
        with suppress(OSError):
            there = os.stat(self.path).st_ino == self._inode
        if not there:
            raise UserError(f"{self.path} was deleted or replaced; open it again.")

    def _told(self, doing: str, error: Exception) -> UserError:
        name = getattr(error, "sqlite_errorname", "")
        cause = next((text for start, text in _CAUSES.items() if name.startswith(start)), None)
        if isinstance(error, OSError):
            cause = f"{error.strerror or error}; give another path or point MJCOURSE_RUNS at another folder"
        return UserError(f"cannot {doing} {self.path}: {cause or error}.")
