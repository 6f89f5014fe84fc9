"""The command language: every flag at its borders, every refusal in its words, permutations, and the table."""

from __future__ import annotations

import dataclasses
import itertools
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from mjcourse.config import UserError
from mjcourse.data.prompts import MAX_PROMPT
from mjcourse.data.scenes import ASPECTS, ATTRIBUTES
from mjcourse.studio import command as language
from mjcourse.studio.command import DEFAULTS, FLAGS, SEED_MAX, Command, expand, flags_table, needs_asking, parse
from mjcourse.studio.expand import MAX_JOBS, MAX_TEXT
from mjcourse.studio.flags import LACKING


def refusal(text: str, **beside: object) -> str:
    """Return the line in which a text is refused: one line, short, ended."""
    with pytest.raises(UserError) as caught:
        parse(text, **beside)
    line = str(caught.value)
    assert "\n" not in line and line.isprintable() and 20 < len(line) < 300 and line[-1] in ".?", line
    return line


# ---- what is understood --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("a sun", {}),
        ("a sun --ar 3:2", {"ar": "3:2"}),
        ("a sun --aspect 2：1", {"ar": "2:1"}),
        ("a sun --s 0 --c 5 --w 3000 --q .5", {"stylize": 0, "chaos": 5, "weird": 3000, "quality": 0.5}),
        ("a sun --quality 2.0", {"quality": 2.0}),
        ("a sun --p", {"p": True}),
        ("--tile a sun --P", {"p": True, "tile": True}),
        ("a sun --stop 10", {"stop": 10}),
        ("a sun --style ink", {"style": "ink"}),
        ("a sun --style Paper Cut", {"style": "papercut"}),
        ("a sun --style paper-cut --tile", {"style": "papercut", "tile": True}),
        ("--style paper_cut a sun", {"style": "papercut"}),
        ("--style 8-bit pixel art a sun", {"style": "pixel"}),
        ("a sun --style 'paper cut'", {"style": "papercut"}),
        ("a sun --style 水彩", {"style": "watercolor"}),
        ("a sun --style ink --p", {"style": "ink", "p": True}),
        ("a sun --init a.png", {"init": "a.png", "iw": 1.0}),
        ("a sun --init a.png --iw 0", {"init": "a.png", "iw": 0.0}),
        ("a sun --iw 3 --init a.png", {"init": "a.png", "iw": 3.0}),
        ('a sun --init "my pictures/a b.png"', {"init": "my pictures/a b.png"}),
        ("a sun --init “my pictures/a b.png”--tile", {"init": "my pictures/a b.png", "tile": True}),
        (r"a sun --init C:\me\a.png", {"init": r"C:\me\a.png"}),
        ("a sun --init 太阳（１）.png", {"init": "太阳(1).png"}),
        ("a sun --sref ~/a.jpg --sw 7", {"sref": "~/a.jpg", "sw": 7}),
        ("a sun::2 --no moon", {"prompt": "a sun::2", "no": ("moon",)}),
        ("a sun::2 --no moon, red boat --chaos 9", {"prompt": "a sun::2", "no": ("moon", "red boat"), "chaos": 9}),
        ("a sun::2 --no 月亮、船，云", {"prompt": "a sun::2", "no": ("月亮", "船", "云")}),
        ("a sun –chaos 5 —weird 6 ——stop 50", {"chaos": 5, "weird": 6, "stop": 50}),
        ("a sun。--chaos 5", {"prompt": "a sun。", "chaos": 5}),
        ("太阳沙滩大海—chaos 5", {"prompt": "太阳沙滩大海", "chaos": 5}),
        ("太阳，沙滩，--chaos 5", {"prompt": "太阳,沙滩,", "chaos": 5}),
        ("太阳——大海 ——沙滩 — 船", {"prompt": "太阳——大海 ——沙滩 — 船"}),
        ("a sea -- no boat --, ---", {"prompt": "a sea -- no boat --, ---"}),
        (
            "a sea—no boat, half-lit, half--lit, well-no -c",
            {"prompt": "a sea—no boat, half-lit, half--lit, well-no -c"},
        ),
        (r"a \{sun\}, a \, b \ c", {"prompt": r"a {sun}, a , b \ c"}),
        ("a {sun}", {}),
        ("a\u200b sun --c\u200bhaos \ufeff5", {"chaos": 5}),
    ],
)
def test_understands(text, wanted):
    assert parse(text, seed=1) == Command(**{"prompt": "a sun", "seed": 1, **wanted})


@pytest.mark.parametrize(
    "value, typed", [(11 / 7, "1.5714285714285714"), (1e-5, "0.00001"), (3.0, "3"), (2e-300, "0.00")]
)
def test_numbers_are_written_whole_and_plain(value, typed):
    command = Command("a sun", 1, init="x.png", iw=value)
    assert f"--iw {typed}" in str(command) and parse(str(command)) == command


def test_what_stands_beside_wins():
    command = parse("a sun --seed 1 --chaos 5 --tile --no moon", seed=2, s="7", tile=False, no="fog", chaos=None)
    assert command == Command("a sun", 2, stylize=7, no=("fog",), chaos=5)
    assert parse("a sun", init=Path("x") / "y.png", seed=np.int64(3)) == Command("a sun", 3, init=str(Path("x/y.png")))
    assert type(parse("a sun", seed=np.int64(3)).seed) is int
    assert refusal("a sun --chaos 500", chaos=5) == refusal("a sun --chaos 500")  # a mistake stays one


def test_without_flags_each_engine_has_its_defaults():
    assert parse("a", seed=1) == Command("a", 1, 3.0, 25, "flow", (), "1:1", 0, 100, False, 0, None, False, 100, 1.0)
    prior = parse("a --model Prior --ar 1:1", seed=1, tile=False)
    assert prior == Command("a", 1, 4.0, None, "prior", (), "1:1", 0, 0, False, 0, None, False)
    assert (prior.steps, prior.stop, prior.quality, prior.init, prior.iw, prior.sref, prior.sw) == (None,) * 7
    assert {model: {name: getattr(parse("a", model=model), name) for name in taken}
            for model, taken in DEFAULTS.items()} == DEFAULTS  # fmt: skip


def test_a_command_is_frozen_and_its_fields_are_the_flags():
    assert [f.name for f in dataclasses.fields(Command)] == ["prompt", *language.SETTINGS, "parts"]
    assert set(FLAGS) - set(language.SETTINGS) == {"repeat"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse("a").seed = 3
    assert hash(parse("a", seed=1)) == hash(Command("a", 1))


def test_replace_changes_some_settings():
    command = parse("a sun --seed 1 --init x.png --iw 2 --chaos 9")
    assert command.replace(chaos=None, guidance=2) == parse("a sun --seed 1 --init x.png --iw 2 --guidance 2")
    assert command.replace(init=None) == parse("a sun --seed 1 --chaos 9")
    assert command.replace(init=None, model="prior") == parse("a sun --seed 1 --chaos 9 --model prior")
    assert command.replace(seed=None).seed != 1
    with pytest.raises(UserError, match="--init is the flow model's"):
        command.replace(model="prior")


# ---- parts and weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, parts",
    [
        ("a red sun", [("a red sun", 1)]),
        ("a sun::", [("a sun", 1)]),
        ("a sun::2 fog::-0.5", [("a sun", 2), ("fog", -0.5)]),
        ("a sun:: fog", [("a sun", 1), ("fog", 1)]),
        ("a sun::fog::.5", [("a sun", 1), ("fog", 0.5)]),
        ("太阳：：２ 雾：：－０.５", [("太阳", 2), ("雾", -0.5)]),
        ("a sun ::2fog", None),
        ("a sun::+10 fog::-9.75 sea", [("a sun", 10), ("fog", -9.75), ("sea", 1)]),
        ("a sun::2 fog::0", [("a sun", 2), ("fog", 0)]),
        ("at 8:30::2 b:c::d:e", [("at 8:30", 2), ("b:c", 1), ("d:e", 1)]),
        ("a::nancy", [("a", 1), ("nancy", 1)]),
        ("a --no fog", [("a", 1), ("fog", -0.75)]),
        ("a::2 --no fog, red boat", [("a", 2), ("fog", -0.375), ("red boat", -0.375)]),
        ("a::.3 b::.3 c::-.5", [("a", 0.3), ("b", 0.3), ("c", -0.5)]),
        (" ".join(f"{c}::1" for c in "abcdefghij"), [(c, 1) for c in "abcdefghij"]),
    ],
)
def test_parts(text, parts):
    if parts is None:
        assert "'2fog' is no number" in refusal(text)
    else:
        command = parse(text)
        assert list(command.parts) == parts and parse(str(command)).parts == command.parts
        assert all(type(part.weight) is float for part in command.parts)


# ---- what is refused -----------------------------------------------------------------------------

MISTAKES = {
    # the flags themselves
    "a --sede 5": "unknown flag '--sede'; allowed are --seed, --guidance, --steps, --model, --no, --ar, --chaos, "
    "--stylize, --p, --weird, --style, --tile, --stop, --quality, --init, --iw, --sref, --sw, --repeat. Did you mean "
    "--seed?",
    "a --chaos=5": "Did you mean --chaos? Write a space, not '='.",
    "a --stylise 5": "Did you mean --stylize?",
    "a —wierd 5": "Did you mean --weird?",
    "a --种子 5": "unknown flag '--种子'",
    "a --a\x07 5": r"unknown flag '--a\x07'",
    "a --seed 1 --seed 1": "--seed stands there twice, and which one counts cannot be guessed: keep one.",
    "a --s 1 --stylize 1": "--stylize stands there twice",
    "a::3 --no x --no y": "--no stands there twice, and which one counts cannot be guessed: join them with commas.",
    "a --tile --tile": "--tile stands there twice",
    "a--seed 5": "'a--seed' in the prompt looks like a flag; write a space and -- before its name.",
    "a -seed 5": "'-seed' in the prompt looks like a flag",
    "a--s 5": "looks like a flag",
    "a --no fog--seed 5": "looks like a flag",
    # values
    "a --chaos 50%": "--chaos needs a number, not '50%'; allowed are 0 to 100.",
    "a --chaos 5, b": "--chaos needs a number, not '5,'",
    "a --seed 1,000": "--seed needs a number, not '1,000'",
    "a --seed 1_000": "--seed needs a number, not '1_000'",
    "a --seed 5 000": "--seed takes one value, without spaces, and '000' follows; write the prompt before the flags.",
    "a --stop 50 %": "--stop takes one value, without spaces, and '%' follows",
    "a --ar 3:2 2:3": "--ar takes one value",
    "a --seed 1e3": "--seed needs a number, not '1e3'",
    "a --seed ٣": "--seed needs a number, not '٣'",
    "a --seed " + "9" * 400: "--seed needs a number, not '" + "9" * 39 + "…'",
    "a --guidance " + "9" * 400: "--guidance is " + "9" * 39 + "…; allowed are 1 to 10.",
    "a --guidance 4,5": "--guidance needs a number, not '4,5'; allowed are 1 to 10.",
    "a --guidance 5x": "--guidance needs a number, not '5x'",
    "a --iw 1e-3 --init x": "--iw needs a number",
    "a --steps 25px": "--steps needs a number, not '25px'; allowed are 1 to 200.",
    "a --tile 5": "--tile takes no value, and '5' follows; write the prompt before the flags.",
    "a --p on": "--p takes no value, and 'on' follows",
    "a --ar 4:3": "there is no aspect ratio '4:3'; --ar takes 1:1, 3:2, 2:3, 2:1 or 1:2. Did you mean 3:2?",
    "a --ar 3/2": "there is no aspect ratio '3/2'",
    "a --ar -3:2": "there is no aspect ratio '-3:2'",
    "a --ar": "there is no aspect ratio ''; --ar takes",
    "a --style watercolr": "--style takes poster, watercolor, neon, pixel, ink or papercut. Did you mean watercolor?",
    "a --style raw": "there is no style 'raw'",
    "a --style": "there is no style ''",
    "a --style --p": "there is no style '--p'",
    "a --style pixel --art": "unknown flag '--art'",
    "a --quality 3": "there is no quality '3'; --quality takes 0.5, 1 or 2.",
    "a --quality high": "there is no quality 'high'",
    "a --model flw": "there is no engine 'flw'; --model takes flow or prior. Did you mean flow?",
    "a --init": "--init needs the path of a picture, not ''.",
    "a --init --tile": "--init needs the path of a picture, not '--tile'.",
    'a --init ""': "--init needs the path of a picture, not ''.",
    'a --init "x.png': "--init has a quote that does not close",
    'a --init "x"y.png': "--init has a quote that does not close, or no space after it",
    "a --init https://x.org/y.png": "--init cannot take 'https://x.org/y.png': allowed are paths without",
    "a --sref x\x07y": r"--sref cannot take 'x\x07y'",
    "a --sref " + "x" * 501: "--sref needs the path of a picture, not 'xxx",
    "a --iw 1": "--iw means nothing without --init: add --init or leave it out.",
    "a --sw 100 --init x.png": "--sw means nothing without --sref",
    # parts
    "a --no": "--no has an empty part in ''; write words, with commas between.",
    "a --no x,,y": "--no has an empty part in 'x,,y'",
    "a --no x, --seed 5": "--no has an empty part in 'x,'",
    "a --no x::2": "--no takes no weights; write 'x::2' in the prompt, as in 'x::-0.5'.",
    "a::.75 --no x, y": "the weights of the prompt's parts sum to 0 and must sum to more than 0: raise the weight of "
    "what you want to see, as in 'a::1'.",
    "a::1 b::-1": "sum to 0 and must",
    "a::.1 b::.2 c::-.3": "sum to 0 and must",
    "a::2 b::-3.5": "sum to -1.5 and must sum to more than 0: raise the weight of what you want to see, as in 'a::4'.",
    "a::10 b::-10": "raise the weight of what you want to see.",
    "a::0": "as in 'a::1'",
    "::2 a": "a part of the prompt is empty; write words before each ::",
    "a:: ::2": "a part of the prompt is empty",
    "a::::b": "more than two colons",
    "a:::b": "more than two colons in a row",
    "::": "a part of the prompt is empty",
    "a::10.01": "the weight 10.01 is too large; allowed are -10 to 10",
    "a::20 b::-10.5": "the weight 20 is too large",
    "a::nan b": "the weight 'nan' is no number; write one from -10 to 10 right after :: and a space after it",
    "a::inf b": "the weight 'inf' is no number",
    "a::-Infinity": "the weight '-Infinity' is no number",
    "a::1e1": "the weight '1e1' is no number",
    "a::2, b": "the weight '2,' is no number",
    "a::−2 b::5": "the weight '−2' is no number",
    "a::50% b": "the weight '50%' is no number",
    "太阳::2沙滩": "the weight '2沙滩' is no number",
    " ".join(f"{c}::1" for c in "abcdefghijk"): "the prompt has 11 parts, --no counted; allowed are 10: join some.",
    # permutations
    "a {b": r"there is a { without its }; write \{ for the character itself, or {a, b} for choices.",
    "a } b": r"there is a } without its {; write \} for the character itself",
    "a {}": r"a group {…} has an empty choice; write each one out, as in {red, blue}, or \{ for a brace.",
    "a {b, }": "has an empty choice",
    "a {b,, c}": "has an empty choice",
    "{" * 300 + "a" + "}" * 300: "groups {…} stand more than 10 deep in each other; write them side by side.",
    "{" * 3000: "groups {…} stand more than 10 deep",
    "a {b, c}": "this text makes 2 commands, by {…} or --repeat: expand(text) makes them all, parse(text) reads one;",
    "a --repeat 3": "this text makes 3 commands",
    "a {b,c,d,e,f,g,h} {b,c,d,e,f,g,h}": "this text makes 49 commands; allowed are 40 at a time: leave out some",
    "a {b,c,d,e,f} --r 9": "this text makes 45 commands; allowed are 40",
    "a " + "{b,c}" * 700: "this text makes more than a billion commands; allowed are 40",
    # the prompt
    "--tile": "the prompt is empty",
    "{,}": "has an empty choice",
    "a" * (MAX_TEXT + 1): "the prompt has 4,001 characters; allowed are 500",
    "ﷺ" * 300: "the prompt has 5,400 characters; allowed are 500",
    "a --seed " + "ﷺ" * 300: "the prompt has 5,409 characters; allowed are 500",
    "a" * 300 + " --no " + "b" * 201: "the prompt has 502 characters; allowed are 500",
    "a \x1c --seed 5": "control character U+001C",
    "a --no \x07": "control character U+0007",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda t: ascii(t)[:24])
def test_refuses_in_one_line(text):
    assert MISTAKES[text] in refusal(text)


ORDER = "the prior writes its tokens left to right, top to bottom, at one size"
TASTE = "a taste is kept as a change of the flow's weights"
PRIOR_LACKS = {
    "--steps 25": "--steps is the flow model's; the prior always draws 256 tokens. Leave it out.",
    "--ar 3:2": f"--ar is the flow model's; {ORDER}. Leave it out.",
    "--stylize 100": f"--stylize is the flow model's; {TASTE}. Leave it out.",
    "--p": f"--p is the flow model's; {TASTE}. Leave it out.",
    "--tile": f"--tile is the flow model's; {ORDER}, so its edges never meet. Leave it out.",
    "--stop 100": f"--stop is the flow model's; {ORDER}, so half of them is half a picture. Leave it out.",
    "--quality 1": "--quality is the flow model's; the prior takes no steps, always 256 tokens. Leave it out.",
    "--init x.png": f"--init is the flow model's; {ORDER}, and starts from no picture. Leave it out.",
    "--iw 2 --init x.png": "--init is the flow model's",
    "--sw 2 --sref x.png": "--sref is the flow model's",
    "--sref x.png": f"--sref is the flow model's; {ORDER}, and looks at no other picture. Leave it out.",
}


@pytest.mark.parametrize("flags", PRIOR_LACKS)
def test_what_the_prior_cannot_do_is_refused_with_the_reason(flags):
    parse(f"a sun {flags}")
    assert PRIOR_LACKS[flags] in refusal(f"a sun {flags} --model prior")
    assert PRIOR_LACKS[flags] in refusal(f"a sun {flags}", model="prior")
    assert refusal("a sun --iw 1 --model prior").endswith("and starts from no picture. Leave it out.")
    lacking = {name for name in FLAGS if FLAGS[name].engines == ("flow",)}
    assert lacking == {flags.split()[0][2:] for flags in PRIOR_LACKS}


@pytest.mark.parametrize("name", LACKING)
def test_flags_that_only_midjourney_has_are_refused_with_the_reason(name):
    line = refusal(f"a sun --{name} 5")
    assert line == f"--{name} is Midjourney's and not in this course: {LACKING[name]}."
    assert line == refusal(f"a sun —{name.upper()}") == refusal("a sun", **{name: 5}) == refusal(f"a --{name}=7")


def test_models_that_the_course_does_not_train():
    for name, lack in {"cref": "characters", "oref": "objects", "video": "motion"}.items():
        assert f"it needs a model of {lack}, which this course does not train" in refusal(f"a sun --{name} x.png")
    assert not set(LACKING) & {name for flag in FLAGS.values() for name in (flag.name, *flag.aliases)}


@pytest.mark.parametrize(
    "beside, cause",
    [
        ({"sede": 5}, "unknown flag 'sede'; allowed are --seed"),
        ({"s": 5, "stylize": 5}, "--stylize stands there twice"),
        ({"seed": 5.0}, "--seed needs a number, not '5.0'"),
        ({"seed": True}, "--seed needs a number, not 'True'"),
        ({"seed": 10**400}, "--seed is 1000"),
        ({"seed": "9" * 5000}, "--seed needs a number, not '999"),
        ({"guidance": math.nan}, "--guidance is nan; allowed are 1 to 10."),
        ({"guidance": [4]}, "--guidance needs a number, not '[4]'"),
        ({"tile": 1}, "--tile is a switch: True or False, not '1'."),
        ({"tile": "yes"}, "--tile is a switch: True or False, not 'yes'."),
        ({"style": 5}, "there is no style '5'"),
        ({"quality": True}, "there is no quality 'True'"),
        ({"model": ""}, "there is no engine ''"),
        ({"ar": "x" * 10_000}, "there is no aspect ratio 'xxx"),
        ({"init": 5}, "--init needs the path of a picture, not '5'."),
        ({"init": b"x"}, "--init needs the path of a picture"),
        ({"init": 'x".png'}, "--init cannot take"),
        ({"no": ["x", 5]}, "--no needs words, not"),
        ({"no": 5}, "--no needs words, not '5'."),
        ({"no": ""}, "--no has an empty part"),
        ({"iw": 1.0}, "--iw means nothing without --init"),
        ({"repeat": 2}, "this text makes 2 commands"),
        ({"repeat": 11}, "--repeat is 11; allowed are 1 to 10."),
    ],
    ids=str,
)
def test_refuses_the_same_beside_the_prompt(beside, cause):
    assert cause in refusal("a sun", **beside)


@pytest.mark.parametrize("text", ["a --seed 5", "a —tile", "太阳--seed 5", "太阳—tile", "sun,--xy", "sun--seed", ""])
def test_a_command_made_by_hand_is_checked_too(text):
    for wrong in ({"prompt": text}, {"prompt": "a", "no": (text,)}):
        with pytest.raises(UserError, match=r"looks like a flag" if text else r"empty"):
            Command(**wrong)


@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.kind in ("whole", "number")])
def test_borders(name):
    flag = FLAGS[name]
    beside = {flag.needs: "x.png"} if flag.needs else {}
    step = 1 if flag.kind == "whole" else Decimal("0.001")
    ranges = {"seed": (0, SEED_MAX), "guidance": (1, 10), "steps": (1, 200), "chaos": (0, 100), "stylize": (0, 1000),
              "weird": (0, 3000), "stop": (10, 100), "iw": (0, 3), "sw": (0, 1000), "repeat": (1, 10)}  # fmt: skip
    assert (flag.low, flag.high) == ranges[name]
    for spelled in (name, *flag.aliases):
        for inside in (flag.low, flag.low + step, flag.high - step, flag.high):
            commands = expand(f"a sun --{spelled} {inside}", **beside)
            assert len(commands) == inside if name == "repeat" else getattr(commands[0], name) == float(inside)
        for outside in (flag.low - step, flag.high + step):
            line = f"--{name} is {outside}; allowed are {flag.low} to {flag.high}."
            assert refusal(f"a sun --{spelled} {outside}", **beside) == line
            kind = int if flag.kind == "whole" else float
            assert refusal("a sun", **beside, **{spelled: kind(outside)}) == line
    if flag.kind == "whole":
        assert f"--{name} needs a number, not '{flag.low}.5'" in refusal(f"a sun --{name} {flag.low}.5", **beside)


@pytest.mark.parametrize(
    "name, choices",
    [("ar", ASPECTS), ("style", ATTRIBUTES["style"]), ("model", DEFAULTS), ("quality", (0.5, 1, 2))],
)
def test_choices(name, choices):
    for choice in choices:
        assert getattr(parse(f"a sun --{name} {choice}"), name) == choice == getattr(parse("a", **{name: choice}), name)
    assert set(FLAGS[name].choices) == set(choices)


# ---- permutations and repeats --------------------------------------------------------------------


def test_groups_multiply_as_itertools_product():
    commands = expand("a {red, blue , small  green} {cat,house} --ar {1:1, 3:2} --seed 5")
    wanted = itertools.product(["red", "blue", "small green"], ["cat", "house"], ["1:1", "3:2"])
    assert commands == [Command(f"a {color} {thing}", 5, ar=ar) for color, thing, ar in wanted]


@pytest.mark.parametrize(
    "text, prompts",
    [
        ("a {b, c {d, e}} f", ["a b f", "a c d f", "a c e f"]),
        ("{a, {b, {c, d}}}{x, y}", ["ax", "ay", "bx", "by", "cx", "cy", "dx", "dy"]),
        (r"{a\, b, c\}, \{d}", ["a, b", "c}", "{d"]),
        (r"{a \, , b}", ["a ,", "b"]),
        ("{a, a}", ["a", "a"]),
        ("｛太阳，月亮｝ 大海", ["太阳 大海", "月亮 大海"]),
        ("{e, x}\u0301", ["é", "x\u0301"]),
        ("a, b", ["a, b"]),
    ],
)
def test_groups(text, prompts):
    assert [command.prompt for command in expand(text)] == prompts


def test_groups_around_flags():
    commands = expand("a sun {--tile, --style {ink, neon}} --{chaos, weird} 7 --seed {1, 2}")
    assert len(commands) == 12 and len(set(commands)) == 12
    assert commands[0] == Command("a sun", 1, tile=True, chaos=7)
    assert commands[-1] == Command("a sun", 2, style="neon", weird=7)
    assert expand("a sun::{2, 3} --no {x, y}", seed=1)[1] == Command("a sun::2", 1, no=("y",))


def test_repeats_take_seeds_of_their_own():
    assert [c.seed for c in expand("a sun --repeat 3 --seed 7")] == [7, 11, 15]
    assert [c.seed for c in expand("a sun", seed=SEED_MAX - 3, repeat=3)] == [SEED_MAX - 3, 0, 4]
    assert [c.seed for c in expand("a {sun, moon} --r 2 --seed 7")] == [7, 11, 7, 11]
    assert [c.prompt for c in expand("a --r {1, 2}")] == ["a"] * 3
    drawn = expand("a {sun, moon} --r 10")
    assert len(drawn) == 20 == len({c.seed for c in drawn}) and all(0 <= c.seed <= SEED_MAX for c in drawn)


def test_more_than_four_are_asked_about_and_forty_are_the_most():
    assert [needs_asking(expand("a", repeat=n)) for n in (1, 4, 5, 10)] == [False, False, True, True]
    assert len(expand("a {b,c,d,e} --r 10")) == MAX_JOBS == 40
    with pytest.raises(UserError, match="makes 50 commands; allowed are 40"):
        expand("a {b,c,d,e,f} --r 10")
    with pytest.raises(UserError, match="makes 41 commands"):
        expand("a {" + ",".join(map(str, range(41))) + "}")


# ---- the table -----------------------------------------------------------------------------------


def test_the_table_lists_every_flag():
    head, line, *rows = flags_table().splitlines()
    assert len(rows) == len(FLAGS) and head.count("|") == 6 and line.count("|") == 6
    for row, flag in zip(rows, FLAGS.values(), strict=True):
        assert row.count("|") == 6 and flag.meaning in row and f"`--{flag.name}`" in row
        assert all(f"`--{alias}`" in row for alias in flag.aliases) and flag.allowed in row
        assert all(model in row for model in flag.engines)
    assert "| `--seed` | 0 to 4294967295 | – | flow, prior |" in flags_table()
    assert "| `--guidance` | 1 to 10 | 3 (flow), 4 (prior) |" in flags_table()
    assert "| `--chaos`, `--c` | 0 to 100 | 0 |" in flags_table()
    assert "| `--quality`, `--q` | 0.5, 1 or 2 | 1 | flow |" in flags_table()


def test_flags_have_one_name_each():
    names = [name for flag in FLAGS.values() for name in (flag.name, *flag.aliases)]
    assert len(names) == len(set(names))
    assert {"s", "w", "q", "r"} <= set(names)


def test_a_long_text_is_read_at_once():
    """A parser that goes back and forth would take minutes for these."""
    for piece in ("太阳-", "-", "a,", "\\", "—a", "::", "--a", "'", "\\{"):
        with pytest.raises(UserError):
            parse("b " + piece * (MAX_TEXT // len(piece)))
    assert len(parse("a" * MAX_PROMPT, seed=SEED_MAX, init="x" * 500, sref="{" * 500).prompt) == MAX_PROMPT
    longest = Command("{" * MAX_PROMPT, SEED_MAX, init="{" * 500, sref="}" * 500)
    assert parse(str(longest)) == longest


def test_the_language_needs_no_torch():
    code = "import sys, mjcourse.studio.command as c; c.parse('a sun --seed 5'); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "matplotlib", "ipywidgets", "transformers"} & set(modules)


def test_the_page_of_the_language_is_what_the_tables_say():
    from mjcourse import config

    page = config.ROOT / "docs" / "language.md"
    done = subprocess.run(
        [sys.executable, "-c", "from build_language import page; print(page(), end='')"],
        capture_output=True, cwd=config.ROOT / "scripts", check=True,
    )  # fmt: skip
    assert done.stdout.decode("utf-8") == page.read_text("utf-8"), "run scripts/build_language.py"
