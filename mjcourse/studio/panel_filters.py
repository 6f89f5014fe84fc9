"""The filters in the studio's widget: a control for each of the table, and the selected picture as they make it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from mjcourse.studio.filter_spec import Filter
from mjcourse.studio.filters import FILTERS, Chain, parse_filters
from mjcourse.studio.panel_parts import button, on_enter, row, show_if, zoom_of
from mjcourse.viz import to_png

FIRST = ("look", "palette", "dither", "duotone")  # the controls that change most
STEPS = 60  # of a slider


class Filters:
    """Controls for a chain of filters, live.

    Args:
        act: calls a function and tells what goes wrong.
        filtered: called with a chain; returns the selected picture through it, (H, W, 3) uint8, or None without one.
        keep: called with a chain; makes a job of it.
    """

    def __init__(self, act: Callable, filtered: Callable[[str], np.ndarray | None], keep: Callable) -> None:
        self._act, self._filtered, self._quiet = act, filtered, False
        names = (*FIRST, *(name for name in FILTERS if name not in FIRST))
        self.controls = {name: _control(FILTERS[name]) for name in names}
        for control in self.controls.values():
            control.observe(lambda _: self._act(self._moved), "value")
        self.image = widgets.Image(format="png")
        self.chain = widgets.Text(placeholder="the chain as text, such as: contrast 1.2, look faded",
                                  layout=widgets.Layout(flex="1 1 240px", width="auto"))  # fmt: skip
        on_enter(self.chain, lambda: act(self._typed))
        self.use = button("use", lambda: act(self._typed), "take the chain as it is written")
        self.reset = button("none", lambda: act(self.set, ""), "take all filters away", icon="undo")
        self.keep = button("Keep picture", lambda: act(keep, self.chain.value), "make it a picture of its own",
                           button_style="primary")  # fmt: skip
        grid = widgets.GridBox(list(self.controls.values()))
        grid.add_class("mj-controls")
        grid.add_class("mj-narrow")
        left = widgets.VBox([self.image, row(self.keep, self.reset)], layout=widgets.Layout(grid_gap="6px"))
        right = widgets.VBox([row(self.chain, self.use), grid], layout=widgets.Layout(flex="1 1 290px", grid_gap="6px"))
        self.view = row(left, right, name="mj-desk")

    def draw(self) -> None:
        """Show the selected picture through the chain; called when another picture is selected, too."""
        picture = self._filtered(self.chain.value)
        show_if(self.image, picture is not None)
        if picture is not None:
            zoom = min(4, zoom_of(picture, 4))
            self.image.value = to_png(picture, zoom, smooth=False)
            self.image.layout.width = f"{zoom * picture.shape[1]}px"

    def set(self, chain: str) -> None:
        """Take a chain as text: the controls follow as far as they can tell it."""
        steps = parse_filters(chain)
        self._quiet, last = True, dict(steps)
        for name, control in self.controls.items():
            value = last.get(name, FILTERS[name].neutral)
            control.value = FILTERS[name].write(value) if FILTERS[name].kind == "points" else value
        self._quiet = False
        self.chain.value = str(steps)
        self.draw()

    def _typed(self) -> None:
        self.set(self.chain.value)

    def _moved(self) -> None:
        """Write the chain that the controls tell, in the order of the table, and show it."""
        if self._quiet:
            return
        steps = ((name, _value(f, self.controls[name].value)) for name, f in FILTERS.items())
        self.chain.value = str(Chain((name, value) for name, value in steps if value != FILTERS[name].neutral))
        self.draw()


def _value(f: Filter, shown: object) -> object:
    """The value of a filter that its control shows."""
    return f.read(shown) if f.kind == "points" else f.check(shown)


def _control(f: Filter) -> widgets.Widget:
    """The control of a filter, at its neutral value."""
    how = {"description": f.name, "tooltip": f"{f.meaning}: {f.allowed}", "style": {"description_width": "82px"}}
    how["layout"] = widgets.Layout(width="auto")
    if f.kind == "number":
        step = (f.high - min(f.low, f.neutral)) / STEPS
        return widgets.FloatSlider(f.neutral, min=f.low, max=f.high, step=step, readout_format=".2f", **how)
    if f.kind == "points":
        return widgets.Text(f.write(f.neutral), continuous_update=False, **how)
    options = [("off" if value == f.neutral else str(value), value) for value in f.values]
    chooser = widgets.Dropdown if f.kind == "choice" else widgets.SelectionSlider
    return chooser(options=options, value=f.neutral, **how)
