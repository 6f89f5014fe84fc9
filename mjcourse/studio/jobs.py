"""The job engine: commands drawn one after the other in a thread of their own, with progress and cancel. Chapter 13.

A notebook's own thread has to stay free, or no click, not even on Cancel, is seen before the drawing is over. So the
drawing happens in one worker thread, which tells how far it is and learns at the same time whether it shall stop.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from mjcourse.config import UserError, seeds_from
from mjcourse.studio.entry import checked_pictures
from mjcourse.studio.history import History
from mjcourse.studio.job import Cancelled, Job

KEEP = 20  # ended jobs that an engine remembers, with their pictures
IDLE = 30.0  # seconds without a job after which the worker thread ends; the next job starts a new one


class JobEngine:
    """A queue of commands and the one worker thread that draws them, first come first served.

    Args:
        draw: called in the worker as ``draw(command, report)``; returns pictures (N, H, W, 3) uint8, or these and
            their seeds. As it goes, it calls ``report(done, total, preview=None)``, see `Job.report`, and lets pass
            what that raises: there, and nowhere else, a job can be cancelled.
        history: where a job is kept before it is told to be done.
    """

    def __init__(self, draw: Callable[[Any, Callable], np.ndarray], history: History | None = None) -> None:
        self.draw, self.history = draw, history
        self._changed = threading.Condition()  # of the queue and of what follows
        self._queue: deque[Job] = deque()
        self._running: Job | None = None
        self._ended: deque[Job] = deque()
        self._worker: threading.Thread | None = None
        self._closed = False
        self._listeners: list[Callable[[Job], None]] = []

    def __enter__(self) -> JobEngine:
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()

    @property
    def jobs(self) -> list[Job]:
        """The last `KEEP` jobs that have ended, the one that runs and those in the queue, in this order."""
        with self._changed:
            return [*self._ended, *([self._running] if self._running else []), *self._queue]

    def submit(
        self,
        command: Any,
        *,
        kind: str = "imagine",
        parent: str | None = None,
        index: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> Job:
        """Put a command at the end of the queue.

        Args:
            command: handed to ``draw``; ``str(command)`` is what to type for it, and `told_of` it is kept with it.
            kind, parent, index: as for `mjcourse.studio.entry.Entry`.
            seeds: of the pictures; by default ``command.seed``, + 1, + 2 …, when there is one.

        Raises:
            UserError: the kind is none, or the engine was shut down.
        """
        job = Job(command, kind, parent, index, seeds, self.history, self._tell)
        self._tell(job)  # before the worker can tell that it runs
        with self._changed:
            closed = self._closed
            if not closed:
                self._queue.append(job)
                self._changed.notify()
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work, name="mjcourse-jobs", daemon=True)
                    self._worker.start()
                    atexit.register(self.shutdown)  # a process that ends lets the worker come to an end as well
        if closed:
            job.cancel()
            raise UserError("this job engine was shut down; make a new one: JobEngine(draw, history).")
        return job

    def listen(self, function: Callable[[Job], None]) -> Callable[[], None]:
        """Call ``function(job)`` at each change of a job from now on; return a function that ends this.

        It is called in the worker, which waits for it, except that a job's arrival in the queue, and its cancelling
        there, are told in the thread that asks for it. What it raises is logged and harms nothing.
        """
        self._listeners.append(function)

        def stop() -> None:
            with suppress(ValueError):  # said twice
                self._listeners.remove(function)

        return stop

    def shutdown(self, timeout: float = 5.0) -> bool:
        """Cancel all jobs and end the worker; return whether it has ended within `timeout` seconds."""
        with self._changed:
            self._closed, worker = True, self._worker
            self._changed.notify()
        for job in self.jobs:
            job.cancel()
        if worker and worker is not threading.current_thread():
            worker.join(timeout)
        return not worker or not worker.is_alive()

    def _work(self) -> None:
        """Draw what is in the queue; end when there is nothing for a while, or at shutdown."""
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._queue or self._closed, IDLE) or not self._queue:
                    self._worker = None
                    atexit.unregister(self.shutdown)
                    return
                job = self._running = self._queue.popleft()
            if job.start():
                self._draw(job)
            with self._changed:
                self._running = None
                self._ended.append(job)
                if len(self._ended) > KEEP:
                    self._ended.popleft().forget()

    def _draw(self, job: Job) -> None:
        """Draw one job, keep it in the history, and tell how it ended."""
        pictures, began = None, time.monotonic()
        try:
            drawn = self.draw(job.command, job.report)
            if isinstance(drawn, tuple):
                drawn, job.seeds = drawn
            pictures = checked_pictures(drawn)
        except Cancelled:
            job.stop()
        except BaseException as error:  # the queue goes on whatever one job does
            job.blame(error)
        job.seconds = time.monotonic() - began
        if not job.seal():
            job.finish("cancelled")
        elif pictures is None:
            job.finish("failed")
        else:
            self._keep(job, pictures)
            job.finish("done", pictures)

    def _keep(self, job: Job, pictures: np.ndarray) -> None:
        """Write a job into the history, where there is one; a failure is told, the pictures are there all the same."""
        if self.history is None:
            return
        try:
            settings = told_of(job.command)
            seeds, first = job.seeds, settings.get("seed")
            if seeds is None:
                seeds = [] if first is None else seeds_from(first, len(pictures))
            self.history.append(
                pictures, str(job.command), id=job.id, kind=job.kind, settings=settings, parent=job.parent,
                index=job.index, seeds=seeds, seconds=job.seconds,
            )  # fmt: skip
            job.saved = True
        except BaseException as error:
            job.blame(error)

    def _tell(self, job: Job) -> None:
        for function in list(self._listeners):
            try:
                function(job)
            except KeyboardInterrupt:  # reaches the notebook's own thread only
                raise
            except BaseException:
                logging.getLogger(__name__).exception("a listener failed at %r", job)


def told_of(command: Any) -> dict:
    """Return the settings of a command for the history: its own ``record()``, else the fields of a dataclass."""
    if hasattr(command, "record"):
        return command.record()
    return asdict(command) if is_dataclass(command) else {}
