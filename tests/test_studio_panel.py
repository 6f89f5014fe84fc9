"""The studio's widget, on its state: what each control calls, what is shown and said, and that nothing is swallowed.

`click()` swallows exceptions, as a browser's callback does, so every test looks at what the panel shows.
"""

from __future__ import annotations

import html
import io
import threading
from datetime import UTC, datetime

import ipywidgets as widgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from studio_painter import Painter, painting, soon

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.prompts import language_of, unknown_words
from mjcourse.studio import panel_parts, panel_progress, suggest
from mjcourse.studio.command import parse
from mjcourse.studio.filters import FILTERS, apply_filters, parse_filters
from mjcourse.studio.flags import FLAGS
from mjcourse.studio.history import History
from mjcourse.studio.labels import read_labels
from mjcourse.studio.panel import studio_panel
from mjcourse.studio.panel_gallery import PAGE
from mjcourse.studio.panel_parts import ALONE, CELL, zoom_of
from mjcourse.studio.panel_progress import IDLE
from mjcourse.studio.panel_prompt import CHIPS
from mjcourse.studio.studio import Studio
from mjcourse.studio.task import to_rows
from mjcourse.viz import to_png


@pytest.fixture(autouse=True, scope="module")
def no_wait_for_what_was_typed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel_parts, "STILL", 0)
        yield


@pytest.fixture
def painter():
    painter = Painter()
    yield painter
    painter.go.release(1000)


@pytest.fixture
def make(runs, painter):
    """Make panels on the test's own runs, which look at prompts at once; their studios are closed afterwards."""
    made = []

    def panel(draw=painter, **parts):
        studio = Studio(**parts)
        studio.engine.draw = draw
        made.append(studio)
        return studio_panel(studio, debounce=0).panel

    yield panel
    for studio in made:
        studio.close()


@pytest.fixture
def panel(make):
    return make()


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """One panel with a grid, for the many tests that only turn its controls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "RUNS", tmp_path_factory.mktemp("still"))
        studio = Studio()
        studio.engine.draw = Painter()
        panel = studio_panel(studio, debounce=0).panel
        draw(panel)
        yield panel
        studio.close()


def settle(panel) -> None:
    """Wait until all jobs are over and shown."""
    soon(lambda: not panel.studio.waiting)
    soon(lambda: panel.progress.line.value == IDLE)
    with panel._lock:  # what the worker began to show is shown
        pass


def draw(panel, text: str = "a red house --seed 5"):
    """Draw a prompt as a person does; return the entry of the job."""
    panel.prompt.box.value = text
    panel.prompt.go.click()
    settle(panel)
    assert said(panel) == ""
    return panel.studio.history.entries()[0]


def enter(box: widgets.Text) -> None:
    """Press Enter in a box."""
    box._handle_custom_msg({"event": "submit"}, [])


def said(panel) -> str:
    """What the line of messages says, which stands above and below the pictures."""
    assert panel.message.value == panel.message_below.value
    assert (panel.message.layout.display is None) == bool(panel.message.value)
    return html.unescape(panel.message.value)


def shown(widget: widgets.DOMWidget) -> bool:
    return widget.layout.display != "none"


def pixels(image: widgets.Image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image.value)).convert("RGB"))


def in_grid(panel) -> list[np.ndarray]:
    """The pictures of the grid as the browser gets them, each pixel a square."""
    panel.grid.look.value = False
    return [pixels(image) for image, slot in zip(panel.grid.images, panel.grid.slots, strict=True) if shown(slot)]


def enlarged(picture: np.ndarray, zoom: int) -> np.ndarray:
    return picture.repeat(zoom, 0).repeat(zoom, 1)


def offered(panel) -> list[str]:
    return [chip.description for chip in panel.prompt.offers if shown(chip)]


def everything(widget: widgets.Widget) -> list[widgets.Widget]:
    return [widget, *(w for child in getattr(widget, "children", ()) for w in everything(child))]


# ---- drawing -------------------------------------------------------------------------------------


def test_an_empty_studio_says_what_to_do(panel):
    assert "write a prompt and press Enter" in panel.grid.title.value and in_grid(panel) == []
    assert not shown(panel.grid.controls) and not shown(panel.actions.view)
    assert panel.gallery.number.value == "page 1 of 1 · 0 jobs, newest first"


@pytest.mark.parametrize("text", ["a red house --seed 5", "太阳沙滩大海 --seed 5"])
def test_enter_draws_four_pictures(panel, text):
    panel.prompt.box.value = text
    enter(panel.prompt.box)
    settle(panel)
    assert said(panel) == "" and text in html.unescape(panel.grid.title.value)
    assert all(np.array_equal(a, enlarged(painting(5 + i), 4)) for i, a in enumerate(in_grid(panel)))
    assert [entry.command for entry in panel.studio.history.entries()] == [text]
    assert panel.prompt.box.value == text and panel.follow and panel.selected == 0


def test_enter_waits_for_letters_that_it_overtook(panel, painter, monkeypatch):
    monkeypatch.setattr(panel_parts, "STILL", 0.05)
    panel.prompt.box.value = "a red house --seed"
    enter(panel.prompt.box)
    panel.prompt.box.value = "a red house --seed 5"  # a busy kernel gets this after the Enter that ended it
    soon(lambda: painter.tasks)
    settle(panel)
    assert said(panel) == "" and [entry.command for entry in panel.studio.history.entries()] == ["a red house --seed 5"]


def test_leaving_the_box_is_not_enter(panel):
    panel.prompt.box.value = "a red house"
    panel.prompt.box._handle_custom_msg({"event": "blur"}, [])
    assert not panel.studio.waiting and panel.studio.history.entries() == []


def test_pictures_are_shown_while_they_are_drawn(panel, painter, monkeypatch):
    monkeypatch.setattr(panel_progress, "PAUSE", 0)
    old = draw(panel)
    painter.hold = True
    panel.prompt.box.value = "a <b>tent</b> --seed 9"
    panel.prompt.go.click()
    soon(lambda: "under way" in panel.grid.title.value)
    assert np.array_equal(in_grid(panel)[1], enlarged(painting(10) // 2, 4)) and panel.under_way
    assert "&lt;b&gt;" in panel.grid.title.value
    painter.go.release(1)
    soon(lambda: panel.progress.bar.value == 1)
    assert (
        panel.progress.bar.max == 4 and "imagine · 1 of 4" in panel.progress.line.value and shown(panel.progress.cancel)
    )
    assert not shown(panel.progress.cancel_all)
    panel.grid.vars[0].click()
    assert "these pictures are under way: wait for them" in said(panel) and len(panel.studio.waiting) == 1
    painter.go.release(9)
    settle(panel)
    assert panel.shown.id != old.id and np.array_equal(in_grid(panel)[1], enlarged(painting(10), 4))
    assert not shown(panel.progress.cancel) and panel.progress.bar.value == 0


def test_cancel_brings_the_pictures_of_before_back(panel, painter):
    old = draw(panel)
    painter.hold = True
    panel.prompt.box.value = "a tent"
    panel.prompt.go.click()
    soon(lambda: panel.under_way)
    panel.progress.cancel.click()
    painter.go.release(1)
    settle(panel)
    assert said(panel).startswith('<div class="mj-message" role="alert">cancelled: a tent --seed ')
    assert panel.shown.id == old.id and np.array_equal(in_grid(panel)[0], enlarged(painting(5), 4))
    assert "a red house" in panel.grid.title.value and not panel.under_way
    panel.progress.cancel.click()
    assert "there is no job to cancel" in said(panel)


def test_the_queue_is_counted_and_emptied(panel, painter):
    painter.hold = True
    panel.prompt.box.value = "a {red, blue, green} house"
    panel.prompt.go.click()
    soon(lambda: panel.under_way)
    assert "2 waiting" in panel.progress.line.value and shown(panel.progress.cancel_all)
    panel.progress.cancel_all.click()
    painter.go.release(1)
    settle(panel)
    assert panel.studio.history.entries() == [] and len(painter.tasks) == 1
    assert "write a prompt" in panel.grid.title.value and in_grid(panel) == []


def test_many_grids_are_asked_for(panel, painter):
    panel.prompt.box.value = "a {red, blue, green} {house, tent}"
    assert "This makes 6 grids." in panel.prompt.hint.value
    panel.prompt.go.click()
    assert shown(panel.prompt._asking) and "6 grids" in panel.prompt.ask.value and not painter.tasks
    panel.prompt.no.click()
    assert not shown(panel.prompt._asking)
    panel.prompt.go.click()
    panel.prompt.yes.click()
    settle(panel)
    assert len(painter.tasks) == 6 and not shown(panel.prompt._asking) and said(panel) == ""


def test_mistakes_are_said_and_nothing_is_drawn(panel, painter):
    for text, wanted in (("", "the prompt is empty"), ("a house --chaos 101", "--chaos is 101; allowed are 0 to 100"),
                         ("a house --sede 5", "Did you mean --seed?")):  # fmt: skip
        panel.prompt.box.value = text
        panel.prompt.go.click()
        assert wanted in said(panel) and "mj-error" in said(panel) and not painter.tasks
    panel.prompt.box.value = "a house --ar <b>7</b>"
    panel.prompt.go.click()
    assert "<b>7" not in panel.message.value, "what was typed is text, not HTML"


def test_a_job_that_fails_is_said_with_its_reason(make):
    def fail(task, report):
        raise UserError("there are no weights.") if "tent" in task.prompt else ZeroDivisionError("division")

    panel = make(fail)
    for text, wanted in (("a tent", "imagine: there are no weights."), ("a house", "ZeroDivisionError: division")):
        panel.prompt.box.value = text
        panel.prompt.go.click()
        settle(panel)
        assert wanted in said(panel) and ("Traceback" in said(panel)) == (text == "a house")
    assert "line" in said(panel) and "<details>" in said(panel)


def test_a_broken_part_of_the_widget_says_so(panel, monkeypatch):
    monkeypatch.setattr(panel.studio, "undo", lambda: 1 / 0)
    panel.grid.undo.click()
    assert "internal error: ZeroDivisionError" in said(panel) and "Traceback" in said(panel)


def test_what_goes_wrong_in_the_worker_while_showing_is_said_and_the_next_job_is_drawn(panel, monkeypatch):
    monkeypatch.setattr(panel.gallery, "draw", lambda: 1 / 0)
    panel.prompt.box.value = "a red house --seed 5"
    panel.prompt.go.click()
    settle(panel)
    soon(lambda: "internal error: ZeroDivisionError" in panel.message.value)
    monkeypatch.undo()
    draw(panel, "a tent --seed 6")


def test_jobs_of_other_cells_are_shown_too(panel):
    (job,) = panel.studio.imagine("a tent --seed 3")
    soon(lambda: panel.shown is not None)
    settle(panel)
    assert panel.shown.id == job.id and np.array_equal(in_grid(panel)[0], enlarged(painting(3), 4))


def test_clicks_and_changes_of_jobs_do_not_lock_each_other_out(panel):
    """The worker tells changes while the notebook's thread clicks: both hold locks and need the other's."""
    over = threading.Event()

    def click() -> None:
        for i in range(60):
            panel.prompt.box.value = f"a house --seed {i}"
            panel.prompt.go.click()
            panel.grid.picks[i % 4].click()
            panel.progress.cancel.click()
        over.set()

    threading.Thread(target=click, daemon=True).start()
    assert over.wait(60), "a deadlock"
    settle(panel)
    assert "internal error" not in said(panel)


# ---- the prompt box ------------------------------------------------------------------------------


def test_unknown_words_are_named_with_better_ones_to_click(panel):
    panel.prompt.box.value = "a pink dog by the sea --seed 3"
    assert "unknown word 'pink'" in html.unescape(panel.prompt.hint.value) and "'dog'" in html.unescape(
        panel.prompt.hint.value
    )
    assert offered(panel) == ["pink → red", "pink → purple", "dog → cat", "dog → kitten"]
    panel.prompt.offers[2].click()
    assert panel.prompt.box.value == "a pink cat by the sea --seed 3"
    assert offered(panel) == ["pink → red", "pink → purple"]
    panel.prompt.box.value = "a red house"
    assert not shown(panel.prompt._offering) and offered(panel) == []


def test_words_are_completed_in_both_languages(panel):
    for typed, word, wanted in (("a red lighth", "lighthouse", "a red lighthouse"), ("太阳和沙", "沙滩", "太阳和沙滩")):
        panel.prompt.box.value = typed
        assert word in offered(panel) and "unknown" not in panel.prompt.hint.value
        panel.prompt.offers[offered(panel).index(word)].click()
        assert panel.prompt.box.value == wanted
    for whole in ("太阳沙滩大海", "a red house ", "a house --se"):
        panel.prompt.box.value = whole
        assert offered(panel) == []


def test_words_to_choose_from_go_before_the_flags(panel):
    prompt = panel.prompt
    prompt.box.value = "a red --seed 5"
    chips = {chip.description: chip for chip in prompt.chips if shown(chip)}
    assert list(chips)[:3] == ["sailboat", "whale", "lighthouse"]
    chips["whale"].click()
    assert prompt.box.value == "a red whale --seed 5"
    prompt.topic.value = "places"
    next(chip for chip in prompt.chips if chip.description == "on the left").click()
    assert prompt.box.value == "a red whale on the left --seed 5"
    prompt.language.value = "zh"
    assert {chip.description for chip in prompt.chips if shown(chip)} == {"左边", "中间", "右边"}
    prompt.box.value = "太阳"
    assert prompt.language.value == "zh"
    prompt.topic.value = "ground"
    next(chip for chip in prompt.chips if chip.description == "沙滩").click()
    assert prompt.box.value == "太阳，沙滩"
    prompt.box.value = "a house"
    assert prompt.language.value == "en"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("topic", suggest.TOPICS)
def test_every_word_offered_is_one_that_the_model_knows_and_fits_the_row(topic, language):
    words = suggest.topic_words(topic, language)
    assert 2 <= len(words) <= CHIPS
    for first, others in words.items():
        assert others[0] == first
        for word in others:
            assert unknown_words(word) == [] and language_of(word) == language


@given(st.text("ab c,:{}-太阳沙 n", max_size=20), st.sampled_from(["whale", "red", "a city", "沙滩", "红色"]))
def test_no_text_breaks_the_help_at_the_prompt(said, word):
    for one in (suggest.add_word(said, word), *(suggest.complete(said, w) for w in suggest.completions(said))):
        assert isinstance(one, str)
    assert word in suggest.add_word(said, word)
    prompt, flags = suggest.split_flags(said)
    assert prompt + flags == said


def test_a_pause_in_typing_is_waited_for(make, runs):
    studio = Studio()
    try:
        panel = studio_panel(studio, debounce=0.05).panel
        for text in ("a d", "a do", "a dog"):
            panel.prompt.box.value = text
            assert panel.prompt.hint.value == ""
        soon(lambda: "dog" in panel.prompt.hint.value)
    finally:
        studio.close()


# ---- what can be done with a picture -------------------------------------------------------------


def test_u_and_v_take_the_picture_of_their_number(panel, painter):
    old = draw(panel)
    panel.grid.vars[2].click()
    settle(panel)
    assert (painter.tasks[-1].kind, painter.tasks[-1].sources, painter.tasks[-1].strength) == (
        "vary", ((old.id, 2),), "subtle"
    )  # fmt: skip
    varied = panel.shown
    panel.grid.strength.value = "strong"
    panel.grid.vars[0].click()
    settle(panel)
    assert painter.tasks[-1].sources == ((varied.id, 0),) and painter.tasks[-1].strength == "strong"
    panel.grid.undo.click()
    panel.grid.ups[3].click()
    settle(panel)
    assert panel.shown.kind == "upscale" and painter.tasks[-1].sources == ((varied.id, 3),)
    assert len(in_grid(panel)) == 1 and in_grid(panel)[0].shape == (512, 512, 3)
    assert [up.disabled for up in panel.grid.ups] == [False, True, True, True]
    panel.grid.ups[0].click()
    assert "this picture is enlarged already" in said(panel)


def test_reroll_undo_and_redo(panel):
    first = draw(panel)
    panel.grid.reroll.click()
    settle(panel)
    second = panel.shown
    assert second.id != first.id and second.settings["seed"] != 5 and second.parent == first.id
    panel.grid.undo.click()
    assert panel.shown.id == first.id and not panel.follow
    panel.grid.undo.click()
    assert "this notebook has no job before" in said(panel) and panel.shown.id == first.id
    panel.grid.redo.click()
    assert panel.shown.id == second.id and said(panel) == ""


def test_a_click_selects_the_picture_that_the_actions_take(panel, painter):
    old = draw(panel)
    panel.grid.picks[2].click()
    assert panel.selected == 2 and panel.actions.title.value == "Picture 3"
    assert ["mj-chosen" in slot._dom_classes for slot in panel.grid.slots] == [False, False, True, False]
    panel.actions.remix_text.value = "a blue castle --seed 1"
    calls = [
        (panel.actions.zoom, "zoom", {}),
        *((panel.actions.pans[side], "pan", {"side": side}) for side in ("left", "right", "up", "down")),
        (panel.actions.remix, "remix", {"prompt": "a blue castle", "strength": "strong"}),
    ]
    for button, kind, wanted in calls:
        button.click()
        settle(panel)
        task = painter.tasks[-1]
        assert said(panel) == "" and (task.kind, task.sources) == (kind, ((old.id, 2),))
        assert all(getattr(task, name) == value for name, value in wanted.items())
        panel.open(old.id)
        panel.grid.picks[2].click()


def test_stars_are_given_shown_and_found_again(panel, make):
    old = draw(panel)
    panel.grid.picks[1].click()
    panel.actions.stars[3].click()
    assert said(panel) == "" and panel.studio.stars(old.id) == [None, 4, None, None]
    assert "★★★★☆" in panel.grid.captions[1].value and "★" not in panel.grid.captions[0].value
    assert [star.description for star in panel.actions.stars] == [*"★★★★☆"]
    fresh = make()
    assert fresh.shown.id == old.id and "★★★★☆" in fresh.grid.captions[1].value


def test_ratings_that_cannot_be_read_do_not_hide_the_pictures(panel, make):
    draw(panel)
    path = panel.studio.ratings.path
    panel.studio.ratings.close()
    path.unlink()
    path.write_text("no database" * 100)
    fresh = make()
    assert "ratings.sqlite" in said(fresh) and len(in_grid(fresh)) == 4


def test_the_settings_of_a_picture_are_put_back(panel):
    old = draw(panel, "a red house --seed 5 --chaos 20")
    draw(panel, "a tent --seed 1")
    panel.settings.set(chaos=70)
    panel.gallery.reloads[1].click()
    assert panel.prompt.box.value == old.command and panel.settings.values() == {}
    draw(panel, panel.prompt.box.value)
    assert np.array_equal(in_grid(panel)[3], enlarged(painting(8), 4))
    panel.actions.reload.click()
    assert panel.prompt.box.value == old.command


def test_the_seed_of_a_picture_is_used_again(panel):
    draw(panel)
    panel.grid.picks[3].click()
    panel.actions.seed.click()
    assert panel.settings.values() == {"seed": "8"} and "--seed 8" in panel.prompt.set_beside.value
    draw(panel, "a tent")
    assert np.array_equal(in_grid(panel)[0], enlarged(painting(8), 4))


def test_a_picture_is_saved_with_its_labels(panel, tmp_path):
    draw(panel, "太阳 沙滩 --seed 5")
    panel.grid.picks[1].click()
    assert panel.actions.path.value == str(config.RUNS / "pictures" / "太阳-沙滩-6-imagine-2.png")
    panel.actions.save.click()
    assert said(panel) == "" and "saved as" in panel.actions.link.value and "data:image/png" in panel.actions.link.value
    assert np.array_equal(read_labels(config.RUNS / "pictures" / "太阳-沙滩-6-imagine-2.png").pixels, painting(6))
    panel.actions.path.value = str(tmp_path / "nowhere" / "a.png")
    panel.actions.save.click()
    assert "there is no folder" in said(panel)


def test_keeping_a_grid_in_the_notebook_needs_one(panel):
    old = draw(panel)
    panel.actions.keep.click()
    assert f"in a cell, write: studio.show('{old.id}')" in said(panel)

    class Place:
        def update(self, page):
            self.page = page

    panel._place = Place()
    panel.actions.keep.click()
    assert isinstance(panel._place.page, Image.Image) and "stays in the notebook" in said(panel)


def test_there_is_nothing_to_do_before_a_picture_is_there(panel):
    for button in (panel.grid.reroll, panel.grid.ups[0], panel.region.go, panel.tray.add_button, panel.actions.zoom):
        button.click()
        assert "there are no pictures yet: write a prompt" in said(panel)


# ---- the tabs ------------------------------------------------------------------------------------


def test_a_region_is_what_was_marked(panel, painter):
    old = draw(panel)
    panel.grid.picks[1].click()
    region = panel.region
    assert region.shape == (8, 8) and len(region.box.children) == 64
    region.cells[0].value = region.cells[9].value = True
    region.text.value = "a sun"
    enter(region.text)
    settle(panel)
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = mask[1, 1] = True
    task = painter.tasks[-1]
    assert (task.kind, task.prompt, task.region, task.sources) == (
        "region",
        "a sun",
        to_rows(mask, "1:1"),
        ((old.id, 1),),
    )
    assert not region.mask().any(), "another picture, nothing marked"
    region.invert.click()
    assert region.mask().all()
    region.clear.click()
    region.go.click()
    assert "no region is chosen" in said(panel)
    draw(panel, "a tent --ar 2:1")
    assert region.shape == (6, 12) and len(region.box.children) == 72
    region.text.value = ""
    region.cells[11].value = True
    region.go.click()
    settle(panel)
    assert painter.tasks[-1].prompt == "a tent" and painter.tasks[-1].region[0] == "." * 22 + "##"


def test_the_cells_lie_over_the_selected_picture(panel):
    import base64

    draw(panel)
    panel.grid.picks[2].click()
    data = panel.region.picture.value.split("base64,")[1].split(")")[0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), painting(7))
    assert (
        f".{panel.region._name} " in panel.region.picture.value and panel.region._name in panel.region.box._dom_classes
    )


def test_there_is_a_control_for_each_filter_and_it_works_at_once(panel, painter):
    old = draw(panel)
    filters = panel.filters
    assert set(filters.controls) == set(FILTERS)
    assert np.array_equal(pixels(filters.image), enlarged(painting(5), 4)) and filters.chain.value == ""
    filters.controls["contrast"].value = 2.0
    filters.controls["palette"].value = "sunset"
    assert filters.chain.value == "contrast 2, palette sunset" and said(panel) == ""
    assert np.array_equal(pixels(filters.image), enlarged(apply_filters(painting(5), filters.chain.value, 5), 4))
    panel.grid.picks[1].click()
    assert np.array_equal(pixels(filters.image), enlarged(apply_filters(painting(6), filters.chain.value, 6), 4))
    panel.studio.engine.draw = panel.studio._draw
    filters.keep.click()
    settle(panel)
    assert panel.shown.kind == "filter" and (panel.shown.parent, panel.shown.index) == (old.id, 1)
    wanted = apply_filters(painting(6), "contrast 2, palette sunset", 6)
    assert np.array_equal(in_grid(panel)[0], enlarged(wanted, 8)), "one picture, shown larger"
    assert filters.chain.value == "" and filters.controls["contrast"].value == 1.0
    filters.keep.click()
    assert "no filter is chosen" in said(panel)


@pytest.mark.parametrize("name", FILTERS)
def test_the_control_of_a_filter_says_what_the_chain_says(still, name):
    panel = still
    f = FILTERS[name]
    value = {"number": f.high, "whole": f.high, "choice": f.choices[-1:] and f.choices[-1]}.get(f.kind)
    chain = "curve 0:0 0.5:0.7 1:1" if f.kind == "points" else f"{name} {f.write(f.check(value))}"
    panel.filters.chain.value = chain
    enter(panel.filters.chain)
    assert said(panel) == "" and panel.filters.chain.value == str(parse_filters(chain))
    others = {n: c.value for n, c in panel.filters.controls.items() if n != name}
    panel.filters.controls["exposure" if name != "exposure" else "tint"].value = 0.5
    assert dict(parse_filters(panel.filters.chain.value))[name] == dict(parse_filters(chain))[name]
    panel.filters.reset.click()
    assert panel.filters.chain.value == "" and others == {
        n: c.value for n, c in panel.filters.controls.items() if n != name
    }


def test_a_wrong_chain_is_said_and_the_controls_stay(panel):
    draw(panel)
    panel.filters.controls["contrast"].value = 2.0
    panel.filters.chain.value = "contrast 9"
    panel.filters.use.click()
    assert "contrast is 9; allowed are 0 to 3" in said(panel) and panel.filters.controls["contrast"].value == 2.0
    panel.filters.controls["curve"].value = "0:0"
    assert "curve has" in said(panel)


def test_pictures_are_blended_from_the_tray(panel, painter):
    old = draw(panel)
    panel.tray.add_button.click()
    panel.tray.add_button.click()
    assert "in the tray already" in said(panel)
    panel.tray.go.click()
    assert "cannot blend 1 pictures; allowed are 2 to 5" in said(panel)
    for i in (1, 2, 3):
        panel.grid.picks[i].click()
        panel.actions.tray.click()
    new = draw(panel, "a tent --seed 9")
    panel.tray.add_button.click()
    assert [shown(image) for image in panel.tray.images] == [True] * 5 and said(panel) == ""
    panel.grid.picks[1].click()
    panel.tray.add_button.click()
    assert "a blend takes no more" in said(panel)
    panel.tray.go.click()
    settle(panel)
    assert painter.tasks[-1].sources == (*((old.id, i) for i in range(4)), (new.id, 0))
    panel.tray.clear.click()
    assert not any(shown(image) for image in panel.tray.images)


def test_captions_come_from_a_thread_and_can_be_used(panel, monkeypatch):
    asked, go = [], threading.Event()

    def describe(picture, language):
        asked.append((picture, language))
        assert go.wait(60)
        return ["a <b>red</b> house", "a tent"] if language == "en" else ["太阳"]

    monkeypatch.setattr(panel.words, "_describe", describe)
    old = draw(panel)
    panel.words.ask.click()
    assert "describing …" in said(panel), "the click did not wait"
    go.set()
    soon(lambda: shown(panel.words.rows[1]))
    soon(lambda: said(panel) == "")
    assert asked == [((old.id, 0), "en")] and panel.words.captions[0].value == "a &lt;b&gt;red&lt;/b&gt; house"
    panel.words.uses[0].click()
    assert panel.prompt.box.value == "a <b>red</b> house"
    panel.words.language.value = "zh"
    panel.words.upload.value = ({"name": "a.png", "type": "image/png", "size": 3, "content": memoryview(b"abc"),
                                 "last_modified": datetime.now(UTC)},)  # fmt: skip
    soon(lambda: panel.words.captions[0].value == "太阳")
    assert asked[-1] == (b"abc", "zh") and panel.words.upload.value == () and not shown(panel.words.rows[1])


def test_an_upload_that_is_no_picture_is_said(panel):
    panel.words.upload.value = ({"name": "a", "type": "", "size": 3, "content": memoryview(b"abc"),
                                 "last_modified": datetime.now(UTC)},)  # fmt: skip
    soon(lambda: "cannot use 'upload' as a picture: not a picture" in html.unescape(panel.message.value))


def test_a_prompt_is_shortened_with_its_words_weighed(panel, monkeypatch):
    monkeypatch.setattr(
        panel.words, "_shorten", lambda said: (said.replace("very ", ""), [("red", 0.9), ("very", 0.1)])
    )
    panel.prompt.box.value = "a very red house --seed 5"
    panel.words.go.click()
    soon(lambda: shown(panel.words._short_row))
    assert "0.90" in panel.words.bars.value
    panel.words.take.click()
    assert panel.prompt.box.value == "a red house --seed 5"


def test_the_history_is_found_again_in_pages(panel, make):
    panel.studio.imagine("a house --repeat 10 --seed 0", confirmed=True)
    panel.studio.imagine("a tent --repeat 5 --seed 100", confirmed=True)
    settle(panel)
    fresh = make()  # as after a restart
    gallery = fresh.gallery
    assert gallery.number.value == "page 1 of 2 · 15 jobs, newest first"
    assert sum(map(shown, gallery.cards)) == PAGE and gallery.newer.disabled and not gallery.older.disabled
    assert fresh.shown.command == "a tent --seed 116", "the newest is shown at once"
    gallery.older.click()
    assert sum(map(shown, gallery.cards)) == 3 and gallery.older.disabled and not gallery.newer.disabled
    assert "a house --seed 0" in gallery.texts[2].value
    gallery.opens[2].click()
    assert fresh.shown.command == "a house --seed 0" and np.array_equal(in_grid(fresh)[1], enlarged(painting(1), 4))
    gallery.older.click()
    assert gallery.number.value.startswith("page 2 of 2")


def test_a_job_is_deleted_from_the_gallery_and_put_back(panel):
    old, new = draw(panel), draw(panel, "a tent --seed 9")
    panel.tray.add_button.click()
    gallery = panel.gallery
    assert not shown(gallery.restore)
    gallery.deletes[0].click()
    assert "deleted: a tent --seed 9; undo delete, in the gallery, puts it back" in said(panel)
    assert sum(map(shown, gallery.cards)) == 1 and gallery.number.value == "page 1 of 1 · 1 job, newest first"
    assert panel.shown.id == old.id and np.array_equal(in_grid(panel)[0], enlarged(painting(5), 4))
    assert panel.tray.sources == [] and shown(gallery.restore)
    gallery.deletes[0].click()
    assert panel.shown is None and in_grid(panel) == [] and panel.info.value == "" and not shown(panel.actions.view)
    assert panel.studio.history.entries() == []
    gallery.restore.click()
    assert panel.shown.id == old.id and "put back: a red house --seed 5" in said(panel) and shown(gallery.restore)
    gallery.restore.click()
    assert [entry.id for entry in panel.studio.history.entries()] == [new.id, old.id] and panel.shown.id == new.id
    assert not shown(gallery.restore) and "a tent" in gallery.texts[0].value
    draw(panel, "a castle --seed 3")


def test_deleting_another_job_leaves_the_grid_alone(panel, painter):
    draw(panel)
    new = draw(panel, "a tent --seed 9")
    panel.gallery.deletes[1].click()
    assert panel.shown.id == new.id and np.array_equal(in_grid(panel)[0], enlarged(painting(9), 4))
    painter.hold = True
    panel.prompt.go.click()
    soon(lambda: panel.under_way)
    panel.gallery.deletes[0].click()
    assert panel.studio.history.entries() == [] and panel.shown is None
    painter.go.release(9)
    settle(panel)
    assert panel.shown.command == "a tent --seed 9" and len(in_grid(panel)) == 4


def test_the_gallery_tells_what_is_known_of_a_job(panel):
    draw(panel)
    draw(panel, "a <b>tent</b> --seed 9 --chaos 7")
    gallery = panel.gallery
    gallery.infos[0].click()
    told = gallery.told.value
    assert shown(gallery.told) and "a &lt;b&gt;tent&lt;/b&gt;" in told and "chaos: 7" in told
    gallery.infos[1].click()
    assert "a red house --seed 5" in gallery.told.value and "chaos" not in gallery.told.value
    gallery.infos[1].click()
    assert not shown(gallery.told) and gallery.told.value == ""
    gallery.infos[0].click()
    gallery.deletes[0].click()
    assert not shown(gallery.told), "of a job that is gone"


def test_zooming_out_is_refused_at_the_widest_frame(panel, painter):
    draw(panel, "a tent --ar 3:2 --seed 1")
    panel.actions.zoom.click()
    settle(panel)
    assert panel.shown.kind == "zoom" and painter.tasks[-1].ar == "2:1" and panel.region.shape == (6, 12)
    panel.actions.zoom.click()
    assert "2:1 is the widest: pan left or right" in said(panel) and not panel.studio.waiting


def test_opening_an_old_job_stays_there_while_others_are_drawn(panel, painter):
    old, new = draw(panel), draw(panel, "a tent --seed 9")
    painter.hold = True
    panel.prompt.go.click()
    soon(lambda: panel.under_way)
    panel.gallery.opens[1].click()
    assert panel.shown.id == old.id and not panel.under_way
    panel.actions.stars[0].click()
    assert panel.studio.stars(old.id)[0] == 1
    painter.go.release(9)
    settle(panel)
    assert panel.shown.id == old.id and new.id != old.id and len(panel.studio.history.entries()) == 3


def test_a_job_whose_files_are_gone_is_named_and_the_others_are_shown(panel, make):
    old = draw(panel)
    draw(panel, "a tent --seed 9")
    panel.studio.path(old.id, 0).unlink()
    fresh = make()
    assert "is missing" in fresh.gallery.texts[1].value and fresh.gallery.images[1].value == b""
    assert fresh.gallery.images[0].value != b"" and len(in_grid(fresh)) == 4
    fresh.gallery.opens[1].click()
    assert "is missing; to draw it again, type: a red house --seed 5" in said(fresh)


def test_what_is_known_of_a_job_is_told(panel):
    old = draw(panel)
    panel.grid.vars[1].click()
    settle(panel)
    assert f"made from picture 2 of {old.id}" in panel.info.value and "strength: subtle" in panel.info.value


# ---- the settings --------------------------------------------------------------------------------


def test_there_is_a_control_for_each_flag_and_nothing_is_set_at_first(panel):
    assert set(panel.settings.controls) == set(FLAGS) and panel.settings.values() == {}
    assert not shown(panel.prompt.set_beside)


EXAMPLES = {"seed": "7", "no": "fog, sun", "style": "pixel", "ar": "3:2", "quality": 0.5, "model": "prior",
            "init": "x.png", "sref": "y.png", "p": True, "tile": True}  # fmt: skip


@pytest.mark.parametrize("name", FLAGS)
def test_a_control_sets_its_flag_and_no_other(still, name):
    panel, flag, needed = still, FLAGS[name], FLAGS[name].needs
    if needed:
        panel.settings.set(**{needed: EXAMPLES[needed]})
    before = panel.settings.values()
    value = EXAMPLES.get(name, flag.low if flag.default != flag.low else flag.high)
    panel.settings.set(**{name: value})
    assert panel.settings.values() == before | {name: value}
    if name != "repeat":
        (command,) = panel.studio.read("a house", **panel.settings.values())
        assert getattr(command, name) == flag.value(value)
    assert f"--{name}" in html.unescape(panel.prompt.set_beside.value)
    panel.settings.reset_button.click()
    assert panel.settings.values() == {} and not shown(panel.prompt.set_beside)


@pytest.mark.parametrize("name", [f.name for f in FLAGS.values() if f.kind in ("whole", "number") and f.name != "seed"])
def test_a_slider_reaches_just_what_its_flag_allows(still, name):
    control = still.settings.controls[name]
    assert (control.min, control.max) == (FLAGS[name].low, FLAGS[name].high)


def test_settings_are_used_and_a_typed_flag_counts_more(panel, painter):
    panel.settings.set(chaos=30, steps=9, no="fog")
    draw(panel, "a red house --seed 5 --chaos 60")
    assert (painter.tasks[-1].chaos, painter.tasks[-1].steps, painter.tasks[-1].no) == (60, 9, ("fog",))
    panel.settings.set(no="a::2")
    panel.prompt.go.click()
    assert "--no takes no weights" in said(panel)


def test_the_prior_takes_only_its_own_flags(panel, painter):
    settings = panel.settings
    settings.set(chaos=30, tile=True, steps=9)
    settings.set(model="prior")
    assert settings.values() == {"model": "prior", "chaos": 30}
    for name, control in settings.controls.items():
        assert control.disabled == ("prior" not in FLAGS[name].engines or bool(FLAGS[name].needs)), name
    assert "at one size" in settings.controls["ar"].tooltip and settings.controls["guidance"].value == 4.0
    draw(panel, "a red house --seed 5")
    assert painter.tasks[-1].model == "prior" and painter.tasks[-1].guidance == 4.0
    settings.set(model="flow")
    assert settings.values() == {"chaos": 30, "tile": True, "steps": 9} and settings.controls["guidance"].value == 3.0


def test_the_selected_picture_is_taken_to_start_from(panel, painter):
    draw(panel)
    panel.grid.picks[2].click()
    take = next(
        b for b in everything(panel.settings.view) if getattr(b, "description", "") == "selected picture → init"
    )
    take.click()
    file = panel.studio.path(panel.shown.id, 2)
    assert panel.settings.values() == {"init": str(file)} and not panel.settings.controls["iw"].disabled
    draw(panel, "a tent")
    assert painter.tasks[-1].init == str(file)


def test_an_old_picture_is_changed_by_the_engine_that_is_chosen(panel, painter):
    panel.settings.set(model="prior")
    draw(panel)
    panel.grid.vars[0].click()
    settle(panel)
    assert painter.tasks[-1].model == "prior", "which the flow model's functions refuse, with the reason"
    panel.gallery.opens[1].click()
    panel.settings.set(model="flow")
    panel.grid.vars[0].click()
    settle(panel)
    assert painter.tasks[-1].model == "flow" and painter.tasks[-1].kind == "vary"


# ---- as it is seen -------------------------------------------------------------------------------


SIZES = [((64, 64), 4, 4), ((48, 72), 4, 4), ((72, 48), 4, 4), ((48, 96), 4, 3), ((96, 48), 4, 3),
         ((64, 64), 1, 8), ((256, 256), 1, 2)]  # fmt: skip


@pytest.mark.parametrize("shape, count, wanted", SIZES)
def test_pictures_are_large_enough_to_judge_and_fit(shape, count, wanted):
    zoom = zoom_of(np.zeros((*shape, 3), np.uint8), count)
    assert zoom == wanted and zoom * max(shape) <= (ALONE if count == 1 else CELL)
    assert count == 1 or zoom >= 3


def test_smooth_or_square_pixels(panel):
    draw(panel)
    smooth = pixels(panel.grid.images[0])
    panel.grid.look.value = False
    squares = pixels(panel.grid.images[0])
    assert np.array_equal(squares, enlarged(painting(5), 4)) and not np.array_equal(smooth, squares)
    assert np.array_equal(smooth, np.asarray(Image.fromarray(painting(5)).resize((256, 256), Image.Resampling.LANCZOS)))
    assert panel.grid.images[0].layout.width == "256px"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(to_png(painting(5))))), painting(5))


def test_every_control_is_a_plain_widget_that_tab_reaches(panel):
    draw(panel)
    allowed = {"VBox", "HBox", "GridBox", "Tab", "HTML", "Image", "Text", "Button", "ToggleButton", "ToggleButtons",
               "Dropdown", "Checkbox", "IntSlider", "FloatSlider", "SelectionSlider", "IntProgress",
               "FileUpload"}  # fmt: skip
    found = everything(panel.view)
    assert {type(widget).__name__ for widget in found} <= allowed and len(found) > 200
    for widget in found:
        if (
            isinstance(widget, widgets.Button)
            and shown(widget)
            and widget not in (*panel.prompt.offers, *panel.prompt.chips)
        ):
            assert widget.description and widget.tooltip, "a button without words cannot be read aloud"
            assert not hasattr(widget, "tabbable") or widget.tabbable is not False


def test_a_panel_makes_its_own_studio_on_the_common_history(runs):
    panel = studio_panel().panel
    try:
        assert isinstance(panel.studio, Studio) and panel.studio.history.folder == config.RUNS / "studio"
    finally:
        panel.studio.close()
    assert parse("a house", seed=1) and History().folder == panel.studio.history.folder
