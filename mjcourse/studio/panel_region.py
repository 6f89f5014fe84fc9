"""The studio's widget to draw a part of a picture anew: a coarse grid of toggle buttons over the picture."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from mjcourse.data.scenes import ASPECTS
from mjcourse.studio.panel_parts import button, on_enter, row, text
from mjcourse.viz import to_png

CELL = 8  # pixels of a side of a cell
WIDE = 320  # pixels of the screen that the picture takes, at the most
MOST = max(w * h for w, h in ASPECTS.values()) // CELL**2
_count = itertools.count(1)


class Region:
    """The selected picture under toggle buttons, and what shall be there.

    Args:
        act: calls a function and tells what goes wrong.
        draw: called with the mask, (rows, columns) bool, and the text, None for the picture's own.
    """

    def __init__(self, act: Callable, draw: Callable) -> None:
        self._name = f"mj-region-{next(_count)}"  # of this panel alone: its picture is in the style sheet
        first = widgets.ToggleButton(layout=widgets.Layout(width="auto", height="auto"))
        alike = {"layout": first.layout, "style": first.style}  # one of each for all: quicker to show
        self._pool = [widgets.ToggleButton(tooltip=f"cell {i + 1}", **alike) for i in range(MOST)]
        self.box = widgets.GridBox([])
        self.box.add_class("mj-region")
        self.box.add_class(self._name)
        self.picture = text()
        self.picture.layout.display = "none"
        self.text = widgets.Text(placeholder="what shall be there (empty: the picture's own prompt)",
                                 layout=widgets.Layout(flex="1 1 220px", width="auto"))  # fmt: skip
        self.go = button("Draw anew", lambda: act(self._draw), "draw the marked cells anew, four times",
                         button_style="primary")  # fmt: skip
        on_enter(self.text, lambda: act(self._draw))
        self.clear = button("none", lambda: act(self._mark, lambda _: False), "unmark all cells")
        self.invert = button("invert", lambda: act(self._mark, lambda on: not on), "mark what is not marked")
        note = text("Mark what shall be drawn anew: click cells, or go there with Tab and press Space.", "mj-hint")
        self._call, self.shape = draw, (0, 0)
        self.view = widgets.VBox([note, self.picture, self.box, row(self.clear, self.invert), row(self.text, self.go)],
                                 layout=widgets.Layout(grid_gap="6px"))  # fmt: skip

    @property
    def cells(self) -> list[widgets.ToggleButton]:
        """The cells that are there, row by row."""
        return self._pool[: self.shape[0] * self.shape[1]]

    def picture_changed(self, picture: np.ndarray, aspect: str) -> None:
        """Lay the cells over another picture (H, W, 3) uint8, none of them marked."""
        w, h = ASPECTS[aspect]
        if (h // CELL, w // CELL) != self.shape:
            self.shape = h // CELL, w // CELL
            zoom = WIDE // max(w, h)
            layout = self.box.layout
            layout.width, layout.height = f"{zoom * w}px", f"{zoom * h}px"
            layout.grid_template_columns = f"repeat({self.shape[1]}, 1fr)"
            layout.grid_template_rows = f"repeat({self.shape[0]}, 1fr)"
            self.box.children = self.cells
        data = base64.b64encode(to_png(picture)).decode()
        self.picture.value = f"<style>.{self._name} {{ background-image: url(data:image/png;base64,{data}) }}</style>"
        self._mark(lambda _: False)

    def mask(self) -> np.ndarray:
        """Return which cells are marked, (rows, columns) bool."""
        return np.array([cell.value for cell in self.cells], bool).reshape(self.shape)

    def _mark(self, new: Callable[[bool], bool]) -> None:
        for cell in self.cells:
            cell.value = new(cell.value)

    def _draw(self) -> None:
        self._call(self.mask(), self.text.value.strip() or None)
