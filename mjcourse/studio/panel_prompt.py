"""The prompt box of the studio's widget: words to choose from, words that are unknown, and what to draw."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable

import ipywidgets as widgets

from mjcourse.config import UserError
from mjcourse.data.prompts import describe_unknown, language_of
from mjcourse.studio import suggest
from mjcourse.studio.panel_parts import button, on_enter, row, show_if, text
from mjcourse.studio.studio import AskFirst, Studio

PLACEHOLDER = "a red sun over the sea, sandy beach  ·  太阳沙滩大海  ·  flags too: --ar 3:2 --chaos 30"
LANGUAGES = {"English": "en", "中文": "zh"}
CHIPS = 13  # words of a topic, at the most
HINTS = 8  # buttons that complete or replace a word


class Prompt:
    """The prompt box and what helps to fill it.

    Args:
        studio: reads the texts.
        model: the control that chooses the engine.
        settings: returns the flags that are set beside the text.
        draw: called with a text and whether many grids were agreed to.
        act: calls a function and tells what goes wrong.
        debounce: seconds without a key after which a text is looked at; 0 looks at once.
    """

    def __init__(self, studio: Studio, model: widgets.Dropdown, settings: Callable[[], dict], draw: Callable,
                 act: Callable, debounce: float) -> None:  # fmt: skip
        self._studio, self._settings, self._draw, self._act = studio, settings, draw, act
        self._debounce, self._timer, self._offers = debounce, None, []
        self.box = widgets.Text(placeholder=PLACEHOLDER, layout=widgets.Layout(flex="1 1 300px", width="auto"))
        self.box.add_class("mj-prompt")
        self.box.observe(lambda _: self._typed(), "value")
        on_enter(self.box, self.imagine)
        self.go = button("Imagine", self.imagine, "draw four pictures", "mj-imagine",
                         width="110px", button_style="primary", icon="paint-brush")  # fmt: skip
        model.layout = widgets.Layout(width="130px")
        model.style.description_width = "48px"

        self.topic = widgets.Dropdown(options=list(suggest.TOPICS), tooltip="what to say something about",
                                      layout=widgets.Layout(width="110px"))  # fmt: skip
        self.language = widgets.ToggleButtons(options=LANGUAGES, style={"button_width": "72px"})
        self.chips = [self._chip(self.add, i) for i in range(CHIPS)]
        for chooser in (self.topic, self.language):
            chooser.observe(lambda _: self._offer_words(), "value")

        self.hint = text("", "mj-hint")
        self.offers = [self._chip(self.take, i) for i in range(HINTS)]
        self.set_beside = text("", "mj-hint")
        self.ask = text()
        self.yes = button("draw them all", lambda: self._act(self._imagine, True), button_style="warning")
        self.no = button("no", self._dismiss)
        self._asking = row(self.ask, self.yes, self.no)
        self._offering = row(self.hint, *self.offers, name="mj-chips")
        words = row(self.topic, self.language, row(*self.chips, name="mj-chips", flex="1 1 300px"))
        self.view = widgets.VBox(
            [row(self.box, model, self.go), self._asking, self._offering, self.set_beside, words],
            layout=widgets.Layout(grid_gap="4px"),
        )
        self._offer_words()
        self._dismiss()
        show_if(self.set_beside, False)
        self.look()

    def imagine(self) -> None:
        """Draw what the box says: the button, and Enter."""
        self._act(self._imagine, False)

    def add(self, number: int) -> None:
        """Put a word of the topic at the end of the prompt."""
        self.box.value = suggest.add_word(self.box.value, self.chips[number].description)

    def take(self, number: int) -> None:
        """Take what is offered for an unfinished or unknown word."""
        self.box.value = self._offers[number][1]

    def look(self) -> None:
        """Tell what is wrong with the text, or unknown, and offer what it may become."""
        said, lines, self._offers = self.box.value, [], []
        try:
            if said.strip():
                lines = self._look(said)
        except UserError as error:
            lines = [str(error)]
        self._hint(lines)
        for chip, (name, _) in zip(self.offers, self._offers, strict=False):
            chip.description = name
        for i, chip in enumerate(self.offers):
            show_if(chip, i < len(self._offers))

    def _hint(self, lines: list[str]) -> None:
        self.hint.value = html.escape(" · ".join(lines))
        show_if(self.hint, bool(lines))
        show_if(self._offering, bool(lines or self._offers))

    def _look(self, said: str) -> list[str]:
        endings = suggest.completions(said)
        self._offers = [(word, suggest.complete(said, word)) for word in endings]
        unknown = self._studio.unknown(said)
        if endings:  # the last word is on its way
            unknown = [item for item in unknown if not said.casefold().endswith(item.word)]
        for item in unknown:
            self._offers += [(f"{item.word} → {near}", suggest.replace_word(said, item.word, near))
                             for near in item.nearest]  # fmt: skip
        self._offers = self._offers[:HINTS]
        commands = self._studio.read(said, **self._settings())
        lines = [describe_unknown(unknown)] if unknown else []
        return [*lines, f"This makes {len(commands)} grids."] if len(commands) > 1 else lines

    def settings_changed(self, told: str) -> None:
        """Show the flags that are set beside the text, as one would type them."""
        self.set_beside.value = f"settings: <code>{html.escape(told)}</code>"
        show_if(self.set_beside, bool(told))
        self._typed()

    def _imagine(self, confirmed: bool) -> None:
        self._dismiss()
        self.look()
        try:
            self._draw(self.box.value, confirmed)
        except AskFirst as question:
            self.ask.value = f"<b>This text makes {question.count} grids of four pictures. Draw them all?</b>"
            show_if(self._asking, True)
        except UserError:
            self._hint([])  # what it says is said in large letters now
            raise

    def _dismiss(self) -> None:
        show_if(self._asking, False)

    def _typed(self) -> None:
        """Look at the text when nothing has been typed for a while."""
        if self._timer is not None:
            self._timer.cancel()
        self._dismiss()
        if self.box.value:
            self.language.value = language_of(self.box.value)
        if not self._debounce:
            self._act(self.look, quiet=True)
            return
        self._timer = threading.Timer(self._debounce, self._act, (self.look,), {"quiet": True})
        self._timer.daemon = True
        self._timer.start()

    def _offer_words(self) -> None:
        words = suggest.topic_words(self.topic.value, self.language.value)
        for i, chip in enumerate(self.chips):
            show_if(chip, i < len(words))
        for chip, (word, others) in zip(self.chips, words.items(), strict=False):
            chip.description, chip.tooltip = word, " · ".join(others)

    def _chip(self, action: Callable[[int], None], number: int) -> widgets.Button:
        return button("", lambda: self._act(action, number), "", "mj-chip")
