"""A taste in ``--stylize`` and ``--p``: weights on a line, whose they are, when they are refused, and what is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from mjcourse import cli, config
from mjcourse.config import UserError
from mjcourse.data import store as scenes
from mjcourse.feedback import personal
from mjcourse.feedback import taste as tastes
from mjcourse.feedback.gold import GOLD
from mjcourse.feedback.personal import features_by_size, key_of, personal_taste, prompts_of
from mjcourse.feedback.ratings import Pair, RatingStore
from mjcourse.feedback.reward import Learnt, features_of
from mjcourse.feedback.session import NEEDED
from mjcourse.feedback.taste import Taste, house_taste, load_taste, moved, save_taste
from mjcourse.models.flow import FlowConfig, FlowTransformer
from mjcourse.studio import house
from mjcourse.studio import styled as styling
from mjcourse.studio.command import Command, parse
from mjcourse.studio.draw import draw
from mjcourse.studio.edit import blend, vary
from mjcourse.studio.engine import default_engine
from mjcourse.studio.styled import styled
from mjcourse.training.stages import train
from mjcourse.weights import load_tensors, save_tensors

PROMPT = "a red house by the sea, hills"
SMALL = replace(tastes.TUNING, steps=3, batch_size=8, warmup=1, lr=1e-3)


@pytest.fixture(scope="module")
def engine():
    """The shipped flow."""
    default_engine.cache_clear()
    return default_engine("flow")


@pytest.fixture
def shipped_nothing(runs, tmp_path, monkeypatch):
    """Have no taste: the shipped weights but that one, and an empty ``runs/``."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in config.WEIGHTS.glob("*.safetensors"):
        if path.stem != "taste":
            (folder / path.name).symlink_to(path)
    monkeypatch.setattr(config, "WEIGHTS", folder)


@pytest.fixture
def small(shipped_nothing, cache, monkeypatch):
    """Learn from few pictures in few steps."""
    monkeypatch.setitem(scenes.SHARD, "train", 8)
    monkeypatch.setattr(tastes, "TUNING", SMALL)
    monkeypatch.setattr(tastes, "REAL", 8)
    for name, value in {"PROMPTS": 4, "EACH": 2, "RATED": 2}.items():
        monkeypatch.setattr(personal, name, value)


def a_change(engine, seed: int = 0, size: float = 0.05) -> FlowTransformer:
    """Return a change of weights, each by a number of deviation `size`."""
    change = FlowTransformer(engine.flow.cfg).requires_grad_(False)
    g = config.generator(seed)
    for p in change.parameters():
        p.copy_(size * torch.randn(p.shape, generator=g))
    return change


def write_house(engine, folder=None, **how) -> None:
    """Write a taste of the house, made of `a_change`."""
    path = (folder or config.RUNS / "taste") / "taste.safetensors"
    save_taste(path, engine, a_change(engine, **how), Learnt(None, 0.8, 0.01), SMALL, 60.0, "a test")


def quick(flags: str = "") -> np.ndarray:
    """Draw a command in three steps."""
    return draw(parse(f"{PROMPT} --seed 3 --steps 3 {flags}"))


def refusal(flags: str) -> str:
    """Return the one line with which a command is refused."""
    with pytest.raises(UserError) as caught:
        quick(flags)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


# ---- weights on a line ---------------------------------------------------------------------------


def test_weights_go_a_share_of_the_way_and_the_base_stays():
    torch.manual_seed(0)
    base, change = (FlowTransformer(FlowConfig.tiny()) for _ in range(2))
    before = {name: t.clone() for name, t in base.state_dict().items()}
    for s in (0.0, 0.25, 1.0):
        found = moved(base, Taste(change, "x"), s).state_dict()
        for name, t in found.items():
            torch.testing.assert_close(t, before[name] + s * change.state_dict()[name], msg=name)
            assert s or torch.equal(t, before[name])
    assert all(torch.equal(t, before[name]) for name, t in base.state_dict().items())


def test_what_is_kept_is_the_change_to_within_its_packing(engine, runs):
    write_house(engine)
    kept, change = house_taste(engine).change.state_dict(), a_change(engine).state_dict()
    for name, t in change.items():
        assert (kept[name] - t).abs().max() < 0.005 * t.abs().max(), name
    card = json.loads((runs / "taste" / "taste.json").read_text())
    assert card["upstream"].keys() == {"flow", "text", "autoencoder-kl", "reward"} and card["rater"] == "a test"
    assert card["upstream"]["flow"] == engine.digest and card["metrics"] == {"reward_accuracy": 0.8, "penalty": 0.01}
    assert (runs / "taste" / "taste.safetensors").stat().st_size < 2.3e6


def test_at_0_the_bytes_are_the_bases_and_else_they_are_not(engine, shipped_nothing):
    base = quick()
    write_house(engine)
    assert np.array_equal(quick("--stylize 0"), base)
    apart = [np.abs(quick(f"--stylize {s}").astype(int) - base).mean() for s in (100, 300, 1000)]
    assert 0 < apart[0] < apart[1] < apart[2]
    assert np.array_equal(quick("--stylize 100"), quick()) and np.array_equal(quick("--s 300"), quick("--s 300"))


def test_an_edit_has_the_taste_of_its_command(engine, shipped_nothing):
    picture = quick()[0]
    edits = {
        "vary": lambda flags: vary(parse(f"{PROMPT} --seed 3 --steps 4 {flags}"), picture, "strong"),
        "blend": lambda flags: blend(parse(f"{PROMPT} --seed 3 --steps 3 {flags}"), [picture, picture[:, ::-1]],
                                     [PROMPT, "a castle"]),
    }  # fmt: skip
    plain = {name: edit("") for name, edit in edits.items()}
    write_house(engine)
    for name, edit in edits.items():
        assert np.array_equal(edit("--stylize 0"), plain[name]), name
        assert not np.array_equal(edit("--stylize 1000"), plain[name]), name


def test_an_engine_of_a_strength_is_kept_and_a_new_file_is_seen(engine, runs):
    write_house(engine)
    taste = house_taste(engine)
    assert taste is house_taste(engine)
    assert styled(engine, taste, 0.5) is styled(engine, taste, 0.5) is not styled(engine, taste, 0.4)
    write_house(engine, seed=1)
    assert not torch.equal(house_taste(engine).change.patch_out.weight, taste.change.patch_out.weight)


# ---- whose taste, and what if there is none ------------------------------------------------------


def test_without_a_taste_the_default_is_the_base_and_a_strength_is_refused(engine, shipped_nothing):
    assert house_taste(engine) is None
    base = quick()
    assert np.array_equal(quick("--stylize 0"), base)
    assert "mjcourse train taste" in refusal("--stylize 500")
    write_house(engine)
    tensors, meta = load_tensors(config.RUNS / "taste" / "taste.safetensors")
    meta["upstream"]["flow"] = "0" * 64  # as after a training of the flow
    save_tensors(config.RUNS / "taste" / "taste.safetensors", tensors, meta)
    assert house_taste(engine) is None and np.array_equal(quick(), base)
    assert "missing or for another" in refusal("--stylize 500")


def test_the_learners_own_training_comes_first_where_it_fits(engine, shipped_nothing, monkeypatch, tmp_path):
    monkeypatch.setattr(config, "WEIGHTS", tmp_path / "shipped")
    monkeypatch.setattr(tastes, "upstream", lambda engine: {"flow": engine.digest})
    write_house(engine, config.WEIGHTS, seed=1)
    shipped = house_taste(engine).change.patch_out.weight
    write_house(engine, seed=2)
    assert not torch.equal(house_taste(engine).change.patch_out.weight, shipped)
    monkeypatch.setattr(tastes, "upstream", lambda engine: {"flow": "0" * 64})
    write_house(engine, seed=3)
    assert torch.equal(house_taste(engine).change.patch_out.weight, shipped)


@pytest.mark.parametrize("way", ["cut", "pickle", "empty"])
def test_a_damaged_taste_is_told(engine, shipped_nothing, way):
    write_house(engine)
    path = config.RUNS / "taste" / "taste.safetensors"
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "pickle": b"\x80\x04" + data, "empty": b""}[way])
    for flags in ("", "--stylize 500"):
        assert "taste.safetensors is" in refusal(flags)
    quick("--stylize 0")  # needs none


def test_the_prior_refuses_a_taste_and_has_none():
    assert (parse("a sun --model prior").stylize, parse("a sun --model prior").p) == (0, False)
    assert parse("a sun --model prior --stylize 0", seed=1) == Command("a sun", 1, model="prior")
    for flags in ("--stylize 100", "--s 7", "--p"):
        with pytest.raises(UserError, match=r"is the flow model's; a taste is kept as a change of the flow's weights"):
            parse(f"a sun --model prior {flags}")


# ---- one's own -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """A file of ratings by a script that likes it warm: pairs of five prompts and stars of five, two sizes."""
    path, rng = tmp_path_factory.mktemp("rated") / "ratings.sqlite", np.random.default_rng(0)
    with RatingStore(path) as store:
        for k in range(10):
            shape = (48, 72, 3) if k == 3 else (64, 64, 3)
            colour, noise = rng.integers(40, 200, (8, 1, 1, 3)), rng.integers(0, 50, (8, *shape))
            pictures = (colour + noise).astype(np.uint8)
            order = GOLD["sunset"].utility(pictures).argsort()
            keys = [store.add_picture(pictures[i], f"a house {k}", int(i)) for i in order]  # from worst to best
            if k % 2:
                for better, worse in combinations(reversed(keys), 2):
                    store.prefer(better, worse)
            else:
                for i, key in enumerate(keys):
                    store.star(key, 1 + i * 5 // 8)
    return path


@pytest.fixture
def ratings(rated, small):
    """Those ratings as the learner's own, in this test's ``runs/``."""
    config.RUNS.mkdir(parents=True, exist_ok=True)
    return shutil.copy(rated, config.RUNS / "ratings.sqlite")


def own(engine, report=lambda *_: None) -> Taste:
    """Return the personal taste, its candidates drawn in two steps."""
    return personal_taste(engine, 4.0, 2, report)


def files() -> list[str]:
    """Return what lies in ``runs/taste``."""
    return sorted(path.name for path in (config.RUNS / "taste").glob("*"))


@pytest.fixture
def counted(monkeypatch):
    """Count how often a taste is learnt."""
    seen, learn = [], personal._learn
    monkeypatch.setattr(personal, "_learn", lambda *what: seen.append(what) or learn(*what))
    return seen


def test_too_few_ratings_are_told_with_how_many_are_missing(engine, shipped_nothing, rated):
    assert f"{NEEDED} are missing" in refusal("--p")
    config.RUNS.mkdir(parents=True, exist_ok=True)
    shutil.copy(rated, config.RUNS / "ratings.sqlite")
    with RatingStore() as store:
        for _ in range(90):
            store.undo()
        there = store.count().all_pairs
    assert 0 < there < NEEDED and f" {NEEDED - there} are missing" in refusal("--p --stylize 400")
    quick("--p --stylize 0")  # at strength 0 there is nothing to learn


def test_the_command_line_tells_it_in_one_line(engine, shipped_nothing, tmp_path, capsys):
    assert cli.main(["imagine", "a sun --p", "-o", str(tmp_path / "x.png")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and f"{NEEDED} are missing" in told.err
    assert not (tmp_path / "x.png").exists()


def test_a_taste_of_ones_own_end_to_end(engine, ratings, counted, monkeypatch):
    base, seen = quick("--stylize 0"), []
    monkeypatch.setattr(styling, "DEFAULTS", {"flow": {"guidance": 4.0, "steps": 2}})
    command = parse(f"{PROMPT} --seed 3 --steps 3 --p --stylize 1000")
    first = draw(command, lambda *what: seen.append(what[:2]))
    told = [done for done, total in seen if total == personal.PROMPTS + SMALL.steps]
    assert told == sorted(told) and set(told) == set(range(8)) and seen[-1] == (3, 3)
    assert not np.array_equal(first, base) and np.array_equal(quick("--p --stylize 1000"), first) and len(counted) == 1
    weak = quick("--p")  # at 100
    assert 0 < np.abs(weak.astype(int) - base).mean() < np.abs(first.astype(int) - base).mean()
    (name,) = [name for name in files() if name.endswith(".json")]
    card = json.loads((config.RUNS / "taste" / name).read_text())
    assert card["rater"] == "me" and card["metrics"]["pairs"] >= NEEDED and card["metrics"]["reward_accuracy"] > 0.8
    assert house_taste(engine) is None  # nobody else's


def test_the_same_ratings_are_learnt_once_and_new_ones_anew(engine, ratings, counted):
    with torch.no_grad():  # as the functions that draw have it
        first = own(engine)
    assert own(engine) is first and len(counted) == 1
    with RatingStore() as store:
        winner, loser, _ = store.pairs()[0]
        store.prefer(winner, loser)  # said again: nothing new
        assert own(engine) is first
        store.prefer(loser, winner)
        second = own(engine)
        assert second is not first and len(counted) == 2
        store.undo()
        store.undo()
    assert own(engine) is first and len(counted) == 2


def test_only_the_last_few_are_kept(engine, ratings):
    folder = config.RUNS / "taste"
    folder.mkdir()
    for k in range(5):
        for end in ("safetensors", "json"):
            path = folder / f"personal-{k}.{end}"
            path.write_bytes(b"old")
            os.utime(path, (k, k))
    (folder / "taste.safetensors").write_bytes(b"the house's")
    own(engine)
    stems = {name.split(".")[0] for name in files()}
    assert len(stems) == personal.KEPT + 1 and {"personal-4", "personal-3", "taste"} < stems


@pytest.mark.parametrize("way", ["cut", "text", "empty"])
def test_a_damaged_one_is_learnt_again(engine, ratings, counted, way):
    own(engine)
    (path,) = (config.RUNS / "taste").glob("*.safetensors")
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "text": b"no weights at all", "empty": b""}[way])
    own(engine)
    assert len(counted) == 2 and path.read_bytes() == data  # the same ratings give the same bytes


def test_a_full_disk_is_told(engine, ratings, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            own(engine)
    assert files() == []


@pytest.mark.parametrize("when", [0, 2, 4, 6], ids=["at once", "drawing", "between", "tuning"])
def test_learning_stops_when_it_is_told_to_and_leaves_nothing(engine, ratings, when):
    class Stop(BaseException):
        pass

    def report(done, total):
        if done >= when:
            raise Stop

    with pytest.raises(Stop):
        own(engine, report)
    assert files() == [] and not personal._learning.locked()


def test_ctrl_c_leaves_no_half_taste(engine, ratings):
    def report(done, total):
        if done == personal.PROMPTS + 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        own(engine, report)
    assert files() == [] and not personal._learning.locked()


def test_two_threads_learn_it_once(engine, ratings, counted):
    found = []
    threads = [threading.Thread(target=lambda: found.append(own(engine))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(counted) == 1 and len(found) == 2
    assert torch.equal(found[0].change.patch_out.weight, found[1].change.patch_out.weight)


def test_one_that_waits_can_be_cancelled(engine, ratings, counted):
    class Stop(BaseException):
        pass

    def report(done, total):
        raise Stop

    with personal._learning, pytest.raises(Stop):
        own(engine, report)
    assert counted == []


def test_what_a_key_depends_on(engine, monkeypatch):
    pairs = [Pair("a", "b", "a sun"), Pair("c", "d", "a moon")]
    keys = [key_of(pairs, engine), key_of(pairs[:1], engine), key_of([Pair("b", "a", "a sun"), pairs[1]], engine)]
    monkeypatch.setattr(tastes, "TUNING", SMALL)
    keys.append(key_of(pairs, engine))
    monkeypatch.setattr(engine, "digest", "another flow")
    keys.append(key_of(pairs, engine))
    assert len(set(keys)) == len(keys)


def test_the_prompts_rated_most_are_drawn_and_others_with_them(monkeypatch):
    rated = [Pair("a", "b", prompt) for prompt in ("a sun", "a sun::2 fog::-0.5", "a moon", "a moon", "::3")]
    assert prompts_of(rated)[:3] == ["a moon", "a sun", "a sun, fog"]
    found = prompts_of(rated + [Pair("a", "b", f"a house {k}") for k in range(80)])
    assert len(found) == len(set(found)) == personal.PROMPTS
    assert sum(prompt.startswith("a house") for prompt in found) >= personal.RATED - 4
    assert sum(prompt in ("a moon", "a sun") or prompt.startswith("a house") for prompt in found) <= personal.RATED


def test_pictures_of_several_sizes_keep_their_places():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (48, 72), (64, 64), (96, 48))]
    found = features_by_size(pictures, config.device())
    for picture, row in zip(pictures, found, strict=True):
        torch.testing.assert_close(features_of(picture[None])[0], row, atol=0.05, rtol=0.05)


# ---- the taste of the house ----------------------------------------------------------------------


@pytest.fixture
def few(small, monkeypatch):
    """A recipe of few pictures."""
    for name, value in {"PROMPTS": 4, "EACH": 4, "HELD_OUT": 2, "HOW": {"guidance": 4.0, "steps": 2}}.items():
        monkeypatch.setattr(house, name, value)
    monkeypatch.setattr(house, "TUNING", SMALL)


def test_the_stage_leaves_a_taste_that_is_used_and_its_card_says_whose(engine, few):
    train("taste", steps=2)
    card = json.loads((config.RUNS / "taste" / "taste.json").read_text())
    assert "script" in card["rater"] and card["steps"] == 2 and card["upstream"]["flow"] == engine.digest
    assert {"reward_accuracy", "pairs", "win_rate", "win_rate_from"} <= set(card["metrics"])
    taste, path = house_taste(engine), config.RUNS / "taste" / "taste.safetensors"
    assert taste is load_taste(path)
    first = path.read_bytes()
    train("taste", steps=2)
    assert path.read_bytes() == first


@pytest.mark.slow
def test_more_of_a_taste_is_liked_more_and_ones_own_is_another(engine, shipped_nothing, monkeypatch):
    """The gold rater of the house likes it more and more along the way; another rater's choices lead elsewhere."""
    monkeypatch.setattr(tastes, "REAL", 200)
    prompts, steps = 16, 12
    for part in (house, personal):
        monkeypatch.setattr(part, "PROMPTS", prompts)
    monkeypatch.setattr(house, "HOW", {"guidance": 4.0, "steps": steps})
    cfg = replace(tastes.TUNING, steps=80, batch_size=32, lr=2e-4)
    monkeypatch.setattr(tastes, "TUNING", cfg)
    change, learnt = house.learn_house(engine, cfg)
    assert learnt.accuracy > 0.65
    asked = [prompt for prompt in house.open_prompts("test", 16) for _ in range(2)]

    def drawn(taste: Taste, strength: float) -> np.ndarray:
        net = styled(engine, taste, strength)
        return np.concatenate([net(asked[i : i + 8], list(range(i, i + 8)), steps=steps) for i in range(0, 32, 8)])

    ours = Taste(change, engine.digest)
    grids = [drawn(ours, s / 1000) for s in (0, 250, 500, 1000)]
    liked = [GOLD["sunset"].utility(grid).mean() for grid in grids]
    assert liked == sorted(liked) and liked[-1] > liked[0] + 0.1

    config.RUNS.mkdir(parents=True, exist_ok=True)
    rated = house.draw_candidates(engine, house.open_prompts("val", prompts), 4.0, steps)
    pictures = house.paint_all(engine, rated.z)
    meadow = GOLD["meadow"].utility(pictures)
    with RatingStore() as store:
        keys = [store.add_picture(picture, rated.prompts[i // 8], i % 8) for i, picture in enumerate(pictures)]
        for p in range(prompts):
            for a, b in list(combinations(range(8 * p, 8 * p + 8), 2))[::2]:
                store.prefer(*((keys[a], keys[b]) if meadow[a] > meadow[b] else (keys[b], keys[a])))
    mine = drawn(personal_taste(engine, 4.0, steps), 1.0)
    gain = {name: rater.utility(mine).mean() - rater.utility(grids[0]).mean() for name, rater in GOLD.items()}
    assert gain["meadow"] > 0.1 and gain["meadow"] > gain["sunset"]
