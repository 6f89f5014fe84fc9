"""The rating widget of chapter 12 and of the studio: two pictures or one, a button for each answer."""

from __future__ import annotations

import html
import time
from collections.abc import Callable

from mjcourse.config import UserError
from mjcourse.feedback.session import MODES, SIDES, ZOOM, RatingSession
from mjcourse.feedback.tables import STARS

PAUSE = 0.2  # seconds that the eye needs: an answer that comes sooner was meant for the pictures before
_LABELS = {"pairs": "which one is better?", "stars": "how good is it?"}
_WIDE = f"{64 * ZOOM}px"


def rating_panel(session: RatingSession, pause: float = PAUSE):
    """Return a panel that rates a session's candidates by pairs or by stars, with skip and undo.

    Widgets hear no key, so the panel is made for the keys that the browser gives to buttons: Tab and Shift-Tab go from
    answer to answer, Enter or Space gives it. The buttons stay in place and keep the focus when the next pictures
    come, so that Space, Space, Space rates three in a row. Trouble is told in the panel's last line; a rating that
    could not be stored leaves its pictures there.

    Args:
        session: what is rated, by whom and into which store; it goes on as the buttons are pressed.
        pause: seconds after new pictures in which an answer does not count, so that a double click rates once.

    Returns:
        An ``ipywidgets.VBox``: the mode, the prompt, the pictures, the answers to a pair, the stars, skip and undo,
        a line with the counts, a line for trouble.
    """
    import ipywidgets as widgets

    mode = widgets.ToggleButtons(options=[(_LABELS[m], m) for m in MODES], value=session.mode)
    mode.style.button_width = "180px"
    prompt, status, trouble = widgets.HTML(), widgets.HTML(), widgets.HTML()
    images = [widgets.Image(format="png", layout=widgets.Layout(width=_WIDE, margin="0 8px 0 0")) for _ in SIDES]

    since, shown = 0.0, None  # when which item came

    def act(action: Callable[..., None], *values: object) -> None:
        if not session.ready:
            trouble.value = "<i>drawing the next pictures …</i>"
        show(_told(action, *values))

    def answer(action: Callable[..., None], value: object) -> None:
        if time.monotonic() - since < pause:
            raise UserError("too quick: these pictures had only just come, so the answer did not count; give it again.")
        action(value)

    def button(text: str, width: str, action: Callable[..., None], *values: object):
        made = widgets.Button(description=text, layout=widgets.Layout(width=width))
        made.on_click(lambda _: act(action, *values))
        return made

    sides = widgets.HBox([button(f"the {side} one", _WIDE, answer, session.choose, side) for side in SIDES])
    stars = widgets.HBox([button("★" * n, "100px", answer, session.star, n) for n in STARS])
    others = widgets.HBox([button("skip", "100px", session.skip), button("undo", "100px", session.undo)])

    def show(message: str = "") -> None:
        nonlocal since, shown
        item = session.item
        if item is not shown:
            since, shown = time.monotonic(), item
        mode.value = session.mode
        told = [message or session.trouble]
        prompt.value = f"<b>{html.escape(item.prompt)}</b>" if item else "<b>There is no more to rate here.</b>"
        for k, image in enumerate(images):
            there = item is not None and k < len(item.shown)
            image.value = item.shown[k] if there else b""
            image.layout.display = None if there else "none"
        sides.layout.display = None if session.mode == "pairs" else "none"  # what is hidden takes no Tab either
        stars.layout.display = None if session.mode == "stars" else "none"
        for choice in (*sides.children, *stars.children):
            choice.disabled = item is None
        told.append(_told(lambda: setattr(status, "value", html.escape(session.status()))))
        trouble.value = "<br>".join(f"<b>{html.escape(line)}</b>" for line in dict.fromkeys(told) if line)

    mode.observe(lambda change: change.new != session.mode and act(session.switch, change.new), names="value")
    show()
    return widgets.VBox([mode, prompt, widgets.HBox(images), sides, stars, others, status, trouble])


def _told(action: Callable[..., None], *values: object) -> str:
    """Do something; return what went wrong in one line, since an exception of a button shows nowhere else."""
    try:
        action(*values)
    except UserError as error:
        return str(error)
    except Exception as error:
        return f"internal error: {type(error).__name__}: {error}"
    return ""
