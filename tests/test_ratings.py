"""The ratings' file: what counts, and that nothing acknowledged is lost to kills, crowds, full disks or wrong files."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import ratings_driver as driver
from hypothesis import given, settings
from hypothesis import strategies as st

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.feedback import tables
from mjcourse.feedback.pictures import SIZES, from_png, picture_id
from mjcourse.feedback.ratings import Pair, RatingStore
from mjcourse.viz import to_png

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals, limits and rights")


@dataclass(frozen=True)
class Command:
    """What the studio's command is to the store."""

    prompt: str
    seed: int = 7
    model: str = "flow"

    def __str__(self) -> str:
        return f"{self.prompt} --seed {self.seed}"


def plain(number: int, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Return a picture of one colour."""
    return np.full((*size, 3), [number % 256, number // 256, 9], np.uint8)


@pytest.fixture
def store(tmp_path):
    with RatingStore(tmp_path / "ratings.sqlite") as store:
        yield store


@pytest.fixture
def keys(store):
    """Four stored pictures, three of one prompt and one of another."""
    return [store.add_picture(plain(i), p) for i, p in enumerate(("a red sun", "a red sun", "a red sun", "a cat"))]


def refused(text: str, function, *args, **kwargs) -> None:
    """Check that a call is refused in one line that holds a text."""
    with pytest.raises(UserError) as caught:
        function(*args, **kwargs)
    assert text in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400


def sound(path: Path) -> bool:
    """Return whether SQLite itself finds nothing wrong with a file."""
    with sqlite3.connect(path) as db:
        found = [*db.execute("PRAGMA integrity_check"), *db.execute("PRAGMA foreign_key_check")]
    db.close()
    return found == [("ok",)]


# ---- pictures ------------------------------------------------------------------------------------


def test_a_picture_is_kept_once_with_all_that_made_it(store):
    command = Command("日落的大海", 4294967295)
    key = store.add_picture(driver.noise(1), command, 2)
    assert store.add_picture(driver.noise(1), command, 2) == key == picture_id(driver.noise(1))
    (found,) = store.pictures([key])
    assert np.array_equal(found.pixels, driver.noise(1)) and found.pixels.dtype == np.uint8
    told = (found.command, found.place, found.prompt, found.model, found.seed)
    assert told == ("日落的大海 --seed 4294967295", 2, "日落的大海", "flow", 4294967295)
    (plainly,) = store.pictures([store.add_picture(plain(1), "  Ａ red  sun ")])
    assert (plainly.command, plainly.prompt, plainly.model, plainly.seed) == ("A red sun", "A red sun", None, None)
    with sqlite3.connect(store.path) as db:
        assert [db.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("pictures", "made")] == [(2,), (2,)]
    db.close()


def test_pictures_come_in_the_order_asked_for(store, keys):
    asked = [keys[2], keys[0], keys[2]]
    assert [found.id for found in store.pictures(key for key in asked)] == asked


def test_every_shape_that_the_engines_draw_is_kept(store):
    found = store.pictures([store.add_picture(plain(5, size), "a cat") for size in SIZES])
    assert [picture.pixels.shape[:2] for picture in found] == [*SIZES] and len({p.id for p in found}) == 5


def test_a_picture_is_known_by_its_pixels_however_they_lie_in_memory():
    picture = driver.noise(3)
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2)).transpose(1, 0, 2)
    assert picture_id(turned) == picture_id(picture) != picture_id(picture[::-1])
    assert picture_id(plain(0, (48, 72))) != picture_id(plain(0, (72, 48)))
    assert np.array_equal(from_png(to_png(picture[::-1]), picture_id(picture[::-1])), picture[::-1])
    assert from_png(to_png(picture), picture_id(plain(0))) is None and from_png(b"no", "") is None


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8),
        np.zeros((256, 256, 3), np.uint8), np.zeros((1, 64, 64, 3), np.uint8), None,
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(store, picture):
    refused("allowed are uint8 pictures (height, width, 3) of 64 x 64, 48 x 72,", store.add_picture, picture, "a cat")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "the prompt is empty"),
        ("a cat --seed 5", "'--seed' is a flag, not a part of the prompt; give the command that `parse` returns"),
        ("太阳—seed 5", "'—seed' is a flag"),
        ("a \x07 bell", "control character U+0007"),
        (Command(" "), "the prompt is empty"),
    ],
)
def test_what_is_no_prompt_is_refused(store, command, says):
    refused(says, store.add_picture, plain(0), command)


def test_the_studios_command_is_one_that_the_store_takes(store):
    from mjcourse.studio.imagine import parse

    command = parse("a half-timbered house — by the sea --seed 5 --model prior")
    (found,) = store.pictures([store.add_picture(plain(0), command)])
    assert (found.command, found.prompt, found.model, found.seed) == (str(command), command.prompt, "prior", 5)


# ---- what counts ---------------------------------------------------------------------------------


def test_the_last_stars_count_and_the_history_stays(store, keys):
    numbers = [store.star(keys[0], 2), store.star(keys[1], 5), store.star(keys[0], 4), store.star(keys[0], 1, "you")]
    assert numbers == sorted(set(numbers)) and store.stars() == {keys[0]: 4, keys[1]: 5}
    assert store.undo() == numbers[2] and store.stars()[keys[0]] == 2  # what it replaced counts again
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT stars FROM ratings ORDER BY id").fetchall() == [(2,), (5,), (4,), (1,)]
    db.close()


def test_the_last_choice_between_two_pictures_counts(store, keys):
    a, b, c, _ = keys
    store.prefer(a, b)
    store.prefer(b, c)
    store.prefer(b, a)
    assert store.pairs() == [Pair(b, c, "a red sun"), Pair(b, a, "a red sun")]
    store.undo()
    assert store.pairs() == [Pair(a, b, "a red sun"), Pair(b, c, "a red sun")] and store.pairs("you") == []


def test_stars_make_pairs_within_a_prompt(store, keys):
    a, b, c, cat = keys
    for key, stars in ((a, 3), (b, 3), (c, 5), (cat, 1)):
        store.star(key, stars)
    assert store.pairs() == []
    assert {pair[:2] for pair in store.pairs(from_stars=True)} == {(c, a), (c, b)}
    store.prefer(a, c)  # said directly, it counts more than the stars
    assert {pair[:2] for pair in store.pairs(from_stars=True)} == {(a, c), (c, b)}
    assert store.count() == (4, 1, 2) and store.count("you") == (0, 0, 0)


def test_pixels_that_two_prompts_made_can_be_compared_under_both(store):
    a, b, c = (store.add_picture(plain(i), prompt) for i, prompt in enumerate(("a red sun", "A red sun", "A red sun")))
    refused("made for different prompts", store.prefer, a, b)
    assert store.add_picture(plain(0), "A red sun") == a
    store.prefer(a, b)
    assert store.pairs() == [Pair(a, b, "A red sun")]
    store.star(a, 5)
    store.star(c, 1)
    assert store.pairs(from_stars=True)[1:] == [Pair(a, c, "A red sun")]


def test_undo_takes_back_one_after_the_other_or_the_one_named(store, keys):
    first, second = store.star(keys[0], 1), store.prefer(keys[0], keys[1])
    theirs = store.star(keys[0], 5, "you")
    assert store.undo(rating=first) == first and store.stars() == {} and len(store.pairs()) == 1
    refused("me has no such rating", store.undo, rating=first)
    refused("me has no such rating", store.undo, rating=theirs)
    assert store.undo() == second and store.count() == (0, 0, 0)
    refused("there is nothing to undo: me has no such rating", store.undo)
    assert store.stars("you") == {keys[0]: 5}


@pytest.mark.parametrize("stars", [0, 6, -1, 2.5, 3.0, "3", None, True, float("nan")])
def test_other_stars_are_refused(store, keys, stars):
    refused("allowed are 1, 2, 3, 4, 5", store.star, keys[0], stars)
    assert store.stars() == {}


@pytest.mark.parametrize("rater", ["", " ", " me", "a\nb", "x" * 41, None, 3])
def test_a_rater_needs_a_name(store, keys, rater):
    for function, args in ((store.star, (keys[0], 1)), (store.prefer, keys[:2]), (store.undo, ()), (store.pairs, ())):
        refused("allowed are 1 to 40 characters", function, *args, rater=rater)


def test_pictures_that_are_not_there_are_refused(store, keys):
    for function, args in (
        (store.star, ("0" * 64, 3)), (store.prefer, (keys[0], "0" * 64)), (store.pictures, (["0" * 64],)),
    ):  # fmt: skip
        refused("there is no picture '000000000000'", function, *args)
    refused("a picture cannot be better than itself", store.prefer, keys[0], keys[0])
    refused("made for different prompts", store.prefer, keys[0], keys[3])


PICTURES = [(prompt, i) for prompt in ("a cat", "大海") for i in range(3)]  # by number: prompt and which
STAR = st.tuples(st.just("star"), st.integers(0, 5), st.integers(1, 5))
PREFER = st.tuples(st.just("prefer"), st.integers(0, 5), st.integers(0, 5))
DEEDS = st.lists(st.tuples(st.sampled_from(["me", "you"]), st.one_of(STAR, PREFER, st.just(("undo",)))), max_size=25)


@settings(max_examples=25)
@given(DEEDS)
def test_any_history_counts_as_a_plain_list_of_it_does(tmp_path_factory, deeds):
    """The reference keeps every rating in a list and reads it from the end."""
    path = tmp_path_factory.mktemp("any") / "r.sqlite"
    history = {"me": [], "you": []}
    with RatingStore(path) as store:
        keys = [store.add_picture(plain(k), prompt) for k, (prompt, _) in enumerate(PICTURES)]
        for rater, deed in deeds:
            said = history[rater]
            if deed[0] == "star":
                store.star(keys[deed[1]], deed[2], rater)
                said.append(deed)
            elif deed[0] == "prefer" and deed[1] // 3 == deed[2] // 3 and deed[1] != deed[2]:
                store.prefer(keys[deed[1]], keys[deed[2]], rater)
                said.append(deed)
            elif deed[0] == "undo" and said:
                store.undo(rater)
                said.pop()
            elif deed[0] == "undo":
                refused("nothing to undo", store.undo, rater)
    with RatingStore(path) as store:
        for rater, said in history.items():
            stars = {keys[k]: value for what, k, value in said if what == "star"}
            chosen = {frozenset(pair): pair for what, *pair in said if what == "prefer"}
            direct = {(keys[a], keys[b]) for a, b in chosen.values()}
            starred = {
                (keys[a], keys[b]) if stars[keys[a]] > stars[keys[b]] else (keys[b], keys[a])
                for a, b in combinations(range(6), 2)
                if a // 3 == b // 3 and frozenset((a, b)) not in chosen
                and stars.get(keys[a], 9) != stars.get(keys[b], 9) and {keys[a], keys[b]} <= stars.keys()
            }  # fmt: skip
            assert store.stars(rater) == stars
            found = [pair[:2] for pair in store.pairs(rater)]
            assert set(found) == direct and len(found) == len(direct)
            found = [pair[:2] for pair in store.pairs(rater, from_stars=True)]
            assert set(found) == direct | starred and len(found) == len(direct | starred)
            assert store.count(rater) == (len(stars), len(direct), len(direct | starred))


def test_the_table_for_a_spreadsheet_holds_every_rating(store, tmp_path):
    quoted = Command('sun, "beach", 大海')
    a, b = (store.add_picture(plain(i), quoted, i) for i in range(2))
    store.star(a, 2)
    store.star(a, 4, "Ünal")
    store.prefer(b, a)
    store.undo()
    assert store.export_csv(tmp_path / "out.csv") == 3
    with open(tmp_path / "out.csv", encoding="utf-8-sig", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(r["rater"], r["kind"], r["stars"]) for r in rows] == [
        ("me", "stars", "2"), ("Ünal", "stars", "4"), ("me", "pair", ""),
    ]  # fmt: skip
    assert {r["prompt"] for r in rows} == {quoted.prompt} and {r["command"] for r in rows} == {str(quoted)}
    assert [r["picture"] for r in rows] == [a, a, b] and rows[2]["other"] == a
    assert [bool(r["undone"]) for r in rows] == [False, False, True]
    assert rows[0]["time"].startswith("20") and rows[0]["time"].endswith("+00:00")
    refused("cannot write x.csv: there is no folder", store.export_csv, tmp_path / "out.csv" / "x.csv")
    refused("cannot write", store.export_csv, tmp_path)


# ---- several at once -----------------------------------------------------------------------------


def test_one_store_from_many_threads(store, keys):
    def work(rater):
        for i in range(15):
            store.star(store.add_picture(plain(100 + i), "a cat"), 1 + i % 5, rater)
            store.pairs(rater, from_stars=True)

    threads = [threading.Thread(target=work, args=(f"rater {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(store.stars(f"rater {i}")) for i in range(4)] == [15] * 4 and sound(store.path)


@pytest.fixture(scope="module")
def processes():
    """A server that has everything loaded and forks a process for each writer."""
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    if sys.platform != "win32":
        context.set_forkserver_preload(["mjcourse.feedback.ratings", "PIL.PngImagePlugin"])
    return context


class Writer:
    """A process that rates, and what it has acknowledged."""

    def __init__(self, processes, function, *args) -> None:
        self.pipe, theirs = processes.Pipe(duplex=False)
        self.process = processes.Process(target=function, args=(theirs, *args))
        self.process.start()
        theirs.close()
        self.told: list = []

    def hear(self, count: int | None = None) -> list:
        """Read the next messages, by default all until the process ends."""
        while count is None or count > 0:
            try:
                message = self.pipe.recv_bytes().decode()
            except (EOFError, ConnectionResetError):
                break
            self.told.append(json.loads(message) if message.startswith("[") else message)
            count = count and count - 1
        return self.told

    def kill(self) -> list:
        """Kill it with -9 and return all that it acknowledged."""
        self.process.kill()
        self.hear()
        self.process.join(60)
        assert self.process.exitcode == -signal.SIGKILL
        return self.told


def test_six_processes_at_once_lose_nothing(processes, tmp_path):
    path, start = tmp_path / "new" / "r.sqlite", processes.Barrier(6)  # they make the file at once, too
    writers = [Writer(processes, driver.write, path, f"rater {i}", 5 * i, 20, start) for i in range(6)]
    told = [writer.hear() for writer in writers]
    for writer in writers:
        writer.process.join(60)
        assert writer.process.exitcode == 0
    assert sorted(number for rows in told for number, _, _ in rows) == [*range(1, 121)]  # none twice, none missing
    with RatingStore(path) as store:
        for i, rows in enumerate(told):
            assert store.stars(f"rater {i}") == {key: stars for _, key, stars in rows} and len(rows) == 20
        assert len(store.pictures(key for rows in told for _, key, _ in rows)) == 120
    assert sound(path)


@posix
def test_killed_while_writing_nothing_acknowledged_is_lost(processes, tmp_path):
    path, rng, told = tmp_path / "r.sqlite", np.random.default_rng(0), {"a": [], "b": []}
    for i in range(4):
        writers = {name: Writer(processes, driver.write, path, name, 1000 * i, 900) for name in told}
        writers["a"].hear(int(rng.integers(1, 7)))
        time.sleep(float(rng.uniform(0, 0.01)))  # anywhere in a rating
        for name, writer in writers.items():
            told[name] += writer.kill()
        with RatingStore(path) as store:
            for name, rows in told.items():
                found = store.stars(name)
                assert found.items() >= {key: stars for _, key, stars in rows}.items()
                assert len(found) <= len(rows) + i + 1  # at most one each time was stored and not yet told
                store.pictures(found)  # each is whole
        assert sound(path)
    assert len(told["a"]) > 6


@posix
def test_killed_in_the_middle_of_a_rating_nothing_of_it_is_there(processes, tmp_path, store, keys):
    store.star(keys[0], 4)
    writer = Writer(processes, driver.stall, store.path, "ghost")
    assert writer.hear(1) == ["stalled"]
    assert store.stars() == {keys[0]: 4}  # readers do not wait for it
    writer.kill()
    started = time.monotonic()
    store.star(keys[1], 5)  # and its lock is gone with it
    assert time.monotonic() - started < 5
    assert store.stars() == {keys[0]: 4, keys[1]: 5} and store.stars("ghost") == {} and len(store.pictures(keys)) == 4
    assert sound(store.path)


def test_a_commit_waits_for_the_disk(store):
    with store._file.use() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_program_that_never_ends_its_work_is_told(store, keys, monkeypatch):
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with store._file.use() as db:
        db.execute("PRAGMA busy_timeout = 50")
    refused("another program has kept it locked", store.star, keys[0], 3)
    assert store.stars() == {}
    other.execute("ROLLBACK")
    other.close()
    store.star(keys[0], 3)
    assert store.stars() == {keys[0]: 3}


# ---- a full disk, no rights ----------------------------------------------------------------------


def check_filled(lines: list) -> None:
    """Check what `ratings_driver.fill` printed: ratings, one error, one more rating, then what is stored."""
    *told, error, last, stored = lines
    assert len(told) >= 2 and isinstance(error, str) and error.startswith("cannot write to ") and "\n" not in error
    assert "free some space and do it again" in error
    assert dict(stored) == {key: stars for _, key, stars in [*told, last]}


@posix
@pytest.mark.parametrize("limit", [60_000, 150_000, 400_000])
def test_a_disk_that_takes_no_more_loses_nothing(tmp_path, limit):
    path = tmp_path / "r.sqlite"
    with RatingStore(path) as store:
        store.star(store.add_picture(driver.noise(0), driver.PROMPT), 1)
    done = subprocess.run([sys.executable, driver.__file__, path, str(limit)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_filled([[1, picture_id(driver.noise(0)), 1], *map(json.loads, done.stdout.splitlines())])
    assert sound(path)


SMALL_DISK = 'mount -t tmpfs -o size=500k none "$0" && exec "$@"'


@posix
def test_a_disk_that_is_really_full_loses_nothing(tmp_path):
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system here")
    command = [*own, sys.executable, driver.__file__, str(tmp_path / "r.sqlite"), "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    check_filled(lines)
    assert any(isinstance(line, str) and "the disk is full" in line for line in lines)


def test_a_file_that_may_not_grow_says_so(store, keys):
    store.star(keys[0], 4)
    with store._file.use() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
    refused("the disk is full; free some space and do it again", store.add_picture, driver.noise(1), "a cat")
    assert store.stars() == {keys[0]: 4} and len(store.pictures(keys)) == 4
    with store._file.use() as db:
        db.execute("PRAGMA max_page_count = 100000")
    store.star(store.add_picture(driver.noise(1), "a cat"), 2)
    assert store.count().stars == 2


@posix
@pytest.mark.parametrize(
    "rights", [(0o444, 0o755), (0o444, 0o555), (0o644, 0o555), (0o000, 0o755)], ids=["file", "both", "folder", "none"]
)
def test_without_the_right_to_write_nothing_is_lost(processes, rights):
    with tempfile.TemporaryDirectory() as folder:  # outside pytest's, which only its owner may enter
        writer = Writer(processes, driver.without_rights, Path(folder), rights)
        ((tried, same, first, last),) = writer.hear()
        assert tried.startswith("cannot open ") and "the file or its folder is read-only; allow writing" in tried
        assert same
        keys = [picture_id(driver.noise(i)) for i in (0, 2)]
        assert first == {keys[0]: 4} and last == {keys[0]: 4, keys[1]: 4}


# ---- wrong, old, new and damaged files -----------------------------------------------------------


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE songs (title TEXT)")
    db.close()


def newer(path: Path) -> None:
    with RatingStore(path) as store:
        store.star(store.add_picture(plain(0), "a cat"), 3)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {tables.VERSION + 1}")
    db.close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("dear diary"), "it is another kind of file and was left as it is"),
        (lambda path: path.write_bytes(driver.noise(0).tobytes()), "it is another kind of file and was left as it is"),
        (foreign, "it is another kind of file and was left as it is"),
        (newer, f"it is of version {tables.VERSION + 1}, and this mjcourse reads up to {tables.VERSION}"),
    ],
    ids=["text", "noise", "another program's", "newer"],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path, make, says):
    path = tmp_path / "r.sqlite"
    make(path)
    before = path.read_bytes()
    refused(says, RatingStore, path)
    assert path.read_bytes() == before and [f.name for f in tmp_path.iterdir()] == ["r.sqlite"]


def test_a_path_that_cannot_be_a_file_is_refused(tmp_path):
    refused("cannot open", RatingStore, tmp_path)
    (tmp_path / "file").write_text("")
    refused("give another path or point MJCOURSE_RUNS at another folder", RatingStore, tmp_path / "file" / "r.sqlite")


def test_an_empty_file_is_what_a_killed_start_leaves_and_is_filled(tmp_path):
    (tmp_path / "r.sqlite").write_bytes(b"")
    with RatingStore(tmp_path / "r.sqlite") as store:
        store.star(store.add_picture(plain(0), "a cat"), 3)
    with RatingStore(str(tmp_path / "r.sqlite")) as store:
        assert len(store.stars()) == 1


def test_the_default_file_lies_with_the_runs(runs):
    with RatingStore() as store:
        assert store.path == config.RUNS / "ratings.sqlite" == runs / "ratings.sqlite" and store.path.exists()


def test_damage_is_told_and_not_made_worse(tmp_path):
    path = tmp_path / "r.sqlite"
    with RatingStore(path) as store:
        keys = [store.add_picture(driver.noise(i), "a cat") for i in range(30)]
        for key in keys:
            store.star(key, 3)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)  # the first page is sound
    path.write_bytes(data)
    with RatingStore(path) as store:
        refused("the file is damaged; put a copy in its place", store.stars)
        refused("the file is damaged", store.star, keys[0], 4)
    assert path.read_bytes() == data


def test_a_damaged_picture_is_named_and_the_others_load(store, keys):
    with store._file.use(write=True) as db:
        db.execute("UPDATE pictures SET png = ? WHERE id = ?", (to_png(plain(77)), keys[1]))
        db.execute("UPDATE pictures SET png = substr(png, 1, 40) WHERE id = ?", (keys[2],))
    for key in keys[1:3]:
        refused(f"picture {key[:12]} in {store.path} is damaged", store.pictures, [keys[0], key])
    assert len(store.pictures([keys[0], keys[3]])) == 2


@posix
@pytest.mark.parametrize("replaced", [False, True])
def test_a_deleted_file_is_noticed_before_ratings_go_nowhere(store, keys, replaced):
    os.rename(store.path, store.path.with_suffix(".old"))
    if replaced:
        RatingStore(store.path).close()
    refused("was deleted or replaced; open it again", store.star, keys[0], 3)


def test_a_closed_store_says_so(store, keys):
    store.close()
    store.close()
    for call in (lambda: store.star(keys[0], 1), store.pairs, store.count, lambda: store.pictures(keys)):
        refused("was closed; open it again", call)


def test_thousands_of_ratings_are_counted_quickly(store, keys):
    made = [(f"p{i}", f"prompt {i // 4}", 1 + i % 5) for i in range(4000)]
    with store._file.use(write=True) as db:
        db.executemany("INSERT INTO pictures VALUES (?, x'', 0)", [row[:1] for row in made])
        db.executemany("INSERT INTO made VALUES (?, ?, 0, ?, NULL, NULL)", [(k, p, p) for k, p, _ in made])
        columns = "(rater, time, picture, other, stars, prompt)"
        stars = [(key, number, prompt) for key, prompt, number in made]
        db.executemany(f"INSERT INTO ratings {columns} VALUES ('me', 0, ?, NULL, ?, ?)", stars)
        twos = [(f"p{i}", f"p{i + 1}", f"prompt {i // 4}") for i in range(0, 4000, 4)]
        db.executemany(f"INSERT INTO ratings {columns} VALUES ('me', 0, ?, ?, NULL, ?)", twos)
    started = time.process_time()
    assert store.count() == (4000, 1000, 6000)
    assert time.process_time() - started < 1.5  # all against all would take minutes
