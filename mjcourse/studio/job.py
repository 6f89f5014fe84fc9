"""One job: a command on its way to pictures, watched and cancelled from any thread. Chapter 13 takes it apart."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from mjcourse.config import UserError
from mjcourse.studio.entry import checked_kind, new_id
from mjcourse.studio.history import History


class Cancelled(BaseException):
    """Raised by `Job.report` in a job that was cancelled; no `Exception`, so that ``except Exception`` lets it pass."""


class Job:
    """A command in the queue, under way or ended; `mjcourse.studio.jobs.JobEngine.submit` makes it.

    Args:
        command: what is to be drawn.
        kind, parent, index: what the history shall say of it, as for `mjcourse.studio.entry.Entry`.
        seeds: of its pictures, or None where the command tells.
        history: where its pictures are once they are no longer in memory.
        tell: called with the job at each change.

    Attributes:
        id: names it, here and in the history.
        state: ``queued``, ``running``, and then for good ``done``, ``failed`` or ``cancelled``.
        done, total: how many steps of how many, both 0 at first.
        preview: the pictures as far as they were, (N, H, W, 3) uint8, or None.
        error: one line on what went wrong, else empty; a job that is done may still say that it could not be saved.
        traceback: where in the code it went wrong, unless the mistake was the user's.
        saved: whether the history has it.
        submitted, started, ended: when, in seconds since 1970, or None.
        seconds: how long it was drawn, by a clock that nobody sets.

    Raises:
        UserError: the kind is none.
    """

    def __init__(
        self,
        command: Any,
        kind: str = "imagine",
        parent: str | None = None,
        index: int | None = None,
        seeds: Sequence[int] | None = None,
        history: History | None = None,
        tell: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self.command, self.kind, self.parent, self.index = command, checked_kind(kind), parent, index
        self.id, self.seeds, self.history, self._tell = new_id(), seeds, history, tell
        self.state, self.done, self.total, self.error, self.traceback, self.saved = "queued", 0, 0, "", "", False
        self.preview: np.ndarray | None = None
        self._pictures: np.ndarray | None = None
        self.submitted, self.started, self.ended, self.seconds = time.time(), None, None, 0.0
        self._lock = threading.Lock()  # of the state and of what follows
        self._stop = self._sealed = False  # asked to stop; too late to ask
        self._over = threading.Event()
        self._waiting: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        steps = f" {self.done}/{self.total}" if self.state == "running" else ""
        return f"<Job {self.id} {self.state}{steps}: {self.command}{' · ' + self.error if self.error else ''}>"

    # ---- for those who wait for it -------------------------------------------------------------

    @property
    def pictures(self) -> np.ndarray | None:
        """The pictures (N, H, W, 3) uint8 of a job that is done, else None; those of an old job come from the history.

        Raises:
            UserError: the job is old and the history does not have it, or one of its files is missing or damaged.
        """
        if self.state != "done":
            return None
        if (kept := self._pictures) is not None:
            return kept
        if self.saved:
            return self.history.pictures(self.id)
        raise UserError(
            f"the pictures of the job {self.id} are gone: only those of the last jobs stay in memory, older ones are "
            f"in the history, where there is one; to draw them again, submit: {self.command}"
        )

    def cancel(self) -> bool:
        """Stop the job: at once when it is queued, at its next report when it runs.

        Returns:
            Whether it will not be done: False when it has ended otherwise, or is drawn and being saved.
        """
        with self._lock:
            if self.state == "running" and not self._sealed:
                self._stop = True
                return True
            if self.state != "queued":
                return self.state == "cancelled"
            self._end("cancelled")
        self._announce()
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the job has ended or `timeout` seconds are over; return whether it has ended."""
        return self._over.wait(timeout)

    async def done_async(self) -> Job:
        """Wait for the end without blocking the event loop: ``job = await engine.submit(command).done_async()``."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(lambda: over.done() or over.set_result(None))

        with self._lock:
            if self._over.is_set():
                return self
            self._waiting.append(wake)
        await over
        return self

    # ---- for the worker ------------------------------------------------------------------------

    def start(self) -> bool:
        """Begin to run; return False when it was cancelled in the queue."""
        with self._lock:
            if self.state != "queued":
                return False
            self.state, self.started = "running", time.time()
        self._tell(self)
        return True

    def report(self, done: int, total: int, preview: np.ndarray | None = None) -> None:
        """Take note of how far the drawing is; raise `Cancelled` when it shall stop.

        Args:
            done, total: how many steps of how many.
            preview: the pictures as far as they are, (N, H, W, 3) uint8; without them the last ones stay.
        """
        if self._stop or self.state != "running":
            raise Cancelled(self.id)
        self.done, self.total = done, total
        if preview is not None:
            self.preview = np.array(preview)  # a copy: the drawing goes on
        self._tell(self)

    def stop(self) -> None:
        """Take note that the drawing stopped because it was told to."""
        self._stop = True

    def seal(self) -> bool:
        """Return whether the job may be kept: from here on it cannot be cancelled, or it was."""
        with self._lock:
            self._sealed = not self._stop
            return self._sealed

    def blame(self, error: BaseException) -> None:
        """Take note of what went wrong: the user's mistake as it is told, another one with its traceback."""
        told, mistake = " ".join(str(error).split()), isinstance(error, UserError)
        self.error = told if mistake else f"internal error: {type(error).__name__}: {told}"
        self.traceback = "" if mistake else "".join(traceback.format_exception(error))  # as text: it holds no tensors

    def finish(self, state: str, pictures: np.ndarray | None = None) -> None:
        """Give the job its last state, with its pictures when it is done, and tell everybody."""
        with self._lock:
            self._pictures = pictures
            if state == "done":
                self.preview = None
            elif state == "cancelled":
                self.error = ""  # what a drawing says while it stops is no news
            self._end(state)
        self._announce()

    def forget(self) -> None:
        """Free the memory of the pictures."""
        self.preview = self._pictures = None

    def _end(self, state: str) -> None:
        self.state, self.ended = state, time.time()
        self._over.set()

    def _announce(self) -> None:
        while self._waiting:  # nobody is added any more
            self._waiting.pop()()
        self._tell(self)
