"""The pictures that are there already: found, told, rated, shown and exported. Chapter 13.

Pictures are named by their job's id and their number in it, from 0. A job of this notebook that could not be saved is
found too, as long as the engine remembers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from mjcourse.config import UserError
from mjcourse.feedback.pictures import picture_id
from mjcourse.feedback.ratings import RatingStore
from mjcourse.studio import share
from mjcourse.studio.entry import Entry
from mjcourse.studio.history import History
from mjcourse.studio.job import Job
from mjcourse.studio.jobs import JobEngine
from mjcourse.studio.task import Task, perform


class Shelf:
    """A history, the engine that fills it, and the ratings; `mjcourse.studio.studio.Studio` draws onto it.

    Args:
        history: where finished jobs are kept; by default that of all notebooks, with labels in its files.
        ratings: where stars are kept; by default the learner's own file.

    Attributes:
        engine: the queue; ``engine.listen`` tells each change of a job.
    """

    def __init__(self, history: History | None = None, ratings: RatingStore | None = None) -> None:
        self.history = share.labelled_history() if history is None else history
        self.engine = JobEngine(self._draw, self.history)
        self._ratings = ratings
        self._deleted: list[str] = []  # by this notebook, the last one last

    def _draw(self, task: Task, report) -> tuple[np.ndarray, Sequence[int]]:
        return perform(task, [self.picture(*source) for source in task.sources], report)

    @property
    def ratings(self) -> RatingStore:
        """The file of ratings, made when it is first needed."""
        if self._ratings is None:
            self._ratings = RatingStore()
        return self._ratings

    def close(self) -> None:
        """Cancel all jobs and end the worker."""
        self.engine.shutdown()

    # ---- the queue -----------------------------------------------------------------------------

    @property
    def waiting(self) -> list[Job]:
        """The job that runs and those in the queue, in this order."""
        return [job for job in self.engine.jobs if job.state in ("running", "queued")]

    def cancel(self, id: str | None = None) -> Job:
        """Stop a job, by default the one that runs or comes next, and return it.

        Raises:
            UserError: there is no such job, or it is over.
        """
        for job in self.waiting:
            if id in (None, job.id) and job.cancel():
                return job
        raise UserError("there is no job to cancel." if id is None else f"the job {id} is over, or there is none.")

    def cancel_all(self) -> int:
        """Stop all jobs, the last ones first, so that none begins meanwhile; return how many."""
        return sum(job.cancel() for job in reversed(self.waiting))

    # ---- what is there -------------------------------------------------------------------------

    def entry(self, id: str) -> Entry:
        """Return what is known of a job that is done; a UserError when there is none."""
        for job in self.engine.jobs:
            if job.id == id and job.state == "done" and not job.saved:
                time = datetime.fromtimestamp(job.ended).astimezone().isoformat(timespec="seconds")
                return Entry(id, time, str(job.command), job.kind, job.command.record(), job.parent, job.index,
                             tuple(job.seeds), seconds=job.seconds)  # fmt: skip
        return self.history.find(id)

    def pictures(self, id: str) -> np.ndarray:
        """Return the pictures of a job that is done, (N, H, W, 3) uint8; a UserError when they are gone."""
        for job in self.engine.jobs:
            if job.id == id and job.state == "done":
                return job.pictures
        return self.history.pictures(id)

    def picture(self, id: str, index: int) -> np.ndarray:
        """Return one picture of a job, (H, W, 3) uint8."""
        return self.pictures(id)[self._number(id, index)]

    def task(self, id: str) -> Task:
        """Return the task that made a job's pictures."""
        return Task.of(self.entry(id))

    def seed(self, id: str, index: int = 0) -> int:
        """Return the seed whose noise made a picture; a grid that starts from it begins with the same noise."""
        number, seeds = self._number(id, index), self.entry(id).seeds
        return seeds[number] if number < len(seeds) else self.task(id).seeds[number]

    def info(self, id: str) -> str:
        """Return what is known of a job as readable lines."""
        entry = self.entry(id)
        return self.history.info(id) if entry.files else f"{entry.kind} · not in the history\n{entry.command}"

    def path(self, id: str, index: int) -> Path:
        """Return the file of a picture in the history, for ``--init`` and ``--sref``."""
        entry = self.history.find(id)
        return (self.history.folder / entry.files[self._number(id, index)]).resolve()

    def _number(self, id: str, index: int) -> int:
        """The number of a picture that a job has."""
        count = len(self.entry(id).files) or len(self.pictures(id))
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < count:
            allowed = "0" if count == 1 else f"0 to {count - 1}"
            raise UserError(f"the job {id} has no picture {index!r}; allowed are {allowed}, counted from 0.")
        return int(index)

    # ---- out of the history and back -----------------------------------------------------------

    def delete(self, id: str) -> Entry:
        """Take a job out of the history, whose files stay, and return what was known of it; `restore` undoes it."""
        entry = self.entry(id)
        if not entry.files:
            raise UserError(f"the job {id} is not in the history: it could not be saved.")
        self.history.delete(id)
        self._deleted.append(id)
        return entry

    def restore(self) -> Entry:
        """Put the job back that `delete` took last, and return it; a UserError when there is none."""
        if not self.can_restore:
            raise UserError("there is nothing to put back: this notebook has deleted no job, or all are back.")
        entry = self.history.restore(self._deleted[-1])
        self._deleted.pop()
        return entry

    @property
    def can_restore(self) -> bool:
        """Whether this notebook has deleted a job that is not back."""
        there = {entry.id for entry in self.history.deleted()}
        while self._deleted and self._deleted[-1] not in there:  # another notebook has put it back
            self._deleted.pop()
        return bool(self._deleted)

    # ---- the notebook's own way back and forth -------------------------------------------------

    def undo(self) -> Entry:
        """Go back to the job that this notebook finished before; a UserError when there is none."""
        return self.history.undo()

    def redo(self) -> Entry:
        """Go forward again to the job that `undo` left; a UserError when there is none."""
        return self.history.redo()

    def reload(self, id: str) -> str:
        """Return the text to put back into the prompt box: the prompt of a job and all its settings."""
        return self.entry(id).command

    # ---- stars ---------------------------------------------------------------------------------

    def rate(self, id: str, index: int, stars: int) -> None:
        """Give a picture 1 to 5 stars; an enlarged one gives them to the picture that it was made from."""
        id, index = self._rated(id, index)
        key = self.ratings.add_picture(self.picture(id, index), self.task(id), index)
        self.ratings.star(key, stars)

    def stars(self, id: str) -> list[int | None]:
        """Return the stars of each picture of a job, None where there are none."""
        given, found = self.ratings.stars(), []
        for index in range(len(self.pictures(id))):
            try:
                found.append(given.get(picture_id(self.picture(*self._rated(id, index)))))
            except UserError:  # of a size that cannot be rated, or what it was made from is gone
                found.append(None)
        return found

    def _rated(self, id: str, index: int) -> tuple[str, int]:
        """The picture that takes the stars of another one."""
        self._number(id, index)
        while (task := self.task(id)).kind == "upscale":
            id, index = task.sources[0]
        return id, index

    # ---- out of the studio ---------------------------------------------------------------------

    def export(self, id: str, index: int | None, path: Path | str, **marks: bool | None) -> Path:
        """Write a picture, or with index None the whole grid, as a PNG with its labels; return the file.

        Args:
            path: of the file, in a folder that exists; a file that is there is replaced.
            marks: ``mark`` and ``watermark`` as for `mjcourse.studio.labels.export_png`.

        Raises:
            UserError: there is no such picture or folder, or the file cannot be written.
        """
        path, entry = Path(path).expanduser(), self.entry(id)
        if not path.parent.is_dir():
            raise UserError(f"cannot write {path.name}: there is no folder {path.parent}.")
        drawn = self.page(id) if index is None else self.picture(id, index)
        share.write_labelled(self.history, np.asarray(drawn), path, entry, index, **marks)
        return path

    def page(self, id: str, index: int | None = None):
        """Return the pictures of a job, or one, as one Pillow picture with the prompt below."""
        pictures = self.pictures(id) if index is None else self.picture(id, index)[None]
        return share.page(pictures, self.entry(id))

    def show(self, id: str | None = None, index: int | None = None) -> None:
        """Put the pictures of a job into the notebook as a plain PNG, which stays when the kernel is gone.

        Args:
            id: by default the last job.
            index: one picture alone.
        """
        from IPython.display import display

        display(self.page(self.last if id is None else id, index))

    @property
    def last(self) -> str:
        """The id of this notebook's current job, else of the newest in the history; a UserError when it is empty."""
        if (entry := self.history.current or next(iter(self.history.entries()), None)) is None:
            raise UserError("the history is empty; draw something first: imagine('a red sun over the sea').")
        return entry.id
