"""One job of the studio as a value: a command and, for all but `imagine`, the pictures that it starts from. Chapter 13.

A task holds all that its pictures depend on, so that the history can make them again: `Task.of` an entry is the task
that made it, and `perform` gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from mjcourse.config import UserError, seeds_from
from mjcourse.data.scenes import ASPECTS
from mjcourse.studio.command import GRID, SETTINGS, Command, parse
from mjcourse.studio.entry import Entry, checked_kind
from mjcourse.studio.flag import Value

LATENT = 4  # pixels of a picture's side that one latent stands for
BLEND = (2, 5)  # pictures of a blend, at least and at most
CHANGED = ("vary", "remix", "region", "pan", "zoom")  # kinds that draw four new pictures from one
FINISHED = ("upscale", "filter")  # kinds that make one picture from one, always the same
FRAMES = tuple(sorted(ASPECTS, key=lambda name: ASPECTS[name][0] / ASPECTS[name][1]))  # narrowest first
ALWAYS = ("prompt", "seed", "guidance", "steps", "model")  # told of each job, at their defaults too
UNUSED = ("tile", "stop", "weird", "init")  # flags that only a picture from nothing takes

Source = tuple[str, int]  # a job's id and the number of one of its pictures, from 0


@dataclass(frozen=True)
class Task(Command):
    """A command, and what is done to which pictures.

    Args:
        kind: one of `mjcourse.studio.entry.KINDS`.
        sources: the pictures to start from, none for ``imagine``, 2 to 5 for ``blend``, else one.
        strength: ``subtle`` or ``strong``, of ``vary`` and ``remix``.
        side: of ``pan``.
        region: of ``region``, a text for each row of latents, ``#`` where to draw anew and ``.`` where not.
        chain: of ``filter``, as `mjcourse.studio.filters.parse_filters` reads it.
        captions: of ``blend``, what each picture shows.

    Raises:
        UserError: what `Command` refuses, an unknown kind, or another number of pictures.
    """

    kind: str = "imagine"
    sources: tuple[Source, ...] = ()
    strength: str | None = None
    side: str | None = None
    region: tuple[str, ...] | None = None
    chain: str | None = None
    captions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(checked_kind(self.kind), len(self.sources))

    @classmethod
    def made(cls, command: Command, **how: object) -> Task:
        """Return the task of a command; `how` are the fields that it adds."""
        return cls(**{name: getattr(command, name) for name in ("prompt", *SETTINGS)}, **how)

    @classmethod
    def of(cls, entry: Entry) -> Task:
        """Return the task that made an entry of the history.

        Raises:
            UserError: the entry was altered, or is of another version.
        """
        how = {name: _frozen(entry.settings[name]) for name in HOW if name in entry.settings}
        try:
            return cls.made(parse(entry.command), **how, kind=entry.kind)
        except (TypeError, ValueError) as error:
            told = f"the history's entry {entry.id} was altered ({error}); draw its command anew: {entry.command}"
            raise UserError(told) from error

    def replace(self, **changes: Value) -> Task:
        """Return a copy with some settings of the command changed, as `Command.replace`."""
        return Task.made(super().replace(**changes), **{name: getattr(self, name) for name in ("kind", *HOW)})

    @property
    def parent(self) -> tuple[str | None, int | None]:
        """Return the picture that it was made from: (id, index) as an `Entry` has them."""
        return self.sources[0] if self.sources else (None, None)

    def record(self) -> dict:
        """Return what the history keeps beside the text to type: what every picture has, and what was set."""
        told = {name: getattr(self, name) for name in ALWAYS} | self.settings()
        return {name: value for name, value in told.items() if value is not None} | {
            name: value for name in HOW if (value := getattr(self, name)) not in (None, ())
        }

    @property
    def seeds(self) -> list[int]:
        """Return the seeds of its pictures; what makes one picture from one draws no noise, but may need the seed.

        Which seeds a grid with `weird` took is known once it is drawn: `perform` tells.
        """
        return seeds_from(self.seed, 1 if self.kind in FINISHED else GRID)


def check_count(kind: str, count: int) -> None:
    """Refuse another number of pictures than a kind of job starts from."""
    low, high = {"imagine": (0, 0), "blend": BLEND}.get(kind, (1, 1))
    if not low <= count <= high:
        allowed = f"{low} to {high}" if low < high else f"{low}"
        raise UserError(f"cannot {kind} {count} pictures; allowed are {allowed}.")


HOW = tuple(field.name for field in fields(Task) if field.name not in (*(f.name for f in fields(Command)), "kind"))


def perform(
    task: Task, pictures: Sequence[np.ndarray], report: Callable[..., None]
) -> tuple[np.ndarray, Sequence[int]]:
    """Make the pictures of a task, (N, H, W, 3) uint8, and tell their seeds; the same task gives the same bytes.

    Args:
        task: what to do.
        pictures: those that `task.sources` names, each (H, W, 3) uint8.
        report: called as ``report(done, total, preview)``; what it raises stops the work.

    Raises:
        UserError: weights are missing, or what the functions of `draw`, `edit` and `filters` refuse.
    """
    report(0, 0)  # a job that was cancelled need not load a model
    if task.kind == "imagine":
        from mjcourse.studio.draw import draw_seeded

        return draw_seeded(task, report)
    return _changed(task, pictures, report), task.seeds


def _changed(task: Task, pictures: Sequence[np.ndarray], report: Callable[..., None]) -> np.ndarray:
    """The pictures of a task that starts from others."""
    if task.kind == "filter":
        from mjcourse.studio.filters import apply_filters

        return apply_filters(pictures[0], task.chain, task.seed)[None]
    from mjcourse.studio import edit  # it needs torch, which takes its time

    if task.kind == "upscale":
        return edit.upscale(pictures[0])[None]
    if task.kind == "zoom":
        return edit.zoom_out(task, pictures[0], report)
    framed = [in_frame(picture, task.ar) for picture in pictures]
    if task.kind == "blend":
        return edit.blend(task, framed, list(task.captions), report)
    if task.kind == "pan":
        return edit.pan(task, framed[0], task.side, report)
    if task.kind == "region":
        return edit.region(task, framed[0], to_mask(task.region), report)
    return edit.vary(task, framed[0], task.strength, report)


def wider(aspect: str, wanted: str | None = None) -> str:
    """Return the frame to zoom out to: the next wider one of `FRAMES`, or `wanted` where that is wider.

    Raises:
        UserError: there is none, or `wanted` is not wider.
    """
    ahead = FRAMES[FRAMES.index(aspect) + 1 :]
    if not ahead:
        raise UserError(f"zoom out goes to a wider frame, and {aspect} is the widest: pan left or right instead.")
    if wanted is not None and wanted not in ahead:
        raise UserError(f"--ar {wanted} is not wider than {aspect}; to zoom out, allowed are {', '.join(ahead)}.")
    return wanted or ahead[0]


def in_frame(picture: np.ndarray, aspect: str) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 in the frame of an aspect, cut in the middle if it must be."""
    from PIL import Image, ImageOps

    if picture.shape[1::-1] == ASPECTS[aspect]:
        return picture
    return np.array(ImageOps.fit(Image.fromarray(picture), ASPECTS[aspect], Image.Resampling.LANCZOS))


def to_rows(mask: np.ndarray, aspect: str) -> tuple[str, ...]:
    """Return a mask as rows of ``#`` and ``.``, one character a latent.

    Args:
        mask: bool, (H, W) of the picture or any coarser grid whose cells are a whole number of pixels, such as (8, 8).
        aspect: of the picture, one of `ASPECTS`.

    Raises:
        UserError: it is of another kind or size, or nothing is chosen.
    """
    mask, (w, h) = np.asarray(mask), ASPECTS[aspect]
    if mask.dtype != bool or mask.ndim != 2 or 0 in mask.shape or h % mask.shape[0] or w % mask.shape[1]:
        raise UserError(
            f"a region of {aspect} pictures must be an array of True and False, ({h}, {w}) or a coarser grid that "
            f"divides it, such as ({h // 8}, {w // 8}); got {mask.shape} {mask.dtype}."
        )
    if not mask.any():
        raise UserError("no region is chosen: mark what shall be drawn anew.")
    pixels = mask.repeat(h // mask.shape[0], 0).repeat(w // mask.shape[1], 1)
    latents = pixels.reshape(h // LATENT, LATENT, w // LATENT, LATENT).any((1, 3))
    return tuple("".join(".#"[cell] for cell in row) for row in latents.astype(int))


def to_mask(rows: Sequence[str]) -> np.ndarray:
    """Return the mask of pixels, (H, W) bool, that `to_rows` wrote."""
    return np.array([[cell == "#" for cell in row] for row in rows]).repeat(LATENT, 0).repeat(LATENT, 1)


def _frozen(value: object) -> object:
    """A value of JSON as a task has it: lists are tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
