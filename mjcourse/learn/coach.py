"""What an exercise notebook calls: `start`, `check`, `hint`, `solution`, `progress`; and `grade`, for the grader."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping

from mjcourse.config import UserError
from mjcourse.learn import chapters, record, reference
from mjcourse.learn.exercise import NOT_ATTEMPTED, RIGHT, Verdict, judge

GRADING_SEED = 20_130_614  # so that the same hand-in always gets the same points
MARK = {RIGHT: "✓", NOT_ATTEMPTED: "–"}

_open: str | None = None  # the chapter of this kernel's notebook


class NotPassed(AssertionError):
    """An answer earns no points; shown in the notebook as its one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def start(chapter: str) -> None:
    """Open a chapter's exercises: `check(n)`, `hint(n)`, `solution(n)` and `progress()` are then about them.

    Args:
        chapter: such as ``02_vae``.

    Raises:
        UserError: it has no exercises.
    """
    global _open
    found = chapters.exercises(chapter)
    _open = chapter
    minutes, stands = sum(one.minutes for one in found), record.standings(chapter)
    solved = sum(stands[one.number].solved for one in found if one.number in stands)
    print(f"{chapter}: {len(found)} exercises, about {minutes} minutes; solved so far: {solved}.")
    print("check(1) tries your answer to exercise 1, hint(1) helps, solution(1) shows ours, progress() counts.")


def check(number: int, namespace: Mapping[str, object] | None = None) -> None:
    """Try your answer to an exercise on new random inputs and say what is wrong with it.

    Args:
        number: of the exercise.
        namespace: where your functions are; by default this notebook.

    Raises:
        UserError: no chapter is open, or it has no such exercise.
    """
    chapter = _chapter()
    exercise = chapters.exercise(chapter, number)
    verdict = judge(exercise, names_here() if namespace is None else namespace, secrets.randbits(32))
    record.add(chapter, number, verdict.state)
    print(line(number, exercise.title, verdict))
    if verdict.state not in MARK:
        print(f"  hint({number}) helps.")


def hint(number: int, level: int | None = None) -> None:
    """Print a hint; each call gives one more, from a first push (1) to nearly all (3).

    Args:
        number: of the exercise.
        level: 1 to 3; by default the next one.

    Raises:
        UserError: no chapter is open, it has no such exercise, or there is no such level.
    """
    chapter = _chapter()
    hints = chapters.exercise(chapter, number).levels
    if level is None:
        stands = record.standings(chapter).get(number, record.Standing())
        level = min(stands.count[record.HINT] + 1, len(hints))
    if type(level) is not int or not 1 <= level <= len(hints):
        raise UserError(f"there is no hint of level {level!r}; levels are 1 to {len(hints)}.")
    record.add(chapter, number, record.HINT)
    after = f"hint({number}) gives the next one" if level < len(hints) else f"the last one; solution({number}) is left"
    print(f"Hint {level} of {len(hints)} ({after}): {hints[level - 1]}")


def solution(number: int, sure: bool = False) -> None:
    """Show our solution of an exercise, after asking.

    Args:
        number: of the exercise.
        sure: do not ask; needed where nobody can answer, as in a notebook that runs by itself.

    Raises:
        UserError: no chapter is open, it has no such exercise, or this copy of the course comes without solutions.
    """
    chapter = _chapter()
    chapters.exercise(chapter, number)
    code = reference.solution(chapter, number)
    if not sure and not _agreed(chapter, number):
        return
    record.add(chapter, number, record.SOLUTION)
    print(code)


def progress() -> None:
    """Print where you stand with each exercise of the open chapter, and with the other chapters."""
    chapter = _chapter()
    stands = record.standings(chapter)
    for one in chapters.exercises(chapter):
        standing = stands.get(one.number, record.Standing())
        print(f"{'✓' if standing.solved else '·'} {one.number}. {one.title}: {standing}")
    for name in chapters.names():
        solved = sum(standing.solved for standing in record.standings(name).values())
        print(f"{name}: {solved} of {len(chapters.exercises(name))} solved")


def grade(chapter: str, number: int) -> None:
    """Check an answer as `check` does, with fixed inputs, and raise unless it is right: for hidden test cells.

    Args:
        chapter: such as ``02_vae``, said here so that nothing that a hand-in does to `start` matters.
        number: of the exercise.

    Raises:
        NotPassed: it is wrong or not attempted. UserError: there is no such exercise.
    """
    exercise = chapters.exercise(chapter, number)
    verdict = judge(exercise, names_here(), GRADING_SEED)
    if verdict.state != RIGHT:
        raise NotPassed(line(number, exercise.title, verdict))


def line(number: int, title: str, verdict: Verdict) -> str:
    """Return a verdict as the line that is printed."""
    said = f": {verdict.message}" if verdict.message else ""
    return f"{MARK.get(verdict.state, '✗')} {number}. {title}: {verdict.state}{said}"


def _chapter() -> str:
    if _open is None:
        raise UserError('no chapter is open: run the first cell of the notebook, the one with start("…").')
    return _open


def names_here() -> Mapping[str, object]:
    """Return the names of the notebook that this runs in, or of the script."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell.user_ns if shell is not None else vars(sys.modules["__main__"])


def _agreed(chapter: str, number: int) -> bool:
    """Ask whether to show a solution; where nobody can answer, say how to get it and take it for a no."""
    stands = record.standings(chapter).get(number, record.Standing())
    tried = "You have not tried yet. " if not stands.count[record.WRONG] and not stands.solved else ""
    try:
        said = input(f"{tried}Show the solution of exercise {number}? [y/N] ")
    except (EOFError, OSError, NotImplementedError, RuntimeError):  # a kernel without a person, a closed stdin
        print(f"Not shown, as nobody answers here: solution({number}, sure=True) shows it without asking.")
        return False
    agreed = said.strip().lower() in ("y", "yes", "是", "好")
    if not agreed:
        print(f"Not shown. hint({number}) gives a hint instead.")
    return agreed
