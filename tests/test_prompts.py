"""Prompts: what is refused and in which words, which language it is, and which words are unknown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjcourse.config import UserError
from mjcourse.data.captions import caption_pair
from mjcourse.data.prompts import Unknown, clean_prompt, describe_unknown, language_of, unknown_words
from mjcourse.data.scenes import sample_scene


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the prompt is empty"),
        (" \t\n　", "the prompt is empty"),
        ("\u200b\ufeff", "the prompt is empty"),
        ("a\x07bell", r"control character U\+0007"),
        ("nul\x00", r"control character U\+0000"),
        ("\ud800", r"control character U\+D800"),
        ("x" * 501, "501 characters; allowed are 500"),
        ("sea " * 2500, "10,000 characters; allowed are 500"),
        ("㌖" * 150, "900 characters; allowed are 500"),  # one character becomes six
        (7, "must be text, not int"),
    ],
)
def test_bad_prompts_get_one_clear_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        clean_prompt(text)
    assert "\n" not in str(caught.value)


def test_clean_prompts_are_in_normal_form():
    assert clean_prompt("　夜晚，海边\t\n有  灯塔\u200b") == "夜晚,海边 有 灯塔"
    assert clean_prompt("  Ａ red  sun\r\nover the sea ") == "A red sun over the sea"
    assert clean_prompt("x" * 500) == "x" * 500


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=600))
def test_any_text_is_cleaned_or_refused(text):
    try:
        clean = clean_prompt(text)
    except UserError:
        return
    assert clean and clean == clean_prompt(clean) and len(clean) <= 500 and "  " not in clean
    describe_unknown(unknown_words(clean))


def test_language_of():
    assert language_of("太阳沙滩大海") == language_of("a 红 house") == "zh"
    assert language_of("a red house") == language_of("123") == "en"


@pytest.mark.parametrize(
    "text",
    [
        "太阳沙滩大海",
        "a red sun over the sea, sandy beach, watercolor",
        "A photo of three shining kittens, please!",
        "在海边画一座红色的灯塔，有月亮",
        "two hot-air balloons, 8-bit",
    ],
)
def test_known_prompts_have_no_unknown_words(text):
    assert unknown_words(text) == []


def test_no_caption_has_unknown_words():
    for i in range(1500):
        for told in caption_pair(sample_scene("train", i), np.random.default_rng(i)):
            assert unknown_words(told.text) == [], told.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a red dragon over the sea", ["dragon"]),
        ("一条龙在大海上", ["龙"]),
        ("dragon, DRAGON and robots", ["dragon", "robots"]),
        ("一只恐龙和一个机器人在沙滩上", ["恐龙", "机器人"]),
        ("a snow-capped castle", ["capped"]),
        ("沙滩 with unicorn", ["unicorn"]),
    ],
)
def test_unknown_words_are_named_once_in_order(text, words):
    assert [item.word for item in unknown_words(text)] == words


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("a ship", "sailboat"),
        ("ships", "sailboat"),
        ("a kitty", "cat"),
        ("lighthose", "lighthouse"),
        ("watercolr", "watercolor"),
        ("一艘船", "帆船"),
        ("小狗", "猫"),
        ("雪山", "群山"),
        ("月光", "月亮"),
    ],
)
def test_nearest_known_words(text, nearest):
    (unknown,) = unknown_words(text)
    assert nearest in unknown.nearest and len(unknown.nearest) <= 3


def test_proposed_words_are_known():
    from mjcourse.data.prompts import _MEANT

    for word, near in _MEANT.items():
        assert not any(unknown_words(known) for known in near), (word, near)


def test_description_is_one_line():
    line = describe_unknown([Unknown("ship", ("sailboat", "boat")), Unknown("qzx", ())])
    assert line == (
        "unknown word 'ship': the model never saw it (nearest: sailboat, boat); "
        "unknown word 'qzx': the model never saw it"
    )
    assert describe_unknown([]) == ""
