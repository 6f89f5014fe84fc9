"""The studio without its widget: everything that a person can do, a call for each. Chapter 13.

What draws is a job: the call returns at once, the pictures are drawn in a thread of their own, and end in the history
with all that is needed to make them again. `mjcourse.studio.panel` is its widget.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from mjcourse.config import UserError
from mjcourse.data.prompts import Unknown
from mjcourse.studio import wording
from mjcourse.studio.command import Command, expand, needs_asking, parse
from mjcourse.studio.flag import Value
from mjcourse.studio.images import open_image
from mjcourse.studio.inbox import to_frame
from mjcourse.studio.job import Job
from mjcourse.studio.shelf import Shelf
from mjcourse.studio.task import FINISHED, UNUSED, Source, Task, check_count, to_rows, wider

SIDES = ("left", "right", "up", "down")
STRENGTHS = ("subtle", "strong")
BIG = 128  # pixels of the shorter side from which on a picture has been enlarged


class AskFirst(UserError):
    """A text that makes more grids than are drawn without being asked; `count` is their number."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"this text makes {count} grids; to draw them all, say so: imagine(text, confirmed=True).")


class Studio(Shelf):
    """Prompts to pictures, and pictures to other pictures: ``Studio().imagine("a red sun")[0].wait()``.

    Args:
        history, ratings: as for `Shelf`.
    """

    # ---- from words ----------------------------------------------------------------------------

    def imagine(self, text: str, confirmed: bool = False, **settings: Value) -> list[Job]:
        """Draw what a text says, four pictures for each command that it stands for.

        Args:
            text: a prompt with flags.
            confirmed: draw more than `command.ASK_ABOVE` grids too.
            settings: as the flags; a flag that the text has counts more.

        Raises:
            AskFirst: there are so many. UserError: what `command.expand` refuses, or a picture that cannot be read.
        """
        commands = self.read(text, **settings)
        for path in {path for command in commands for path in (command.init, command.sref) if path}:
            open_image(path)  # a mistake is told now, not when its turn comes
        if needs_asking(commands) and not confirmed:
            raise AskFirst(len(commands))
        return [self._submit(Task.made(command)) for command in commands]

    def read(self, text: str, **settings: Value) -> list[Command]:
        """Return the commands that a text stands for, with those of the settings that it does not have itself."""
        return expand(text, **wording.beside(text, settings))

    def unknown(self, text: str) -> list[Unknown]:
        """Return the words of a text, without its flags, that the model never saw."""
        return wording.unknown(text)

    def reroll(self, id: str, **settings: Value) -> Job:
        """Do again what a job did, with another seed.

        Raises:
            UserError: it made one picture from one, which takes no chance.
        """
        task = self.task(id)
        if task.kind in FINISHED:
            raise UserError(f"to {task.kind} a picture again gives the same one; re-roll the grid that it came from.")
        again = task.replace(**{"seed": None, **settings})
        return self._submit(again, again.parent if again.sources else (id, None))

    def again(self, id: str) -> Job:
        """Make the pictures of a job once more, the same ones."""
        return self._submit(self.task(id))

    # ---- from pictures -------------------------------------------------------------------------

    def vary(self, id: str, index: int, strength: str = "subtle", **settings: Value) -> Job:
        """Draw four variations of a picture, `strength` one of `STRENGTHS`; `settings` replace those of its command."""
        _one_of(strength, STRENGTHS, "variation")
        return self._change("vary", id, index, None, settings, strength=strength)

    def remix(self, id: str, index: int, text: str, strength: str = "strong", **settings: Value) -> Job:
        """Draw four variations of a picture for another text with flags, in the same frame."""
        _one_of(strength, STRENGTHS, "variation")
        return self._change("remix", id, index, text, settings, strength=strength)

    def region(self, id: str, index: int, mask: np.ndarray, text: str | None = None, **settings: Value) -> Job:
        """Draw a part of a picture anew, four times; `mask` as for `task.to_rows`, `text` by default its own."""
        rows = to_rows(mask, self.task(id).ar)
        return self._change("region", id, index, text, settings, region=rows)

    def pan(self, id: str, index: int, side: str, **settings: Value) -> Job:
        """Move the frame by half its size to a side, one of `SIDES`, and draw what comes into sight, four times."""
        _one_of(side, SIDES, "side")
        return self._change("pan", id, index, None, settings, side=side)

    def zoom_out(self, id: str, index: int, **settings: Value) -> Job:
        """Draw what lies left and right of a picture, four times, in the next wider frame or that of `ar`."""
        frame = wider(self.task(id).ar, settings.get("ar"))
        return self._change("zoom", id, index, None, settings | {"ar": frame}, frame)

    def blend(self, pictures: Sequence[Source], **settings: Value) -> Job:
        """Mix two to five pictures, each (id, index), into four in the frame of the first."""
        check_count("blend", len(pictures))
        sources = tuple((id, self._number(id, index)) for id, index in pictures)
        tasks = [self.task(id) for id, _ in sources]
        captions = tuple(", ".join(part.text for part in task.parts if part.weight > 0) for task in tasks)
        command = Command(wording.joined(captions), **{"ar": tasks[0].ar} | settings)
        return self._submit(Task.made(command, kind="blend", sources=sources, captions=captions))

    def upscale(self, id: str, index: int) -> Job:
        """Enlarge a picture of a grid four times; one picture."""
        if min(self.picture(id, index).shape[:2]) >= BIG:
            raise UserError("this picture is enlarged already; upscale takes the pictures of a grid.")
        return self._finish("upscale", id, index)

    def filter(self, id: str, index: int, chain: str) -> Job:
        """Take a picture through a chain of filters; one picture."""
        from mjcourse.studio.filters import parse_filters

        told = str(parse_filters(chain))
        if not told:
            raise UserError("no filter is chosen; write some, such as 'contrast 1.2, look faded'.")
        return self._finish("filter", id, index, chain=told)

    def filtered(self, id: str, index: int, chain: str) -> np.ndarray:
        """Return what `filter` makes, (H, W, 3) uint8, at once and without a job."""
        from mjcourse.studio.filters import apply_filters

        return apply_filters(self.picture(id, index), chain, self.seed(id, index))

    # ---- pictures and words explained ----------------------------------------------------------

    def describe(self, picture, language: str = "en") -> list[str]:
        """Return captions of a picture, the likeliest first; this takes seconds.

        Args:
            picture: (id, index), or what `mjcourse.studio.inbox.to_frame` takes: any size, any kind of file.
            language: ``en`` or ``zh``.
        """
        pixels = to_frame(self.picture(*picture) if isinstance(picture, tuple) else picture)
        from mjcourse.studio.describe import describe  # after a mistake is told: it needs torch

        return describe(pixels, language)

    def influence(self, text: str) -> list[tuple[str, float]]:
        """Return each word of a text, without its flags, with its influence; 1 is as much as all of them together."""
        return wording.influences(text)

    def shorten(self, text: str) -> str:
        """Return a text without the words that have little influence; its flags and weights stay."""
        return wording.shortened(text)

    # ---- how a job begins ----------------------------------------------------------------------

    def _change(
        self, kind: str, id: str, index: int, text: str | None, settings: dict, frame: str | None = None, **how: object
    ) -> Job:
        """Submit a job that draws four new pictures from one, for its own prompt or for another text.

        `frame` is the aspect of the new pictures, by default the old one's.
        """
        source, old = (id, self._number(id, index)), self.task(id)
        self.picture(*source)  # a file that is gone is told now
        if text is None:
            unused = dict.fromkeys(name for name in UNUSED if getattr(old, name))
            command = Command.replace(old, **{"seed": None, **unused, **settings})
        else:
            command = parse(text, **wording.beside(text, {"ar": old.ar} | settings))
        extra = [name for name in UNUSED if name in command.settings()] + ["ar"] * (command.ar != (frame or old.ar))
        if extra:
            raise UserError(f"--{extra[0]} is for new pictures, and this one is made from another: leave it out.")
        return self._submit(Task.made(command, kind=kind, sources=(source,), **how))

    def _finish(self, kind: str, id: str, index: int, **how: object) -> Job:
        """Submit a job that makes one picture from one."""
        source = (id, self._number(id, index))
        self.picture(*source)
        command = Command.replace(self.task(id), seed=self.seed(*source))
        return self._submit(Task.made(command, kind=kind, sources=(source,), **how))

    def warm_up(self) -> threading.Thread:
        """Load the model in a thread of its own, so that the first job need not; what goes wrong, that job tells."""

        def load() -> None:
            with suppress(UserError):
                from mjcourse.studio.draw import default_engine

                default_engine("flow")

        thread = threading.Thread(target=load, name="mjcourse-warm-up")
        thread.start()
        return thread

    def _submit(self, task: Task, parent: tuple[str | None, int | None] | None = None) -> Job:
        id, index = task.parent if parent is None else parent
        return self.engine.submit(task, kind=task.kind, parent=id, index=index, seeds=task.seeds)


def _one_of(word: str, words: Sequence[str], noun: str) -> None:
    if word not in words:
        raise UserError(f"there is no {noun} {word!r}; allowed are {', '.join(words)}.")
