"""The settings of the studio's widget: a control for each flag of the command language, made from its table."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from mjcourse.studio.flag import Flag, Value, plain
from mjcourse.studio.flags import FLAGS
from mjcourse.studio.panel_parts import button, row, text

TYPED = ("seed", "no", "init", "sref")  # flags that are written, not chosen
UNSET = "as the prompt says"  # where a choice has no default


class Settings:
    """A control for each flag; what stands at its default counts as not set.

    Args:
        changed: called after each change.
        take_picture: called with ``init`` or ``sref`` when the selected picture shall be taken for it.
    """

    def __init__(self, changed: Callable[[], None], take_picture: Callable[[str], None]) -> None:
        self.controls = {flag.name: _control(flag) for flag in FLAGS.values()}
        self._changed, self._quiet = changed, False
        for control in self.controls.values():
            control.observe(self._on_change, "value")
        self.model = self.controls["model"]  # stands beside the prompt
        takes = [button(f"selected picture → {FLAGS[name].name}", lambda name=name: take_picture(name),
                        FLAGS[name].meaning) for name in ("init", "sref")]  # fmt: skip
        self.reset_button = button("all to their defaults", self.reset, icon="undo")
        grid = widgets.GridBox([c for name, c in self.controls.items() if name != "model"])
        grid.add_class("mj-controls")
        note = text("Each is a flag of the prompt; one that is typed in the prompt counts more.", "mj-hint")
        self.view = widgets.VBox([note, grid, row(*takes, self.reset_button), text(_explained(), "mj-hint")])
        self._fit()

    def values(self) -> dict[str, Value]:
        """Return the flags that are set, as `Studio.imagine` takes them."""
        found = {}
        for name, control in self.controls.items():
            value = control.value.strip() if isinstance(control.value, str) else control.value
            unset = ("", FLAGS[name].default_for(self.model.value if name != "model" else "flow"))
            if not control.disabled and not any(value is one or value == one for one in unset):
                found[name] = value
        return found

    def told(self) -> str:
        """Return the flags that are set as one would type them."""
        return " ".join(f"--{name} {'' if value is True else value}".strip() for name, value in self.values().items())

    def set(self, **values: Value) -> None:
        """Set some controls."""
        for name, value in values.items():
            self.controls[name].value = str(value) if name in TYPED else value

    def reset(self) -> None:
        """Set all controls to their defaults."""
        self._quiet = True
        for name, control in self.controls.items():
            control.value = _off(FLAGS[name], "flow")
        self._quiet = False
        self._on_change(None)

    def _on_change(self, change) -> None:
        if self._quiet:
            return
        self._quiet = True
        if change is not None and change.owner is self.model:
            for name, control in self.controls.items():  # what stood at the old engine's default goes with it
                if name != "model" and control.value == _off(FLAGS[name], change.old):
                    control.value = _off(FLAGS[name], change.new)
        self._fit()
        self._quiet = False
        self._changed()

    def _fit(self) -> None:
        """Disable what the engine does not take, and what means nothing without another flag."""
        for name, control in self.controls.items():
            flag = FLAGS[name]
            lacks = self.model.value not in flag.engines
            control.disabled = lacks or bool(flag.needs and not self.controls[flag.needs].value)
            control.tooltip = flag.lacking if lacks else f"--{name} {flag.allowed}: {flag.meaning}"


def _off(flag: Flag, model: str) -> Value:
    """What a control shows where its flag is not set."""
    if flag.name in TYPED:
        return ""
    for one in (model, "flow"):  # the prior does not take them all
        if (default := flag.default_for(one)) is not None:
            return default
    return ""


def _explained() -> str:
    """What each flag does, as a table that opens."""
    rows = "".join(f"<tr><td><code>--{f.name}</code></td><td>{html.escape(f.allowed)}</td>"
                   f"<td>{html.escape(f.meaning)}</td></tr>" for f in FLAGS.values())  # fmt: skip
    return f"<details><summary>What they do</summary><table class='mj-flags'>{rows}</table></details>"


def _control(flag: Flag) -> widgets.Widget:
    """The control of a flag, at its default."""
    value, how = _off(flag, "flow"), {"description": flag.name}
    how |= {"style": {"description_width": "76px"}, "layout": widgets.Layout(width="auto")}
    if flag.name in TYPED:
        hints = {"seed": "drawn anew each time", "no": "fog, boats"}
        return widgets.Text(value, placeholder=hints.get(flag.name, "path of a picture"), **how)
    if flag.kind == "switch":
        return widgets.Checkbox(value, indent=False, **how)
    if flag.kind == "choice":
        options = [(UNSET, value)] * (value == "") + [(plain(choice), choice) for choice in flag.choices]
        return widgets.Dropdown(options=options, value=value, **how)
    if flag.kind == "whole":
        step = 1 if flag.high <= 200 else 10
        return widgets.IntSlider(value, min=flag.low, max=flag.high, step=step, continuous_update=False, **how)
    return widgets.FloatSlider(value, min=flag.low, max=flag.high, step=0.1, readout_format=".1f",
                               continuous_update=False, **how)  # fmt: skip
