"""From a prompt to a PNG: what is understood, what is refused, and that the same command gives the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mjcourse import cli, config
from mjcourse.config import UserError
from mjcourse.data.prompts import MAX_PROMPT
from mjcourse.studio import imagine as studio
from mjcourse.studio.draw import candidates
from mjcourse.studio.flags import FLAGS
from mjcourse.studio.imagine import DEFAULTS, SEED_MAX, Command, parse

# ---- the prompt and its flags --------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, beside, wanted",
    [
        ("a lighthouse --seed 5", {}, Command("a lighthouse", 5)),
        ("--seed 5 a lighthouse", {}, Command("a lighthouse", 5)),
        ("a --seed 5 lighthouse", {}, Command("a lighthouse", 5)),
        ("a lighthouse", {"seed": 5}, Command("a lighthouse", 5)),
        ("a lighthouse --seed 5", {"seed": 6}, Command("a lighthouse", 6)),  # beside wins
        ("a lighthouse --seed 5", {"seed": None}, Command("a lighthouse", 5)),
        ("a lighthouse --seed 5", {"seed": 0}, Command("a lighthouse", 0)),  # 0 is a value too
        ("太阳沙滩大海 --seed 0 --guidance 4.5 --steps 10", {}, Command("太阳沙滩大海", 0, 4.5, 10)),
        ("太阳沙滩大海　－－ｓｅｅｄ　７", {}, Command("太阳沙滩大海", 7)),  # typed in full width
        ("a lighthouse —seed 5", {}, Command("a lighthouse", 5)),  # two hyphens, autocorrected to a dash
        ("a lighthouse --SEED 5", {}, Command("a lighthouse", 5)),
        (f"x --seed {SEED_MAX}", {}, Command("x", SEED_MAX)),
        ("a red sun — over the sea", {"seed": 1}, Command("a red sun — over the sea", 1)),  # a dash is no flag
        ("a half-timbered house", {"seed": 1}, Command("a half-timbered house", 1)),
        ("  a   red\tsun\n", {"seed": 1}, Command("a red sun", 1)),
    ],
)
def test_understands(text, beside, wanted):
    assert parse(text, **beside) == wanted


def test_without_a_seed_one_is_drawn():
    seeds = {parse("a red sun").seed for _ in range(8)}
    assert len(seeds) == 8 and all(0 <= seed <= SEED_MAX for seed in seeds)


MISTAKES = {
    "a --seed -1": "--seed is -1; allowed are 0 to 4294967295",
    "a --seed 4294967296": "--seed is 4294967296; allowed are 0 to 4294967295",
    "a --guidance 0.5": "--guidance is 0.5; allowed are 1 to 10",
    "a --guidance 11": "allowed are 1 to 10",
    "a --guidance nan": "allowed are 1 to 10",
    "a --guidance inf": "allowed are 1 to 10",
    "a --steps 0": "--steps is 0; allowed are 1 to 200",
    "a --steps 201": "allowed are 1 to 200",
    "a --seed five": "--seed needs a number, not 'five'",
    "a --seed 5.5": "--seed needs a number, not '5.5'",
    "a --seed": "--seed needs a number, not ''",
    "a --seed --steps 5": "--seed needs a number, not '--steps'",
    "a --sede 5": "Did you mean --seed?",
    "a —sede 5": "Did you mean --seed?",
    "a --seed=5": "Did you mean --seed?",
    "a --step 5": "Did you mean --steps?",
    "a --xyzzy 5": "unknown flag '--xyzzy'; allowed are --seed, --guidance, --steps, --model, --no",
    "a --model flw": "there is no engine 'flw'; --model takes flow or prior. Did you mean flow?",
    "a --model": "there is no engine ''; --model takes flow or prior",
    "a --model prior --steps 9": "--steps is the flow model's; the prior always draws 256 tokens. Leave it out.",
    "--seed 5": "the prompt is empty",
    "": "the prompt is empty",
    " \t\n ": "the prompt is empty",
    "\u200b\ufeff": "the prompt is empty",
    "a" * 10_000: "the prompt has 10,000 characters; allowed are 500",
    "a" * (MAX_PROMPT + 1): "allowed are 500",
    "a \x07 bell": "control character U+0007",
    "a \x1b[31m red": "control character U+001B",
    "nul \x00": "control character U+0000",
    "half \ud800": "control character U+D800",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda t: ascii(t)[:24])
def test_refuses_a_mistake_in_one_line(text):
    with pytest.raises(UserError) as caught:
        parse(text)
    assert MISTAKES[text] in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("name, value", [("seed", -1), ("seed", 2**32), ("guidance", 0.0), ("steps", 1000)])
def test_refuses_the_same_beside_the_prompt(name, value):
    with pytest.raises(UserError, match=f"--{name} is {value}; allowed are"):
        parse("a red sun", **{name: value})


def test_a_flag_right_after_chinese():
    assert parse("太阳沙滩大海--seed 5") == Command("太阳沙滩大海", 5)


def test_a_flag_with_an_en_dash():
    assert parse("a lighthouse –seed 5") == Command("a lighthouse", 5)


# ---- on the command line, mistakes ---------------------------------------------------------------


@pytest.fixture
def no_model(monkeypatch):
    """A mistake must be told before any model loads."""
    monkeypatch.setattr("mjcourse.studio.draw.draw", lambda *_, **__: pytest.fail("the model was asked"))


def told(capsys, *words: str) -> str:
    """Run a command that must fail; return its one line."""
    assert cli.main(["imagine", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("mjcourse: ") and len(err) < 400
    return err


@pytest.mark.parametrize("text", [t for t in MISTAKES if not t.startswith("--")], ids=lambda t: ascii(t)[:24])
def test_command_line_tells_a_mistake_in_one_line(no_model, capsys, tmp_path, text):
    err = told(capsys, text, "-o", str(tmp_path / "x.png"))
    assert MISTAKES[text] in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words, cause",
    [
        (("--seed", "-1"), "--seed is -1; allowed are 0 to 4294967295"),
        (("--seed", "4294967296"), "allowed are 0 to 4294967295"),
        (("--seed", "five"), "--seed needs a number, not 'five'"),
        (("--seed",), "expected one argument"),
        (("--guidance", "much"), "--guidance needs a number, not 'much'"),
        (("--guidance", "nan"), "--guidance needs a number, not 'nan'"),
        (("--guidance", "99"), "allowed are 1 to 10"),
        (("--steps", "0"), "--steps is 0; allowed are 1 to 200"),
        (("--steps", "500"), "allowed are 1 to 200"),
        (("--ar", "4:3"), "--ar takes 1:1, 3:2, 2:3, 2:1 or 1:2"),
        (("--tile", "--model", "prior"), "--tile is the flow model's"),
        (("--sead", "5"), "Did you mean --seed?"),
    ],
)
def test_command_line_refuses_a_wrong_option(no_model, capsys, tmp_path, words, cause):
    assert cause in told(capsys, "a red sun", "-o", str(tmp_path / "x.png"), *words)


@pytest.mark.parametrize(
    "name, cause",
    [
        ("x.jpg", "the file's name must end in .png"),
        ("x", "the file's name must end in .png"),
        ("nowhere/x.png", "there is no folder"),
    ],
)
def test_command_line_refuses_a_wrong_file(no_model, capsys, tmp_path, name, cause):
    err = told(capsys, "a red sun", "-o", str(tmp_path / name))
    assert cause in err and name.split("/")[-1] in err


def test_a_real_process_exits_with_2_and_one_line(tmp_path):
    command = [sys.executable, "-m", "mjcourse.cli", "imagine", "a \x07 bell", "-o", str(tmp_path / "x.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "U+0007" in done.stderr


# ---- on the command line, pictures ---------------------------------------------------------------


@pytest.fixture
def painter(monkeypatch):
    """A way to draw that is quick: each picture in one colour, from its own seed alone."""
    asked = []

    def draw(command, report=None):
        asked.append(command)
        if report:
            report(25, 25)
        return np.stack([np.full((64, 64, 3), seed % 251, np.uint8) for seed in candidates(command)])

    monkeypatch.setattr("mjcourse.studio.draw.draw", draw)
    return asked


def test_pictures_and_the_command_as_understood(painter):
    seen = []
    pictures, command = studio.imagine("a red sun --guidance 2", seed=7, progress=seen.append)
    assert painter == [command] == [Command("a red sun", 7, 2.0)] and seen == [25]
    assert pictures.shape == (4, 64, 64, 3) and [p.max() for p in pictures] == [7, 8, 9, 10]


def test_the_prior_is_named_in_the_file(painter, tmp_path):
    _, command = studio.imagine("a red sun --model prior --seed 7")
    assert (command.model, command.steps, str(command)) == ("prior", None, "a red sun --seed 7 --model prior")
    out = tmp_path / "x.png"
    assert cli.main(["imagine", "a red sun --seed 7", "--model", "Prior", "-o", str(out)]) == 0
    with Image.open(out) as image:
        assert image.text["parameters"] == "a red sun --seed 7 --model prior"
        assert json.loads(image.text["mjcourse"])["model"] == "prior"


def test_several_commands_make_several_files_and_many_are_asked_about(painter, tmp_path, capsys):
    out = tmp_path / "x.png"
    assert cli.main(["imagine", "a {red, blue} house --seed 1", "-o", str(out), "--ar", "3:2"]) == 0
    assert sorted(f.name for f in tmp_path.iterdir()) == ["x-1.png", "x-2.png"]
    assert [(c.prompt, c.ar) for c in painter] == [("a red house", "3:2"), ("a blue house", "3:2")]
    capsys.readouterr()
    assert "makes 6 grids of four pictures; add --yes" in told(capsys, "a house", "--repeat", "6", "-o", str(out))
    assert cli.main(["imagine", "a house", "--repeat", "6", "-o", str(out), "--yes"]) == 0
    assert len(list(tmp_path.iterdir())) == 6


def test_every_flag_may_stand_outside_the_quotes(painter, tmp_path):
    words = {"whole": None, "number": None, "switch": [], "words": ["fog"]}
    for flag in FLAGS.values():
        if flag.kind == "image" or flag.needs or flag.name == "repeat":
            continue
        given = words.get(flag.kind) or ([] if flag.kind == "switch" else [str((flag.choices or [flag.high])[-1])])
        if flag.name == "model":
            given = ["flow"]
        assert cli.main(["imagine", "a sun", f"--{flag.name}", *given, "-o", str(tmp_path / "x.png")]) == 0
        assert getattr(painter[-1], flag.name) == (flag.value(given[0]) if given else True)


@pytest.mark.parametrize(
    "text", ["a sun --seed 3", "a sun --seed 3 --guidance 2.5 --steps 7", "a sun --seed 1 --model prior"]
)
def test_a_command_is_written_as_it_is_typed(text):
    assert str(parse(text)) == text and parse(str(parse(text))) == parse(text)


def test_png_carries_its_settings(painter, tmp_path, capsys):
    out = tmp_path / "x.png"
    assert cli.main(["imagine", "太阳沙滩大海 --seed 3", "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert str(out) in printed.out and "--seed 3" in printed.out and printed.err == ""
    with Image.open(out) as image:
        assert image.width > 128 and image.height > 128
        assert image.text["parameters"] == "太阳沙滩大海 --seed 3"
        settings = json.loads(image.text["mjcourse"])
    wanted = {"prompt": "太阳沙滩大海", "seed": 3, **DEFAULTS["flow"], "model": "flow"}
    assert settings == wanted


def test_a_drawn_seed_is_told_and_gives_the_same_picture_again(painter, tmp_path, capsys):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    assert cli.main(["imagine", "a red sun", "-o", str(first)]) == 0
    seed = capsys.readouterr().out.split("--seed ")[1].strip()
    assert cli.main(["imagine", "a red sun", "-o", str(second), "--seed", seed]) == 0
    assert first.read_bytes() == second.read_bytes()


def test_each_picture_of_its_own(painter, tmp_path):
    assert cli.main(["imagine", "a red sun", "-o", str(tmp_path / "x.png"), "--seed", "9", "--per-picture"]) == 0
    assert sorted(f.name for f in tmp_path.iterdir()) == ["x-1.png", "x-2.png", "x-3.png", "x-4.png", "x.png"]
    for i in range(4):
        with Image.open(tmp_path / f"x-{i + 1}.png") as image:
            assert image.size == (64, 64) and image.getpixel((3, 3)) == (9 + i,) * 3


def test_unknown_words_are_named_on_stderr(painter, tmp_path, capsys):
    assert cli.main(["imagine", "a zeppelin by the sea --seed 1", "-o", str(tmp_path / "x.png")]) == 0
    printed = capsys.readouterr()
    assert "zeppelin" in printed.err and "sea" not in printed.err.split("zeppelin")[0]
    assert printed.err.count("\n") == 1
    assert (tmp_path / "x.png").exists()


def test_a_picture_that_cannot_be_written(painter, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    assert "No space left on device" in told(capsys, "a red sun --seed 1", "-o", str(tmp_path / "x.png"))


def test_missing_weights_are_told_with_the_remedy(runs, weights, tmp_path, capsys):
    from mjcourse.studio.engine import default_engine

    default_engine.cache_clear()
    err = told(capsys, "a red sun --seed 1", "-o", str(tmp_path / "x.png"))
    assert "no weights for 'flow'" in err and "mjcourse train flow" in err


@pytest.mark.parametrize("meta", [{"config": {"wide": 9}, "upstream": {}}, {"config": {}}], ids=["config", "upstream"])
def test_weights_of_another_version(weights, runs, meta):
    import torch

    from mjcourse.studio.engine import FlowEngine
    from mjcourse.weights import save_tensors

    save_tensors(weights / "flow.safetensors", {"a": torch.zeros(2)}, meta)
    with pytest.raises(UserError, match=r"flow\.safetensors"):
        FlowEngine()


# ---- with the real model -------------------------------------------------------------------------

real = pytest.mark.skipif(
    not all((config.WEIGHTS / f"{stage}.safetensors").exists() for stage in ("flow", "text", "autoencoder-kl")),
    reason="data/weights holds no flow, text and autoencoder-kl weights: `mjcourse train all` makes them",
)


@pytest.fixture(scope="module")
def engine():
    from mjcourse.studio.engine import FlowEngine, default_engine

    default_engine.cache_clear()
    return FlowEngine()


@real
def test_the_same_command_gives_the_same_bytes(tmp_path):
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, seed in zip(files, ("3", "3", "4"), strict=True):
        assert cli.main(["imagine", "太阳沙滩大海", "-o", str(path), "--seed", seed]) == 0
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


@real
def test_a_new_process_gives_the_same_bytes(tmp_path):
    words = ["imagine", "a red sun over the sea --seed 3", "-o"]
    assert cli.main([*words, str(tmp_path / "here.png")]) == 0
    subprocess.run([sys.executable, "-m", "mjcourse.cli", *words, str(tmp_path / "there.png")], check=True)
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "there.png").read_bytes()


@real
def test_rounds_draw_their_noise_from_each_picture_s_own_seed(engine):
    import torch

    from mjcourse.models.flow import sample
    from mjcourse.studio.engine import ROUNDS
    from mjcourse.training.loop import autocast

    prompts, seeds = ["a red sun over the sea", "夜晚的城堡"], [5, 6]
    noise = engine.noise(seeds)
    several, alone = engine.fresh(seeds, noise), engine.fresh(seeds[1:], noise)
    for _ in range(3):
        drawn = several()
        assert torch.equal(drawn[1:], alone()) and not torch.equal(drawn, noise)
    with torch.no_grad(), autocast(engine.device, True):
        plain = sample(engine.flow, noise, engine.read(prompts), 3.0, 8)
    assert torch.equal(engine.latents(prompts, seeds, 3.0, 8, rounds=1), plain)  # one round is Euler's walk
    assert ROUNDS > 1 and not torch.equal(engine.latents(prompts, seeds, 3.0, 8), plain)


@real
def test_a_picture_depends_on_its_own_seed_alone(engine):
    prompt = "a red sun over the sea, sandy beach"
    four = engine([prompt] * 4, [5, 6, 7, 8]).astype(int)
    shifted = engine([prompt] * 4, [6, 7, 8, 9]).astype(int)
    one = engine([prompt], [7]).astype(int)
    among_others = engine(["a cat", prompt, "a castle at night"], [1, 7, 2]).astype(int)
    for a, b in ((four[1:], shifted[:3]), (four[2:3], one), (four[2:3], among_others[1:2])):
        assert np.abs(a - b).mean() < 1.5  # the order of sums differs between batch shapes
    assert min(np.abs(four[i] - four[j]).mean() for i in range(4) for j in range(i)) > 4  # four different ones


@real
def test_guidance_steps_and_prompt_matter(engine):
    base = engine(["a red sun over the sea"], [5]).astype(int)
    for other in (
        engine(["a castle on a hill at night"], [5]),
        engine(["a red sun over the sea"], [5], guidance_scale=1.0),
        engine(["a red sun over the sea"], [5], steps=3),
    ):
        assert np.abs(base - other).mean() > 1


@real
def test_progress_is_told(engine):
    seen = []
    engine(["a red sun"], [5], steps=4, progress=seen.append)
    assert seen == [1, 2, 3, 4]
