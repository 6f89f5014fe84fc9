"""The copy for students: nothing in it that should not be, and it works where nothing else of the course is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from exercise_corpus import CHAPTERS

from mjcourse.config import ROOT, UserError
from mjcourse.learn import chapters, reference

sys.path.insert(0, str(ROOT / "scripts"))
import build_bundle

HANDED_OUT = [name for name in CHAPTERS if reference.notebook(name, "exercises").exists()]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """Give the copy for students, unpacked; the large art and weights stay packed."""
    folder = tmp_path_factory.mktemp("bundle")
    files = build_bundle.contents(ROOT)
    small = {name: path for name, path in files.items() if not name.startswith(("data/emoji/", "data/weights/"))}
    assert {"data/weights/flow.safetensors", "data/emoji/concepts.json"} <= set(files) - set(small)
    build_bundle.write(small, folder / "students.zip")
    with zipfile.ZipFile(folder / "students.zip") as archive:
        archive.extractall(folder)
    return folder / build_bundle.TOP


def run(bundle: Path, code: str, home: Path) -> str:
    """Run Python in the unpacked copy, with its own package, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(bundle), "MJCOURSE_RUNS": str(home)}
    environment.pop("MJCOURSE_HOME", None)
    done = subprocess.run([sys.executable, "-c", code], cwd=bundle, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_what_students_should_have_is_in_it():
    names = list(build_bundle.contents(ROOT))
    assert {name.split("/")[0] for name in names} == {
        "README.md", "pyproject.toml", "constraints.txt", "environment.yml", "Makefile", "LICENSE", "LICENSE-TEXT.md",
        "docs", "notebooks", "exercises", "mjcourse", "data",
    }  # fmt: skip
    for word in ("solutions", "tests", "scripts", "classroom", "record_curves", "gradebook", ".toml.", "__pycache__"):
        assert not [name for name in names if word in name]
    exercises = [name for name in names if name.startswith("exercises/")]
    assert exercises == [f"exercises/{name}/{name}.ipynb" for name in HANDED_OUT]
    assert {"mjcourse/learn/coach.py", "mjcourse/cli.py", "notebooks/00_welcome.ipynb", "docs/language.md"} <= set(
        names
    )


def test_no_file_holds_a_solution_or_a_hidden_test(bundle):
    texts = [path.read_text("utf-8") for path in bundle.rglob("*.ipynb")]
    texts += [path.read_text("utf-8") for path in bundle.rglob("*.md")]
    assert len(texts) > 2 * len(HANDED_OUT)
    for text in texts:
        assert not any(word in text for word in ("BEGIN SOLUTION", "HIDDEN TESTS", "import grade", 'grade(\\"'))
    package = [path.read_text("utf-8") for path in bundle.rglob("*.py")]
    for chapter in HANDED_OUT:
        for one in chapters.exercises(chapter):
            lines = reference.answer(reference.notebook(chapter), one.number).splitlines()
            body = lines[lines.index(f"    {reference.BEGIN}") + 1 : lines.index(f"    {reference.END}")]
            if len(body) > 2:  # a line or two may well be somewhere
                assert not any("\n".join(body) in text for text in package), (chapter, one.number)


def test_it_works_on_its_own(bundle, tmp_path):
    code = f"""
import mjcourse; from mjcourse.learn import check, hint, solution, start
print(mjcourse.__file__)
for name in {HANDED_OUT}: start(name)
start("02_vae"); check(1, {{}}); hint(1); print("--")
try: solution(1, sure=True)
except Exception as error: print(type(error).__name__, error)
"""
    said = run(bundle, code, tmp_path)
    assert said.startswith(str(bundle))
    assert "– 1. KL between two Gaussians: not attempted" in said
    assert "UserError this copy of the course has no solutions of 02_vae; ask whoever gave it to you." in said


def test_the_same_files_give_the_same_bytes(tmp_path):
    files = {name: path for name, path in build_bundle.contents(ROOT).items() if name.endswith((".md", ".py"))}
    build_bundle.write(files, tmp_path / "a.zip")
    first = min(files)
    os.utime(files[first])  # another date
    build_bundle.write(dict(sorted(files.items())), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_a_part_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match="notebooks is missing"):
        build_bundle.contents(tmp_path)
    for name in build_bundle.FOLDERS:
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"README\.md is missing"):
        build_bundle.contents(tmp_path)


@pytest.mark.slow
def test_it_can_be_installed(bundle, tmp_path):
    words = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(tmp_path / "site"),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words, str(bundle)], check=True, capture_output=True, timeout=300)
    assert (tmp_path / "site" / "mjcourse" / "learn" / "coach.py").exists()
    assert not (tmp_path / "site" / "mjcourse" / "classroom").exists()
