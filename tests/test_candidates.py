"""Candidates to rate: which prompts, drawn and kept as they were, refused when they are another flow's; choices."""

from __future__ import annotations

import runpy
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.captions import caption_pair
from mjcourse.data.scenes import sample_scene
from mjcourse.data.store import SceneData
from mjcourse.feedback import candidates
from mjcourse.feedback.candidates import (
    Candidates,
    draw_candidates,
    load_candidates,
    open_prompts,
    paint_all,
    real_scenes,
    save_candidates,
)
from mjcourse.feedback.choices import choose, win_rate
from mjcourse.files import sha256
from mjcourse.weights import load_tensors, save_tensors

shipped = pytest.mark.skipif(
    not all((config.WEIGHTS / f"{stage}.safetensors").exists() for stage in ("flow", "text", "autoencoder-kl")),
    reason="data/weights holds no flow, text and autoencoder-kl weights: `mjcourse train all` makes them",
)


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    """Two empty folders in place of ``runs`` and ``data``."""
    for name in ("RUNS", "DATA"):
        monkeypatch.setattr(config, name, tmp_path / name.lower())
    return config.RUNS / candidates.NAME, config.DATA / candidates.NAME


def some(seed: int = 0) -> Candidates:
    return Candidates(("a red sun", "大海", "snow"), torch.randn(12, 4, 2, 3, generator=config.generator(seed)))


@pytest.fixture(scope="module")
def engine():
    from mjcourse.studio.engine import FlowEngine

    return FlowEngine()


# ---- prompts -------------------------------------------------------------------------------------


def test_open_prompts_leave_the_light_open_and_come_in_both_languages():
    prompts, captions = open_prompts("val", 6), {}
    for i in range(60):
        for told in caption_pair(sample_scene("val", i), np.random.default_rng([0, i, 99])):
            captions.setdefault(told.text, []).append(told)
    assert len(set(prompts)) == 6
    for k, prompt in enumerate(prompts):
        assert captions[prompt][0].language == ("en", "zh")[k % 2]
        assert not any({"time", "mood"} & set(told.named) for told in captions[prompt])
    assert open_prompts("val", 3) == prompts[:3]


def test_prompts_that_were_rated_can_be_left_out():
    some = open_prompts("val", 3)
    others = open_prompts("val", 4, without=some)
    assert len(set(others)) == 4 and not set(others) & set(some)


def test_more_open_prompts_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(candidates, "SEARCHED", 20)
    with pytest.raises(UserError, match=r"only \d+ prompts of val leave time and mood open; ask for no more"):
        open_prompts("val", 15)


# ---- the file ------------------------------------------------------------------------------------


def test_candidates_come_back_as_they_were_and_know_their_prompts(rooms):
    found = some()
    save_candidates(rooms[1], found, "abc")
    back = load_candidates("abc")
    assert back.prompts == found.prompts and back.each == 4
    assert torch.equal(back.groups, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]))
    torch.testing.assert_close(back.z, found.z, atol=2e-3, rtol=1e-3)  # half precision
    assert back.z.dtype == torch.float32
    few = back.first(2)
    assert few.prompts == found.prompts[:2] and torch.equal(few.z, back.z[:8]) and few.each == 4


def test_the_learners_own_come_first_where_they_are_of_this_flow(rooms):
    save_candidates(rooms[1], some(0), "shipped")
    save_candidates(rooms[0], some(1), "own")
    assert not torch.equal(load_candidates("own").z, load_candidates("shipped").z)
    with pytest.raises(
        UserError, match=r"was drawn by other weights than this flow's; .*build_candidates.py"
    ) as caught:
        load_candidates("third")
    assert "\n" not in str(caught.value)


def test_what_is_missing_or_damaged_is_told_in_a_line(rooms):
    with pytest.raises(UserError, match=r"there are no pictures to rate in .*; draw them: .*build_candidates.py"):
        load_candidates("abc")
    path = rooms[1]
    save_candidates(path, some(), "abc")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged"):
        load_candidates("abc")
    for tensors, prompts in (({"z": torch.zeros(7, 4, 2, 2)}, ["a", "b"]), ({"x": torch.zeros(8, 4, 2, 2)}, ["a"]),
                             ({"z": torch.zeros(8, 4)}, ["a"]), ({"z": torch.zeros(8, 4, 2, 2)}, [])):  # fmt: skip
        save_tensors(path, tensors, {"flow": "abc", "prompts": prompts})
        with pytest.raises(UserError, match="another version of the course"):
            load_candidates("abc")
    save_file({"z": torch.zeros(8, 4, 2, 2)}, path)
    with pytest.raises(UserError, match="was not written by mjcourse"):
        load_candidates("abc")


def test_the_shipped_file_is_small_and_of_the_shipped_flow():
    path = config.DATA / candidates.NAME
    if not path.exists():
        pytest.skip("data/feedback holds no candidates: scripts/build_candidates.py draws them")
    tensors, meta = load_tensors(path)
    assert path.stat().st_size <= 1_200_000 and tensors["z"].dtype == torch.float16
    assert meta["flow"] == sha256(config.WEIGHTS / "flow.safetensors"), "run scripts/build_candidates.py"
    assert meta["prompts"] == open_prompts("val", candidates.PROMPTS)
    assert len(tensors["z"]) == candidates.PROMPTS * candidates.EACH
    assert tensors["z"].isfinite().all() and 0.7 < float(tensors["z"].float().std()) < 1.4


# ---- drawing -------------------------------------------------------------------------------------


@shipped
def test_candidates_are_the_engines_pictures_of_their_prompts_and_seeds(engine):
    told, asked = [], ["a red sun over the sea", "夜晚的灯塔"]
    found = draw_candidates(engine, asked, 3.0, 3, 2, lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)] and found.z.shape == (4, 4, 16, 16) and found.z.device.type == "cpu"
    again = draw_candidates(engine, asked, 3.0, 3, 2)
    assert torch.equal(found.z, again.z)
    pictures = paint_all(engine, found.z, batch=2)
    alone = engine(asked[1:] * 2, [1000, 1001], guidance_scale=3.0, steps=3)
    assert np.abs(pictures[2:].astype(int) - alone).max() <= 2  # another batch may round otherwise
    assert not np.array_equal(pictures[0], pictures[1])


@shipped
@pytest.mark.slow
def test_real_scenes_are_training_scenes_with_the_words_that_tell_them(engine):
    from mjcourse.metrics.reconstruction import psnr

    z, text = real_scenes(engine, 12)
    assert z.shape == (12, 4, 16, 16) and text.shape == (12, *engine.flow.null_text.shape)
    real = SceneData("train", 12).images(range(12))
    made = engine.paint(z)
    as_unit = [torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1 for x in (real, made)]
    assert float(psnr(*as_unit).min()) > 20
    assert float((text[0] - text[1]).abs().max()) > 0.1


@shipped
@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_the_script_draws_the_file_anew_to_the_byte(own, rooms, monkeypatch):
    monkeypatch.setattr(candidates, "PROMPTS", 2)
    if own:
        (config.RUNS / "flow").mkdir(parents=True)
        shutil.copy(config.WEIGHTS / "flow.safetensors", config.RUNS / "flow")
    files = []
    for _ in range(2):
        runpy.run_path(str(config.ROOT / "scripts" / "build_candidates.py"), run_name="__main__")
        files.append(rooms[0 if own else 1].read_bytes())
        assert not rooms[1 if own else 0].exists()
    assert files[0] == files[1]
    found = load_candidates(sha256(config.WEIGHTS / "flow.safetensors"))
    assert found.prompts == tuple(open_prompts("val", 2)) and found.each == candidates.EACH


# ---- choices -------------------------------------------------------------------------------------


def test_choices_stay_within_prompts_and_use_each_picture_before_any_twice():
    pairs = choose(np.zeros(40), 1.0, np.random.default_rng(0), 20, 8)
    assert pairs.shape == (20, 2) and (pairs // 8 == pairs[:, :1] // 8).all() and (pairs[:, 0] != pairs[:, 1]).all()
    assert sorted(pairs.ravel()) == list(range(40))
    assert set(pairs[:5, 0] // 8) == set(range(5))  # each prompt in turn
    more = choose(np.zeros(40), 1.0, np.random.default_rng(0), 33, 8)
    assert len(more) == 33 and np.array_equal(np.sort(more[:20]), np.sort(pairs))


def test_choices_follow_bradley_and_terry():
    utility = np.tile([0.0, 0.5], 4000)
    pairs = choose(utility, 0.4, np.random.default_rng(1), 4000, 2)
    wanted = 1 / (1 + np.exp(-0.5 / 0.4))
    assert abs((utility[pairs[:, 0]] > 0).mean() - wanted) < 4 * (wanted * (1 - wanted) / 4000) ** 0.5
    exact = choose(utility, 0.0, np.random.default_rng(1), 4000, 2)
    assert (utility[exact[:, 0]] > utility[exact[:, 1]]).all()


def test_choices_agree_with_those_of_the_gold_rater():
    """The same chances as `GoldRater.chance`, which looks at pictures."""
    from mjcourse.feedback.gold import GoldRater

    rater, rng = GoldRater("x", {"bright": 1.0}, noise=0.3), np.random.default_rng(2)
    pictures = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (120, 126)])
    pairs = choose(np.tile(rater.utility(pictures), 3000), rater.noise, rng, 3000, 2)
    wanted = rater.chance(pictures[1:], pictures[:1])[0]
    assert 0.6 < wanted < 0.95
    assert abs((pairs[:, 0] % 2 == 1).mean() - wanted) < 0.035


def test_the_win_rate_counts_ties_half_and_its_interval_knows_that_prompts_are_few():
    ours, theirs = np.array([1.0, 2.0, 0.0, 5.0]), np.array([0.0, 2.0, 1.0, 4.0])
    assert win_rate(ours, theirs, 2) == {"rate": 0.625, "interval": [0.5, 0.75]}
    same = win_rate(np.ones(8), np.ones(8), 4)
    assert same == {"rate": 0.5, "interval": [0.5, 0.5]}
    rng = np.random.default_rng(0)
    won = np.repeat(rng.random(40) < 0.6, 10).astype(float)  # all pictures of a prompt win or lose together
    low, high = win_rate(won, np.full(400, 0.5), 10)["interval"]
    assert high - low > 0.25  # of 400 pictures on their own it would be 0.1
