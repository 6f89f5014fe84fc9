"""What the studio's widget can do with the selected picture: stars, zoom, pan, remix, reuse, save."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets

from mjcourse.studio.panel_grid import STARS
from mjcourse.studio.panel_parts import button, head, on_enter, row, text, with_class

ARROWS = {"left": "←", "up": "↑", "down": "↓", "right": "→"}


class Actions:
    """The controls beside the grid; each calls one function.

    Args:
        act: calls a function and tells what goes wrong.
        rate: called with a number of stars.
        zoom: called without anything, goes to a wider frame; ``pan`` with a side; ``remix`` with a text.
        reload, seed, tray: put the settings, the seed or the picture to where they are used again.
        save: called with a path; returns the file. ``keep`` puts the grid into the notebook.
    """

    def __init__(self, act: Callable, rate: Callable, zoom: Callable, pan: Callable, remix: Callable,
                 reload: Callable, seed: Callable, tray: Callable, save: Callable, keep: Callable) -> None:  # fmt: skip
        self._act, self._save = act, save
        self.title = head("")
        self.stars = [button("☆", lambda n=n: act(rate, n), f"{n} of {STARS} stars", "mj-star",
                             width="38px") for n in range(1, STARS + 1)]  # fmt: skip
        self.pans = {side: button(arrow, lambda side=side: act(pan, side), f"pan {side}: draw what lies there",
                                  width="38px") for side, arrow in ARROWS.items()}  # fmt: skip
        self.zoom = button("Zoom out", lambda: act(zoom), "draw what lies left and right", icon="search-minus")
        self.remix_text = widgets.Text(placeholder="another prompt for this picture", layout=_wide())
        self.remix = button("Remix", lambda: act(remix, self.remix_text.value), "like this picture, for another prompt")
        on_enter(self.remix_text, lambda: act(remix, self.remix_text.value))
        self.reload = button("To the prompt", lambda: act(reload), "put prompt and settings of these pictures back")
        self.seed = button("Reuse seed", lambda: act(seed), "start the next grid from this picture's noise")
        self.tray = button("To blend", lambda: act(tray), "put this picture among those to blend")
        self.path = widgets.Text(layout=_wide(), tooltip="file to save to")
        self.save = button("Save PNG", lambda: act(self._on_save), "write this picture with its labels")
        self.keep = button("Keep in notebook", lambda: act(keep), "put the grid into the notebook as a plain picture")
        self.link = text("", "mj-hint")
        on_enter(self.path, lambda: act(self._on_save))
        self.view = widgets.VBox([
            _group(self.title, row(*self.stars)),
            _group(head("Around it"), row(*self.pans.values(), self.zoom)),
            _group(head("Another prompt"), row(self.remix_text, self.remix)),
            _group(head("Use again"), row(self.reload, self.seed, self.tray)),
            _group(head("Keep"), row(self.path, self.save), row(self.keep), self.link),
        ])  # fmt: skip
        self.view.add_class("mj-side")

    def picture_changed(self, number: int, stars: int | None, path: Path) -> None:
        """Show the number and the stars of the selected picture, and where it would be saved."""
        self.title.value = f"Picture {number + 1}"
        for i, star in enumerate(self.stars):
            given = i < (stars or 0)
            star.description = "★" if given else "☆"
            with_class(star, "mj-given", given)
        self.path.value, self.link.value = str(path), ""

    def _on_save(self) -> None:
        file = self._save(self.path.value)
        data, name = base64.b64encode(file.read_bytes()).decode(), html.escape(file.name, quote=True)
        link = f'<a download="{name}" href="data:image/png;base64,{data}">download</a>'
        self.link.value = f"saved as {html.escape(str(file))} · {link}"


def _wide() -> widgets.Layout:
    return widgets.Layout(flex="1 1 90px", width="auto")


def _group(*children: widgets.Widget) -> widgets.VBox:
    made = widgets.VBox(children)
    made.add_class("mj-group")
    return made
