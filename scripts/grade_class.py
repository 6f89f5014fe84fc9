"""Grade a class: ``python scripts/grade_class.py 02_vae`` runs nbgrader on every hand-in of an assignment, safely.

Hand-ins lie in ``submitted/STUDENT/02_vae/``, where `nbgrader collect` puts them. Each is looked at before nbgrader
opens it and graded by an `nbgrader autograde` of its own, so that a bad one stops no other; their code runs in the
closed room of `mjcourse.classroom`. What happened to whom goes to ``reports/02_vae.csv``, ``.json`` and the terminal.
Exit status: 0, or 1 where a hand-in could not be graded, or 2 where nothing was. The guide is docs/classroom.md.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mjcourse import config
from mjcourse.classroom import report, room
from mjcourse.config import UserError
from mjcourse.files import write_atomically

SIZE = 20 * 2**20  # bytes that a hand-in may have, all files together
GRACE = 120  # seconds that nbgrader itself may take, beside the hand-in's


def refusal(folder: Path, notebook: str) -> str:
    """Return why a hand-in must not be given to nbgrader, as the person who grades opens it there; or "".

    nbgrader follows links when it copies, so a link to the gradebook would be a copy of it.
    """
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            return f"holds a link or device, {report.printable(path.name, 60)}"
        total += path.stat().st_size if path.is_file() else 0
    if total > SIZE:
        return f"takes {total / 2**20:.0f} MB; {SIZE // 2**20} are allowed"
    if not (folder / notebook).exists():
        there = [report.printable(path.name, 60) for path in sorted(folder.glob("*.ipynb"))]
        return f"has no {notebook}" + (f"; there is {there[0]}" if there else "")
    return "" if opened(folder / notebook) is not None else "is no notebook, or a damaged one"


def opened(path: Path):
    """Return a notebook, or None where it is none."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except Exception:  # a hand-in may be anything, and nbformat raises as many things
        return None


def nbgrader(course: Path, words: Sequence[str], seconds: float) -> tuple[int, str]:
    """Run an nbgrader command in a process of its own; return its status and the last line that says something."""
    beside = os.path.dirname(sys.executable)  # nbgrader calls `alembic` by name
    environment = {**os.environ, "PATH": beside + os.pathsep + os.environ.get("PATH", "")}
    process = subprocess.Popen(
        [sys.executable, "-m", "nbgrader", *words], cwd=course, env=environment, text=True, errors="replace",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=seconds)[1]
    except BaseException as error:  # out of time, or Ctrl-C: nbgrader empties its room when interrupted
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return 124, f"nbgrader took more than {seconds:.0f} s"
    telling = [line for line in said.splitlines() if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    return process.returncode, (telling or said.strip().splitlines() or [""])[-1]


def prepare(course: Path, assignment: str) -> None:
    """Make the gradebook know an assignment as solutions/ has it now; exercises/ is made anew with it.

    Raises:
        UserError: there is no such assignment, or nbgrader refuses it.
    """
    if not (course / "nbgrader_config.py").exists():
        raise UserError(f"{course} has no nbgrader_config.py; give the course's folder: --course DIR")
    if not (course / "solutions" / assignment / f"{assignment}.ipynb").exists():
        raise UserError(f"there is no solutions/{assignment}/{assignment}.ipynb in {course}, and grading needs it.")
    status, said = nbgrader(course, ["generate_assignment", assignment, "--create", "--force"], GRACE)
    if status:
        raise UserError(f"nbgrader refuses solutions/{assignment}: {said}")


def grade(course: Path, assignment: str, student: str, options: Sequence[str], seconds: float) -> report.Row:
    """Grade one hand-in and return its row; whatever it holds, this returns.

    Args:
        course: the folder with nbgrader_config.py.
        assignment, student: which.
        options: for nbgrader's autograde.
        seconds: for the hand-in; nbgrader gets `GRACE` more.
    """
    from nbformat import read

    from mjcourse.classroom.mend import mend

    row, began, name = report.Row(student), time.monotonic(), f"{assignment}.ipynb"
    folder = course / "submitted" / student / assignment
    row.of = maximum(course, assignment)
    if refused := refusal(folder, name):
        row.happened.append(f"not graded: {refused}")
        return row
    row.happened += [report.printable(note, 60) for note in mend(
        opened(folder / name), read(course / "exercises" / assignment / name, as_version=4))[1]]  # fmt: skip
    words = ["autograde", assignment, f"--student={student}", "--force", "--create", *options]
    status, said = nbgrader(course, words, seconds + GRACE)
    row.seconds = round(time.monotonic() - began, 1)
    graded = opened(course / "autograded" / student / assignment / name)
    if status or graded is None:
        row.happened.append(f"not graded: {report.printable(said)}")
        return row
    row.graded, row.points = True, points(course, assignment, student)
    report.take(row, graded)
    return row


def maximum(course: Path, assignment: str) -> float:
    """Return the points that an assignment is worth."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return gradebook.find_assignment(assignment).max_score


def points(course: Path, assignment: str, student: str) -> float:
    """Return what a student has in the gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return gradebook.find_submission(assignment, student).score


def main(words: Sequence[str] | None = None) -> int:
    """Grade every hand-in of an assignment and write the report; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignment", help="such as 02_vae")
    parser.add_argument("--course", type=Path, default=config.ROOT, help="folder with nbgrader_config.py")
    parser.add_argument("--student", action="append", help="only this one; may be repeated")
    parser.add_argument("--least", default="room", choices=room.WAYS, help="the weakest isolation that will do")
    parser.add_argument("--memory", type=int, default=room.Limits.memory, help="MB for a hand-in (%(default)s)")
    parser.add_argument("--seconds", type=float, default=room.Limits.seconds, help="for a hand-in (%(default)s)")
    parser.add_argument("--cell-seconds", type=int, help="for a cell (nbgrader_config.py: 60)")
    args = parser.parse_args(words)
    course = args.course.resolve()
    way = room.chosen(args.least)
    students = sorted(path.parent.name for path in course.glob(f"submitted/*/{args.assignment}"))
    if args.student:
        if unknown := sorted(set(args.student) - set(students)):
            raise UserError(
                f"{unknown[0]} has handed in no {args.assignment}; there are {', '.join(students) or 'none'}."
            )
        students = sorted(set(args.student))
    if not students:
        raise UserError(f"there are no hand-ins: {course}/submitted/STUDENT/{args.assignment}/ is where they belong.")
    prepare(course, args.assignment)
    print(
        f"{len(students)} hand-ins; isolation in force: {way}; {args.memory} MB and {args.seconds:g} s each.",
        flush=True,
    )
    options = [
        f"--Isolated.least={args.least}",
        f"--Isolated.memory={args.memory}",
        f"--Isolated.seconds={args.seconds}",
    ]
    options += [f"--Isolated.timeout={args.cell_seconds}"] if args.cell_seconds else []
    rows = []
    for student in students:
        rows.append(grade(course, args.assignment, student, options, args.seconds))
        print(f"  {student}: {rows[-1].points:g} points, {rows[-1].seconds:.0f} s", flush=True)
    path = course / "reports" / f"{args.assignment}.json"
    kept = report.from_json(path.read_text("utf-8")) if path.exists() else []
    known = {row.student: row for row in [*kept, *rows]}  # of an earlier run, those that were not graded now
    whole = [known[student] for student in sorted(known)]
    write_atomically(path, report.as_json(whole).encode())
    write_atomically(path.with_suffix(".csv"), report.as_csv(whole).encode())
    print(report.as_text(rows))
    print(f"Written to {path} and .csv, {len(whole)} rows; `nbgrader generate_feedback` and `export` come next.")
    return 0 if all(row.graded for row in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"grade_class: {error}", file=sys.stderr)
        sys.exit(2)
