"""The gold raters: their statistics against references, and that their tastes are worth learning."""

from __future__ import annotations

import statistics as reference

import numpy as np
import pytest

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.captions import caption
from mjcourse.data.draw import render
from mjcourse.data.scenes import ATTRIBUTES, random_scene, sample_scene
from mjcourse.data.store import scene_to_codes
from mjcourse.feedback import gold
from mjcourse.feedback.gold import GOLD, SCALES, GoldRater, colourfulness, measure_scales, share_within, to_lab

SCENES = 300  # of the validation split, which the scales were not measured on


@pytest.fixture(scope="module")
def real():
    """Real scenes of the validation split and their pictures."""
    scenes = [sample_scene("val", i) for i in range(SCENES)]
    return scenes, np.stack([render(scene, 64) for scene in scenes])


def one_colour(*rgb: int) -> np.ndarray:
    return np.full((1, 8, 8, 3), rgb, np.uint8)


# ---- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rgb", "lab"),  # published: Lindbloom's CIE calculator, sRGB and D65
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((255, 255, 0), (97.14, -21.55, 94.48)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
        ((5, 5, 5), (1.37, 0.0, 0.0)),  # on the straight piece near black
    ],
)
def test_lab_colours_are_the_published_ones(rgb, lab):
    assert np.allclose(to_lab(np.array(rgb, np.uint8)), lab, atol=0.03)


def test_lab_colours_follow_pillows_colour_management(real):
    """LittleCMS works in 8 bits and adapts to D50: a unit or two apart is agreement, where scenes span some forty."""
    from PIL import Image, ImageCms

    turn = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    for picture in real[1][:5]:
        theirs = np.asarray(ImageCms.applyTransform(Image.fromarray(picture), turn))
        theirs = np.stack([theirs[..., 0] / 2.55, *(theirs[..., k].view(np.int8).astype(float) for k in (1, 2))], -1)
        assert (np.abs(to_lab(picture) - theirs).mean((0, 1)) < (0.5, 2.0, 1.0)).all()


def test_colourfulness_is_that_of_the_paper(real):
    for picture in real[1][:3]:
        pixels = picture.reshape(-1, 3).astype(int).tolist()
        rg, yb = [r - g for r, g, _ in pixels], [(r + g) / 2 - b for r, g, b in pixels]
        spread = (reference.pstdev(rg) ** 2 + reference.pstdev(yb) ** 2) ** 0.5
        mean = (reference.fmean(rg) ** 2 + reference.fmean(yb) ** 2) ** 0.5
        assert colourfulness(picture[None])[0] == pytest.approx(spread + 0.3 * mean)
    assert colourfulness(one_colour(90, 90, 90))[0] == 0


def test_each_statistic_grows_with_what_it_is_called():
    def of(name, picture):
        return gold.statistics(picture)[name][0]

    half = one_colour(0, 0, 0)
    half[:, :4] = 255
    stripes = one_colour(0, 0, 0)
    stripes[:, ::2] = 255
    assert of("warm", one_colour(230, 150, 60)) > 20 > -20 > of("warm", one_colour(60, 100, 230))
    assert of("green", one_colour(60, 200, 60)) > 20 > -20 > of("green", one_colour(200, 60, 60))
    assert of("bright", half) == pytest.approx(50) and of("bright", one_colour(255, 255, 255)) == pytest.approx(100)
    assert of("contrast", half) == pytest.approx(50) and of("contrast", one_colour(9, 9, 9)) == pytest.approx(0)
    assert of("calm", half) == pytest.approx(-100 / 7) and of("calm", stripes) == pytest.approx(-100)
    assert of("vivid", one_colour(255, 0, 0)) > of("vivid", one_colour(150, 100, 100)) > 0


def test_many_pictures_give_what_each_gives_alone(real, monkeypatch):
    whole = gold.statistics(real[1][:50])
    monkeypatch.setattr(gold, "BATCH", 7)
    for name, values in gold.statistics(real[1][:50]).items():
        assert np.array_equal(values, whole[name])
    one = gold.statistics(real[1][7:8])
    assert all(one[name][0] == pytest.approx(whole[name][7]) for name in SCALES) and [*one] == [*SCALES]


def test_the_stored_scales_are_those_of_the_training_scenes():
    measured = measure_scales()
    assert measured.keys() == SCALES.keys()
    for name, (mean, sd) in measured.items():
        assert (mean, sd) == pytest.approx(SCALES[name], abs=0.02), name  # the last digits differ between machines


@pytest.mark.parametrize("bad", [np.zeros((64, 64, 3), np.uint8), np.zeros((2, 64, 64, 3)), np.zeros((2, 3, 64, 64))])
def test_what_are_no_pictures_is_refused(bad):
    with pytest.raises(UserError, match="give uint8 pictures"):
        GOLD["sunset"].utility(bad)


# ---- raters --------------------------------------------------------------------------------------


def test_utility_is_the_weighted_sum_of_standardised_statistics(real):
    rater = GoldRater("x", {"warm": 3.0, "calm": -4.0})
    found = gold.statistics(real[1])
    z = {name: (found[name] - SCALES[name][0]) / SCALES[name][1] for name in ("warm", "calm")}
    assert np.allclose(rater.utility(real[1]), 0.6 * z["warm"] - 0.8 * z["calm"])
    assert abs(z["warm"].mean()) < 0.3 and 0.7 < z["warm"].std() < 1.3  # other scenes, the same scale


def test_preferences_follow_bradley_and_terry(real):
    rater, rng = GoldRater("x", {"bright": 1.0}, noise=0.5), np.random.default_rng(0)
    pictures = real[1][np.argsort(rater.utility(real[1]))[[SCENES // 2, SCENES * 2 // 3]]]
    low, high = rater.utility(pictures)
    wanted = np.exp(high / 0.5) / (np.exp(high / 0.5) + np.exp(low / 0.5))
    assert 0.55 < wanted < 0.9
    assert rater.chance(pictures[1:], pictures[:1])[0] == pytest.approx(wanted)
    said = [rater.prefer(pictures[1], pictures[0], rng) for _ in range(1000)]
    assert abs(np.mean(said) - wanted) < 4 * (wanted * (1 - wanted) / 1000) ** 0.5
    assert isinstance(said[0], bool)


def test_without_noise_the_better_picture_always_wins_and_extremes_do_not_overflow(real):
    exact, sharp = GoldRater("x", {"bright": 1.0}, noise=0), GoldRater("x", {"bright": 1.0}, noise=1e-9)
    dark, light = one_colour(0, 0, 0), one_colour(255, 255, 255)
    with np.errstate(all="raise"):
        for rater in (exact, sharp):
            assert rater.chance(light, dark)[0] == 1 and rater.chance(dark, light)[0] == 0
            assert rater.chance(dark, dark)[0] == 0.5


def test_the_same_generator_gives_the_same_choices(real):
    def choices():
        rng = np.random.default_rng(3)
        return [GOLD["sunset"].prefer(a, b, rng) for a, b in zip(real[1][:30], real[1][30:60], strict=True)]

    assert choices() == choices() and 3 < sum(choices()) < 27


@pytest.mark.parametrize(
    ("taste", "noise", "says"),
    [
        ({"warmth": 1.0}, 0.2, "there is no statistic 'warmth'; a taste weighs warm, .*Did you mean warm?"),
        ({}, 0.2, "one of them other than 0"),
        ({"warm": 0.0}, 0.2, "one of them other than 0"),
        ({"warm": float("nan")}, 0.2, "finite"),
        ({"warm": 1.0}, -1, "the noise is -1"),
        ({"warm": 1.0}, float("inf"), "allowed is 0 or a finite number above"),
    ],
)
def test_a_taste_that_is_none_is_refused(taste, noise, says):
    with pytest.raises(UserError, match=says):
        GoldRater("x", taste, noise)


# ---- the two named tastes ------------------------------------------------------------------------


def test_the_two_tastes_differ(real):
    assert len(GOLD) == 2 and [rater.name for rater in GOLD.values()] == [*GOLD]
    assert abs(np.corrcoef([rater.utility(real[1]) for rater in GOLD.values()])[0, 1]) < 0.3


def test_ratings_say_more_about_the_taste_than_about_the_dice(real):
    """The noise hides the taste from a single choice but not from two hundred."""
    pictures, rng = real[1], np.random.default_rng(0)
    for rater in GOLD.values():
        a, b = pictures[: SCENES // 2], pictures[SCENES // 2 :]
        better = rater.utility(a) > rater.utility(b)
        agree = np.mean([rater.prefer(x, y, rng) == z for x, y, z in zip(a, b, better, strict=True)])
        assert 0.75 < agree < 0.99, rater.name


@pytest.mark.parametrize("rater", GOLD.values(), ids=GOLD)
def test_a_prompt_leaves_much_of_the_taste_open(rater):
    """Scenes that a caption fits equally, drawn at random: what its words leave unsaid must matter to the rater."""
    rng, within = np.random.default_rng(0), []
    for i in range(12):
        told = caption(sample_scene("val", i), "en", np.random.default_rng(i)).named
        alike: list[np.ndarray] = []
        while len(alike) < 6:
            scene = random_scene(rng)
            missed = {name for name, value in told.items() if getattr(scene, name) != value}
            try:
                scene = scene.replace(**{name: told[name] for name in missed})
            except UserError:  # what is told and what was drawn contradict each other
                continue
            alike.append(render(scene, 64))
        within.append(rater.utility(np.stack(alike)))
    share = share_within(np.concatenate(within), np.repeat(np.arange(12), 6))
    assert share > 0.3


def test_share_within_is_one_minus_the_intraclass_correlation():
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(400), 8)
    offsets, noise = rng.normal(size=400), rng.normal(size=3200)
    assert share_within(offsets[groups] + noise, groups) == pytest.approx(0.5, abs=0.04)
    assert share_within(3 * offsets[groups] + noise, groups) == pytest.approx(0.1, abs=0.02)
    assert share_within(noise, groups) == pytest.approx(1.0, abs=0.03)
    assert share_within(offsets[groups], [f"prompt {g}" for g in groups]) == pytest.approx(0.0, abs=1e-9)
    for bad in ([0] * 4, [0, 0, 0, 1], [0, 1, 2, 3]):
        with pytest.raises(UserError, match="two or more groups of the same size"):
            share_within(np.arange(4.0), bad)


def test_attributes_do_not_say_everything(real):
    """A least-squares fit on all 17 attributes: what it leaves is jitter that no caption names."""
    scenes, pictures = real
    codes = np.array([scene_to_codes(scene)[:-1] for scene in scenes])
    hot = np.concatenate([np.eye(len(v))[codes[:, k]] for k, v in enumerate(ATTRIBUTES.values())], 1)
    for rater in GOLD.values():
        utility = rater.utility(pictures) - rater.utility(pictures).mean()
        fit, *_ = np.linalg.lstsq(hot, utility, rcond=None)
        left = ((utility - hot @ fit) ** 2).sum() / (SCENES - np.linalg.matrix_rank(hot)) / utility.var(ddof=1)
        assert 0.05 < left < 0.9, (rater.name, left)


PROMPTS = (
    "a lighthouse by the sea", "a red house on a meadow with flowers", "two pine trees, snowy ground", "太阳沙滩大海",
    "夜晚的城堡和月亮", "a cat under a parasol", "a watercolor of a windmill in the fog", "a blue tent, mountains, day",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(
    not all((config.WEIGHTS / f"{stage}.safetensors").exists() for stage in ("flow", "text", "autoencoder-kl")),
    reason="data/weights holds no flow, text and autoencoder-kl weights: `mjcourse train all` makes them",
)
def test_the_flow_engines_pictures_of_one_prompt_differ_in_taste():
    from mjcourse.studio.engine import FlowEngine

    engine = FlowEngine()
    pictures = np.concatenate([engine([prompt] * 8, list(range(8)), steps=12) for prompt in PROMPTS])
    for rater in GOLD.values():
        utility = rater.utility(pictures)
        assert share_within(utility, np.repeat(np.arange(8), 8)) > 0.2, rater.name
        assert utility.reshape(8, 8).std(1, ddof=1).mean() > 1.5 * rater.noise, rater.name  # choices mean something
