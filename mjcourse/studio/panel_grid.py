"""The pictures in the studio's widget: two by two, or one alone, with U and V for each. A click selects one."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from mjcourse.studio.command import GRID
from mjcourse.studio.entry import Entry
from mjcourse.studio.panel_parts import button, row, show_if, text, with_class, zoom_of
from mjcourse.studio.studio import STRENGTHS
from mjcourse.viz import to_png

EMPTY = "<i>Nothing has been drawn yet: write a prompt and press Enter.</i>"
STARS = 5


def stars_text(stars: int | None) -> str:
    """Return stars as text, nothing without any."""
    return "" if stars is None else "★" * stars + "☆" * (STARS - stars)


class Grid:
    """The pictures of a job that is done or under way.

    Args:
        select: called with the number of a picture that was clicked.
        upscale, vary: called with the number of a picture; `vary` with one of `STRENGTHS` too.
        reroll, undo, redo: called without anything.
        act: calls a function and tells what goes wrong.
    """

    def __init__(self, act: Callable, select: Callable, upscale: Callable, vary: Callable, reroll: Callable,
                 undo: Callable, redo: Callable) -> None:  # fmt: skip
        self.images = [widgets.Image(format="png") for _ in range(GRID)]
        self.captions = [text("", "mj-caption") for _ in range(GRID)]
        self.picks = [button(f"select picture {i + 1}", lambda i=i: act(select, i)) for i in range(GRID)]
        self.slots = [widgets.VBox(parts) for parts in zip(self.images, self.picks, self.captions, strict=True)]
        for slot in self.slots:
            slot.add_class("mj-slot")
        self.box = widgets.GridBox(self.slots, layout=widgets.Layout(grid_template_columns="max-content max-content"))
        self.box.add_class("mj-pictures")
        self.title = text(EMPTY, "mj-title")
        self.look = widgets.ToggleButtons(options=[("smooth", True), ("pixels", False)], tooltips=[
            "enlarged smoothly", "each pixel a square"], style={"button_width": "72px"})  # fmt: skip
        self.look.observe(lambda _: self._paint(), "value")
        self.strength = widgets.ToggleButtons(options=STRENGTHS, style={"button_width": "64px"}, tooltips=[
            "V: like the picture in all but details", "V: like it in the large alone"])  # fmt: skip
        self.ups = [button(f"U{i + 1}", lambda i=i: act(upscale, i), f"enlarge picture {i + 1}", width="46px")
                    for i in range(GRID)]  # fmt: skip
        self.vars = [button(f"V{i + 1}", lambda i=i: act(vary, i, self.strength.value), f"vary picture {i + 1}",
                            width="46px") for i in range(GRID)]  # fmt: skip
        self.reroll = button("Re-roll", lambda: act(reroll), "the same again with other noise", icon="refresh")
        self.undo = button("Undo", lambda: act(undo), "back to the job before", icon="undo")
        self.redo = button("Redo", lambda: act(redo), "forward again", icon="repeat")
        self.controls = widgets.VBox([
            row(*self.ups, self.reroll, self.undo, self.redo), row(*self.vars, self.strength, self.look)
        ], layout=widgets.Layout(grid_gap="6px"))  # fmt: skip
        self.view = widgets.VBox([self.box, self.controls], layout=widgets.Layout(grid_gap="6px"))
        self.pictures: np.ndarray | None = None
        self._paint()

    def show(self, entry: Entry, pictures: np.ndarray, stars: list[int | None], selected: int) -> None:
        """Show the pictures of a job that is done.

        Args:
            entry: of the job.
            pictures: (N, H, W, 3) uint8; the first four are shown.
            stars: of each picture.
            selected: the number of the picture that is selected.
        """
        self._set(pictures, under_way=False)
        self.title.value = f"<b>{html.escape(entry.command)}</b> <span class='mj-hint'>{entry.kind}</span>"
        for i, given in enumerate(stars[:GRID]):
            self.captions[i].value = f"{i + 1} <span class='mj-given'>{stars_text(given)}</span>"
        self.select(selected)

    def preview(self, command: str, pictures: np.ndarray) -> None:
        """Show the pictures of a job as far as they are."""
        self._set(pictures, under_way=True)
        self.title.value = f"<b>{html.escape(command)}</b> <span class='mj-hint'>under way …</span>"
        for caption in self.captions:
            caption.value = ""
        self.select(None)

    def clear(self) -> None:
        """Show that nothing has been drawn yet."""
        self.title.value, self.pictures = EMPTY, None
        self._paint()

    def select(self, number: int | None) -> None:
        """Mark a picture as selected, or none."""
        for i, slot in enumerate(self.slots):
            with_class(slot, "mj-chosen", i == number)

    def _set(self, pictures: np.ndarray, under_way: bool) -> None:
        self.pictures = pictures[:GRID]
        with_class(self.box, "mj-under-way", under_way)
        self._paint()

    def _paint(self) -> None:
        shown = () if self.pictures is None else self.pictures
        show_if(self.controls, len(shown) > 0)
        for i, (image, slot) in enumerate(zip(self.images, self.slots, strict=True)):
            show_if(slot, i < len(shown))
            self.ups[i].disabled = self.vars[i].disabled = i >= len(shown)
            if i < len(shown):
                zoom = zoom_of(shown[i], len(shown))
                image.value = to_png(shown[i], zoom, self.look.value)
                image.layout.width = f"{zoom * shown[i].shape[1]}px"
