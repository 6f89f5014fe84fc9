"""Pictures and prompts explained: what is proposed and decided, which words matter, the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import run

from mjcourse import cli
from mjcourse.config import UserError
from mjcourse.data import words
from mjcourse.data.captions import caption
from mjcourse.data.draw import render
from mjcourse.data.scenes import ATTRIBUTES, Scene, sample_scene
from mjcourse.studio import describe as told
from mjcourse.studio.describe import choices, describe, influence, likely_scenes, misfit, shorten, words_of
from mjcourse.studio.engine import default_engine

TABLES = "COLOR OBJECT BODY STYLE TIME WEATHER MOOD BACKGROUND GROUND"  # of words for attributes
FILLER = "a an the and with of in on at by is are it its there to 的 和 与 在 有 里 是 着 只 座 棵 艘 旁边是"
SCENE = sample_scene("test", 4).replace(seed=0)


@pytest.fixture(scope="module")
def engine():
    """The shipped flow."""
    default_engine.cache_clear()
    return default_engine("flow")


# ---- describe ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", told.ORDER)
@pytest.mark.parametrize("scene", [Scene(), SCENE, Scene(water="calm", time="night")], ids=["empty", "full", "sea"])
def test_choices_differ_in_one_attribute_and_the_parts_that_it_brings(scene, name):
    found, parts = choices(scene, name), told.PARTS.get(name, ())
    assert scene in found and len(set(found)) == len(found)
    for other in found:
        apart = {key for key in ATTRIBUTES if getattr(scene, key) != getattr(other, key)}
        assert apart <= {name, *parts} and (name in apart or other == scene or name == "companion")
    if name in ("style", "weather", "background", "ground"):
        assert [getattr(other, name) for other in found] == list(ATTRIBUTES[name]), "all there are"


def test_a_thing_comes_and_goes_with_its_parts():
    assert {s.object for s in choices(Scene(), "object")} == set(ATTRIBUTES["object"]) - {"sailboat", "whale"}
    assert {s.object for s in choices(Scene(water="calm"), "object")} == set(ATTRIBUTES["object"])
    house = next(s for s in choices(Scene(), "object") if s.object == "house")
    assert Scene() in choices(house, "object") and len(choices(Scene(), "color")) == 1
    beside = choices(house.replace(place="left"), "companion")
    assert {s.relation for s in beside} == {"none", "right"}, "nothing fits left of the left"
    assert {s.relation for s in choices(house, "companion") if s.companion == "cat"} == {"left", "right"}
    assert "sun" not in {s.body for s in choices(Scene(time="night"), "body")}


def test_every_attribute_is_asked_for_after_what_it_stands_on():
    assert {*told.ORDER, "relation"} == set(ATTRIBUTES) and set(told.AT_FIRST) == {
        part for parts in told.PARTS.values() for part in parts
    } - {"relation"}
    for thing, parts in told.PARTS.items():
        assert all(told.ORDER.index(thing) < told.ORDER.index(part) for part in parts if part != "relation")
    assert told.ORDER.index("water") < told.ORDER.index("object") < told.ORDER.index("companion")


def test_a_caption_says_just_what_was_found():
    scene = Scene(style="ink", object="house", color="red", place="left", count="two", body="sun", body_color="yellow",
                  body_place="right")  # fmt: skip
    said = told.tell(scene, "en", frozenset({"object"})).lower()
    assert any(noun in said for noun in words.EN_OBJECT["house"]) and "red" not in said and "ink" not in said
    assert told.named(scene, "water") == frozenset() and told.named(scene, "body") == {"body"}


def test_the_misfit_is_the_mean_error_of_the_velocity_at_common_noise(engine):
    z = torch.randn(1, engine.flow.cfg.latent_channels, 12, 18)
    texts = engine.read(
        [f"a {thing}" for thing in ("house", "tent", "whale", "cat", "sun", "moon", "sea", "hill", "b")]
    )
    found = misfit(engine, z, texts, seed=3, looks=2)
    noise = torch.randn(2, *z.shape[1:], generator=told.config.generator(3))
    with torch.no_grad():
        for i in (0, 8):
            errors = []
            for k, t in enumerate((0.1, 0.7)):
                mixed = (1 - t) * noise[k : k + 1] + t * z
                errors.append(
                    (engine.flow(mixed, torch.tensor([t]), texts[i : i + 1]) - (z - noise[k])).square().mean()
                )
            assert float(found[i]) == pytest.approx(float(sum(errors) / 2), rel=0.02)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_scene_is_told_in_either_language_and_the_same_each_time(engine, language):
    picture = render(SCENE)
    first = describe(picture, language)
    assert len(first) == len(set(first)) == 4 and first == describe(picture, language)
    assert all(any("一" <= letter <= "鿿" for letter in text) == (language == "zh") for text in first)
    assert describe(picture, language, 1) == first[:1]


def test_pictures_of_any_size_and_shape_are_told_as_the_frame_that_they_fit(engine, tmp_path):
    wide = render(SCENE, 256, "3:2")
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert describe(str(tmp_path / "wide.png"), count=1) == describe(wide, count=1)
    assert len(describe(render(SCENE, 64, "1:2"), count=1)) == 1


def test_the_flow_decides_by_the_misfit(engine):
    picture = render(SCENE)
    scenes = likely_scenes(picture)
    z = engine.autoencoder.encode(told.to_tensor(picture[None])).float().detach()
    misfits = misfit(engine, z, engine.read([told.tell(scene, "en") for scene in scenes[:5]]))
    assert misfits.tolist() == pytest.approx(sorted(misfits.tolist()), rel=1e-3)
    assert len(set(scenes)) == len(scenes) >= told.CAPTIONS


@pytest.mark.slow
def test_most_of_a_scene_is_read_off_its_picture(engine):
    """10 scenes of the test split; guessing the commonest values gives about .4."""
    right = []
    for i in range(10):
        scene = sample_scene("test", i)
        best = likely_scenes(render(scene))[0]
        right.append([getattr(best, name) == getattr(scene, name) for name in ATTRIBUTES])
    assert np.mean(right) > 0.7


@pytest.mark.parametrize("how, wanted", [
    ({"language": "fr"}, "no captions in 'fr'; allowed are en, zh"),
    ({"count": 0}, "cannot tell a picture in 0 captions; allowed are 1 to 8"),
    ({"count": 9}, "allowed are 1 to 8"),
    ({"count": True}, "allowed are 1 to 8"),
])  # fmt: skip
def test_what_cannot_be_told_is_refused_in_one_line(how, wanted):
    with pytest.raises(UserError, match=wanted) as caught:
        describe(render(SCENE), **how)
    assert "\n" not in str(caught.value)


# ---- the command line ----------------------------------------------------------------------------


MISTAKES = {
    ("describe",): "the picture is missing: mjcourse describe photo.jpg",
    ("describe", "nowhere.png"): "there is no file 'nowhere.png'",
    ("describe", __file__): "as a picture: not a picture",
    ("describe", "a.png", "--language", "fr"): "allowed are en, zh",
    ("describe", "a.png", "-n", "0"): "'0' is not a whole number of 1 or more",
    ("describe", "a.png", "--langauge", "zh"): "Did you mean --language?",
}


@pytest.mark.parametrize("words", MISTAKES, ids=lambda words: " ".join(words[:3])[-30:])
def test_a_mistake_is_one_line_and_status_2(words, capsys):
    assert cli.main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("mjcourse: ") and err.count("\n") == 1 and MISTAKES[words] in err


def test_a_mistake_loads_no_model(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    done = run("describe", str(tmp_path / "a.png"))
    assert done.returncode == 2 and "not a picture" in done.stderr
    code = f"import sys; from mjcourse.cli import main; main(['describe', {str(tmp_path / 'a.png')!r}]); "
    code += "assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_captions_are_printed_the_likeliest_first(engine, tmp_path, capsys):
    file = tmp_path / "a.jpg"
    Image.fromarray(render(SCENE, 128)).save(file, quality=95)
    assert cli.main(["describe", str(file), "--language", "zh", "-n", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == describe(file, "zh", 2)
    assert cli.main(["describe", str(file), "--json", "-n", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == describe(file, "en", 1)


# ---- shorten -------------------------------------------------------------------------------------


def test_words_are_cut_with_what_follows_them():
    for text in ("a red sun, the sea", "太阳沙滩大海", "a 太阳 b", "红色的房子 by the sea"):
        assert "".join(words_of(text)) == text
    assert words_of("太阳沙滩大海") == ["太阳", "沙滩", "大海"]


def test_what_a_prompt_says_matters_more_than_its_filler(engine):
    found = dict(influence("there is a red sun over the sea"))
    matter, filler = (found["red"], found["sun"], found["sea"]), (found["there"], found["is"])
    assert min(matter) > max(filler)
    short = shorten("there is a red sun over the sea", (min(matter) + max(filler)) / 2).split()
    assert {"red", "sun", "sea"} <= set(short) and not {"there", "is"} & set(short)
    assert shorten("there is a red sun over the sea", 0) == "there is a red sun over the sea"


@pytest.mark.slow
def test_the_threshold_parts_words_for_attributes_from_function_words(engine):
    """What the docstring of `shorten` says; the bounds leave room for another flow."""
    tables = TABLES.split()
    matters = {word for name in tables for word in flat(vars(words)[f"EN_{name}"]) if " " not in word}
    matters |= {word for name in tables for word in flat(vars(words)[f"ZH_{name}"]) if len(word) > 1}
    filler = set(FILLER.split())
    kept, left_out = [], []
    for i in range(16):
        said = caption(sample_scene("test", i), ("en", "zh")[i % 2], np.random.default_rng([i, 77])).text
        for word, share in influence(said):
            word = word.lower().strip(" ,.，。、")
            if word in matters - filler:
                kept.append(share >= told.LEAST)
            elif word in filler:
                left_out.append(share < told.LEAST)
    assert len(kept) > 50 and len(left_out) > 30
    assert np.mean(kept) > 0.8 and np.mean(left_out) > 0.5


def flat(table) -> list[str]:
    if isinstance(table, str):
        return [table]
    return [text for part in (table.values() if isinstance(table, dict) else table) for text in flat(part)]


def test_something_is_always_left(engine):
    assert shorten("the") == "the" and shorten("的") == "的" and shorten("?!") == "?!"
