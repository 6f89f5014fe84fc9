"""The gate on chapter times: a slow machine is forgiven, a slow chapter is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import nbformat
import pytest

from benchmarks import chapter_times
from benchmarks.chapter_times import Times
from mjcourse.config import ROOT


@pytest.fixture
def times(monkeypatch):
    monkeypatch.setenv("MJCOURSE_PROFILE", "ci")
    monkeypatch.setattr(chapter_times, "calibrate", lambda: 2.0)
    found = Times.__new__(Times)
    found.seconds, found.gigabytes, found.calibrations = {}, {}, {}
    return found


def judged(times, seconds, slowness=1.0, gigabytes=1.0) -> dict:
    unit = chapter_times.BUDGETS["calibration_seconds"]
    times.seconds["a.ipynb"], times.gigabytes["a.ipynb"] = seconds, gigabytes
    times.calibrations["a.ipynb"] = [slowness * unit, slowness * unit]
    return times.judge("a.ipynb")


def test_a_chapter_may_take_its_budget_and_half_as_much_again(times):
    assert judged(times, 44)["over"] == []
    assert "allowed 1.5 x 30 s" in judged(times, 46)["over"][0]


def test_a_slow_machine_is_forgiven_and_a_fast_one_is_not(times):
    assert judged(times, 80, slowness=2)["over"] == [] and judged(times, 80, slowness=2)["scaled"] == 40
    assert judged(times, 40, slowness=0.5)["over"]


def test_memory_has_a_budget_too(times):
    assert "allowed 4 GB" in judged(times, 10, gigabytes=4.5)["over"][0]


def test_times_are_merged_by_profile(tmp_path, times, monkeypatch):
    path, row = tmp_path / "times.json", {"seconds": 1.0, "scaled": 2.0, "gigabytes": 0.5, "over": []}
    chapter_times.store(path, {"b": row})
    chapter_times.store(path, {"a": row})
    monkeypatch.setenv("MJCOURSE_PROFILE", "cpu")
    chapter_times.store(path, {"a": row})
    found = json.loads(path.read_text())
    assert list(found["ci"]) == ["a", "b"] and list(found["cpu"]) == ["a"]
    assert "torch" in found["ci"]["a"]["hardware"]


@pytest.mark.slow
def test_a_real_notebook_that_is_too_slow_fails_the_run(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time\ntime.sleep(3)")])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "slow.ipynb")
    code = (
        "import sys, pytest; from benchmarks import chapter_times as t;"
        "t.BUDGETS['seconds']['ci'] = float(sys.argv[2]); t.BUDGETS['calibration_seconds'] = t.calibrate();"
        "sys.exit(pytest.main(['-q', '-p', 'benchmarks.chapter_times', '-p', 'no:cacheprovider', '--nbval-lax',"
        " '--nbval-current-env', '--nbval-cell-timeout=60', '-c', '/dev/null', sys.argv[1]]))"
    )

    def run(budget):
        command = [sys.executable, "-c", code, str(tmp_path / "slow.ipynb"), str(budget)]
        ours = os.environ | {"MJCOURSE_PROFILE": "ci"}
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=ours)

    slow, quick = run(0.5), run(60)
    assert slow.returncode == 1 and "OVER BUDGET" in slow.stdout, slow.stdout + slow.stderr
    assert quick.returncode == 0 and "within budget" in quick.stdout, quick.stdout + quick.stderr
