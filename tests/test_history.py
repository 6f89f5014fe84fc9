"""The history keeps every finished job: through kill -9, torn lines, full disks and several notebooks at once."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import types
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from mjcourse import config, files
from mjcourse.config import UserError
from mjcourse.studio import journal
from mjcourse.studio.entry import KINDS, Entry, new_id
from mjcourse.studio.history import History, write_png
from mjcourse.studio.journal import add_line, locked, read_lines, to_line

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")


def painted(seed: int, count: int = 2, size: int = 8) -> np.ndarray:
    """Return pictures (count, size, size, 3) uint8 that are functions of the seed."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "studio")


def ids(history: History) -> list[str]:
    return [entry.id for entry in history.entries()]


# ---- what is kept --------------------------------------------------------------------------------


def test_a_job_is_found_again_by_another_notebook(history):
    wanted = history.append(
        painted(1, 4), "太阳沙滩大海 --seed 7", kind="vary", settings={"seed": 7, "ar": "3:2", "p": None},
        parent="20260101-000000-00000000", index=2, seeds=[7, 8, 9, 10], seconds=1.23456,
    )  # fmt: skip
    other = History(history.folder)
    assert other.entries() == [wanted] and other.find(wanted.id) == wanted
    assert np.array_equal(other.pictures(wanted.id), painted(1, 4))
    assert wanted.settings == {"seed": 7, "ar": "3:2", "p": None} and wanted.seeds == (7, 8, 9, 10)
    assert (wanted.kind, wanted.parent, wanted.index) == ("vary", "20260101-000000-00000000", 2)
    assert wanted.files == tuple(f"{wanted.id}-{i}.png" for i in (1, 2, 3, 4)) and wanted.seconds == 1.235


def test_on_disk_it_is_a_line_of_json_and_plain_pngs(history):
    entry = history.append(painted(1), "太阳沙滩大海", seeds=[1, 2])
    (line,) = history.path.read_text("utf-8").splitlines()
    told = json.loads(line)
    assert "太阳沙滩大海" in line and told["id"] == entry.id and told["files"] == list(entry.files)
    assert abs(time.time() - datetime.fromisoformat(told["time"]).timestamp()) < 60
    for name, picture in zip(entry.files, painted(1), strict=True):
        with Image.open(history.folder / name) as image:
            assert image.format == "PNG" and image.mode == "RGB" and np.array_equal(np.asarray(image), picture)


def test_by_default_in_runs_studio(runs):
    entry = History().append(painted(1), "a red sun")
    assert (runs / "studio" / "history.jsonl").exists() and (runs / "studio" / entry.files[0]).exists()
    assert History().entries() == [entry]


def test_newest_first_by_place_in_the_file_whatever_the_clock_says(history, monkeypatch):
    monkeypatch.setattr("mjcourse.studio.history._now", iter(["2026-03-01", "2026-01-01", "2026-02-01"]).__next__)
    made = [history.append(painted(i), f"number {i}").id for i in range(3)]
    assert ids(history) == made[::-1] == ids(History(history.folder))


def test_an_empty_history(history):
    assert history.entries() == [] and history.gallery() == [] and history.current is None
    with pytest.raises(UserError, match="has no job 'x'; it is empty"):
        history.find("x")
    assert not history.folder.exists()  # reading makes nothing


def test_ids_are_of_one_notebook_only_and_sort_by_time():
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert [i[:15] for i in made] == sorted(i[:15] for i in made)


def test_the_writer_gets_the_entry_and_may_add_to_the_png(tmp_path):
    def write(picture, path, entry, index):
        assert entry.id not in ids(history)  # the pictures are there before the line
        info = PngImagePlugin.PngInfo()
        info.add_text("seed", str(entry.seeds[index]))
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG", pnginfo=info)
        files.write_atomically(path, buffer.getvalue())

    history = History(tmp_path, write)
    entry = history.append(painted(1), "a red sun", seeds=[5, 6])
    with Image.open(tmp_path / entry.files[1]) as image:
        assert image.text == {"seed": "6"}
    assert np.array_equal(history.pictures(entry.id), painted(1))


@pytest.mark.parametrize(
    "pictures, kind, cause",
    [
        (painted(1).astype(float), "imagine", r"must be \(N, H, W, 3\) uint8, .*; got \(2, 8, 8, 3\) float64"),
        (painted(1)[0], "imagine", r"got \(8, 8, 3\) uint8"),
        (painted(1)[:0], "imagine", r"got \(0, 8, 8, 3\)"),
        (painted(1), "imagin", "no kind of job 'imagin'; there are imagine, vary, .* Did you mean imagine"),
    ],
)
def test_refuses_what_is_no_job(history, pictures, kind, cause):
    with pytest.raises(UserError, match=cause) as caught:
        history.append(pictures, "a red sun", kind=kind)
    assert "\n" not in str(caught.value) and not history.folder.exists()


def test_an_id_is_given_once(history):
    entry = history.append(painted(1), "one")
    with pytest.raises(UserError, match=f"has a job {entry.id} already"):
        history.append(painted(2), "two", id=entry.id)
    assert np.array_equal(history.pictures(entry.id), painted(1))


def test_settings_that_json_does_not_know(history):
    told = {"init": Path("a/b.png"), "iw": np.float32(0.5), "n": np.int64(3), "parts": (("a", 2),)}
    entry = history.append(painted(1), "a", settings=told)
    assert entry.settings == {"init": str(Path("a/b.png")), "iw": 0.5, "n": 3, "parts": [["a", 2]]}
    assert History(history.folder).entries() == [entry]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(history, kind):
    assert history.append(painted(1), "a", kind=kind).kind == kind


# ---- gallery, info, delete -----------------------------------------------------------------------


def test_the_gallery_is_flat_and_newest_first(history):
    a, b = history.append(painted(1), "one"), history.append(painted(2, 1), "two")
    (history.folder / a.files[0]).unlink()
    shown = [(s.entry, s.index, s.path.name, s.there) for s in history.gallery()]
    assert shown == [(b, 0, b.files[0], True), (a, 0, a.files[0], False), (a, 1, a.files[1], True)]


def test_info_is_readable(history):
    a = history.append(painted(1), "太阳沙滩大海 --seed 7", settings={"seed": 7, "ar": "1:1", "p": None}, seeds=[7, 8])
    b = history.append(painted(2, 1), "太阳沙滩大海 --seed 7", kind="upscale", parent=a.id, index=1, seconds=0.51)
    (history.folder / b.files[0]).unlink()
    first, second = history.info(a.id), history.info(b.id)
    assert first.startswith("imagine · ") and "太阳沙滩大海 --seed 7" in first.splitlines()
    assert "seeds: 7, 8" in first and "ar: 1:1" in first and "\np: " not in first and a.files[1] in first
    assert second.startswith("upscale · ") and "0.5 s" in second and f"made from picture 2 of {a.id}" in second
    assert second.endswith(f"{b.files[0]} (missing)") and "missing" not in first


def test_a_deletion_is_a_line_and_takes_no_file_away(history):
    a, b = (history.append(painted(i), "x").id for i in (1, 2))
    other, before = History(history.folder), history.path.read_bytes()
    assert ids(other) == [b, a]
    history.delete(a)
    assert history.path.read_bytes().startswith(before)
    assert ids(history) == ids(other) == ids(History(history.folder)) == [b]
    assert {s.entry.id for s in history.gallery()} == {b}
    assert (history.folder / f"{a}-1.png").exists()
    for ask in (history.find, history.pictures, history.info, history.delete):
        with pytest.raises(UserError, match=f"has no job '{a}'; the nearest is"):
            ask(a)


def test_what_was_deleted_is_put_back_to_where_it_was(history):
    a, b, c = (history.append(painted(i), "x") for i in range(3))
    other = History(history.folder)
    history.delete(a.id)
    other.delete(b.id)
    assert history.deleted() == other.deleted() == [a, b] and ids(history) == [c.id]
    before = history.path.read_bytes()
    assert other.restore(a.id) == a and history.path.read_bytes().startswith(before)
    assert ids(history) == ids(History(history.folder)) == [c.id, a.id] and history.deleted() == [b]
    assert np.array_equal(history.pictures(a.id), painted(0))
    history.delete(a.id)
    history.restore(b.id), history.restore(a.id)
    assert ids(history) == [c.id, b.id, a.id] and history.deleted() == []


def test_only_a_deleted_job_is_put_back(history):
    with pytest.raises(UserError, match="has no deleted job 'x'; none was deleted"):
        history.restore("x")
    a, b = history.append(painted(1), "x", id="20260101-a"), history.append(painted(1), "x", id="20260202-b")
    history.delete(a.id)
    for id in (b.id, "20260101-b"):
        with pytest.raises(UserError, match=f"no deleted job '{id}'; the nearest that can be put back is {a.id}"):
            history.restore(id)


def test_a_deleted_job_whose_name_was_given_anew_is_the_new_one(history):
    history.append(painted(1), "old", id="a")
    history.delete("a")
    new = history.append(painted(2), "new", id="a")
    assert history.entries() == [new] and history.deleted() == []


def test_a_wrong_id_gets_the_nearest(history):
    a, b = history.append(painted(1), "x", id="20260101-a"), history.append(painted(1), "x", id="20260202-b")
    with pytest.raises(UserError, match=rf"has no job '20260101-c'; the nearest is {a.id}\."):
        history.find("20260101-c")
    with pytest.raises(UserError, match=rf"the nearest is {b.id}\."):
        history.find("???")


# ---- undo and redo -------------------------------------------------------------------------------


def test_undo_and_redo_move_and_delete_nothing(history):
    a, b, c = (history.append(painted(i), f"{i}") for i in range(3))
    before = history.path.read_bytes()
    assert history.current == c and history.undo() == b and history.undo() == a == history.current
    with pytest.raises(UserError, match="nothing to undo: this notebook has no job before this one"):
        history.undo()
    assert history.current == a and history.redo() == b and history.redo() == c
    with pytest.raises(UserError, match="nothing to redo"):
        history.redo()
    assert history.path.read_bytes() == before and ids(history) == [c.id, b.id, a.id]


def test_undo_is_of_this_notebook_only(history):
    mine = history.append(painted(1), "mine")
    theirs = History(history.folder)
    theirs.append(painted(2), "theirs")
    last = history.append(painted(3), "mine")
    assert history.undo() == mine and history.redo() == last
    with pytest.raises(UserError, match="nothing to undo"):
        theirs.undo()


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["draw", "draw", "undo", "undo", "redo", "delete", "restore"]), max_size=12))
def test_undo_is_that_of_a_browser(tmp_path_factory, moves):
    history = History(tmp_path_factory.mktemp("undo"))
    back, now, ahead, gone = [], None, [], set()  # the reference: two stacks
    for move in moves:
        if move == "draw":
            back, now, ahead = back + [now] * (now is not None), history.append(painted(1, 1, 2), "x").id, []
        elif move == "delete" and now is not None and now not in gone:
            history.delete(now)
            gone.add(now)
        elif move == "restore" and gone:
            history.restore(gone.pop())
        elif move in ("undo", "redo"):
            stack = [job for job in (back if move == "undo" else ahead) if job not in gone]
            if not stack:
                with pytest.raises(UserError, match=f"nothing to {move}"):
                    getattr(history, move)()
                continue
            line = [*back, *([now] if now else []), *ahead[::-1]]
            back, now, ahead = line[: line.index(stack[-1])], stack[-1], line[line.index(stack[-1]) + 1 :][::-1]
            assert getattr(history, move)().id == now
        assert (history.current and history.current.id) == (None if now in gone else now)


# ---- damage --------------------------------------------------------------------------------------


def test_a_line_torn_anywhere_costs_only_itself(history):
    whole = [history.append(painted(i), f"太阳 {i}").id for i in range(3)]
    data = history.path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    for cut in range(start, len(data)):
        found = [record["id"] for record in read_lines(data[:cut])]
        assert found == (whole if cut == len(data) - 1 else whole[:2]), cut  # all but the line's end is the line


@pytest.mark.parametrize("kept", [1, 30, -20, -2, -1])
def test_the_next_writer_ends_a_torn_line(history, kept):
    a, b = (history.append(painted(i), "太阳").id for i in range(2))
    data = history.path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    torn = data[: start + kept] if kept > 0 else data[:kept]
    history.path.write_bytes(torn)
    after = History(history.folder)
    c = after.append(painted(2), "later").id
    assert ids(after) == ids(History(history.folder)) == ([c, b, a] if kept == -1 else [c, a])
    assert history.path.read_bytes().startswith(torn)  # nothing is rewritten
    d = after.append(painted(2), "later still").id
    assert ids(History(history.folder))[:2] == [d, c]


@given(st.binary(max_size=200))
def test_garbage_in_between_is_left_out(garbage):
    line = to_line(Entry("a", "2026", "one").record())
    other = to_line(Entry("b", "2026", "two").record())
    found = [record.get("id") for record in read_lines(line + garbage + b"\n" + other)]
    assert found[0] == "a" and found[-1] == "b"


@given(
    st.dictionaries(st.text(max_size=9), st.text() | st.integers() | st.lists(st.none() | st.booleans()), max_size=5)
)
def test_any_record_is_one_line_and_comes_back(record):
    line = to_line(record)
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and read_lines(line) == [record]


def test_odd_characters(history):
    command = 'a "quoted" \\ sun\u2028over\u0085the sea 🌊 --init photo\udc80.png'  # as Linux names odd files
    assert history.append(painted(1), command).command == command
    assert History(history.folder).entries()[0].command == command


def test_what_a_newer_version_wrote_is_kept(history):
    record = {"id": "n-1", "time": "2027", "command": "a", "kind": "hologram", "layers": [1, {"x": 2}], "extra": 5}
    history.folder.mkdir()
    add_line(history.path, to_line(record))
    add_line(history.path, to_line({"version": 9}))  # a line of another kind
    mine = history.append(painted(1), "b")
    entry = history.find("n-1")
    assert ids(history) == [mine.id, "n-1"]
    assert entry.kind == "hologram" and entry.extra == {"layers": [1, {"x": 2}], "extra": 5}
    assert record.items() <= entry.record().items() and Entry.of(entry.record()) == entry
    assert "hologram" in history.info("n-1") and "layers: [1, {'x': 2}]" in history.info("n-1")
    with pytest.raises(UserError, match="names no pictures; to draw it again, type: a"):
        history.pictures("n-1")


@pytest.mark.parametrize(
    "change",
    [{"id": "../../x"}, {"id": 5}, {"id": ""}, {"files": ["../secret.png"]}, {"files": ["/etc/x.png"]}, {"files": [1]},
     {"files": "a.png"}, {"seeds": 5}, {"settings": []}, {"command": None}, {"index": "1"}, {"seconds": "long"}],
    ids=str,
)  # fmt: skip
def test_an_altered_line_is_left_out_and_the_others_load(history, change):
    a = history.append(painted(1), "a")
    add_line(history.path, to_line(Entry("n-1", "2027", "b").record() | change))
    b = history.append(painted(2), "b")
    assert history.entries() == [b, a]


def test_no_flipped_bit_in_a_picture_goes_unseen(history):
    plain = np.tile(np.arange(32, dtype=np.uint8)[:, None, None], (1, 1, 32, 3)).reshape(1, 32, 32, 3)
    entry = history.append(plain, "a")  # compressed well, so that a wrong bit still decodes
    path, seen = history.folder / entry.files[0], 0
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        try:
            assert np.array_equal(history.pictures(entry.id), plain), at
        except UserError as error:
            assert "is damaged" in str(error)
            seen += 1
    assert seen > 0.9 * len(data)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:60] + bytes([data[60] ^ 4]) + data[61:]  # in the compressed pixels


def other_size(data: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 5)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "damage, cause",
    [(cut, "damaged"), (flipped, "damaged"), (lambda d: b"", "damaged"), (lambda d: b"hello", "damaged"),
     (None, "missing"), (other_size, "has another size")],
)  # fmt: skip
def test_a_damaged_picture_is_named_and_the_others_load(history, damage, cause):
    a, b = history.append(painted(1), "a red sun --seed 1"), history.append(painted(2), "b")
    path = history.folder / a.files[1]
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    with pytest.raises(UserError, match=rf"{a.files[1]}.* {cause}.*to draw it again, type: a red sun --seed 1"):
        history.pictures(a.id)
    assert history.entries() == [b, a] and np.array_equal(history.pictures(b.id), painted(2))
    assert len(history.gallery()) == 4 and a.id in history.info(a.id)


# ---- full disks, locks ---------------------------------------------------------------------------


def fill(folder: Path, told) -> None:
    """Append in a process whose files cannot grow beyond 9,000 bytes, until that is said; tell what happened."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
    history, made = History(folder), []
    try:
        for i in range(100):
            made.append(history.append(painted(i), f"number {i}").id)
    except UserError as error:
        told.send((made, str(error), history.path.stat().st_size, ids(history)))


@posix
def test_a_full_disk_loses_nothing(processes, tmp_path):
    here, there = multiprocessing.Pipe(duplex=False)
    process = processes.Process(target=fill, args=(tmp_path, there))
    process.start()
    there.close()
    made, error, size, listed = here.recv()
    process.join(20)
    assert len(made) > 10 and "cannot write the history" in error and "free some disk space" in error
    assert "\n" not in error and listed == made[::-1] == ids(History(tmp_path))
    assert 8000 < size < 9000 and history_ends_whole(tmp_path)  # the line that did not fit is gone again
    assert {p.name for p in tmp_path.glob("*.png*")} == {f"{i}-{n}.png" for i in made for n in (1, 2)}
    history = History(tmp_path)
    assert ids(history) == made[::-1] and history.append(painted(1), "room again").id == ids(history)[0]


def history_ends_whole(folder: Path) -> bool:
    return (folder / "history.jsonl").read_bytes().endswith(b"}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_full_at_the_second_picture(history, monkeypatch):
    a = history.append(painted(1), "a")
    before = history.path.read_bytes()
    opened = iter([open, lambda *_: open("/dev/full", "wb")])  # noqa: SIM115
    monkeypatch.setattr(files, "open", lambda path, mode: next(opened)(path, mode), raising=False)
    with pytest.raises(UserError, match=r"cannot write .*-2\.png .*No space left on device; free some disk space"):
        history.append(painted(2), "b")
    assert history.path.read_bytes() == before and history.current == a
    assert sorted(p.name for p in history.folder.glob("*.png*")) == sorted(a.files)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def write(picture, path, entry, index):
        write_png(picture, path, entry, index)
        if index == 1:
            raise KeyError("label")

    history = History(tmp_path, write)
    with pytest.raises(KeyError):
        history.append(painted(1), "a")
    assert list(tmp_path.glob("*.png")) == [] and history.entries() == [] and history.current is None


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "studio").write_text("a file, not a folder")
    with pytest.raises(UserError, match="studio") as caught:
        History(tmp_path / "studio").append(painted(1), "a")
    assert "\n" not in str(caught.value)


def windows() -> list[int]:
    """Make `journal` lock as on Windows, by an `msvcrt` that keeps its contract with POSIX record locks.

    Returns:
        A list that grows by 2 for each try to lock and by 0 for each unlocking.
    """
    modes = []

    def locking(number, mode, count):
        modes.append(mode)
        assert os.lseek(number, 0, os.SEEK_CUR) == 0 and count == 1
        try:
            os.lockf(number, {2: os.F_TLOCK, 0: os.F_ULOCK}[mode], count)
        except OSError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    sys.modules["fcntl"] = None  # importing it fails
    sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, LK_UNLCK=0, locking=locking)
    return modes


def hold(folder: Path, told, as_windows: bool) -> None:
    """Take the lock and keep it."""
    if as_windows:
        windows()
    with locked(folder / "history.lock"):
        told.send("held")
        time.sleep(60)


@pytest.fixture
def lock_system(request, monkeypatch):
    """Lock as here or as on Windows; return whether it is the latter."""
    if request.param:
        for name in ("fcntl", "msvcrt"):
            monkeypatch.setitem(sys.modules, name, None)  # put back afterwards
        windows()
    return request.param


both = pytest.mark.parametrize("lock_system", [False, True], ids=["posix", "windows"], indirect=True)


@posix
@both
def test_a_held_lock_is_told_and_a_killed_holder_gives_it_back(processes, history, monkeypatch, lock_system):
    monkeypatch.setattr(journal, "PATIENCE", 0.2)
    a = history.append(painted(1), "a")
    here, there = multiprocessing.Pipe(duplex=False)
    process = processes.Process(target=hold, args=(history.folder, there, lock_system))
    process.start()
    assert here.recv() == "held"
    with pytest.raises(UserError, match=r"another notebook holds .*history\.lock .*stop that notebook's kernel"):
        history.append(painted(2), "b")
    assert history.entries() == [a] and len(list(history.folder.glob("*.png"))) == 2  # reading needs no lock
    process.kill()
    process.join()
    b = history.append(painted(2), "b")
    assert history.entries() == [b, a]


@posix
def test_on_windows_each_lock_is_given_back_by_name(history, monkeypatch):
    for name in ("fcntl", "msvcrt"):
        monkeypatch.setitem(sys.modules, name, None)
    modes = windows()  # closing the file is not enough there
    history.append(painted(1), "a")
    history.append(painted(1), "b")
    assert modes == [2, 0, 2, 0]


@posix
def test_a_forked_process_does_not_keep_the_lock(tmp_path):
    with locked(tmp_path / "x.lock"):
        if not (child := os.fork()):
            time.sleep(60)
            os._exit(0)
    try:
        with locked(tmp_path / "x.lock", 0.2):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_folder_that_cannot_be_locked(history, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(UserError, match="No locks available"):
        history.append(painted(1), "a")


# ---- several at once, and kill -9 ----------------------------------------------------------------


@pytest.fixture(scope="module")
def processes():
    """A server that forks a process for each writer, with the modules loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "hypothesis", "mjcourse.studio.jobs"])
    return context


def write_many(folder: Path, first: int, count: int, as_windows: bool) -> None:
    if as_windows:
        windows()
    history = History(folder)
    for seed in range(first, first + count):
        history.append(painted(seed, 1), f"number {seed} {'太阳' * (seed % 300)}", seeds=[seed])


@posix
@both
def test_eight_processes_at_once_lose_nothing(processes, tmp_path, lock_system):
    writers = [processes.Process(target=write_many, args=(tmp_path, 20 * i, 20, lock_system)) for i in range(8)]
    for writer in writers:
        writer.start()
    history = History(tmp_path)
    while any(writer.is_alive() for writer in writers):  # a reader in the middle of it
        for entry in history.entries()[:3]:
            assert np.array_equal(history.pictures(entry.id), painted(entry.seeds[0], 1))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = history.entries()
    assert sorted(entry.seeds[0] for entry in found) == list(range(160))
    assert len(history.path.read_bytes().splitlines()) == 160
    for entry in found:
        assert np.array_equal(history.pictures(entry.id), painted(entry.seeds[0], 1))
    for i in range(8):  # each in its order
        assert sorted(own := [e.seeds[0] for e in found if e.seeds[0] // 20 == i], reverse=True) == own


def test_threads_of_one_notebook_lose_nothing(history):
    threads = [threading.Thread(target=lambda: [history.append(painted(1, 1), "x") for _ in range(10)]) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids(history))) == len(history._mine) == 40


def write_for_ever(folder: Path, told, first: int, stall: str = "") -> None:
    """Append job after job and tell each one that is kept; stop for ever at a place in the third one."""

    def wait() -> None:
        told.send("stalled")
        time.sleep(60)

    class Half(io.FileIO):
        def write(self, data) -> int:
            super().write(data if stall == "whole line" else data[: len(data) // 2])
            wait()

    def write(picture, path, entry, index):
        if third() and stall == "half a picture":
            path.with_name(f"{path.name}.partial").write_bytes(b"half")
            wait()
        write_png(picture, path, entry, index)

    def open_(path, mode, buffering=-1):
        if third() and mode == "a+b":
            if stall == "no line":
                wait()
            if stall in ("half a line", "whole line"):
                return Half(path, mode)
        return open(path, mode, buffering)

    def third() -> bool:
        return seed == first + 2

    history, journal.open = History(folder, write), open_
    for seed in range(first, first + 1000):
        told.send((history.append(painted(seed), f"number {seed}").id, seed))


class Writer:
    """A process that writes for ever, and what it told."""

    def __init__(self, processes, folder: Path, first: int, stall: str = "") -> None:
        self.here, there = multiprocessing.Pipe(duplex=False)
        self.process = processes.Process(target=write_for_ever, args=(folder, there, first, stall))
        self.process.start()
        there.close()
        self.told = []

    def until(self, reached) -> None:
        while not reached(self.told):
            self.told.append(self.here.recv())

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL
        try:
            while True:
                self.told.append(self.here.recv())
        except EOFError:
            pass


@posix
def test_killed_at_random_moments(processes, tmp_path):
    rng, kept = np.random.default_rng(5), {}
    for kill in range(15):
        writer = Writer(processes, tmp_path, first=1000 * kill)
        enough = int(rng.integers(1, 6))
        writer.until(lambda told: len(told) >= enough)  # noqa: B023
        time.sleep(float(rng.uniform(0, 0.01)))  # anywhere in a job
        writer.kill()
        kept |= dict(writer.told)
        history = History(tmp_path)
        found = ids(history)
        assert set(kept) <= set(found) and len(found) - len(kept) <= kill + 1  # told or, just not yet told, whole
        for id in found:
            assert np.array_equal(history.pictures(id), painted(int(history.find(id).command.split()[1])))
    assert len(kept) >= 15


@posix
@pytest.mark.parametrize("stall", ["half a picture", "no line", "half a line", "whole line"])
def test_killed_at_every_place(processes, tmp_path, stall):
    writer = Writer(processes, tmp_path, 0, stall)
    writer.until(lambda told: told and told[-1] == "stalled")
    writer.kill()
    first, second = (id for id, _ in writer.told[:2])
    third = [stall == "whole line"]
    history = History(tmp_path)
    assert ids(history)[::-1][:2] == [first, second] and len(ids(history)) == 2 + sum(third)
    assert history_ends_whole(tmp_path) == (stall != "half a line")  # it was in the middle, really
    for number, id in enumerate(ids(history)[::-1]):
        assert np.array_equal(history.pictures(id), painted(number))
    began = time.monotonic()
    last = history.append(painted(9), "after")  # the killed one held the lock
    assert time.monotonic() - began < 1
    assert ids(History(tmp_path))[0] == last.id and len(ids(History(tmp_path))) == 3 + sum(third)


# ---- quick and light -----------------------------------------------------------------------------


def test_a_thousand_jobs_load_in_no_time(tmp_path):
    settings_ = {"prompt": "a red sun over the sea", "seed": 5, "ar": "1:1", "chaos": 0, "stylize": 100, "weird": 0}
    records = [
        Entry(f"20260101-{i:06d}", "2026-01-01T00:00:00+00:00", "a red sun over the sea --seed 5", settings=settings_,
              seeds=(5, 6, 7, 8), files=tuple(f"20260101-{i:06d}-{n}.png" for n in range(4))).record()
        for i in range(1000)
    ]  # fmt: skip
    lines = [*map(to_line, records)]
    (tmp_path / "history.jsonl").write_bytes(b"".join(lines))

    def seconds(act):
        began = time.process_time()  # of this process alone: others may be busy
        act()
        return time.process_time() - began

    history = History(tmp_path)
    first = seconds(lambda: (history.entries(), history.gallery()))
    assert len(history.entries()) == 1000 and len(history.gallery()) == 4000
    assert first < 12 * min(seconds(lambda: [json.loads(line) for line in lines]) for _ in range(3))
    assert seconds(lambda: [history.find("20260101-000500") for _ in range(10)]) < first / 10  # read once


def test_no_torch_is_needed_and_no_fcntl():
    for code in (
        "import mjcourse.studio.jobs, sys; print({'torch', 'matplotlib', 'ipywidgets'} & set(sys.modules))",
        "import sys; sys.modules['fcntl'] = None; import mjcourse.studio.journal; print(set())",  # as on Windows
    ):
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_default_folder_is_looked_up_late(runs):
    assert History().folder == config.RUNS / "studio" == runs / "studio"
