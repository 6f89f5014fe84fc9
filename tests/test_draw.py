"""What a command draws: seeds, texts and weights as the language says, on the real engine with few steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mjcourse.models.steer import guided_velocity, walk
from mjcourse.studio.command import SEED_MAX, Command, parse
from mjcourse.studio.draw import candidates, draw, draw_seeded, least_typical, rolled, spoken
from mjcourse.studio.edit import blend
from mjcourse.studio.engine import default_engine

PROMPT = "a red house by the sea, hills"


@pytest.fixture(scope="module")
def engine():
    """The shipped flow."""
    default_engine.cache_clear()
    return default_engine("flow")


def quick(text: str, **settings) -> np.ndarray:
    """Draw a command in five steps."""
    return draw(parse(f"{text} --steps 5", seed=3, **settings))


# ---- the algebra ---------------------------------------------------------------------------------


class Known:
    """A model whose velocity is a known function of the text."""

    def __call__(self, z, t, text):
        return z * 0 + text.mean((1, 2))[:, None, None, None]


def test_guided_velocity_is_the_weighted_mean_of_the_pulls():
    z, t = torch.randn(2, 4, 4, 4), torch.rand(2)
    null, a, b = (torch.full((2, 3, 5), value) for value in (0.5, 2.0, -1.0))
    found = guided_velocity(Known(), z, t, null, [a, b], [2.0, -0.5], 3.0)
    torch.testing.assert_close(found, torch.full_like(z, 0.5 + 3 * (2 * 1.5 - 0.5 * -1.5) / 1.5))
    once, twice = (guided_velocity(Known(), z, t, null, [a] * n, [1.0] * n, 3.0) for n in (1, 2))
    torch.testing.assert_close(once, twice)


def test_a_walk_is_euler_and_keeps_what_is_known():
    noise, known = torch.randn(2, 1, 4, 4), torch.full((2, 1, 4, 4), 5.0)
    straight = walk(lambda z, t: known - noise, noise, 7)
    torch.testing.assert_close(straight, known)
    half = walk(lambda z, t: known - noise, noise, 8, stop=4)
    torch.testing.assert_close(half, known)  # what the velocity points to
    late = walk(lambda z, t: torch.zeros_like(z), noise, 10, start=8, known=known)
    torch.testing.assert_close(late, 0.2 * noise + 0.8 * known)
    keep = torch.zeros(1, 1, 4, 4)
    keep[..., :2] = 1
    seen = []
    found = walk(lambda z, t: seen.append((t, z)) or torch.ones_like(z), noise, 4, known=known, keep=keep, rounds=2,
                 fresh=lambda: torch.randn(2, 1, 4, 4))  # fmt: skip
    assert torch.equal(found[..., :2], known[..., :2]) and not torch.equal(found[..., 2:], known[..., 2:])
    assert [t for t, _ in seen] == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    for t, z in seen:
        torch.testing.assert_close(z[..., :2], ((1 - t) * noise + t * known)[..., :2])


def test_going_back_for_another_round_has_the_right_noise():
    """With a velocity that is right for pictures of zeros, z_t must stay noise of deviation 1 - t."""
    g, noise = torch.Generator().manual_seed(1), torch.randn(1, 1, 200, 200)
    spreads = []

    def velocity(z, t):
        spreads.append((1 - t, float(z.std())))
        return -z / (1 - t)

    walk(velocity, noise, 5, keep=torch.zeros(1, 1, 1, 1), known=torch.zeros(1, 1, 1, 1), rounds=3,
         fresh=lambda: torch.randn(noise.shape, generator=g))  # fmt: skip
    assert len(spreads) == 13 and all(abs(wanted - found) < 0.02 for wanted, found in spreads)


def test_a_settled_walk_makes_each_step_once():
    times, noise = [], torch.randn(1, 1, 4, 4)
    walk(lambda z, t: times.append(t) or -z / (1 - t), noise, 8, rounds=3, settled=0.5, fresh=noise.clone)
    assert times == [0, *[0.125] * 3, *[0.25] * 3, *[0.375] * 3, 0.5, 0.625, 0.75, 0.875]


def test_a_ring_is_seen_from_everywhere_and_comes_back():
    z, seen = torch.randn(1, 1, 4, 8), []
    around = rolled(lambda z, t: seen.append(z) or z, seed=1)
    for _ in range(12):
        assert torch.equal(around(z, 0.0), z)
    assert len({s.numpy().tobytes() for s in seen}) == 4  # whole patches
    assert all(torch.equal(s.sort(3).values, z.sort(3).values) for s in seen)


# ---- what the engine is told ---------------------------------------------------------------------


def test_seeds_count_up_and_weird_takes_more_of_them():
    assert candidates(Command("a", 7)) == [7, 8, 9, 10]
    assert candidates(Command("a", SEED_MAX)) == [SEED_MAX, 0, 1, 2]
    counts = [len(candidates(Command("a", 7, weird=w))) for w in (0, 1, 1000, 2000, 3000)]
    assert counts == sorted(counts) and counts[0] == 4 and counts[-1] == 16


def test_styles_are_words_in_the_prompts_own_language():
    said = spoken(parse("a house::2 太阳:: fog::-0.5 --style papercut"))
    assert [p.text for p in said] == ["a house, paper cut", "太阳, 剪纸", "fog"]
    assert [p.weight for p in said] == [2, 1, -0.5]


def test_what_is_kept_out_is_told_in_its_surroundings():
    denied = [("a house, fog", -0.375), ("a house, red boat", -0.375)]
    assert spoken(parse("a house::2 太阳 --no fog, red boat")) == [("a house", 2), ("太阳", 1), *denied]
    by_hand = spoken(parse("a house:: a house, fog::-0.75"))
    assert spoken(parse("a house --no fog")) == by_hand == [("a house", 1), ("a house, fog", -0.75)]
    both = spoken(parse("a house --no fog --style neon"))  # they differ by the fog alone
    assert both == [("a house, neon", 1), ("a house, neon, fog", -0.75)]


# ---- pictures ------------------------------------------------------------------------------------


def test_a_plain_command_is_the_sampler_of_chapter_10(engine):
    wanted = engine([PROMPT] * 4, [3, 4, 5, 6], steps=5)
    assert np.abs(quick(f"{PROMPT} --stylize 0").astype(int) - wanted).mean() < 0.5
    assert np.array_equal(quick(PROMPT), quick(PROMPT))


@pytest.mark.parametrize("flags", ["--chaos 60", "--style neon", "--no sun", "--stop 40", "--tile", "--quality 2"])
def test_a_flag_changes_the_pictures_and_the_same_command_gives_the_same_bytes(engine, flags):
    first = quick(f"{PROMPT} {flags}")
    assert first.shape == (4, 64, 64, 3) and not np.array_equal(first, quick(PROMPT))
    assert np.array_equal(first, quick(f"{PROMPT} {flags}"))


def test_weird_takes_the_least_typical_and_says_which(engine):
    command = parse(f"{PROMPT} --seed 3 --steps 3 --weird 1000 --stylize 0")
    pictures, seeds = draw_seeded(command)
    assert np.array_equal(pictures, draw(command)) and len(set(seeds)) == 4
    every = engine([PROMPT] * 8, candidates(command), steps=3)
    chosen = [candidates(command).index(seed) for seed in seeds]
    assert np.abs(pictures.astype(int) - every[chosen]).mean() < 0.5
    assert sorted(chosen) == sorted(least_typical(every, 4)), "of all eight"
    assert draw_seeded(command.replace(weird=0))[1] == [3, 4, 5, 6]


def test_frames_progress_and_previews(engine):
    seen = []
    pictures = draw(parse(f"{PROMPT} --seed 1 --steps 10 --ar 2:3"), lambda *what: seen.append(what))
    assert pictures.shape == (4, 72, 48, 3)
    done = [what for what in seen if what[1] == 10]
    assert [what[0] for what in done] == list(range(1, 11)) and seen[0][:2] == (0, 1)
    assert [what[0] for what in done if what[2] is not None] == [5, 10]
    assert np.array_equal(done[-1][2], pictures)


@pytest.mark.parametrize("way", ["tile", "blend"])
def test_both_walks_of_a_job_tell_how_far_they_are_and_can_be_stopped(engine, way):
    command, seen = parse(f"{PROMPT} --seed 1 --steps 5 {'--tile' if way == 'tile' else ''}"), []
    pictures = list(quick(PROMPT)[:2])

    def run(report):
        return draw(command, report) if way == "tile" else blend(command, pictures, [PROMPT, "a castle"], report)

    assert run(lambda *what: seen.append(what[:2])).shape == (4, 64, 64, 3)
    assert [what for what in seen if what[1] == 10] == [(i, 10) for i in range(1, 11)]

    def stop(done, total, shown=None):
        if (done, total) == (7, 10):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(stop)


def test_stop_gives_the_preview_of_that_step(engine):
    previews = {}
    text = f"{PROMPT} --seed 1 --steps 10"
    draw(parse(text), lambda done, total, shown=None: previews.update({done: shown}))
    assert np.array_equal(draw(parse(f"{text} --stop 50")), previews[5])


def test_the_heavier_a_start_the_nearer_the_picture(engine, tmp_path):
    start = quick(PROMPT)[0]
    path = tmp_path / "start.png"
    Image.fromarray(start).save(path)
    apart = [
        np.abs(quick(f"a green castle --iw {iw}", init=str(path)).astype(int) - start).mean() for iw in (0, 1, 2, 3)
    ]
    assert apart == sorted(apart, reverse=True) and apart[-1] < 0.5 * apart[0]


def test_a_style_that_is_borrowed_is_told(engine, tmp_path):
    path = tmp_path / "neon.png"
    Image.fromarray(draw(parse("neon picture of a castle at night --seed 3"))[0]).save(path)
    said = {p.text: p.weight for p in spoken(parse(f"{PROMPT} --sref {path} --sw 200"))}
    assert max(said, key=said.get) == "neon" and said["neon"] > 1
    assert [p.text for p in spoken(parse(f"{PROMPT} --sref {path} --sw 0"))] == [PROMPT]
