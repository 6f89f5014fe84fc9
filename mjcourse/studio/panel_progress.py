"""The queue in the studio's widget: how far the job is, how many wait, and the buttons that stop them."""

from __future__ import annotations

import html
import time
from collections.abc import Callable

import ipywidgets as widgets

from mjcourse.studio.job import Job
from mjcourse.studio.panel_parts import button, row, show_if, text

IDLE = "<i>ready</i>"
PAUSE = 0.1  # seconds between two messages about the same job: a browser needs time too


class Progress:
    """A bar, a line in words, and buttons to cancel.

    Args:
        cancel, cancel_all: stop the job that runs, or all.
        act: calls a function and tells what goes wrong.
    """

    def __init__(self, cancel: Callable, cancel_all: Callable, act: Callable) -> None:
        self.bar = widgets.IntProgress(max=1, layout=widgets.Layout(width="180px", height="20px"))
        self.line = text()
        self.cancel = button("Cancel", lambda: act(cancel), "stop the job that runs", button_style="danger")
        self.cancel_all = button("Cancel all", lambda: act(cancel_all), "stop the job that runs and empty the queue")
        self.view = row(self.bar, self.cancel, self.cancel_all, self.line, min_height="32px")  # always there: no jumps
        self._told = 0.0
        self.update(None, [])

    def update(self, job: Job | None, waiting: list[Job]) -> None:
        """Show how far the jobs are.

        Args:
            job: that has just changed, or None.
            waiting: the one that runs and those in the queue.
        """
        steady = job is not None and job.state == "running" and 0 < job.done < job.total
        if steady and time.monotonic() < self._told + PAUSE:
            return
        self._told = time.monotonic()
        running = next((one for one in waiting if one.state == "running"), None)
        queued = sum(one.state == "queued" for one in waiting)
        for part, there in ((self.bar, waiting), (self.cancel, waiting), (self.cancel_all, len(waiting) > 1)):
            show_if(part, bool(there))
        behind = f" · {queued} waiting" if queued else ""
        if running is None:
            self.bar.value, self.line.value = 0, f"waiting{behind}" if waiting else IDLE
            return
        self.bar.max, self.bar.value = max(1, running.total), running.done
        share = f"{running.done} of {running.total}" if running.total else "getting ready"
        said = str(running.command)
        said = said if len(said) <= 60 else f"{said[:59]}…"
        self.line.value = f"{running.kind} · {share}{behind} · <i>{html.escape(said)}</i>"
