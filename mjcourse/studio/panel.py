"""The studio's widget: plain ipywidgets, each control a call of `mjcourse.studio.studio.Studio`. Chapter 13.

The pictures are drawn in the studio's worker thread, which tells each change; the panel then sets the values of images
and texts, which a thread may do at any time, whatever the notebook's own thread is busy with.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

import ipywidgets as widgets

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.studio.job import Job
from mjcourse.studio.panel_actions import Actions
from mjcourse.studio.panel_blend import Tray
from mjcourse.studio.panel_core import Core
from mjcourse.studio.panel_filters import Filters
from mjcourse.studio.panel_gallery import Gallery
from mjcourse.studio.panel_grid import Grid
from mjcourse.studio.panel_parts import row, show_if, text
from mjcourse.studio.panel_progress import Progress
from mjcourse.studio.panel_prompt import Prompt
from mjcourse.studio.panel_region import Region
from mjcourse.studio.panel_settings import Settings
from mjcourse.studio.panel_style import style_sheet
from mjcourse.studio.panel_words import Words
from mjcourse.studio.studio import Studio

DEBOUNCE = 0.5  # seconds without a key after which a prompt is looked at
NAME_MAX = 40  # characters of a prompt in the name of a file


def studio_panel(studio: Studio | None = None, debounce: float = DEBOUNCE) -> widgets.VBox:
    """Return the studio as a widget; its ``panel`` is the `Panel`, and ``panel.studio`` what its buttons call.

    Every control can be reached by Tab, and pressed by Space or Enter.

    Args:
        studio: by default a new one on the history of all notebooks.
        debounce: seconds without a key after which a prompt is looked at; 0 looks at once.
    """
    if studio is None:
        studio = Studio()
        studio.warm_up()
    panel = Panel(studio, debounce)
    panel.view.panel = panel
    return panel.view


class Panel(Core):
    """The parts of the widget, and what each of their controls calls; ``view`` is the widget."""

    def __init__(self, studio: Studio, debounce: float) -> None:
        super().__init__(studio)
        self._place = _place()
        self._make_prompt(debounce)
        self._make_desk()
        self._make_tabs()
        self.view = widgets.VBox([
            style_sheet(), self.prompt.view, self.progress.view, self.message, self.grid.title, self.desk,
            self.message_below, self.tabs,
        ])  # fmt: skip
        self.view.add_class("mj-studio")
        self.say("")
        self.act(self._start)
        studio.engine.listen(self.changed)

    def _make_prompt(self, debounce: float) -> None:
        self.settings = Settings(lambda: self.prompt.settings_changed(self.settings.told()),
                                 lambda name: self.act(self._take_picture, name))  # fmt: skip
        self.prompt = Prompt(self.studio, self.settings.model, self.settings.values, self._imagine, self.act, debounce)
        self.progress = Progress(self.studio.cancel, self.studio.cancel_all, self.act)

    def _make_desk(self) -> None:
        studio, picked, drawn, engine = self.studio, self.picked, self._drawn, self._engine
        self.grid = Grid(
            self.act,
            select=self.select,
            upscale=lambda i: drawn(studio.upscale(*picked(i))),
            vary=lambda i, strength: drawn(studio.vary(*picked(i), strength, **engine())),
            reroll=lambda: drawn(studio.reroll(picked(0)[0])),
            undo=lambda: self.open(studio.undo().id),
            redo=lambda: self.open(studio.redo().id),
        )
        self.actions = Actions(
            self.act,
            rate=self._rate,
            zoom=lambda: drawn(studio.zoom_out(*picked(), **engine())),
            pan=lambda side: drawn(studio.pan(*picked(), side, **engine())),
            remix=lambda said: drawn(studio.remix(*picked(), said, **engine())),
            reload=lambda: self._reload(picked()[0]),
            seed=lambda: self.settings.set(seed=studio.seed(*picked())),
            tray=lambda: self.tray.add(picked()),
            save=self._save,
            keep=self._keep,
        )
        self.desk = row(self.grid.view, self.actions.view, name="mj-desk")

    def _make_tabs(self) -> None:
        studio, act, picked, drawn = self.studio, self.act, self.picked, self._drawn
        self.gallery = Gallery(act, studio.history.entries, studio.pictures, studio.info, open=self.open,
                               reload=self._reload, delete=self._delete, restore=self._restore)  # fmt: skip
        self.filters = Filters(act, lambda chain: studio.filtered(*self._here(), chain) if self.shown else None,
                               self._keep_filtered)  # fmt: skip
        self.region = Region(act, lambda mask, said: drawn(studio.region(*picked(), mask, said, **self._engine())))
        self.tray = Tray(act, studio.picture, lambda: self.tray.add(picked()),
                         lambda sources: drawn(studio.blend(sources, **self._engine())))  # fmt: skip
        self.words = Words(act, self.later, studio.describe, picked, lambda: self.prompt.box.value,
                           lambda said: (studio.shorten(said), studio.influence(said)), self._write)  # fmt: skip
        self.info = text("", "mj-info")
        parts = {
            "Gallery": self.gallery.view, "Filters": self.filters.view, "Region": self.region.view,
            "Blend": self.tray.view, "Words": self.words.view, "Settings": self.settings.view, "Info": self.info,
        }  # fmt: skip
        self.tabs = widgets.Tab(list(parts.values()), titles=list(parts))
        self.tabs.observe(lambda _: act(self.gallery.draw, quiet=True), "selected_index")

    def _start(self) -> None:
        """Show what the history has."""
        show_if(self.actions.view, False)
        self.gallery.draw()
        if self.studio.history.entries():
            self.open(self.studio.last, follow=True)

    # ---- what the core shows -------------------------------------------------------------------

    def repaint(self) -> None:
        """Show the pictures of `shown`, and what there is about the selected one."""
        show_if(self.actions.view, self.shown is not None)
        if self.shown is None:
            self.grid.clear()
            self.filters.draw()
            self.info.value = ""
            return
        id, number = self._here()
        stars = self._stars()
        self.grid.show(self.shown, self.pictures, stars, number)
        self.actions.picture_changed(number, stars[number], _file(self.shown, number))
        self.region.picture_changed(self.pictures[number], self.studio.task(id).ar)
        self.filters.draw()
        self.info.value = f"<pre>{html.escape(self.studio.info(id))}</pre>"

    def preview(self, job: Job) -> None:
        """Show the pictures of a job as far as they are."""
        self.grid.preview(str(job.command), job.preview)

    def _changed(self, job: Job) -> None:
        self.progress.update(job, self.studio.waiting)
        super()._changed(job)
        if job.state == "done":
            self.gallery.draw()

    def _here(self) -> tuple[str, int]:
        return self.shown.id, self.selected

    def _stars(self) -> list[int | None]:
        try:
            return self.studio.stars(self.shown.id)
        except UserError as error:  # no reason not to see the pictures
            self.say(str(error), error=True)
            return [None] * len(self.pictures)

    # ---- what the controls do ------------------------------------------------------------------

    def _imagine(self, said: str, confirmed: bool) -> None:
        self._drawn(*self.studio.imagine(said, confirmed, **self.settings.values()))

    def _drawn(self, *jobs: Job) -> None:
        """Go with the jobs that were just begun."""
        self.follow = True
        self.progress.update(None, self.studio.waiting)

    def _engine(self) -> dict[str, str]:
        return {"model": self.settings.model.value}

    def _rate(self, stars: int) -> None:
        self.studio.rate(*self.picked(), stars)
        self.repaint()

    def _keep_filtered(self, chain: str) -> None:
        self._drawn(self.studio.filter(*self.picked(), chain))
        self.filters.set("")  # the kept picture has them

    def _reload(self, id: str) -> None:
        said = self.studio.reload(id)  # with all its settings
        self.settings.reset()
        self._write(said)

    def _delete(self, id: str) -> None:
        """Take a job out of the gallery, and out of sight; its pictures leave the tray too."""
        entry = self.studio.delete(id)
        self.tray.forget(id)
        self._history_changed()
        if self.shown is not None and self.shown.id == id:
            self._leave()
        self.say(f"deleted: {entry.command}; undo delete, in the gallery, puts it back.")

    def _leave(self) -> None:
        """Show this notebook's current job, else the newest, in place of one that is gone."""
        if self.studio.history.entries():
            self.open(self.studio.last, self.follow)
        else:
            self.shown = self.pictures = None
            self.repaint()

    def _restore(self) -> None:
        entry = self.studio.restore()
        self._history_changed()
        self.open(entry.id)
        self.say(f"put back: {entry.command}")

    def _history_changed(self) -> None:
        show_if(self.gallery.restore, self.studio.can_restore)
        self.gallery.draw()

    def _write(self, said: str) -> None:
        self.prompt.box.value = said

    def _take_picture(self, flag: str) -> None:
        self.settings.set(**{flag: self.studio.path(*self.picked())})

    def _save(self, path: str) -> Path:
        id, number = self.picked()
        folder = _file(self.shown, number).parent
        if Path(path).parent == folder:
            folder.mkdir(parents=True, exist_ok=True)
        return self.studio.export(id, number, path)

    def _keep(self) -> None:
        id, _ = self.picked()
        if self._place is None:
            raise UserError(f"there is no notebook here to keep it in; in a cell, write: studio.show({id!r}).")
        self._place.update(self.studio.page(id))
        self.say("The grid stands above the studio now, and stays in the notebook when it is saved.")


def _file(entry, number: int) -> Path:
    """Return where a picture is saved when nothing else is said."""
    name = re.sub(r"\W+", "-", str(entry.settings.get("prompt") or entry.kind)).strip("-")[:NAME_MAX]
    seed = f"-{entry.seeds[number]}" if number < len(entry.seeds) else ""
    return config.RUNS / "pictures" / f"{name}{seed}-{entry.kind}-{number + 1}.png"


def _place():
    """Return an empty output of the running cell that can be filled later; None outside of a notebook."""
    from IPython import get_ipython
    from IPython.display import display

    if getattr(get_ipython(), "kernel", None) is None:
        return None
    return display({"text/html": "<span></span>", "text/plain": ""}, raw=True, display_id=True)
