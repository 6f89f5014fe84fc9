"""The command line: quick to start, one clear line for a mistake, thin over the package."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mjcourse import cli, config
from mjcourse.studio.flags import FLAGS


def run(*words: str, **kwargs) -> subprocess.CompletedProcess:
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "mjcourse.cli", *words], capture_output=True, text=True, timeout=60, **kwargs
    )


@pytest.fixture
def calls(monkeypatch):
    """Put recorders in place of the packages that the commands call; return what they were given."""
    seen = []

    def recorder(name):
        return lambda *args, **kwargs: seen.append((name, args, kwargs))

    def module(name, **parts):
        fake = types.ModuleType(name)
        vars(fake).update(parts)
        parent, _, last = name.rpartition(".")
        monkeypatch.setitem(sys.modules, name, fake)
        monkeypatch.setattr(sys.modules.get(parent) or __import__(parent, fromlist=["_"]), last, fake, raising=False)

    module("mjcourse.studio.imagine", imagine_command=recorder("imagine"))
    stages = {"probe": None, "text": None, "autoencoder-kl": None, "flow": None}
    module("mjcourse.training.stages", STAGES=stages, train=recorder("train"))
    module("mjcourse.evaluate", evaluate_command=recorder("evaluate"))
    module("mjcourse.data.store", build_command=recorder("build"), info_command=recorder("info"))
    return seen


@pytest.mark.parametrize("code", ["import mjcourse", "import mjcourse.cli as c; c.main(['--help'])"])
def test_starts_quickly_and_without_torch(code):
    timed = (
        "import sys, time; start = time.perf_counter(); exec(sys.argv[1]); "
        "print('took', time.perf_counter() - start, 'torch' in sys.modules)"
    )
    seconds = []
    for _ in range(3):  # the first one may read a cold disk
        done = subprocess.run([sys.executable, "-c", timed, code], capture_output=True, text=True, check=True)
        _, took, torch_there = done.stdout.splitlines()[-1].split()
        assert torch_there == "False"
        seconds.append(float(took))
    assert min(seconds) <= 0.5


MISTAKES = {
    ("imagin", "sun"): "Did you mean imagine?",
    ("labb",): "Did you mean lab?",
    ("xyzzy",): "allowed are lab, imagine, describe, train",
    ("--versoin",): "Did you mean --version?",
    ("imagine", "--sed", "5", "sun"): "Did you mean --seed?",
    ("imagine", "-o"): "expected one argument",
    ("imagine",): "the prompt is empty",
    ("imagine", "  "): "the prompt is empty",
    ("train",): "allowed are probe, text, autoencoder-kl, flow, all",
    ("train", "flwo"): "Did you mean flow?",
    ("train", "autoencoder"): "Did you mean autoencoder-kl?",
    ("train", "flow", "--frehs"): "Did you mean --fresh?",
    ("data",): "allowed are build, info",
    ("data", "bild"): "Did you mean build?",
    ("data", "info", "more"): "no use for 'more'",
    ("evaluate", "--jsn"): "Did you mean --json?",
    ("doctor", "-x"): "doctor has no option -x",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_line_and_status_2(words, calls, capsys):
    assert cli.main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mjcourse: ") and err.count("\n") == 1
    assert MISTAKES[words] in err
    assert calls == []


def test_a_mistake_in_a_real_process():
    done = run("imagin", "sun")
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert "Did you mean imagine?" in done.stderr


@pytest.mark.parametrize(
    "words, prompt, out, per_picture, settings",
    [
        (["sun"], "sun", "out.png", False, {}),
        (["a", "red", "sun"], "a red sun", "out.png", False, {}),
        (["sun --ar 3:2 --seed 5"], "sun --ar 3:2 --seed 5", "out.png", False, {}),
        (
            ["太阳沙滩大海", "-o", "a b.png", "--seed", "7", "--guidance", "2.5", "--steps", "9"],
            "太阳沙滩大海", "a b.png", False, {"seed": "7", "guidance": "2.5", "steps": "9"},
        ),
        (["-o", "x.png", "--seed", "4294967295", "--", "--no sun"], "--no sun", "x.png", False, {"seed": "4294967295"}),
        (["--per-picture", "sun"], "sun", "out.png", True, {}),
        (["--model", "prior", "sun"], "sun", "out.png", False, {"model": "prior"}),
    ],
)  # fmt: skip
def test_imagine_passes_what_was_typed(words, prompt, out, per_picture, settings, calls):
    assert cli.main(["imagine", *words]) == 0
    unsaid = dict.fromkeys(FLAGS)
    assert calls == [("imagine", (prompt, Path(out), per_picture, False), {**unsaid, **settings})]


def test_train_passes_what_was_typed(calls):
    assert cli.main(["train", "all", "--fresh", "--steps", "3", "--seed", "4", "--out", "there"]) == 0
    assert calls == [("train", ("all",), {"resume": False, "steps": 3, "out": Path("there"), "seed": 4})]


def test_train_resumes_unless_told(calls):
    assert cli.main(["train", "flow"]) == 0
    assert calls == [("train", ("flow",), {"resume": True, "steps": None, "out": None, "seed": 0})]


def test_evaluate_and_data_pass_what_was_typed(calls):
    assert cli.main(["evaluate", "cvae", "--json", "-n", "8"]) == 0
    assert cli.main(["data", "build", "--count", "9", "--seed", "2", "--size", "32"]) == 0
    assert cli.main(["data", "info", "--json"]) == 0
    assert [(name, args) for name, args, _ in calls] == [
        ("evaluate", (True, 8, ["cvae"])),
        ("build", (9, 2, 32)),
        ("info", (True,)),
    ]


@pytest.mark.parametrize(
    "raised, status, line",
    [
        (config.UserError("no such\nthing"), 2, "mjcourse: no such thing\n"),
        (KeyboardInterrupt(), 130, "\nmjcourse: stopped.\n"),
        (
            OSError(28, "No space left on device", "out.png"),
            2,
            "mjcourse: No space left on device: out.png\n",
        ),
    ],
)
def test_what_goes_wrong_in_a_command_is_one_line(raised, status, line, calls, monkeypatch, capsys):
    def fail(*args, **settings):
        raise raised

    monkeypatch.setattr(sys.modules["mjcourse.studio.imagine"], "imagine_command", fail)
    assert cli.main(["imagine", "sun"]) == status
    assert capsys.readouterr().err == line


def test_a_bug_keeps_its_traceback(calls, monkeypatch):
    monkeypatch.setattr(sys.modules["mjcourse.evaluate"], "evaluate_command", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["evaluate"])


@pytest.mark.skipif(os.name != "posix", reason="pipes close otherwise there")
def test_a_closed_pipe_is_quiet():
    command = [sys.executable, "-m", "mjcourse.cli", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 141


def test_help_and_version(capsys):
    for words in ([], ["--help"], ["-h"]):
        assert cli.main(words) == 0
        shown = capsys.readouterr().out
        assert all(name in shown for name in cli.COMMANDS)
    assert cli.main(["--version"]) == 0
    assert cli.__version__ in capsys.readouterr().out
    for name in cli.COMMANDS:
        try:
            assert cli.main([name, "--help"]) == 0
        except SystemExit as done:  # argparse leaves by itself
            assert done.code == 0
        assert f"mjcourse {name}" in capsys.readouterr().out


class TestLab:
    @pytest.fixture
    def launched(self, monkeypatch, tmp_path):
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "notebooks/00_welcome.ipynb").write_text("{}")
        monkeypatch.setattr(config, "ROOT", tmp_path)
        seen = []
        monkeypatch.setattr(cli, "launch", lambda command, environment: seen.append((command, environment)) or 0)
        return seen

    def test_opens_chapter_00_with_this_python(self, launched, tmp_path):
        assert cli.main(["lab", "--no-browser", "--port=8899"]) == 0
        (command, environment) = launched[0]
        assert command[:3] == [sys.executable, "-m", "jupyterlab"]
        assert command[-2:] == ["--no-browser", "--port=8899"]
        assert f"--ServerApp.root_dir={tmp_path}" in command
        assert any(word.endswith("/lab/tree/notebooks/00_welcome.ipynb") for word in command)
        assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)

    def test_missing_chapter(self, launched, tmp_path, capsys):
        (tmp_path / "notebooks/00_welcome.ipynb").unlink()
        assert cli.main(["lab"]) == 2
        assert "00_welcome.ipynb is missing" in capsys.readouterr().err and not launched

    def test_missing_jupyterlab(self, launched, monkeypatch, capsys):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert cli.main(["lab"]) == 2
        assert "JupyterLab is missing: pip install" in capsys.readouterr().err and not launched
