"""10,000 made-up commands: what is typed is what is meant or is refused, and nothing else happens."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mjcourse.config import UserError
from mjcourse.data.prompts import clean_prompt
from mjcourse.studio.command import FLAGS, SEED_MAX, SETTINGS, Command, expand, parse
from mjcourse.studio.expand import MAX_JOBS
from mjcourse.studio.parts import MAX_WEIGHT

EXAMPLES = 2_500  # of each of the four properties: 10,000 in all
many = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))

WORDS = ["a", "red sun", "太阳", "沙滩，", "half-timbered", "—", "——大海", "--", "---", "{", "}", "\\", "\\,", ",",
         "'x'", "“", '"', "8:30", "e\u0301", "ﬁ", "…", "sea::2", "fog::-0.5", "::", "Å", "　", "\u200d", "no", "5", "~",
         "%", "`", "a\\", "x=", "🙂", "（", "1:1", "true"]  # fmt: skip
PATHS = ["a.png", "my pictures/a b.png", r"C:\x\a.png", r"C:\{x}\,a.png", "太阳（1）.png", "图--a.png", "图—a.png",
         "'", "-x", "“x”.jpg", "a, b{c}.png", "\\", "x --seed 5.png", "ﬁ.png", "~/a.b", "é\u0301", "5"]  # fmt: skip
prompts = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from([" ", "a", "太阳"]), st.text(max_size=3)),
                   min_size=1, max_size=8).map("".join)  # fmt: skip


def values(name: str) -> st.SearchStrategy:
    """What a flag allows, in its own type."""
    flag = FLAGS[name]
    return {
        "whole": st.integers(flag.low, flag.high),
        "number": st.floats(flag.low, flag.high) | st.sampled_from([flag.low, flag.high, (flag.low + flag.high) / 7]),
        "choice": st.sampled_from(flag.choices or ("",)),
        "switch": st.booleans(),
        "image": st.sampled_from(PATHS) | st.text(min_size=1, max_size=5),
        "words": st.lists(st.sampled_from(["fog", "red boat", "月亮", "a\\", "{x}", "--", "'"]), max_size=3).map(tuple),
    }[flag.kind]


some_settings = st.lists(
    st.one_of([st.tuples(st.just(name), values(name)) for name in SETTINGS]), max_size=6
).map(dict)  # fmt: skip
seen = {"made": 0, "tried": 0}


@many
@given(prompts, some_settings)
def test_what_a_command_says_to_type_is_that_command(prompt, chosen):
    seen["tried"] += 1
    try:
        command = Command(prompt, **chosen)
    except UserError as error:
        assert "\n" not in str(error)
        return
    seen["made"] += 1
    assert command.prompt == clean_prompt(prompt)
    for name, value in chosen.items():  # nothing is clamped
        if FLAGS[name].kind != "image":
            assert getattr(command, name) == value
    again = parse(str(command))
    assert again == command and again.parts == command.parts and str(again) == str(command)
    assert sum(part.weight for part in command.parts) > 0
    assert all(part.text and abs(part.weight) <= MAX_WEIGHT for part in command.parts)


def test_enough_of_the_made_up_commands_are_right():
    assert seen["made"] > seen["tried"] / 5 if seen["tried"] else pytest.skip("no commands were made up")


MARKS = ["--", "—", "–", "——", "－－", " --"]


@many
@given(some_settings, st.sampled_from(["a red sun", "太阳沙滩大海", "a sea::3 fog::-.5"]), st.integers())
def test_flags_in_any_order_and_spelling(chosen, prompt, order):
    rng = random.Random(order)
    chosen = {name: value for name, value in chosen.items() if value is not False and value != ()}
    chosen |= {"init": "my pictures/a.png"} if "init" in chosen else {}
    chosen |= {"sref": "b.png"} if "sref" in chosen else {}
    if "no" in chosen:
        chosen["no"] = ("fog", "red boat")[: rng.randint(1, 2)]
    typed = [prompt]
    for name in rng.sample(list(chosen), len(chosen)):
        value, flag = chosen[name], FLAGS[name]
        if flag.kind == "number":
            value = chosen[name] = round(value, rng.randint(0, 6))
            value = f"{Decimal(repr(value)):f}"
        word = rng.choice([name, *flag.aliases])
        word = rng.choice(MARKS) + rng.choice([word, word.upper(), word.title()])
        shown = {"image": f'"{value}"', "switch": "", "words": rng.choice([", ", "，", "、"]).join(chosen[name])
                 if flag.kind == "words" else ""}  # fmt: skip
        typed += [word, shown.get(flag.kind, str(value))]
    text = rng.choice([" ", "  ", "　", "\n"]).join(typed)
    try:
        wanted = Command(prompt, **{"seed": 1, **chosen})
    except UserError as error:
        with pytest.raises(UserError) as caught:
            parse(text)
        assert str(caught.value) == str(error)
        lacks = any(chosen.get("model") not in (None, *FLAGS[name].engines) for name in chosen)
        needs = any(FLAGS[name].needs and FLAGS[name].needs not in chosen for name in chosen)
        assert lacks or needs or "sum to" in str(error)
        return
    assert parse(text, **({} if "seed" in chosen else {"seed": 1})) == wanted


SOUP = [*WORDS, *PATHS, *(f"--{name}" for flag in FLAGS.values() for name in (flag.name, *flag.aliases)), "--v",
        "--cref", "—seed", "–c", "--", "{a, b}", "{", ",", "}", "5", "-1", "0.5", "99999", "nan", "flow", "prior",
        "3:2", "ink", "::2", "::-1", "::", '"a b.png"', "\x00", "\x1c", "\ud800", "\n", "\u2028", "paper cut",
        "on"]  # fmt: skip


@many
@given(st.lists(st.sampled_from(SOUP) | st.text(max_size=2), max_size=12), st.lists(st.booleans(), max_size=11))
def test_any_text_is_read_or_refused(words, gaps):
    text = "".join(word + " " * gap for word, gap in itertools.zip_longest(words, gaps[: len(words)], fillvalue=True))
    try:
        commands = expand(text)
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        return
    assert 1 <= len(commands) <= MAX_JOBS
    for command in commands[:3]:
        assert parse(str(command)) == command


numbers = st.one_of(
    st.integers(-20, 4000).map(str),
    st.decimals(-5, 1010, places=2).map(str),
    st.from_regex(r"[+-]?[0-9]{0,4}\.?[0-9]{0,3}[eE%,_xk]?[0-9]?", fullmatch=True),
    st.floats(allow_nan=True).map(str),
    st.sampled_from([str(SEED_MAX), str(SEED_MAX + 1), "9" * 30, "0" * 30 + "7", "٣", "½", "²", "", "inf", "0x10"]),
)


@many
@given(st.sampled_from([n for n, f in FLAGS.items() if f.kind in ("whole", "number") and n != "repeat"]), numbers)
def test_a_number_is_taken_as_it_is_or_refused(name, typed):
    flag = FLAGS[name]
    text = f"a sun --{name} {typed}" + (f" --{flag.needs} x.png" if flag.needs else "")
    typed = unicodedata.normalize("NFKC", typed)  # ² is typed as 2, as a full-width ２ is
    try:
        meant = Decimal(typed) if re.fullmatch(r"[-+.0-9]+", typed, re.ASCII) else None
    except InvalidOperation:
        meant = None
    of_kind = flag.kind == "number" or re.fullmatch("[-+]?[0-9]+", typed)
    if of_kind and meant is not None and flag.low <= meant <= flag.high:
        assert getattr(parse(text), name) == (int if flag.kind == "whole" else float)(meant)
    else:
        with pytest.raises(UserError, match=rf"--{name} .*; allowed are {flag.low} to {flag.high}\."):
            parse(text)


# ---- permutations ---------------------------------------------------------------------------------

trees = st.recursive(
    st.sampled_from(["a", "b c", "8", "海", ":"]),
    lambda inner: st.lists(st.sampled_from(["x", " y "]) | st.lists(inner, min_size=1, max_size=4), max_size=4),
    max_leaves=12,
)


def spelled(tree) -> str:
    """A tree as text: a list in an even depth is a row of pieces, in an odd depth a group."""
    if isinstance(tree, str):
        return tree
    return "".join(p if isinstance(p, str) else "{" + ",".join(f"({spelled(c)})" for c in p) + "}" for p in tree)


def every(tree) -> list[str]:
    """All texts of a tree, by `itertools.product`."""
    if isinstance(tree, str):
        return [tree]
    ways = [[p] if isinstance(p, str) else [f"({t})" for c in p for t in every(c)] for p in tree]
    return ["".join(parts) for parts in itertools.product(*ways)]


@settings(max_examples=500)
@given(trees)
def test_any_groups_are_those_of_itertools_product(tree):
    text, wanted = f"q {spelled(tree)}", [f"q {text}" for text in every(tree)]
    if len(wanted) > MAX_JOBS:
        with pytest.raises(UserError, match=f"makes {len(wanted):,} commands"):
            expand(text)
    else:
        assert [command.prompt for command in expand(text)] == [clean_prompt(text) for text in wanted]
