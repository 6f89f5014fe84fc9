"""What the flags do, measured: the bars of `benchmarks/effects.py` at a smaller size, and the sums behind them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import effects
from benchmarks.effects import EFFECTS, FILE, Bench, mean, measure, rising
from mjcourse.files import sha256
from mjcourse.weights import find_weights

COUNT, STEPS = 16, 12  # prompts here, a quarter of the benchmark's, and half of its steps
STYLES = 24  # prompts where six styles share them


# ---- the sums ------------------------------------------------------------------------------------


def test_a_mean_weighs_prompts_by_their_cases_and_knows_how_sure_it_is():
    value, (low, high) = mean([4, 0, 3], [4, 0, 4])
    assert value == 0.875 and low <= value <= high
    many, few = mean([1, 0] * 200), mean([1, 0] * 5)
    assert many[0] == few[0] == 0.5 and np.ptp(many[1]) < np.ptp(few[1])
    assert abs(np.ptp(many[1]) - 2 * 1.96 * 0.5 / 20) < 0.01  # as the normal approximation has it


def test_no_cases_prove_nothing():
    value, interval = mean([0, 0], [0, 0])
    assert np.isnan(value) and np.isnan(interval).all()


def test_a_level_that_falls_back_is_seen():
    assert rising([np.zeros(4), np.ones(4), np.full(4, 3.0)])[0] == 1
    assert rising([np.zeros(4), np.ones(4), np.full(4, 0.5)])[0] == -0.5


@pytest.mark.parametrize(("value", "holds"), [(0.91, True), (0.89, False), (float("nan"), False)])
def test_a_bar_is_kept_or_not(monkeypatch, value, holds):
    monkeypatch.setitem(EFFECTS, "no", (lambda bench: {"value": value}, *EFFECTS["no"][1:]))
    assert measure("no", Bench())["holds"] is holds


# ---- what is stored ------------------------------------------------------------------------------


def test_what_is_stored_keeps_its_bars():
    """Of the weights that are shipped; numbers of older ones say nothing about them."""
    found = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    now = sha256(find_weights("flow"))[:16]
    of_now = {name: row for name, row in found.items() if (row["weights"], row["prompts"]) == (now, effects.COUNT)}
    if not of_now:
        pytest.skip("benchmarks/effects.py has not been run with these weights")
    assert set(of_now) == set(EFFECTS), "some were measured with other weights, or on fewer prompts"
    assert not [row["measured"] for row in of_now.values() if not row["holds"]]


# ---- measured here -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench():
    return Bench(COUNT, STEPS)


@pytest.fixture(scope="module")
def styles(bench):
    return Bench(STYLES, STEPS)


def sure(found: dict, bar: float) -> bool:
    """Whether a share is not below its bar for certain: with so few prompts it may be, by chance."""
    return found["interval"][1] >= bar


@pytest.mark.slow
def test_chaos_raises_the_distance_at_each_of_five_levels(bench):
    found = measure("chaos", bench)
    first, *_, last = distances = [row["distance"][0] for row in found["rows"]]
    assert len(distances) == 5 and last > 1.05 * first
    assert found["value"] > -0.03 * first, "a level may fall back by chance, and by no more"


@pytest.mark.slow
def test_no_sun_takes_the_sun_away(bench):
    found = measure("no", bench)
    assert found["cases"] >= 10 and sure(found, 0.9) and found["value"] > 0.6
    assert found["value"] > found["twice_the_guidance"] + 0.3, "it is the negative weight that does it"


@pytest.mark.slow
def test_the_heavier_part_is_heard_more(bench):
    found = measure("weights", bench)
    assert found["value"] > 0 and found["interval"][0] > -0.02
    towards_a = [row["shows_a"] for row in found["rows"]]
    towards_b = [row["shows_b"] for row in found["rows"]]
    assert towards_a == sorted(towards_a, reverse=True) and towards_b == sorted(towards_b)


@pytest.mark.slow
def test_a_tile_has_no_larger_step_across_its_seam_than_inside(bench):
    found = measure("tile", bench)
    of = {row["what"]: row for row in found["rows"]}
    assert found["value"] <= 1
    for way in ("sideways", "up and down"):
        assert of[f"tile {way}"]["over_mean"][0] < 0.8 * of[f"without {way}"]["over_mean"][0]


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["sref", "style"])
def test_a_style_is_borrowed_or_said(styles, flag):
    found = measure(flag, styles)
    assert found["cases"] > 40 and sure(found, 0.7) and found["value"] > 0.5
    assert set(found["by_style"]) == {"poster", "watercolor", "neon", "pixel", "ink", "papercut"}


@pytest.mark.slow
def test_half_way_is_the_preview_at_half_way(bench):
    assert measure("stop", bench)["value"] == 1


@pytest.mark.slow
def test_a_seed_gives_the_same_bytes_and_another_one_does_not(bench):
    found = measure("seed", bench)
    assert found["value"] == 1 and found["same_with_other_seeds"] == 0


@pytest.mark.slow
def test_the_weird_are_further_from_the_usual(bench):
    assert measure("weird", bench)["value"] > 0


@pytest.mark.slow
def test_the_heavier_a_start_the_nearer_the_picture(bench):
    assert measure("iw", bench)["value"] > 0
