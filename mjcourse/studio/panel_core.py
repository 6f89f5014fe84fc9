"""What the studio's widget shows and says: the job in the grid, the picture selected, the line of messages.

Clicks come in the notebook's thread, changes of jobs in the worker's, captions in a third one. One lock lets a single
one of them at the widget at a time; none of them waits for another while it holds it.
"""

from __future__ import annotations

import html
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mjcourse.config import UserError
from mjcourse.studio.entry import Entry
from mjcourse.studio.job import Job
from mjcourse.studio.panel_parts import show_if, text
from mjcourse.studio.studio import Studio


class Core:
    """The state of a panel; `mjcourse.studio.panel.Panel` adds the parts that show it.

    Attributes:
        shown: the job whose pictures are in the grid, or None.
        selected: the number of the picture that is selected, from 0.
        follow: whether the grid goes with the job that runs.
        under_way: whether the grid shows a job that is not done.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio, self.message, self.message_below = studio, text(), text()  # below: for those who scrolled down
        self.shown: Entry | None = None
        self.pictures: np.ndarray | None = None  # of the job that is shown
        self.selected, self.follow, self.under_way = 0, True, False
        self._preview: np.ndarray | None = None  # the last one that was shown
        self._lock, self._pool = threading.RLock(), ThreadPoolExecutor(1, "mjcourse-panel")

    # ---- what is said --------------------------------------------------------------------------

    def say(self, message: str, error: bool = False, details: str = "") -> None:
        """Say something, above the pictures and below; an empty message takes the lines away."""
        more = f"<details><summary>details</summary><pre>{html.escape(details)}</pre></details>" if details else ""
        kind = "mj-message mj-error" if error else "mj-message"
        told = f'<div class="{kind}" role="alert">{html.escape(message)}{more}</div>' if message else ""
        for line in (self.message, self.message_below):
            line.value = told
            show_if(line, bool(message))

    def act(self, action: Callable, *values: object, quiet: bool = False) -> None:
        """Call what a control asks for; what goes wrong is said, because a callback's exception shows nowhere else.

        Args:
            action, values: what to call.
            quiet: leave the line of messages as it is when all goes well.
        """
        with self._lock:
            try:
                if not quiet:
                    self.say("")
                action(*values)
            except UserError as error:
                self.say(str(error), error=True)
            except Exception as error:
                self.say(f"internal error: {type(error).__name__}: {error}", True, traceback.format_exc())

    def later(self, busy: str, work: Callable[[], object], done: Callable[[object], None]) -> None:
        """Say what is going on, call `work` in a thread, and then `done` with what it returned."""

        def run() -> None:
            try:
                found = work()
            except Exception as error:
                self.act(_raise, error)
            else:
                self.act(done, found)

        self.say(busy)
        self._pool.submit(run)

    # ---- what is shown -------------------------------------------------------------------------

    def open(self, id: str, follow: bool = False) -> None:
        """Show the pictures of a job that is done; without `follow`, stay there while others are drawn."""
        self.shown, self.pictures = self.studio.entry(id), self.studio.pictures(id)
        self.selected, self.follow, self.under_way = 0, follow, False
        self.repaint()

    def select(self, number: int) -> None:
        """Select a picture of the grid."""
        self.picked(number)
        self.selected = number
        self.repaint()

    def picked(self, number: int | None = None) -> tuple[str, int]:
        """Return a picture of the grid, by default the selected one, as (id, index).

        Raises:
            UserError: there is none, or the grid shows a job that is under way.
        """
        if self.under_way:
            raise UserError("these pictures are under way: wait for them, or open others in the gallery.")
        if self.shown is None:
            raise UserError("there are no pictures yet: write a prompt and press Enter.")
        number = self.selected if number is None else number
        if number >= len(self.pictures):
            raise UserError(f"there is no picture {number + 1} here; there are {len(self.pictures)}.")
        return self.shown.id, number

    def repaint(self) -> None:
        """Bring all that shows the pictures or the selected one up to date."""
        raise NotImplementedError

    # ---- jobs ----------------------------------------------------------------------------------

    def changed(self, job: Job) -> None:
        """Take note of a change of a job; called in the worker."""
        self.act(self._changed, job, quiet=True)

    def _changed(self, job: Job) -> None:
        if job.state == "running" and self.follow and job.preview is not None and job.preview is not self._preview:
            self._preview, self.under_way = job.preview, True
            self.preview(job)
        elif job.state in ("done", "failed", "cancelled"):
            self._ended(job)

    def preview(self, job: Job) -> None:
        """Show the pictures of a job as far as they are."""
        raise NotImplementedError

    def _ended(self, job: Job) -> None:
        self._preview = None
        if job.error:
            self.say(f"{job.kind}: {job.error}", True, job.traceback)
        elif job.state == "cancelled":
            self.say(f"cancelled: {job.command}")
        if job.state == "done" and self.follow:
            self.open(job.id, follow=True)
        elif self.under_way:  # the pictures of before come back
            self.under_way = False
            self.repaint()


def _raise(error: Exception) -> None:
    raise error
