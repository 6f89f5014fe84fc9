"""What an exercise notebook calls: check, hint, solution, progress; and progress that is not lost."""

from __future__ import annotations

import builtins
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
from exercise_corpus import CHAPTERS, right_names

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.learn import chapters, coach, record
from mjcourse.learn.exercise import RIGHT, WRONG


@pytest.fixture
def opened(runs, monkeypatch, capsys):
    """Open chapter 02 with a `runs/` of its own."""
    monkeypatch.setattr(coach, "_open", None)
    coach.start("02_vae")
    capsys.readouterr()


def test_nothing_works_before_a_chapter_is_open(monkeypatch):
    monkeypatch.setattr(coach, "_open", None)
    for call in (lambda: coach.check(1), lambda: coach.hint(1), lambda: coach.solution(1), coach.progress):
        with pytest.raises(UserError, match="run the first cell"):
            call()


@pytest.mark.parametrize("number", [0, 7, "1", 1.0, True, None])
def test_there_is_no_such_exercise(opened, number):
    for call in (coach.check, coach.hint, coach.solution):
        with pytest.raises(UserError, match="it has 1 to 6"):
            call(number)


def test_there_is_no_such_chapter():
    with pytest.raises(UserError, match="Did you mean 02_vae"):
        coach.start("02_vea")


def test_check_says_one_line_and_keeps_progress(opened, capsys):
    coach.check(1, {})
    coach.check(1, {"kl_between": lambda *args: 0})
    coach.check(1, right_names("02_vae", 1))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("– 1. KL between two Gaussians: not attempted: there is no `kl_between` yet")
    assert said[1].startswith("✗ 1. KL between two Gaussians: wrong: ") and said[2] == "  hint(1) helps."
    assert said[3] == "✓ 1. KL between two Gaussians: right"
    assert str(record.standings("02_vae")[1]) == "solved, 2 tries"
    coach.start("02_vae")
    assert "solved so far: 1." in capsys.readouterr().out


def test_check_finds_the_notebooks_own_names(opened, capsys, monkeypatch):
    import __main__

    monkeypatch.setattr(__main__, "kl_between", right_names("02_vae", 1)["kl_between"], raising=False)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    coach.check(1)
    assert capsys.readouterr().out.startswith("✓")


def test_hints_come_one_by_one(opened, capsys):
    for level in (1, 2, 3, 3):
        coach.hint(2)
        assert capsys.readouterr().out.startswith(f"Hint {level} of 3")
    coach.hint(2, 1)
    assert capsys.readouterr().out.startswith("Hint 1 of 3")
    with pytest.raises(UserError, match="levels are 1 to 3"):
        coach.hint(2, 4)


@pytest.mark.parametrize(("said", "shown"), [("y", True), (" YES ", True), ("n", False), ("", False), ("maybe", False)])
def test_a_solution_is_shown_after_asking(opened, capsys, monkeypatch, said, shown):
    monkeypatch.setattr(builtins, "input", lambda prompt: said)
    coach.solution(1)
    out = capsys.readouterr().out
    assert ("def kl_between" in out) == shown and "SOLUTION" not in out
    assert bool(record.standings("02_vae").get(1, record.Standing()).count[record.SOLUTION]) == shown


def test_a_solution_never_waits_where_nobody_is(opened, capsys, monkeypatch):
    def nobody(prompt):
        raise EOFError

    monkeypatch.setattr(builtins, "input", nobody)
    coach.solution(1)
    assert "sure=True" in capsys.readouterr().out
    coach.solution(1, sure=True)
    assert "def kl_between" in capsys.readouterr().out


def test_a_copy_without_solutions_says_so(opened, monkeypatch, tmp_path):
    monkeypatch.setattr(config, "ROOT", tmp_path)
    with pytest.raises(UserError, match="has no solutions"):
        coach.solution(1, sure=True)


def test_progress_counts(opened, capsys):
    coach.hint(2)
    coach.check(1, right_names("02_vae", 1))
    coach.solution(3, sure=True)
    capsys.readouterr()
    coach.progress()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "✓ 1. KL between two Gaussians: solved, 1 try"
    assert said[1] == "· 2. Free bits: not attempted"
    solved = {"02_vae": 1}
    assert said[6:] == [f"{n}: {solved.get(n, 0)} of {len(chapters.exercises(n))} solved" for n in CHAPTERS]


def test_solved_after_the_solution_is_said(opened):
    coach.solution(1, sure=True)
    coach.check(1, right_names("02_vae", 1))
    assert str(record.standings("02_vae")[1]) == "solved, 1 try, solution seen"


def test_progress_survives_damage_and_a_full_disk(opened, capsys, monkeypatch):
    record.add("02_vae", 1, RIGHT)
    with open(record.path(), "ab") as file:
        file.write(b'{"chapter": "02_vae", "exerci')  # a torn line
    record.add("02_vae", 2, RIGHT)
    with open(record.path(), "ab") as file:
        file.write(b'\n[1]\n{"chapter": "02_vae", "exercise": "x", "event": "right"}\n\xff\xfe\n')
    assert sorted(record.standings("02_vae")) == [1, 2]

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "add_line", full)
    coach.check(1, right_names("02_vae", 1))
    assert "progress was not kept" in capsys.readouterr().out


def test_somebody_elses_notebook_leaves_no_progress(opened, monkeypatch):
    monkeypatch.setenv(record.SWITCH, "off")
    coach.check(1, {})
    assert not record.path().exists()


def _add_many(folder: str, count: int) -> None:
    config.RUNS = Path(folder)
    for _ in range(count):
        record.add("02_vae", 1, WRONG)


def test_several_notebooks_lose_no_progress_and_a_kill_damages_none(runs):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_many, args=(str(runs), 40)) for _ in range(3)]
    victim = context.Process(target=_add_many, args=(str(runs), 100_000))
    for worker in (*workers, victim):
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    lines = record.path().read_bytes().splitlines()
    whole = record.standings("02_vae")[1].count[WRONG]
    assert whole >= 120 and len(lines) - whole <= 1  # at most the line that was being written
    record.add("02_vae", 2, RIGHT)
    assert record.standings("02_vae")[2].solved
