"""The exercise notebooks: they say what the exercises say, nbgrader takes them, exercises/ is what solutions/ gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from exercise_corpus import CHAPTERS, corpus, right_names

from mjcourse import cli, config
from mjcourse.config import ROOT, UserError
from mjcourse.learn import chapters, coach, record, reference, score
from mjcourse.learn.exercise import NOT_ATTEMPTED, RIGHT, WRONG

sys.path.insert(0, str(ROOT / "scripts"))
import build_exercises

CHECK_SECONDS = 20 * float(os.environ.get("MJCOURSE_SLACK", "1"))  # for a whole notebook

chapter = pytest.mark.parametrize("chapter", CHAPTERS)


# ---- the notebooks -------------------------------------------------------------------------------


@chapter
def test_the_notebook_says_what_the_exercises_say(chapter):
    path = reference.notebook(chapter)
    names = [cell.name for cell in reference.cells(path) if cell.name]
    text = "\n".join(cell.source for cell in reference.cells(path) if cell.kind == "markdown")
    exercises = chapters.exercises(chapter)
    assert [line for line in text.splitlines() if line.startswith("## Exercise")] == [one.heading for one in exercises]
    assert [name for name in names if name.startswith("check")] == [f"check-{one.number}" for one in exercises]
    for one in exercises:
        assert names.index(f"check-{one.number}") == names.index(f"answer-{one.number}") + 1
        assert len(one.levels) == 3 and 1 <= one.difficulty <= 3 and 5 <= one.minutes <= 60
    assert 4 <= len(exercises) <= 6
    assert score.chapter_of(path) == chapter


@chapter
def test_the_notebook_is_made_for_nbgrader(chapter):
    notebook = nbformat.read(reference.notebook(chapter), as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        made = cell.metadata.nbgrader
        number = made.grade_id.split("-")[1]
        assert made.schema_version == 3 and made.locked != made.solution and not cell.outputs
        if made.grade:
            assert cell.source.startswith(f"check({number})\n### BEGIN HIDDEN TESTS")
            assert f'grade("{chapter}", {number})' in cell.source and made.points > 0
        assert (reference.BEGIN in cell.source) == (reference.END in cell.source) == made.solution


@chapter
def test_what_is_handed_out_holds_no_solution(chapter):
    path = reference.notebook(chapter, "exercises")
    text = path.read_text("utf-8")
    assert "SOLUTION" not in text and "HIDDEN" not in text and "grade(" not in text
    for one in chapters.exercises(chapter):
        assert reference.answer(path, one.number).strip().endswith("raise NotImplementedError()")


def test_exercises_is_what_solutions_gives(tmp_path):
    build_exercises.generate(tmp_path / "exercises")
    assert build_exercises.differences(tmp_path / "exercises", ROOT / "exercises") == []


def test_a_difference_is_found(tmp_path):
    for folder, files in {"a": {"x": "1", "y": "1"}, "b": {"x": "2", "z": "1"}}.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    said = build_exercises.differences(tmp_path / "a", tmp_path / "b")
    assert [line.split("/")[1][0] for line in said] == ["x", "y", "z"]


@pytest.mark.slow
def test_nbgraders_own_command_gives_the_same(tmp_path):
    name = CHAPTERS[0]
    for path in ("nbgrader_config.py", f"solutions/{name}/{name}.ipynb"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", name, "--create"]
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]  # nbgrader calls `alembic` by name
    environment = {**os.environ, "PATH": path}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)
    assert build_exercises.differences(tmp_path / "exercises" / name, ROOT / "exercises" / name) == []


def test_a_new_chapter_begins_with_every_cell(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "ROOT", tmp_path)
    assert build_exercises.main(["--new", "02_vae"]) == 0
    names = [cell.name for cell in reference.cells(reference.notebook("02_vae"))]
    assert [name for name in names if name.startswith("check")] == [f"check-{n}" for n in range(1, 7)]
    with pytest.raises(UserError, match="there already"):
        build_exercises.main(["--new", "02_vae"])


# ---- grading -------------------------------------------------------------------------------------


def test_grade_raises_one_line_unless_right(monkeypatch):
    monkeypatch.setattr(coach, "names_here", lambda: {})
    with pytest.raises(coach.NotPassed, match=r"– 1\. KL between two Gaussians: not attempted") as caught:
        coach.grade("02_vae", 1)
    assert caught.value._render_traceback_() == [str(caught.value)]
    monkeypatch.setattr(coach, "names_here", lambda: right_names("02_vae", 1))
    coach.grade("02_vae", 1)


def submission(path: Path, answers: dict[int, str]) -> Path:
    """Write chapter 02's handed-out notebook with some answers filled in."""
    notebook = nbformat.read(reference.notebook("02_vae", "exercises"), as_version=4)
    for cell in notebook.cells:
        for number, code in answers.items():
            if cell.metadata.get("nbgrader", {}).get("grade_id") == f"answer-{number}":
                cell.source = code
    nbformat.write(notebook, path)
    return path


def test_the_command_line_gives_a_score(tmp_path, capsys, monkeypatch, runs):
    monkeypatch.setattr(score, "CELL_SECONDS", 20)
    answers = {1: reference.solution("02_vae", 1), 2: corpus("02_vae")[2]["wrong"][0]["code"], 3: "1 / 0"}
    path = submission(tmp_path / "mine.ipynb", answers)
    begun = time.perf_counter()
    assert cli.main(["check", str(path), "--json"]) == 1
    assert time.perf_counter() - begun < CHECK_SECONDS
    said = json.loads(capsys.readouterr().out)
    assert said["chapter"] == "02_vae" and said["right"] == 1 and said["of"] == 6
    assert [row["state"] for row in said["exercises"]] == [RIGHT, WRONG, *[NOT_ATTEMPTED] * 4]
    assert not record.path().exists() and path.read_bytes() == submission(tmp_path / "b.ipynb", answers).read_bytes()


@pytest.mark.slow
@chapter
def test_a_solved_notebook_gets_full_marks_in_time(chapter, capsys):
    begun = time.perf_counter()
    assert cli.main(["check", str(reference.notebook(chapter))]) == 0
    assert time.perf_counter() - begun <= CHECK_SECONDS
    out = capsys.readouterr().out.splitlines()
    assert len(out) == len(chapters.exercises(chapter)) + 1 and all(line.startswith("✓") for line in out[:-1])


@pytest.mark.slow
def test_a_loop_is_interrupted_and_a_dead_kernel_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(score, "CELL_SECONDS", 5)
    loop = submission(tmp_path / "loop.ipynb", {1: "while True:\n    pass", 2: reference.solution("02_vae", 2)})
    assert cli.main(["check", str(loop)]) == 1
    assert "✓ 2." in capsys.readouterr().out
    dead = submission(tmp_path / "dead.ipynb", {2: "import os\nos._exit(3)"})
    assert cli.main(["check", str(dead)]) == 1
    assert "kernel died" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no notebook"),
        ("not json", "is no notebook, or a damaged one"),
        ('{"cells": [{"cell_type": "code"}]}', "is no notebook, or a damaged one"),
        ('{"cells": []}', 'it has no line start("…")'),
        (
            '{"cells": [{"cell_type": "code", "metadata": {}, "source": "start(\\"99_x\\")"}]}',
            "no exercises for '99_x'",
        ),
    ],
)
def test_a_file_that_is_no_exercise_notebook_is_one_line(tmp_path, capsys, text, says):
    path = tmp_path / "a.ipynb"
    if text is not None:
        path.write_text(text)
    assert cli.main(["check", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err


def test_check_needs_a_notebook(capsys):
    assert cli.main(["check"]) == 2
    assert "the notebook is missing" in capsys.readouterr().err


def test_learning_aids_are_quick_to_import():
    code = "import sys, mjcourse.learn; print('torch' in sys.modules, 'nbgrader' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
