"""The pictures to blend in the studio's widget: a tray that takes two to five."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from mjcourse.config import UserError
from mjcourse.studio.panel_parts import button, row, show_if, text
from mjcourse.studio.task import BLEND, Source
from mjcourse.viz import to_png


class Tray:
    """Pictures put aside to be blended.

    Args:
        act: calls a function and tells what goes wrong.
        picture: returns a picture by its id and number.
        add: adds the selected picture.
        blend: called with the pictures, each (id, index).
    """

    def __init__(self, act: Callable, picture: Callable[..., np.ndarray], add: Callable, blend: Callable) -> None:
        self._picture, self._blend, self.sources = picture, blend, []
        low, high = BLEND
        note = f"Put {low} to {high} pictures here: select one in the grid, from the gallery too, and add it."
        self.images = [widgets.Image(format="png", layout=widgets.Layout(width="96px")) for _ in range(high)]
        self.add_button = button("Add the selected picture", lambda: act(add))
        self.clear = button("Empty the tray", lambda: act(self.empty))
        self.go = button("Blend", lambda: act(self._go), "mix them into four new pictures", button_style="primary")
        self.view = widgets.VBox([text(note, "mj-hint"), row(*self.images), row(self.add_button, self.clear, self.go)],
                                 layout=widgets.Layout(grid_gap="6px"))  # fmt: skip
        self._show()

    def add(self, source: Source) -> None:
        """Put one more picture into the tray."""
        if source in self.sources:
            raise UserError("this picture is in the tray already.")
        if len(self.sources) == BLEND[1]:
            raise UserError(f"the tray has {BLEND[1]} pictures, and a blend takes no more: blend them or empty it.")
        self._picture(*source)  # a file that is gone is told now
        self.sources.append(source)
        self._show()

    def empty(self) -> None:
        """Take all pictures out."""
        self.sources.clear()
        self._show()

    def forget(self, id: str) -> None:
        """Take the pictures of a job out."""
        self.sources = [source for source in self.sources if source[0] != id]
        self._show()

    def _go(self) -> None:
        self._blend(list(self.sources))

    def _show(self) -> None:
        for i, image in enumerate(self.images):
            show_if(image, i < len(self.sources))
            if i < len(self.sources):
                image.value = to_png(self._picture(*self.sources[i]), 2)
