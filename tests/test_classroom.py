"""The classroom: a class is played, with right, wrong, blank, broken and hostile hand-ins, and its report read.

The quick class has a tiny assignment that needs no torch; the slow one has thirty hand-ins of a real chapter. Hostile
code here aims at the class's own temporary folder alone, so that a room which leaks costs nothing but the test.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from exercise_corpus import corpus

from mjcourse.classroom import report, room, steps
from mjcourse.classroom.mend import mend, name_of
from mjcourse.config import ROOT, UserError
from mjcourse.learn import chapters, reference

sys.path.insert(0, str(ROOT / "scripts"))
import build_exercises
import grade_class

WAY = room.ways()[0]
isolated = pytest.mark.skipif(WAY != "room", reason="this machine cannot make the closed room")

TEST = """check{n} = "run"
### BEGIN HIDDEN TESTS
from mjcourse.learn.coach import NotPassed
try:
    passed = times{n}(21) == {n} * 21
except NotImplementedError:
    raise NotPassed("– {n}. times {n}: not attempted") from None
except Exception as error:
    raise NotPassed(f"✗ {n}. times {n}: wrong: it raises {{type(error).__name__}}") from None
if not passed:
    raise NotPassed("✗ {n}. times {n}: wrong: it is another number")
### END HIDDEN TESTS"""


def tiny() -> nbformat.NotebookNode:
    """Return the source of an assignment of two exercises: double and triple a number, 2 and 3 points."""
    texts = {"text-top": "# Tiny", "given-start": "import os\nfactors = {2: 2, 3: 3}"}
    for n in (2, 3):
        body = f"def times{n}(x):\n    {reference.BEGIN}\n    return factors[{n}] * x\n    {reference.END}"
        texts |= {f"text-{n}": f"## Exercise {n}", f"answer-{n}": body, f"check-{n}": TEST.format(n=n)}
    made = [
        build_exercises.cell(name, text, int(name[-1]) if name[-1].isdigit() else 0) for name, text in texts.items()
    ]
    whole = {"cells": made, "metadata": build_exercises.KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return nbformat.reads(json.dumps(whole), as_version=4)


def course_at(folder: Path, assignment: str, source: nbformat.NotebookNode) -> Path:
    """Make a course of one assignment in a folder, released and in the gradebook."""
    (folder / "solutions" / assignment).mkdir(parents=True)
    nbformat.write(source, folder / "solutions" / assignment / f"{assignment}.ipynb")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    grade_class.prepare(folder, assignment)
    return folder


def answered(notebook: nbformat.NotebookNode, answers: dict[int, str]) -> nbformat.NotebookNode:
    """Return a released notebook with answers filled in."""
    for cell in notebook.cells:
        if name_of(cell).startswith("answer-") and (code := answers.get(int(name_of(cell).split("-")[1]))):
            cell.source = code
    return notebook


def hand_in(course: Path, assignment: str, student: str, made: nbformat.NotebookNode | bytes) -> Path:
    """Put a hand-in where `nbgrader collect` would."""
    folder = course / "submitted" / student / assignment
    folder.mkdir(parents=True)
    path = folder / f"{assignment}.ipynb"
    path.write_bytes(made if isinstance(made, bytes) else nbformat.writes(made).encode())
    return path


def graded(course: Path, assignment: str, *options: str) -> tuple[dict[str, dict], float]:
    """Grade a class by the script and return its rows by student, and the seconds that it took."""
    began = time.monotonic()
    grade_class.main([assignment, "--course", str(course), "--least", WAY, *options])
    rows = json.loads((course / "reports" / f"{assignment}.json").read_text("utf-8"))
    return {row["student"]: row for row in rows}, time.monotonic() - began


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return all that a class must not change, but the gradebook: paths and contents."""
    kept = [path for name in ("solutions", "exercises", "submitted") for path in (folder / name).rglob("*")]
    return {str(path): path.read_bytes() for path in kept if path.is_file() and not path.is_symlink()}


# ---- a quick class -------------------------------------------------------------------------------

LOOP, HOG = "def times2(x):\n    while True:\n        pass", "def times2(x):\n    return bytearray(10**10)"
# Slowly enough that what it prints arrives; faster, its memory is full before that.
PRINTER = "import time\ndef times3(x):\n    while True:\n        print('x' * 9999)\n        time.sleep(0.001)"
RIGHT2, RIGHT3 = "def times2(x):\n    return x + x", "def times3(x):\n    return x * factors[3]"
# Deletes and reads what it should not reach, and calls home; says what it could do.
BURGLAR = """
import shutil, socket
def times2(x):
    could = []
    for name in ("gradebook.db", "solutions", "submitted", "nbgrader_config.py"):
        path = os.path.join({course!r}, name)
        could += [name] if os.path.exists(path) else []
        shutil.rmtree(path, ignore_errors=True)
        try: os.remove(path)
        except OSError: pass
    try:
        socket.create_connection(("127.0.0.1", {port}), 2)
        could.append("the network")
    except OSError: pass
    try:
        open({course!r} + "/new", "w").close()
        could.append("writing")
    except OSError: pass
    could += [] if "CapEff:\\t0000000000000000" in open("/proc/self/status").read() else ["privileges"]
    could += ["the environment"] if "MJCOURSE_SECRET" in os.environ else []
    could += ["other processes"] if os.path.exists("/proc/{pid}") else []
    if could: raise RuntimeError(", ".join(could))
    return 2 * x
"""


def edited(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Edit a test, delete a given cell and an answer with its test: all come back."""
    notebook = answered(notebook, {2: RIGHT2.replace("x + x", "7")})
    for cell in notebook.cells:
        if name_of(cell) == "check-2":
            cell.source, cell.metadata.nbgrader["points"] = "pass", 100
    notebook.cells = [one for one in notebook.cells if name_of(one) not in ("given-start", "answer-3", "check-3")]
    return notebook


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Play a class of the tiny assignment and give its course, its rows and what was there before."""
    course = course_at(tmp_path_factory.mktemp("class"), "tiny", tiny())
    release = nbformat.read(course / "exercises" / "tiny" / "tiny.ipynb", as_version=4)

    def blank():
        return nbformat.from_dict(json.loads(json.dumps(release)))

    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MJCOURSE_SECRET", "of the teacher")
        patch.setenv("OMP_NUM_THREADS", "1")
        burglar = BURGLAR.format(course=str(course), port=server.getsockname()[1], pid=os.getpid())
        warns = "import sys\n" + RIGHT2.replace("    return", "    print('a warning', file=sys.stderr)\n    return")
        made = {
            "a-right": answered(blank(), {2: warns, 3: RIGHT3}),
            "b-wrong": answered(blank(), {2: RIGHT3.replace("times3", "times2")}),
            "c-loop-printer": answered(blank(), {2: LOOP, 3: PRINTER}),
            "d-hog-crash": answered(blank(), {2: HOG, 3: "def times3(x):\n    os._exit(3)"}),
            "e-edited": edited(blank()),
            "f-burglar": answered(blank(), {2: burglar if WAY == "room" else RIGHT2, 3: RIGHT3}),
            "g-damaged": b'{"cells": [',
        }
        for student, notebook in made.items():
            hand_in(course, "tiny", student, notebook)
        link = hand_in(course, "tiny", "h-link", blank()).with_name("data.csv")
        link.symlink_to(course / "gradebook.db")
        misnamed = hand_in(course, "tiny", "i-misnamed", blank())
        misnamed.rename(misnamed.with_name("tiny (1).ipynb"))
        before = snapshot(course)
        with (course / "nbgrader_config.py").open("a", encoding="utf-8") as config_file:
            config_file.write("\nc.Isolated.output = 100_000  # which an endless printer meets at once\n")
        rows, _ = graded(course, "tiny", "--cell-seconds", "5", "--memory", "1000")
    return course, rows, before


@pytest.mark.parametrize(
    ("student", "points", "states", "happened"),
    [
        ("a-right", 5, ["right", "right"], ""),
        ("b-wrong", 0, ["wrong", "not attempted"], ""),
        ("c-loop-printer", 0, ["time", "printed"], "time in check-2; printed in check-3"),
        ("d-hog-crash", 0, ["memory", "crash"], "memory in check-2; crash in check-3"),
        ("e-edited", 0, ["wrong", "not attempted"], "edited check-2"),
        pytest.param("f-burglar", 5, ["right", "right"], "", marks=isolated),
        ("g-damaged", 0, [], "not graded: is no notebook, or a damaged one"),
        ("h-link", 0, [], "not graded: holds a link or device, data.csv"),
        ("i-misnamed", 0, [], "not graded: has no tiny.ipynb; there is tiny (1).ipynb"),
    ],
)
def test_each_hand_in_gets_what_it_earns(played, student, points, states, happened):
    row = played[1][student]
    assert (row["points"], row["of"], list(row["states"].values())) == (points, 5, states), row
    assert row["graded"] == bool(states)
    assert "; ".join(row["happened"]).startswith(happened) and bool(happened) == bool(row["happened"]), row


def test_what_a_class_brings_along_stays_as_it_is(played):
    course, rows, before = played
    assert snapshot(course) == before
    assert not (course / "autograded" / "h-link").exists() and not (course / "new").exists()
    assert len(rows) == 9
    assert {"deleted given-start", "deleted answer-3", "deleted check-3"} <= set(rows["e-edited"]["happened"])
    assert strangers_left() == []


def test_the_table_says_it_to_a_spreadsheet(played):
    rows = list(csv.DictReader(io.StringIO((played[0] / "reports" / "tiny.csv").read_text("utf-8"))))
    assert [row["student"][0] for row in rows] == list("abcdefghi")
    assert rows[3] | {"seconds": ""} == {
        "student": "d-hog-crash", "points": "0.0", "of": "5.0", "check-2": "memory", "check-3": "crash",
        "graded": "yes", "happened": "memory in check-2; crash in check-3", "seconds": "",
    }  # fmt: skip


def test_nbgrader_goes_on_from_there(played):
    course = played[0]
    for words in (["generate_feedback", "tiny"], ["export", "--to=grades.csv"]):
        assert grade_class.nbgrader(course, words, 120)[0] == 0
    text = (course / "feedback" / "b-wrong" / "tiny" / "tiny.html").read_text("utf-8")
    assert "not attempted" in text
    grades = {row["student_id"]: row["score"] for row in csv.DictReader((course / "grades.csv").open())}
    assert grades["a-right"] == "5.0" and grades["e-edited"] == "0.0"


# ---- mending -------------------------------------------------------------------------------------


def changed(change: Callable[[list], list]) -> tuple[list[str], list[str]]:
    """Return the names of a mended notebook's cells, and the notes, after its cells were changed so."""
    released = tiny()
    copy = tiny()
    copy.cells = change(copy.cells)
    notebook, notes = mend(copy, released)
    nbformat.validate(notebook)
    return [name_of(cell) for cell in notebook.cells], notes


def test_an_untouched_notebook_is_left_alone():
    names, notes = changed(lambda cells: cells)
    assert notes == [] and names == [name_of(cell) for cell in tiny().cells]


@pytest.mark.parametrize("gone", range(1, 8))
def test_whatever_is_deleted_comes_back_in_its_place(gone):
    whole = [name for cell in tiny().cells if (name := name_of(cell))]
    names, notes = changed(lambda cells: cells[:gone] + cells[gone + 1 :])
    assert [name for name in names if name] == whole
    missing = name_of(tiny().cells[gone])
    assert notes == ([f"deleted {missing}"] if missing else [])


def test_all_cells_deleted_come_back_in_order():
    names, notes = changed(lambda cells: [])
    assert names == [name for cell in tiny().cells if (name := name_of(cell))] and len(notes) == 5


def test_what_is_doubled_unknown_moved_or_turned_is_said():
    def double(cells):
        return [*cells, nbformat.from_dict(cells[3] | {"id": "another"})]

    def stranger(cells):
        cells[0].metadata.nbgrader = {"grade_id": "mine", "grade": True, "points": 9}
        return cells

    def move(cells):
        return [cells[3], *cells[:3], *cells[4:]]

    def turn(cells):
        cells[3].cell_type = "markdown"
        del cells[3]["outputs"], cells[3]["execution_count"]
        return cells

    assert changed(double)[1][0] == "doubled answer-2"
    assert changed(stranger)[1] == ["unknown mine"]
    assert changed(move)[1] == ["moved answer-2"]
    assert changed(turn)[1] == ["edited answer-2"]


# ---- the room and what comes out of it -----------------------------------------------------------


def test_the_room_shows_no_solutions_and_no_hand_ins():
    shown = room._shown()
    for name in ("solutions", "submitted", "tests", "gradebook.db", ".git"):
        assert not any((ROOT / name).is_relative_to(path) for path in shown if path != Path("/usr"))
    assert any(Path(sys.prefix).is_relative_to(path) for path in shown)


def test_less_isolation_than_asked_for_is_refused(monkeypatch):
    monkeypatch.setattr(room, "ways", lambda: ["none"])
    with pytest.raises(UserError, match="offers the isolation 'none' and 'room' is asked for"):
        room.chosen("room")
    assert room.chosen("none") == "none"
    with pytest.raises(UserError, match="allowed are room, user, none"):
        room.chosen("tight")


def says(way: str, code: str, limits: room.Limits, monkeypatch) -> room.Outcome:
    """Run some Python in a way of isolation."""
    start = room._start
    with monkeypatch.context() as patch:
        patch.setattr(room, "_start", lambda way, inner, *more: start(way, [sys.executable, "-c", code], *more))
        return room.run("any", b"", limits, way)


@isolated
def test_the_room_needs_no_root(monkeypatch):
    code = "import mjcourse; print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')])"
    assert set(says("room", code, room.Limits(), monkeypatch).lines[0].split()) == {b"0" * 16}
    monkeypatch.setattr(room, "own_user", lambda way: False)
    outcome = says("room", code, room.Limits(), monkeypatch)
    if "Operation not permitted" in outcome.complaint:
        pytest.skip("this machine lets no user make namespaces")
    assert set(outcome.lines[0].split()) == {b"0" * 16}


@pytest.mark.parametrize("way", room.ways())
def test_too_much_of_anything_ends_it(way, monkeypatch):
    for code, limits, ended in (
        ("import time; time.sleep(60)", room.Limits(seconds=1), "time"),
        ("x = b'1' * 400_000_000; import time; time.sleep(60)", room.Limits(memory=200), "memory"),
        ("while True: print('x' * 99)", room.Limits(output=1), "output"),
        ("import os; os._exit(3)", room.Limits(), "died"),
        ("print('fine')", room.Limits(), "done"),
    ):
        outcome = says(way, code, limits, monkeypatch)
        assert outcome.ended == ended, (code, outcome.complaint)


def test_what_comes_out_of_the_room_may_be_anything():
    fine = {"cell": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}], "count": 1}
    lines = [b"\xff\n", b"[]\n", b"3\n", b'{"cell": 0}\n', b"[" * 9999 + b"\n"]
    lines += [json.dumps(fine | change).encode() for change in (
        {}, {"cell": 7}, {"cell": True}, {"outputs": [{"output_type": "other"}], "cell": 0}, {"outputs": 3, "cell": 0},
    )]  # fmt: skip
    ran, ended = steps.read(room.Outcome(lines), 3)
    assert list(ran) == [1] and ended == "died"
    assert steps.read(room.Outcome([b'{"end": "done"}'], "time"), 3) == ({}, "time")


def test_a_report_obeys_no_hand_in():
    assert report.printable("a\x1b[2J\nb") == "a [2J b" and len(report.printable("x" * 999)) == 300
    rows = [
        report.Row("=1+1"),
        report.Row("b", 1, 2, True, {"check-1": "right"}, {"check-1": ""}, ["moved answer-1"], 3),
    ]
    assert report.as_csv(rows).splitlines()[1].startswith("'=1+1,")
    assert report.from_json(report.as_json(rows)) == rows


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tiny"], "there are no hand-ins"),
        (["tiny", "--student", "zoe"], "zoe has handed in no tiny"),
    ],
)
def test_a_teachers_mistake_is_one_line(tmp_path, words, says):
    with pytest.raises(UserError, match=says) as caught:
        grade_class.main([*words, "--course", str(tmp_path), "--least", "none"])
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_course_is_one_line(tmp_path):
    hand_in(tmp_path, "tiny", "anna", b"")
    with pytest.raises(UserError, match=r"has no nbgrader_config\.py"):
        grade_class.main(["tiny", "--course", str(tmp_path), "--least", "none"])
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    with pytest.raises(UserError, match="there is no solutions/tiny"):
        grade_class.main(["tiny", "--course", str(tmp_path), "--least", "none"])


# ---- a class of thirty ----------------------------------------------------------------------------

SLEEPER = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
STUBBORN = "    import signal\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass\n"
WARNS = "import warnings\n{right}\nours = kl_between\n"
WARNS += "def kl_between(*x):\n    warnings.warn('so')\n    return ours(*x)"
# What stands in place of answer 1, or in its body; the state of check-1 that it must get; what must be in `happened`.
BAD = {
    "loop": ("BODY    while True: pass", "time", "time in check-1"),
    "loop-at-the-top": ("while True: pass", "not attempted", "time in answer-1"),
    "loop-that-is-stubborn": ("BODY" + STUBBORN, "time", "time in check-1"),
    "hog": ("BODY    kept = []\n    while True: kept.append(bytearray(10**8))", "memory", "memory in check-1"),
    "hog-of-torch": ("BODY    return torch.ones(10**10)", "memory", "memory in check-1"),
    "crash": ("BODY    import os; os._exit(3)", "crash", "crash in check-1"),
    "crash-of-c": ("BODY    import ctypes; ctypes.string_at(0)", "crash", "crash in check-1"),
    "exit": ("BODY    import sys; sys.exit()", "wrong", ""),
    "exit-at-the-top": ("import sys\nsys.exit()", "not attempted", ""),
    "kills-its-parent": ("BODY    import os, signal; os.kill(os.getppid(), signal.SIGKILL); return m1", "wrong", ""),
    "kills-itself": ("BODY    import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crash", "crash in check-1"),
    "prints": ("BODY    while True: print('x' * 999)", "printed", "printed in check-1"),
    "fills-the-disk": ("BODY    open('big', 'wb').write(bytes(10**9)); return m1", "wrong", ""),
    "leaves-a-process": (SLEEPER + "{right}", "right", ""),
    "syntax": ("def kl_between(m1, v1, m2, v2)\n    return 1", "not attempted", ""),
    "warns": (WARNS, "right", ""),
    "equals-all": ("class All:\n    __eq__ = lambda *x: True\n{right}\ndef kl_between(*x): return All()", "wrong", ""),
}  # fmt: skip


def strangers_left() -> list[str]:
    """Return the names of processes that run as one of the room's users."""
    import psutil

    users = range(61_200, 65_200)
    return [one.info["name"] for one in psutil.process_iter(["uids", "name"]) if one.info["uids"].real in users]


def class_of_thirty(course: Path, burglar: str) -> dict[str, tuple[str, str]]:
    """Hand in thirty notebooks of chapter 02; return student → the state of check-1 and what must have happened."""
    names = [one.number for one in chapters.exercises("02_vae")]
    right = {number: reference.solution("02_vae", number) for number in names}
    cases = corpus("02_vae")
    released = nbformat.read(course / "exercises" / "02_vae" / "02_vae.ipynb", as_version=4)
    other = {number: cases[number]["accepted"][0]["code"] for number in names}
    answers = {
        "right": (right, "right", ""),
        "right-too": (right | other, "right", ""),
        "blank": ({}, "not attempted", ""),
    }
    for index in range(5):
        wrong = {number: cases[number]["wrong"][index]["code"] for number in names}
        answers[f"wrong-{index}"] = (wrong, "wrong", "")
    for name, (code, state, happened) in BAD.items():
        code = code.replace("BODY", "def kl_between(m1, v1, m2, v2):\n").replace("{right}", right[1])
        answers[name] = (right | {1: code}, state, happened)
    answers["burglar"] = (right | {1: burglar.replace("times2", "burgle") + right[1] + "\nburgle(1)"}, "right", "")
    made = {
        name: answered(nbformat.from_dict(json.loads(json.dumps(released))), found[0])
        for name, found in answers.items()
    }
    expected = {name: found[1:] for name, found in answers.items()}
    for name, (happened, keep) in {
        "tests-edited": ("edited check-1", lambda cell: True),
        "tests-deleted": ("deleted check-1", lambda cell: not name_of(cell).startswith("check")),
        "given-deleted": ("deleted given-start", lambda cell: not name_of(cell).startswith("given")),
    }.items():
        made[name] = answered(nbformat.from_dict(json.loads(json.dumps(released))), right)
        made[name].cells = [cell for cell in made[name].cells if keep(cell)]
        if name == "tests-edited":
            next(cell for cell in made[name].cells if name_of(cell) == "check-1").source = "pass"
        expected[name] = ("right", happened)
    for student, notebook in made.items():
        hand_in(course, "02_vae", student, notebook)
    hand_in(course, "02_vae", "damaged", b"PK\x03\x04")
    return expected


@pytest.mark.slow
@isolated
def test_a_class_of_thirty_is_graded_whatever_it_hands_in(tmp_path):
    course = course_at(tmp_path, "02_vae", nbformat.read(reference.notebook("02_vae"), as_version=4))
    with socket.create_server(("127.0.0.1", 0)) as server:
        burglar = BURGLAR.format(course=str(course), port=server.getsockname()[1], pid=os.getpid())
        expected = class_of_thirty(course, "import os\n" + burglar)
        before = snapshot(course)
        rows, seconds = graded(course, "02_vae", "--cell-seconds", "45")
    assert len(rows) == 30 and seconds < 900 * float(os.environ.get("MJCOURSE_SLACK", "1"))
    assert snapshot(course) == before and strangers_left() == []
    assert not rows["damaged"]["graded"]
    for name, (state, happened) in expected.items():
        assert rows[name]["states"].get("check-1") == state, rows[name]
        assert not happened or happened in rows[name]["happened"], rows[name]
    for name, row in rows.items():  # what went wrong in exercise 1 costs the others nothing while the kernel lives
        if name in BAD and not {"crash", "not run"} & set(row["states"].values()):
            assert row["points"] >= row["of"] - 1, row
