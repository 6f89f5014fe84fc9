"""What the parts of the studio's widget are made of: buttons, rows, and pictures as they are shown."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np
from PIL import Image

from mjcourse.viz import grid, to_png

CELL = 288  # pixels of the screen that a picture of a grid may take, in width and in height
ALONE = 512  # a picture alone
THUMB = 136  # a job in the gallery
STILL = 0.2  # seconds without a change after which what was typed has arrived


def button(text: str, action: Callable[[], None], tip: str = "", *classes: str, **how) -> widgets.Button:
    """Return a button that calls an action; ``width`` is that of its layout, the rest as for ``widgets.Button``."""
    layout = widgets.Layout(width=how.pop("width", "auto"))
    made = widgets.Button(description=text, tooltip=tip or text, layout=layout, **how)
    made.on_click(lambda _: action())
    for name in classes:
        made.add_class(name)
    return made


def row(*children: widgets.Widget, name: str = "mj-row", **layout) -> widgets.HBox:
    """Return widgets side by side, in as many lines as they need."""
    made = widgets.HBox(children, layout=widgets.Layout(**layout))
    made.add_class(name)
    return made


def text(value: str = "", *classes: str) -> widgets.HTML:
    """Return an HTML widget; `value` is HTML."""
    made = widgets.HTML(value)
    for name in classes:
        made.add_class(name)
    return made


def head(title: str) -> widgets.HTML:
    """Return a heading."""
    return text(html.escape(title), "mj-head")


def show_if(widget: widgets.DOMWidget, there: bool) -> None:
    """Show a widget, or hide it so that it takes no room and no Tab."""
    widget.layout.display = None if there else "none"


def with_class(widget: widgets.DOMWidget, name: str, there: bool) -> None:
    """Give a widget a class of the style sheet, or take it away."""
    (widget.add_class if there else widget.remove_class)(name)


def on_enter(box: widgets.Text, action: Callable[[], None]) -> None:
    """Call an action when Enter is pressed in a box, and not when the box is left, as its value would tell.

    Enter may overtake what was typed: a page holds back a change of the value while the kernel still works on the one
    before. So the action is called when the value has not changed for `STILL` seconds.
    """
    waiting: list[threading.Timer] = []

    def wait() -> None:
        while waiting:
            waiting.pop().cancel()
        waiting.append(threading.Timer(STILL, go))
        waiting[0].daemon = True
        waiting[0].start()

    def go() -> None:
        waiting.clear()
        action()

    def told(_, content: dict, buffers: list) -> None:
        if content.get("event") == "submit":
            wait() if STILL else action()

    box.on_msg(told)
    box.observe(lambda _: wait() if waiting else None, "value")


def zoom_of(picture: np.ndarray, count: int) -> int:
    """Return how many times a picture (H, W, 3) is enlarged on the screen, one of `count`."""
    room = ALONE if count == 1 else CELL
    return max(1, min(room // picture.shape[0], room // picture.shape[1]))


def sheet_png(pictures: Sequence[np.ndarray]) -> bytes:
    """Return the pictures of a job as one small PNG file, at most `THUMB` pixels wide and high."""
    page = grid(list(pictures), 2, pad=2)
    page.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    return to_png(page)
