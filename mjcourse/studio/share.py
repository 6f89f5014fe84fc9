"""Pictures on their way out of the studio: labelled files, and the grid that a notebook keeps. Chapter 13."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mjcourse.config import UserError
from mjcourse.studio.entry import Entry
from mjcourse.studio.history import History
from mjcourse.studio.labels import export_png

LABELS = {"upscale": "upscaled", "filter": "filtered"}  # kind of job → kind of label


def labelled_history(folder: Path | None = None) -> History:
    """Return a history whose files carry labels; their pixels are as they were drawn, so that work can go on."""
    history = History(folder)
    history.write = partial(_write, history)
    return history


def _write(history: History, picture: np.ndarray, path: Path, entry: Entry, index: int) -> None:
    write_labelled(history, picture, path, entry, index, mark=False, watermark=False)


def write_labelled(
    history: History, picture: np.ndarray, path: Path, entry: Entry, index: int | None, **marks: bool | None
) -> None:
    """Write a picture of a job with labels that tell how it was made, and what it was made from, back to words.

    Args:
        history: has the jobs that it was made from.
        picture: (H, W, 3) uint8.
        path: of the PNG.
        entry: of the job; ``index`` is the picture's number, from 0, or None for a grid of all.
        marks: ``mark`` and ``watermark`` as for `export_png`.

    Raises:
        UserError: what `export_png` refuses.
    """
    line = lineage(history, entry)
    own = any(one.settings.get("init") for one in line)  # a picture of one's own, changed by the model
    number = None if index is None else index + 1
    settings = _told(entry) | {"picture": number, "made_from": [_told(one) for one in line[1:]]}
    kind = "edited" if own else LABELS.get(entry.kind, "generated")
    export_png(picture, path, entry.command, settings, kind=kind, **marks)


def lineage(history: History, entry: Entry) -> list[Entry]:
    """Return an entry and those that it was made from, directly or not, nearest first, without those that are gone."""
    found, ahead = {entry.id: entry}, [entry]
    while ahead:
        one = ahead.pop(0)
        for id in (one.parent, *(source[0] for source in one.settings.get("sources") or ())):
            if id is not None and id not in found:
                try:
                    found[id] = history.find(id)
                except UserError:  # deleted
                    continue
                ahead.append(found[id])
    return list(found.values())


def _told(entry: Entry) -> dict:
    """What a file says of a job: its settings without those that are not set."""
    settings = {name: value for name, value in entry.settings.items() if value not in (None, [], (), "")}
    settings.pop("parts", None)  # they are in the prompt
    return {"id": entry.id, "kind": entry.kind, "command": entry.command, "seeds": list(entry.seeds)} | settings


def page(pictures: np.ndarray, entry: Entry) -> Image.Image:
    """Return the pictures of a job as one picture with the prompt and the seed below, in either language."""
    from mjcourse.viz import captioned_grid

    told = [f"mjcourse {entry.settings.get('model', '')}".strip(), entry.kind]
    told += [f"seed {entry.seeds[0]}"] if entry.seeds else []
    scale = max(1, 256 // max(pictures.shape[1:3]))
    prompt = entry.settings.get("prompt") or entry.command
    return captioned_grid(list(pictures), prompt, " · ".join(told), scale=scale)
