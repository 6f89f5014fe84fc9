"""The corpus of answers to exercises as data, and how a test judges one; used by the tests of the exercises."""

from __future__ import annotations

import io
import tomllib
from contextlib import redirect_stdout
from functools import cache

from mjcourse.config import ROOT
from mjcourse.learn import chapters, reference
from mjcourse.learn.exercise import Verdict, judge

CHAPTERS = chapters.names()


def corpus(name: str) -> dict[int, dict]:
    """Return exercise number → its wrong and accepted answers."""
    cases = tomllib.loads((ROOT / "tests" / "exercises" / f"{name}.toml").read_text("utf-8"))
    return {int(number): found for number, found in cases.items()}


@cache
def given_names(name: str) -> dict:
    """Run what comes with a chapter's exercises, once, and return its names."""
    import matplotlib

    matplotlib.use("Agg")
    names = {"__name__": "exercises"}
    with redirect_stdout(io.StringIO()):
        exec(compile(reference.given(reference.notebook(name)), f"<{name}>", "exec"), names)
    matplotlib.pyplot.close("all")
    return names


def verdict(name: str, number: int, code: str, seed: int = 1) -> Verdict:
    """Judge a piece of code as the answer to an exercise; its names see what comes with the exercise."""
    names = dict(given_names(name))
    exec(compile(code, "<answer>", "exec"), names)
    return judge(chapters.exercise(name, number), names, seed)


def right_names(name: str, number: int) -> dict:
    """Return names that hold the reference as the answer to an exercise."""
    names = dict(given_names(name))
    exec(reference.solution(name, number), names)
    return names


def answer_name(name: str, number: int) -> str:
    """Return the function that an exercise asks for."""
    return reference.answer(reference.notebook(name), number).split("def ")[1].split("(")[0]
