"""A sitting of ratings, first without and then with widgets."""

from __future__ import annotations

import io
import threading
import time

import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image

from mjcourse.config import UserError
from mjcourse.feedback.panel import rating_panel
from mjcourse.feedback.pictures import picture_id
from mjcourse.feedback.ratings import RatingStore
from mjcourse.feedback.session import ZOOM, RatingSession
from mjcourse.feedback.tables import STARS


def picture(number: int) -> np.ndarray:
    return np.full((64, 64, 3), [number % 256, number // 256, 9], np.uint8)


def candidates(count: int = 3, each: int = 4) -> list:
    return [(f"prompt {k}", [picture(each * k + i) for i in range(each)]) for k in range(count)]


@pytest.fixture
def store(tmp_path):
    with RatingStore(tmp_path / "r.sqlite") as store:
        yield store


@pytest.fixture
def sitting(store):
    """Make sessions, and close them at the end."""
    made = []

    def make(candidates, **settings) -> RatingSession:
        made.append(RatingSession(store, candidates, **settings))
        return made[-1]

    yield make
    for session in made:
        session.close()


def at_hand(session: RatingSession) -> list[str]:
    return [picture_id(p) for p in session.item.pictures]


# ---- the session ---------------------------------------------------------------------------------


def test_each_picture_comes_once_in_a_pair_of_its_own_prompt(store, sitting):
    session, wanted = sitting(candidates()), []
    while session.item:
        left, right = at_hand(session)
        side = "left" if len(wanted) % 2 else "right"
        wanted.append((left, right, session.item.prompt) if side == "left" else (right, left, session.item.prompt))
        session.choose(side)
    assert store.pairs() == wanted and len(wanted) == 6
    assert sorted(key for pair in wanted for key in pair[:2]) == sorted(picture_id(picture(i)) for i in range(12))
    assert [prompt for *_, prompt in wanted] == [f"prompt {k}" for k in (0, 0, 1, 1, 2, 2)]


def test_all_pairs_of_a_candidate_when_asked(store, sitting):
    session = sitting(candidates(1), all_pairs=True)
    while session.item:
        session.choose("left")
    assert len({frozenset(pair[:2]) for pair in store.pairs()}) == 6


def test_left_and_right_are_shuffled(sitting):
    sides, session = [], sitting(candidates(60, 2))
    while session.item:
        first, second = (int(p[0, 0, 0]) for p in session.item.pictures)
        sides.append(first < second)
        session.skip()
    assert 15 < sum(sides) < 45


def test_stars_go_to_each_picture_with_its_place_and_command(store, sitting):
    from mjcourse.studio.imagine import parse

    command = parse("a red sun --seed 5")
    session = sitting([(command, np.stack([picture(i) for i in range(4)]))], mode="stars")
    for stars in (5, 1, 3, 2):
        session.star(stars)
    assert session.item is None
    assert store.stars() == {picture_id(picture(i)): stars for i, stars in enumerate((5, 1, 3, 2))}
    found = store.pictures(picture_id(picture(i)) for i in range(4))
    assert [(p.place, p.command, p.seed) for p in found] == [(i, "a red sun --seed 5", 5) for i in range(4)]


def test_undo_brings_the_last_thing_back_in_its_mode(store, sitting):
    session = sitting(candidates())
    first = at_hand(session)
    session.choose("left")
    session.skip()
    session.switch("stars")
    starred = at_hand(session)
    session.star(4)
    assert (session.rated, session.skipped) == (2, 1)
    session.undo()
    assert at_hand(session) == starred and store.stars() == {} and session.mode == "stars"
    session.undo()
    assert session.mode == "pairs" and (session.rated, session.skipped) == (1, 0)
    session.undo()
    assert at_hand(session) == first and store.pairs() == [] and session.rated == 0
    with pytest.raises(UserError, match="nothing to undo in this sitting"):
        session.undo()
    session.choose("right")
    assert store.pairs()[0][:2] == (first[1], first[0])


def test_undo_takes_back_its_own_rating_not_that_of_another_notebook(store, sitting):
    session = sitting(candidates())
    session.choose("left")
    elsewhere = store.add_picture(picture(99), "prompt 9")
    store.star(elsewhere, 5)
    session.undo()
    assert store.pairs() == [] and store.stars() == {elsewhere: 5}


def test_after_the_last_one_undo_still_works(sitting):
    session = sitting(candidates(1, 2))
    session.choose("left")
    assert session.item is None
    for call in (lambda: session.choose("left"), session.skip):
        with pytest.raises(UserError, match="there is no more to rate by pairs; give more candidates"):
            call()
    session.undo()
    assert session.item is not None


def test_a_new_sitting_goes_on_where_the_last_one_stopped(sitting):
    first = sitting(candidates())
    for _ in range(3):
        first.choose("left")
    left_over = at_hand(first)
    again = sitting(candidates(), seed=1)
    assert set(at_hand(again)) == set(left_over) and again.item.prompt == "prompt 1"
    other = sitting(candidates(), rater="you")
    assert other.item.prompt == "prompt 0"
    stars = sitting(candidates(), mode="stars")
    assert stars.item.prompt == "prompt 0"  # chosen between, not starred


def test_switching_keeps_the_pictures_at_hand(sitting):
    session = sitting(candidates())
    session.skip()
    session.skip()
    session.switch("stars")
    assert session.item.prompt == "prompt 1" and len(session.item.pictures) == 1
    session.switch("pairs")
    assert session.item.prompt == "prompt 1" and len(session.item.pictures) == 2


def test_candidates_without_a_pair_are_passed_by_and_doubles_shown_once(sitting):
    single, double = ("one", [picture(0)]), ("two", [picture(1), picture(1), picture(2)])
    session = sitting([single, ("none", []), double])
    assert session.item.prompt == "two" and sorted(p[0, 0, 0] for p in session.item.pictures) == [1, 2]
    assert sorted(session.item.places) == [0, 2]


def test_the_next_candidate_is_made_ready_while_this_one_is_looked_at(sitting):
    drawn, release = [], threading.Event()

    def slowly():
        for k, candidate in enumerate(candidates(4, 2)):
            if k:
                release.wait(10)
            drawn.append((k, threading.get_ident()))
            yield candidate

    session = sitting(slowly())
    assert [k for k, _ in drawn] == [0] and not session.ready
    release.set()
    deadline = time.monotonic() + 10
    while not session.ready:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert [k for k, _ in drawn] == [0, 1]  # one ahead, no more
    assert all(thread != threading.get_ident() for _, thread in drawn)
    started = time.perf_counter()
    session.skip()
    assert time.perf_counter() - started < 0.05 and session.item.prompt == "prompt 1"


def test_trouble_with_a_candidate_is_told_and_the_next_one_comes(store, sitting):
    def draw(k):
        if k == 1:
            raise UserError("no weights for 'flow'.")
        if k == 2:
            raise ValueError("shapes differ")
        return candidates(4, 2)[k]

    session = sitting(map(draw, range(4)))
    session.choose("left")
    assert session.item is None and session.trouble == "no weights for 'flow'." and len(store.pairs()) == 1
    session.skip()
    assert session.item is None and session.trouble == "ValueError: shapes differ"
    with pytest.raises(UserError, match="shapes differ"):
        session.choose("left")
    session.skip()
    assert session.item.prompt == "prompt 3" and session.trouble == "" and session.skipped == 0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (("a cat --seed 5", [picture(0), picture(1)]), "'--seed' is a flag"),
        (("", [picture(0), picture(1)]), "the prompt is empty"),
        (("a cat", [picture(0) / 255]), "allowed are uint8 pictures"),
        ("a cat", "ValueError"),
    ],
)
def test_a_candidate_that_cannot_be_stored_is_told_before_it_is_shown(sitting, bad, says):
    session = sitting([bad])
    assert session.item is None and says in session.trouble


def test_a_rating_that_cannot_be_stored_leaves_its_pictures_there(store, sitting):
    session = sitting(candidates())
    before = at_hand(session)
    store.close()
    with pytest.raises(UserError, match="was closed"):
        session.choose("left")
    assert at_hand(session) == before and session.rated == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: s.switch("thumbs"), "cannot rate by 'thumbs'; allowed are pairs and stars"),
        (lambda s: s.choose("up"), "there is no side 'up'; choose left or right"),
        (lambda s: s.star(3), "the item at hand is not rated by stars; switch to stars first"),
        (lambda s: (s.switch("stars"), s.star(6)), "cannot get 6 stars"),
        (lambda s: (s.switch("stars"), s.choose("left")), "switch to pairs first"),
    ],
)
def test_what_does_not_fit_is_refused(store, sitting, call, says):
    session = sitting(candidates())
    with pytest.raises(UserError, match=says):
        call(session)
    assert store.count() == (0, 0, 0) and session.rated == 0


def test_settings_that_do_not_fit_are_refused(store):
    with pytest.raises(UserError, match="0 pairs cannot be wanted"):
        RatingSession(store, [], needed=0)
    with pytest.raises(UserError, match="cannot rate by 'thumbs'"):
        RatingSession(store, [], mode="thumbs")


def test_the_status_counts_down(sitting):
    session = sitting(candidates(), needed=3)
    assert "0 of 3 pairs, 3 more wanted. In this sitting: 0 rated, 0 skipped" in session.status()
    session.choose("left")
    session.skip()
    assert "1 of 3 pairs, 2 more wanted. In this sitting: 1 rated, 1 skipped" in session.status()
    session.switch("stars")
    session.star(1)
    session.star(5)
    assert session.status().startswith("me: pairs chosen 1, pictures with stars 2; together 2 of 3 pairs, 1 more")
    session.star(3)
    assert "of 3 pairs, that is enough." in session.status()


# ---- the panel -----------------------------------------------------------------------------------


class Panel:
    """The parts of a panel by name."""

    def __init__(self, session: RatingSession, pause: float = 0.0) -> None:
        self.box = rating_panel(session, pause)
        self.mode, self.prompt, images, self.sides, self.stars, others, self.status, self.trouble = self.box.children
        self.images = images.children
        self.skip, self.undo = others.children

    def shown(self) -> list[bytes]:
        return [image.value for image in self.images if image.layout.display != "none"]


def visible(box: widgets.Box) -> bool:
    return box.layout.display != "none"


def test_buttons_rate_what_is_shown(store, sitting):
    session = sitting(candidates())
    panel = Panel(session)
    left, right = at_hand(session)
    for png, item in zip(panel.shown(), session.item.pictures, strict=True):
        with Image.open(io.BytesIO(png)) as image:
            assert image.size == (64 * ZOOM, 64 * ZOOM) and image.getpixel((9, 9)) == tuple(item[0, 0])
    before = panel.shown()
    panel.sides.children[1].click()
    assert store.pairs() == [(right, left, "prompt 0")] and panel.trouble.value == ""
    assert panel.shown() != before and panel.shown() == [*session.item.shown] and "1 rated" in panel.status.value
    panel.skip.click()
    assert panel.prompt.value == "<b>prompt 1</b>" and "1 skipped" in panel.status.value
    panel.undo.click()
    panel.undo.click()
    assert store.pairs() == [] and panel.shown() == before and panel.prompt.value == "<b>prompt 0</b>"


def test_stars_mode_shows_one_picture_and_five_buttons(store, sitting):
    session = sitting(candidates())
    panel = Panel(session)
    assert visible(panel.sides) and not visible(panel.stars)
    panel.mode.value = "stars"
    assert session.mode == "stars" and visible(panel.stars) and not visible(panel.sides) and len(panel.shown()) == 1
    (key,) = at_hand(session)
    assert [button.description for button in panel.stars.children] == ["★" * n for n in range(1, 6)]
    panel.stars.children[3].click()
    assert store.stars() == {key: 4}
    panel.mode.value = "pairs"
    assert visible(panel.sides) and len(panel.shown()) == 2
    panel.undo.click()  # goes back to where it was done
    assert panel.mode.value == "stars" and at_hand(session) == [key] and store.stars() == {}


def test_the_keys_of_a_browser_reach_every_answer_in_order(sitting):
    """Tab goes through the buttons in the order of the children; none is hidden away or replaced while rating."""
    panel = Panel(sitting(candidates()))

    def buttons(box) -> list[widgets.Button]:
        return [b for c in box.children for b in (buttons(c) if hasattr(c, "children") else [c]) if hasattr(b, "click")]

    before = buttons(panel.box)
    answers = ["the left one", "the right one", *("★" * n for n in STARS)]
    assert [b.description for b in before] == [*answers, "skip", "undo"]
    panel.sides.children[0].click()
    assert all(a is b for a, b in zip(before, buttons(panel.box), strict=True))


def test_a_double_click_rates_once(store, sitting):
    panel = Panel(sitting(candidates()), pause=0.2)
    panel.sides.children[0].click()
    assert store.pairs() == [] and "too quick" in panel.trouble.value
    time.sleep(0.21)
    panel.sides.children[0].click()
    panel.sides.children[0].click()
    assert len(store.pairs()) == 1 and "too quick" in panel.trouble.value
    time.sleep(0.21)
    panel.sides.children[0].click()
    assert len(store.pairs()) == 2 and panel.trouble.value == ""


def test_the_end_is_told_and_undo_leads_back(sitting):
    panel = Panel(sitting(candidates(1, 2)))
    panel.sides.children[0].click()
    assert "no more to rate" in panel.prompt.value and panel.shown() == []
    assert all(button.disabled for button in panel.sides.children)
    panel.undo.click()
    assert len(panel.shown()) == 2 and not any(button.disabled for button in panel.sides.children)


def test_errors_are_told_in_the_panel(store, sitting):
    def draw(k):
        if k == 1:
            raise RuntimeError("<out of memory>")
        return candidates(3, 2)[k]

    panel = Panel(sitting(map(draw, range(3))))
    panel.undo.click()
    assert "nothing to undo in this sitting" in panel.trouble.value and len(panel.shown()) == 2
    panel.sides.children[0].click()
    assert "RuntimeError: &lt;out of memory&gt;" in panel.trouble.value and panel.shown() == []
    panel.skip.click()
    assert panel.trouble.value == "" and panel.prompt.value == "<b>prompt 2</b>"
    before = panel.shown()
    store.close()
    panel.sides.children[0].click()
    assert panel.trouble.value.count("was closed; open it again") == 1 and panel.shown() == before


def test_a_bug_is_told_in_the_panel_too(sitting, monkeypatch):
    session = sitting(candidates())
    panel = Panel(session)
    monkeypatch.setattr(session.store, "prefer", lambda *_: 1 / 0)
    panel.sides.children[0].click()
    assert "internal error: ZeroDivisionError" in panel.trouble.value and len(panel.shown()) == 2


def test_prompts_are_shown_as_text(sitting):
    panel = Panel(sitting([("<script>alert(1)</script> & 大海", [picture(0), picture(1)])]))
    assert panel.prompt.value == "<b>&lt;script&gt;alert(1)&lt;/script&gt; &amp; 大海</b>"


def test_waiting_for_a_slow_candidate_is_told(sitting):
    release, seen = threading.Event(), []

    def slowly():
        for k, candidate in enumerate(candidates(2, 2)):
            if k:
                release.wait(10)
            yield candidate

    panel = Panel(sitting(slowly()))
    panel.trouble.observe(lambda change: (seen.append(change.new), release.set()), names="value")
    panel.sides.children[0].click()
    assert "drawing the next pictures" in seen[0] and panel.trouble.value == "" and "prompt 1" in panel.prompt.value
