"""The set-up files agree with each other, and `make` does what it says."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split("\n")
    if line and not line.startswith("#")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="no make here")
needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")


def tracked() -> list[str]:
    """Return the names of the files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]


# --- constraints and environment.yml ------------------------------------------------------------


def test_every_constraint_is_a_plain_pin():
    for name, version in PINS.items():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        assert re.fullmatch(r"[0-9][0-9A-Za-z.]*", version), f"{name}: no local or direct versions"


def test_torch_and_torchvision_are_pinned_as_the_tested_pair():
    assert (PINS["torch"], PINS["torchvision"]) == ("2.15.0", "0.29.2")


def test_what_the_project_asks_for_is_pinned_within_its_own_bounds():
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PINS.items()}
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]:
        need = Requirement(line)
        assert need.specifier.contains(pins[re.sub(r"[-_.]+", "-", need.name).lower()]), line


def test_environment_yml_installs_what_make_installs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "mjcourse"
    *conda, pip = environment["dependencies"]
    assert "pip" in conda
    (python,) = (line.removeprefix("python=") for line in conda if line.startswith("python="))
    assert Requirement("python" + PROJECT["requires-python"]).specifier.contains(python)
    assert pip == {"pip": ["-c constraints.txt", "-e .[test]"]}
    assert "-c constraints.txt -e '.[test]'" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_pip_section_of_environment_yml_can_be_installed(tmp_path):
    """conda writes the section to a requirements file beside environment.yml; so does this."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    for name in ("constraints.txt", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "mjcourse", tmp_path / "mjcourse", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "section.txt").write_text("\n".join(environment["dependencies"][-1]["pip"]) + "\n")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "-r", "section.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


# --- make ---------------------------------------------------------------------------------------


def make(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Run make in ``cwd`` with a clean set of its variables."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PROMPT", "OUT", "SEED", "MAKEFLAGS")}
    return subprocess.run(["make", *words], cwd=cwd, env=kept | environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def clone(tmp_path):
    """A folder with a space in its name, the set-up files, and an .venv that only notes its calls."""
    folder = tmp_path / "my course"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("python", "mjcourse", "ruff"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nprintf "%s" {name} >> calls\nprintf "|%s" "$@" >> calls\necho >> calls\n')
        program.chmod(0o755)
    return folder


def calls(folder: Path) -> list[list[str]]:
    """Return what the fake programs were called with since the last look."""
    log = folder / "calls"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line.split("|") for line in lines]


@needs_make
class TestMake:
    def test_alone_lists_every_target_of_the_design(self):
        shown = make().stdout
        for target in ("lab", "imagine", "test", "test-full", "test-gpu", "lint", "clean"):
            assert f"make {target} " in shown

    def test_installs_once_and_again_when_the_pins_change(self, clone):
        installing = ["python", "-m", "pip", "install"]
        assert make("install", cwd=clone).returncode == 0
        assert [call[:4] for call in calls(clone) if call[1] == "-m"] == [installing]
        assert make("install", cwd=clone).returncode == 0
        assert calls(clone) == []
        os.utime(clone / ".venv/.installed", (0, 0))
        make("install", cwd=clone)
        (call,) = [call for call in calls(clone) if call[1] == "-m"]
        assert call[-4:] == ["-c", "constraints.txt", "-e", ".[test]"]

    def test_a_moved_course_is_installed_again(self, clone):
        make("install", cwd=clone)
        calls(clone)
        moved = clone.rename(clone.parent / "moved, twice")
        make("install", cwd=moved)
        assert [call[1:4] for call in calls(moved) if call[1] == "-m"] == [["-m", "pip", "install"]]
        make("install", cwd=moved)
        assert calls(moved) == []

    def test_a_failed_installation_is_tried_again(self, clone):
        good = (clone / ".venv/bin/python").read_text()
        (clone / ".venv/bin/python").write_text('#!/bin/sh\ncase "$1" in -m) exit 1;; esac\n')
        done = make("install", cwd=clone)
        assert done.returncode != 0 and "Troubleshooting" in done.stderr
        (clone / ".venv/bin/python").write_text(good)
        assert make("install", cwd=clone).returncode == 0
        assert calls(clone) != []

    def test_no_python_is_one_clear_line(self, clone):
        (clone / ".venv/bin/python").unlink()
        old = clone / "old"
        old.mkdir()
        for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
            (old / name).write_text("#!/bin/sh\nexit 1\n")
            (old / name).chmod(0o755)
        done = make("install", cwd=clone, PATH=f"{old}{os.pathsep}{os.environ['PATH']}")
        assert done.returncode != 0
        assert done.stderr.splitlines()[0].startswith("mjcourse needs Python 3.11 or newer")

    def test_no_ensurepip_is_one_clear_line(self, clone):
        (clone / ".venv/bin/python").unlink()
        bare = clone / "bare"
        bare.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
        bare.chmod(0o755)
        done = make("install", f"PYTHON={bare}", cwd=clone)
        assert done.returncode != 0
        assert "python3-venv" in done.stderr.splitlines()[0]

    @pytest.mark.parametrize("words", [[], ["PROMPT="]])
    def test_an_empty_prompt_is_refused_before_anything_is_installed(self, clone, words):
        done = make("imagine", *words, cwd=clone)
        assert done.returncode == 2
        assert done.stderr.splitlines()[0].startswith("PROMPT is empty")
        assert calls(clone) == []

    @pytest.mark.parametrize(
        "prompt",
        [
            "太阳沙滩大海",
            "a red sun over the sea, sandy beach, watercolor",
            'it\'s a "red" sun; $HOME $(shell touch oops) $$x `touch oops` # 50 % \\ back',
            "--no sun",
        ],
    )
    @pytest.mark.parametrize("by", ["word", "environment"])
    def test_a_prompt_arrives_as_typed(self, clone, prompt, by):
        make("install", cwd=clone)
        calls(clone)
        extra = {"OUT": "a b.png", "SEED": "7"}
        if by == "word":
            done = make("imagine", f"PROMPT={prompt}", *(f"{k}={v}" for k, v in extra.items()), cwd=clone)
        else:
            done = make("imagine", cwd=clone, PROMPT=prompt, **extra)
        assert done.returncode == 0, done.stderr
        assert calls(clone) == [["mjcourse", "imagine", "-o", "a b.png", "--seed", "7", "--", prompt]]
        assert not (clone / "oops").exists()

    def test_out_and_seed_may_be_left_out(self, clone):
        make("imagine", "PROMPT=sun", cwd=clone)
        assert calls(clone)[-1] == ["mjcourse", "imagine", "-o", "out.png", "--", "sun"]

    def test_tests_then_chapters_in_the_ci_profile(self, clone):
        make("install", cwd=clone)
        calls(clone)
        assert make("test", cwd=clone).returncode == 0
        tests, answers, chapters = calls(clone)
        assert tests[:3] == ["python", "-m", "pytest"] and tests[-1] == "tests" and "not slow" in tests
        left_out, asked = tests[tests.index("-k") + 1], answers[answers.index("-k") + 1]
        assert left_out == f"not {asked}" and answers[-1] == "tests/test_exercises.py"  # nothing is in neither
        assert {"--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300"} <= set(chapters)
        assert chapters[-1] == "notebooks"
        assert "MJCOURSE_PROFILE=ci" in make("-n", "test", cwd=clone).stdout

    def test_clean_keeps_what_was_trained(self, clone):
        for folder in ("runs", ".cache", "mjcourse/__pycache__"):
            (clone / folder).mkdir(parents=True)
        assert make("clean", cwd=clone).returncode == 0
        assert (clone / "runs").is_dir() and (clone / ".venv/bin/python").is_file()
        assert not (clone / ".cache").exists() and not (clone / "mjcourse/__pycache__").exists()


# --- what the repository holds ------------------------------------------------------------------


@needs_git
def test_no_tracked_file_names_a_package_registry():
    # put together here, so that this file does not name them either
    hosts = [".".join(parts) for parts in [("pypi", "org"), ("files", "pythonhosted"), ("registry", "npmjs")]]
    hosts += [".".join(parts) for parts in [("registry", "yarnpkg"), ("deb", "debian"), ("conda", "anaconda")]]
    words = [word for host in hosts for word in ("-e", host)]
    found = subprocess.run(["git", "grep", "-lIF", *words], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == ""


@needs_git
def test_the_licences_and_the_ci_script_are_there():
    names = set(tracked())
    assert {"LICENSE", "LICENSE-TEXT.md", "README.md", ".ci/run"} <= names
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"]).returncode == 0
    assert "CC BY 4.0" in (ROOT / "LICENSE-TEXT.md").read_text(encoding="utf-8")
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
