"""Pictures and prompts explained in the studio's widget: describe a picture, shorten a prompt."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from mjcourse.studio.panel_parts import button, head, row, show_if, text
from mjcourse.studio.panel_prompt import LANGUAGES

CAPTIONS = 4
WIDEST = 160  # pixels of the bar of a word whose influence is 1


class Words:
    """Describe and shorten; both ask the model and take seconds, so they run in a thread.

    Args:
        act: calls a function and tells what goes wrong.
        later: called as ``later(busy, work, done)``: says what is going on, calls ``work`` in a thread and ``done``
            with what it returns.
        describe: called with a picture and a language; returns captions.
        selected: returns the selected picture.
        prompt: returns the text of the prompt box.
        shorten: called with a text; returns it shortened, and its words with their influence.
        use: puts a text into the prompt box.
    """

    def __init__(self, act: Callable, later: Callable, describe: Callable, selected: Callable, prompt: Callable,
                 shorten: Callable, use: Callable) -> None:  # fmt: skip
        self._later, self._describe, self._shorten, self._prompt = later, describe, shorten, prompt
        self.language = widgets.ToggleButtons(options=LANGUAGES, style={"button_width": "72px"})
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="a file of mine",
                                         layout=widgets.Layout(width="auto"))  # fmt: skip
        self.upload.observe(lambda _: act(self._uploaded), "value")
        self.ask = button("the selected picture", lambda: act(lambda: self._ask(selected())), "caption it")
        self.captions = [text() for _ in range(CAPTIONS)]
        self.uses = [button("use", lambda i=i: act(use, self._said[i]), "put it into the prompt box", width="52px")
                     for i in range(CAPTIONS)]  # fmt: skip
        self.rows = [row(*pair, flex_flow="row nowrap") for pair in zip(self.uses, self.captions, strict=True)]
        self.go = button("Shorten the prompt", lambda: act(self._on_shorten), "which words count, and which do not")
        self.bars, self.short, self._said = text(), text(), []
        self.take = button("use", lambda: act(lambda: use(self._short)), "put it into the prompt box", width="52px")
        self._short = ""
        self._short_row = row(self.take, self.short)
        self.view = widgets.VBox([
            head("Describe: what would one write to get this picture?"), row(self.language, self.ask, self.upload),
            *self.rows,
            head("Shorten: which words does the model listen to?"), row(self.go), self.bars, self._short_row,
        ], layout=widgets.Layout(grid_gap="6px"))  # fmt: skip
        self._told([])
        show_if(self._short_row, False)

    def _uploaded(self) -> None:
        if self.upload.value:
            data = bytes(self.upload.value[0]["content"])
            self.upload.value = ()  # the same file may be chosen again
            self._ask(data)

    def _ask(self, picture) -> None:
        language = self.language.value
        self._later("describing …", lambda: self._describe(picture, language), self._told)

    def _told(self, captions: list[str]) -> None:
        self._said = captions
        for i, (line, caption) in enumerate(zip(self.rows, self.captions, strict=True)):
            show_if(line, i < len(captions))
            caption.value = html.escape(captions[i]) if i < len(captions) else ""

    def _on_shorten(self) -> None:
        said = self._prompt()
        self._later("weighing the words …", lambda: self._shorten(said), self._weighed)

    def _weighed(self, found: tuple[str, list[tuple[str, float]]]) -> None:
        self._short, words = found
        self.bars.value = "<table>" + "".join(
            f"<tr><td>{html.escape(word)}</td><td><span class='mj-bar' style='width:{min(share, 1.5) * WIDEST:.0f}px'>"
            f"</span> {share:.2f}</td></tr>"
            for word, share in words
        ) + "</table>"  # fmt: skip
        self.short.value = html.escape(self._short)
        show_if(self._short_row, True)
