"""Scenes: what may stand together, which split it belongs to, and how it is painted."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjcourse.config import UserError
from mjcourse.data.draw import boxes, render
from mjcourse.data.scenes import (
    ASPECTS,
    ATTRIBUTES,
    HELD_OUT,
    SPLITS,
    Scene,
    held_out_pairs,
    random_scene,
    sample_scene,
    split_of,
)

SUN = {"body": "sun", "body_color": "red", "body_place": "left"}
HOUSE = {"object": "house", "color": "red", "place": "center", "count": "one"}
CAT = {"companion": "cat", "companion_color": "white", "relation": "left"}

# ---- what a scene may be -------------------------------------------------------------------------

REFUSED = {
    "unknown value": ({"mood": "happy"}, "mood cannot be 'happy'; allowed are calm, joyful, gloomy, mysterious"),
    "unknown style": ({"style": "oil"}, "style cannot be 'oil'; allowed are poster"),
    "body without colour": ({**SUN, "body_color": "none"}, "body='sun' needs a body_color"),
    "body without place": ({**SUN, "body_place": "none"}, "body='sun' needs a body_place"),
    "colour without body": ({"body_color": "red"}, "body='none' cannot have a body_color"),
    "object without colour": ({**HOUSE, "color": "none"}, "object='house' needs a color"),
    "object without place": ({**HOUSE, "place": "none"}, "object='house' needs a place"),
    "object without count": ({**HOUSE, "count": "none"}, "object='house' needs a count"),
    "count without object": ({"count": "two"}, "object='none' cannot have a count"),
    "companion without relation": ({**HOUSE, **CAT, "relation": "none"}, "companion='cat' needs a relation"),
    "companion without object": (CAT, "a companion needs an object of another kind"),
    "companion like the object": ({**HOUSE, **CAT, "companion": "house"}, "needs an object of another kind"),
    "relation without companion": ({**HOUSE, "relation": "left"}, "companion='none' cannot have a relation"),
    "no room at the left": ({**HOUSE, **CAT, "place": "left"}, "nothing fits left of an object whose place is 'left'"),
    "no room at the right": (
        {**HOUSE, **CAT, "place": "right", "relation": "right"},
        "nothing fits right of an object whose place is 'right'",
    ),
    "boat on dry land": ({**HOUSE, "object": "sailboat"}, "sailboat and whale need water"),
    "whale as dry companion": ({**HOUSE, **CAT, "companion": "whale"}, "sailboat and whale need water"),
    "sun at night": ({**SUN, "time": "night"}, "the sun does not shine at night"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_cannot_be(case):
    values, cause = REFUSED[case]
    with pytest.raises(UserError) as caught:
        Scene(**values)
    assert cause in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{}, SUN, HOUSE, {**HOUSE, **CAT}, {**HOUSE, "object": "whale", "water": "calm"}])
def test_accepts_what_can_be(values):
    scene = Scene(**values)
    assert scene.attributes() == {name: values.get(name, getattr(Scene(), name)) for name in ATTRIBUTES}
    assert scene.replace(seed=5).seed == 5
    with pytest.raises(AttributeError):
        scene.mood = "joyful"


def test_rich_enough():
    assert len(ATTRIBUTES) >= 12
    assert len(ATTRIBUTES["object"]) - 1 >= 12
    assert len(ATTRIBUTES["style"]) >= 6
    for first, a, second, b in HELD_OUT:
        assert a in ATTRIBUTES[first] and b in ATTRIBUTES[second]


# ---- splits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many():
    """A few hundred scenes of each split."""
    return {split: [sample_scene(split, i) for i in range(1500 if split == "train" else 400)] for split in SPLITS}


def test_sampling_is_pure(many):
    picks = [3, 0, 399]
    for split in SPLITS:
        assert [sample_scene(split, i) for i in picks] == [many[split][i] for i in picks]
    assert sample_scene("train", 3, seed=1) != many["train"][3]
    assert len({scene.seed for scene in many["train"]}) > 1490


def test_sampling_refuses_an_unknown_split():
    with pytest.raises(UserError, match=r"no split 'validation'; allowed are train, val, test, composition"):
        sample_scene("validation", 0)


def test_each_scene_is_of_its_split(many):
    for split, scenes in many.items():
        assert {split_of(scene) for scene in scenes} == {split}
        assert {split_of(scene.replace(seed=scene.seed + 1)) for scene in scenes} == {split}  # whatever the seed


def test_splits_share_no_attributes(many):
    seen = {split: {tuple(s.attributes().values()) for s in scenes} for split, scenes in many.items()}
    for a in SPLITS:
        for b in SPLITS:
            assert a == b or not seen[a] & seen[b]


def test_no_held_out_pair_outside_composition(many):
    def shows(scene, first, a, second, b):  # written again, by hand
        views = [scene.attributes()]
        if scene.companion != "none":
            views.append(views[0] | {"object": scene.companion, "color": scene.companion_color})
        return any(view[first] == a and view[second] == b for view in views)

    for split in ("train", "val", "test"):
        assert not any(shows(scene, *pair) for scene in many[split] for pair in HELD_OUT)
    for scene in many["composition"]:
        assert held_out_pairs(scene) == [pair for pair in HELD_OUT if shows(scene, *pair)] != []
    assert {pair for scene in many["composition"] for pair in held_out_pairs(scene)} == set(HELD_OUT)


def test_a_companion_counts_as_an_object():
    scene = Scene(**{**HOUSE, **CAT}, style="papercut")
    assert held_out_pairs(scene) == [("style", "papercut", "object", "cat")]
    purple = Scene(**{**HOUSE, **CAT, "object": "cat", "companion": "house", "companion_color": "purple"})
    assert held_out_pairs(purple) == [("object", "house", "color", "purple")]
    assert split_of(scene) == split_of(purple) == "composition"


def test_every_value_occurs_in_every_split(many):
    for scenes in many.values():
        for name, values in ATTRIBUTES.items():
            assert {getattr(scene, name) for scene in scenes} == set(values)


def test_shares_of_the_splits():
    rng = np.random.default_rng(0)
    found = [split_of(random_scene(rng)) for _ in range(3000)]
    plain = [split for split in found if split != "composition"]
    assert 0.02 < plain.count("val") / len(plain) < 0.045
    assert 0.02 < plain.count("test") / len(plain) < 0.045


# ---- painting ------------------------------------------------------------------------------------


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b.astype(float)) ** 2)))


def changed(a: Scene, b: Scene) -> np.ndarray:
    """Return how much each pixel differs between two scenes at 64 px, (64, 64), 0 to 1."""
    return np.abs(render(a).astype(float) - render(b)).max(-1) / 255


@pytest.mark.parametrize("size", [16, 64, 80])
@pytest.mark.parametrize("aspect", ASPECTS)
def test_shapes(aspect, size):
    picture = render(sample_scene("train", 0), size, aspect)
    w, h = ASPECTS[aspect]
    assert picture.shape == (round(h * size / 64), round(w * size / 64), 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5


def test_styles_agree_on_odd_sizes():
    shapes = {render(Scene(style=style), 100, "2:3").shape for style in ATTRIBUTES["style"]}
    assert len(shapes) == 1


@pytest.mark.parametrize("style", ATTRIBUTES["style"])
@pytest.mark.parametrize("aspect", ["3:2", "1:2"])
def test_styles_fill_other_aspects(style, aspect):
    picture = render(sample_scene("train", 1).replace(style=style), 64, aspect)
    quarters = np.array_split(picture.astype(float), 4, axis=int(aspect == "3:2"))
    assert min(part.std() for part in quarters) > 5


def test_same_bytes_here_and_in_another_process():
    code = (
        "import hashlib; from mjcourse.data.draw import render; from mjcourse.data.scenes import sample_scene\n"
        "h = hashlib.sha256()\n"
        "for i in range(24): h.update(render(sample_scene('train', i), 64).tobytes())\n"
        "print(h.hexdigest())"
    )
    here = hashlib.sha256(b"".join(render(sample_scene("train", i), 64).tobytes() for i in range(24))).hexdigest()
    again = hashlib.sha256(b"".join(render(sample_scene("train", i), 64).tobytes() for i in range(24))).hexdigest()
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert here == again == there


# Measured on 40 scenes a style: the least was 3 dB above these; for pixel the two are equal.
ALIKE = {"poster": 36, "watercolor": 26, "neon": 29, "pixel": 90, "ink": 27, "papercut": 32}


@pytest.mark.parametrize("style", ATTRIBUTES["style"])
def test_exact_at_any_size(style):
    for i in range(6):
        scene = sample_scene("train", i).replace(style=style)
        large = render(scene, 256).reshape(64, 4, 64, 4, 3).mean((1, 3))
        small = render(scene, 64)
        assert psnr(large, small) > ALIKE[style]
        other = render(scene.replace(seed=scene.seed + 1), 64)
        assert psnr(large, other) < psnr(large, small)


@pytest.mark.xfail(strict=True, reason="known flaw of the data: poster and papercut are 28.9 dB apart in gloomy fog")
def test_styles_differ_in_fog_too():
    scene = sample_scene("train", 2)
    pictures = [render(scene.replace(style=style)) for style in ATTRIBUTES["style"]]
    assert max(psnr(a, b) for k, a in enumerate(pictures) for b in pictures[k + 1 :]) < 26


def test_styles_differ():
    """Poster and papercut come closest, in gloomy fog (30.4 dB); most pairs are far apart."""
    apart = []
    for i in range(6):
        pictures = [render(sample_scene("train", i).replace(style=style)) for style in ATTRIBUTES["style"]]
        apart += [psnr(a, b) for k, a in enumerate(pictures) for b in pictures[k + 1 :]]
    assert max(apart) < 32 and np.median(apart) < 22


@pytest.mark.parametrize("aspect", ["4:3", "", "1:1 "])
def test_refuses_another_aspect(aspect):
    with pytest.raises(UserError, match="allowed are 1:1, 3:2, 2:3, 2:1, 1:2"):
        render(Scene(), 64, aspect)


@pytest.mark.parametrize("size", [15, 1025, 0, -64])
def test_refuses_another_size(size):
    with pytest.raises(UserError, match=f"a size of {size} pixels cannot be drawn; allowed are 16 to 1024"):
        render(Scene(), size)


BASE = Scene(**{**HOUSE, **CAT, **SUN}, background="hills", water="calm", weather="clear")


def alternatives() -> list[tuple[str, Scene]]:
    """Return every scene that differs from `BASE` in one attribute only, with that attribute's name."""
    found = []
    for name, values in ATTRIBUTES.items():
        for value in values:
            try:
                scene = BASE.replace(**{name: value})
            except UserError:
                continue
            if scene != BASE:
                found.append((name, scene))
    return found


def test_each_attribute_changes_the_picture():
    names = set()
    for name, scene in alternatives():
        share = (changed(BASE, scene) > 0.06).mean()
        assert share > 0.004, f"{name}={getattr(scene, name)} changes {share:.2%} of the pixels"
        names.add(name)
    assert names == set(ATTRIBUTES)  # each has at least one other value that fits the rest


def test_the_sun_keeps_to_its_place():
    for place, third in (("left", 0), ("center", 1), ("right", 2)):
        scene = BASE.replace(body_place=place)
        difference = changed(scene, scene.replace(body_color="white"))[:30]  # the sky; below, the sun is mirrored
        shares = [part.sum() for part in np.array_split(difference, 3, axis=1)]
        assert np.argmax(shares) == third
        assert shares[third] > 0.6 * sum(shares)


def test_colour_is_bound_to_its_object():
    rows = slice(34, 64)
    house = changed(BASE, BASE.replace(color="blue"))
    cat = changed(BASE, BASE.replace(companion_color="red"))
    columns = np.arange(64)
    middle = [(d[rows].sum(0) * columns).sum() / d[rows].sum() for d in (house, cat)]
    assert middle[1] + 10 < middle[0]  # the cat sits left of the house
    assert abs(middle[0] - 31.5) < 6
    for difference in (house, cat):
        assert difference[:20].max() == 0  # the sky stays
        assert (difference > 0.06).mean() < 0.2
    other_side = BASE.replace(relation="right")
    mirrored = changed(other_side, other_side.replace(companion_color="red"))[rows].sum(0)
    assert (mirrored * columns).sum() / mirrored.sum() > middle[0] + 10


def test_objects_stand_where_they_are_said_to():
    middles = []
    for place in ("left", "center", "right"):
        scene = Scene(**{**HOUSE, "place": place})
        weight = changed(scene, scene.replace(color="blue")).sum(0)
        middles.append((weight * np.arange(64)).sum() / weight.sum())
    assert middles[0] < 22 < middles[1] < 42 < middles[2]


def test_count_is_seen():
    shares = []
    for count in ("one", "two", "three"):
        scene = Scene(**{**HOUSE, "count": count})
        columns = (changed(scene, scene.replace(color="blue")) > 0.1).any(0)
        shares.append(columns.sum())
    assert shares[0] < shares[1] and shares[0] < shares[2]


def test_night_is_dark_and_snow_is_white():
    def light(**values):
        return render(BASE.replace(**values)).mean()

    night = {"time": "night", "body": "moon"}
    assert light(**night) < 0.7 * light()
    assert light(mood="gloomy") < light(mood="calm")
    ground = [render(BASE.replace(ground=g))[56:].mean() for g in ("snow", "grass")]
    assert ground[0] > ground[1] + 40


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(ASPECTS)), st.sampled_from([16, 33, 64]))
def test_any_scene_can_be_painted(seed, aspect, size):
    scene = random_scene(np.random.default_rng(seed))
    picture = render(scene, size, aspect)
    assert picture.std() > 4
    assert np.array_equal(picture, render(scene, size, aspect))


@settings(max_examples=150)
@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ATTRIBUTES.items()}))
def test_any_values_are_a_scene_or_a_clear_mistake(values):
    try:
        scene = Scene(**values)
    except UserError as error:
        assert 10 < len(str(error)) < 200
    else:
        assert render(scene, 32).std() > 3


@pytest.mark.parametrize("aspect", ASPECTS)
def test_boxes_hold_all_that_changes_when_a_thing_changes_its_colour(aspect):
    plain = Scene(background="hills", ground="grass", time="day", seed=5, **HOUSE, **CAT)
    assert boxes(plain.replace(object="none", color="none", place="none", count="none", companion="none",
                               companion_color="none", relation="none"), aspect) == []  # fmt: skip
    for change in ({"color": "blue"}, {"companion_color": "purple"}, {"count": "three"}):
        scene = plain.replace(**change)
        found = boxes(scene, aspect)
        assert len(found) == (4 if change == {"count": "three"} else 2)
        pictures = [
            render(s, 128, aspect).astype(int) for s in (scene, scene.replace(color="white", companion_color="green"))
        ]
        h, w = pictures[0].shape[:2]
        rows, cols = np.nonzero((pictures[0] != pictures[1]).any(-1))
        inside = np.zeros(len(rows), bool)
        for left, top, right, bottom in found:
            assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
            inside |= (
                (left * w - 3 <= cols) & (cols <= right * w + 3) & (top * h - 3 <= rows) & (rows <= bottom * h + 3)
            )
        assert len(rows) > 100 and inside.all()
