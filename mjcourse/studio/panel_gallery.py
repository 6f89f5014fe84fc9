"""The history in the studio's widget: all finished jobs in pages, to open again or to put back into the prompt."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from mjcourse.config import UserError
from mjcourse.studio.entry import Entry
from mjcourse.studio.panel_parts import button, row, sheet_png, show_if, text

PAGE = 12  # jobs on a page
KEPT = 200  # small pictures that are kept in memory


class Gallery:
    """Pages of jobs, newest first.

    Args:
        act: calls a function and tells what goes wrong.
        entries: returns all jobs, newest first.
        pictures: returns the pictures of a job by its id.
        info: returns what is known of a job by its id.
        open, reload, delete: called with the id of a job; ``restore`` without anything, undoes the last deletion.
    """

    def __init__(self, act: Callable, entries: Callable[[], list[Entry]], pictures: Callable[[str], np.ndarray],
                 info: Callable[[str], str], open: Callable, reload: Callable, delete: Callable,
                 restore: Callable) -> None:  # fmt: skip
        self._entries, self._pictures, self._info = entries, pictures, info
        self._ids, self._small, self._told = [], {}, None
        self.page = 0
        self.images = [widgets.Image(format="png") for _ in range(PAGE)]
        self.texts = [text() for _ in range(PAGE)]
        self.opens = [button("open", lambda i=i: act(open, self._ids[i]), "show these pictures") for i in range(PAGE)]
        self.reloads = [button("to prompt", lambda i=i: act(reload, self._ids[i]), "put prompt and settings back")
                        for i in range(PAGE)]  # fmt: skip
        self.infos = [button("info", lambda i=i: act(self.tell, self._ids[i]), "what is known of this job; once more "
                             "takes it away") for i in range(PAGE)]  # fmt: skip
        self.deletes = [button("delete", lambda i=i: act(delete, self._ids[i]), "take this job out of the history")
                        for i in range(PAGE)]  # fmt: skip
        parts = zip(self.images, self.texts, self.opens, self.reloads, self.infos, self.deletes, strict=True)
        self.cards = [widgets.VBox([image, told, row(*four[:2]), row(*four[2:])]) for image, told, *four in parts]
        for card in self.cards:
            card.add_class("mj-card")
        self.newer = button("← newer", lambda: act(self.turn, -1))
        self.older = button("older →", lambda: act(self.turn, +1))
        self.number = text("", "mj-hint")
        self.restore = button("undo delete", lambda: act(restore), "put back what was deleted last", icon="undo")
        self.told = text("", "mj-info")
        for part in (self.restore, self.told):
            show_if(part, False)
        self.view = widgets.VBox(
            [row(self.newer, self.older, self.number, self.restore), self.told, row(*self.cards, name="mj-cards")],
            layout=widgets.Layout(grid_gap="6px"),
        )

    def turn(self, by: int) -> None:
        """Turn some pages."""
        self.page += by
        self.draw()

    def tell(self, id: str | None) -> None:
        """Show what is known of a job over the cards; of the same one again, or of None, take it away."""
        self._told = None if id == self._told else id
        self.told.value = "" if self._told is None else f"<pre>{html.escape(self._info(self._told))}</pre>"
        show_if(self.told, self._told is not None)

    def draw(self) -> None:
        """Show the page, with what is new in the history."""
        entries = self._entries()
        if self._told not in (None, *(entry.id for entry in entries)):
            self.tell(None)
        pages = max(1, -(-len(entries) // PAGE))
        self.page = min(max(self.page, 0), pages - 1)
        shown = entries[self.page * PAGE : (self.page + 1) * PAGE]
        self._ids = [entry.id for entry in shown]
        self.newer.disabled, self.older.disabled = self.page == 0, self.page == pages - 1
        jobs = "1 job" if len(entries) == 1 else f"{len(entries)} jobs"
        self.number.value = f"page {self.page + 1} of {pages} · {jobs}, newest first"
        for i, card in enumerate(self.cards):
            show_if(card, i < len(shown))
            if i < len(shown):
                self._fill(i, shown[i])

    def _fill(self, number: int, entry: Entry) -> None:
        if entry.id not in self._small:
            while len(self._small) >= KEPT:
                del self._small[next(iter(self._small))]
            try:
                self._small[entry.id] = sheet_png(self._pictures(entry.id)), ""
            except UserError as error:
                self._small[entry.id] = b"", str(error)
        data, trouble = self._small[entry.id]
        self.images[number].value = data
        self.images[number].layout.width = None if data else "0"
        told = html.escape(entry.command)
        self.texts[number].value = f"<i>{html.escape(trouble)}</i>" if trouble else f"{entry.kind} · {told}"
        self.texts[number].tooltip = trouble or entry.command
