"""The job engine: order, progress, cancel in time, and that nothing a job does stops the next one."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.studio import jobs
from mjcourse.studio.history import History
from mjcourse.studio.imagine import SEED_MAX, parse
from mjcourse.studio.job import Cancelled
from mjcourse.studio.jobs import KEEP, JobEngine


def painted(seed: int, count: int = 4) -> np.ndarray:
    return np.full((count, 8, 8, 3), seed % 251, np.uint8)


class Easel:
    """A draw function whose steps are let go one by one from outside."""

    def __init__(self, steps: int = 4) -> None:
        self.steps, self.go, self.drawn = steps, threading.Semaphore(0), []

    def __call__(self, command, report):
        self.drawn.append(command)
        for step in range(self.steps):
            report(step, self.steps, painted(step))
            assert self.go.acquire(timeout=20)
        return painted(9)


def soon(reached, seconds: float = 5.0) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.fixture
def engines():
    """Make engines that are shut down after the test."""
    made = []

    def make(draw, history=None) -> JobEngine:
        made.append(JobEngine(draw, history))
        return made[-1]

    yield make
    for engine in made:
        assert engine.shutdown(), "the worker hangs"


@pytest.fixture
def easel():
    easel = Easel()
    yield easel
    easel.go.release(1000)


# ---- the way of a job ----------------------------------------------------------------------------


def test_a_job_is_drawn_and_tells_how_far_it_is(engines, easel):
    job = engines(easel).submit("a red sun")
    soon(lambda: job.preview is not None)
    assert (job.state, job.done, job.total, job.pictures, job.ended) == ("running", 0, 4, None, None)
    assert job.submitted <= job.started <= time.time() and "running 0/4: a red sun" in repr(job)
    easel.go.release(2)
    soon(lambda: job.done == 2 and job.preview[0, 0, 0, 0] == 2)
    assert not job.wait(0.01)
    easel.go.release(2)
    assert job.wait(5) and (job.state, job.error, job.traceback, job.saved) == ("done", "", "", False)
    assert np.array_equal(job.pictures, painted(9)) and job.preview is None
    assert job.started <= job.ended <= time.time() and 0 < job.seconds < 5


def test_first_come_first_served_and_one_at_a_time(engines):
    threads, order, under_way = set(), [], []

    def draw(command, report):
        under_way.append(command)
        assert len(under_way) == 1
        threads.add(threading.get_ident())
        order.append(command)
        time.sleep(0.002)
        report(1, 1)
        under_way.remove(command)
        return painted(command)

    engine = engines(draw)
    made = [engine.submit(i) for i in range(15)]
    assert all(job.wait(5) for job in made)
    assert order == list(range(15)) and [job.pictures[0, 0, 0, 0] for job in made] == order
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_the_preview_is_a_copy(engines):
    canvas, seen = painted(0), []

    def draw(command, report):
        for i in range(3):
            canvas[:] = i
            report(i, 3, canvas)
        return canvas

    engine = engines(draw)
    engine.listen(lambda job: seen.append(job.preview))
    engine.submit("x").wait(5)
    assert [p[0, 0, 0, 0] for p in seen if p is not None] == [0, 1, 2]


def test_a_report_without_a_preview_keeps_the_last_one(engines):
    seen = []

    def draw(command, report):
        report(1, 3, painted(7))
        report(2, 3)
        seen.append(report.__self__.preview)
        return painted(1)

    engines(draw).submit("x").wait(5)
    assert seen[0][0, 0, 0, 0] == 7


def test_the_jobs_of_an_engine(engines, easel):
    engine = engines(easel)
    a, b, c = (engine.submit(name) for name in "abc")
    soon(lambda: a.state == "running")
    assert engine.jobs == [a, b, c]
    easel.go.release(4)
    soon(lambda: b.state == "running")
    assert engine.jobs == [a, b, c] and [job.state for job in engine.jobs] == ["done", "running", "queued"]


# ---- cancelling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.01, 0.4])
def test_cancel_takes_effect_within_a_second(engines, step):
    def draw(command, report):
        for i in range(100):
            report(i, 100)
            time.sleep(step)
        return painted(1)

    job = engines(draw).submit("x")
    time.sleep(0.15)
    began = time.monotonic()
    assert job.cancel() and job.wait(5)
    assert time.monotonic() - began < step + 0.5 <= 1
    assert job.state == "cancelled" and job.pictures is None and job.error == "" and job.done < 90


def test_a_queued_job_is_cancelled_at_once_and_never_drawn(engines, easel):
    engine = engines(easel)
    a, b, c = (engine.submit(name) for name in "abc")
    soon(lambda: a.state == "running")
    assert b.cancel() and b.state == "cancelled" and b.wait(0) and b.started is None
    assert b.cancel()  # twice says the same
    easel.go.release(8)
    assert c.wait(5) and (a.state, b.state, c.state) == ("done", "cancelled", "done")
    assert easel.drawn == ["a", "c"] and b.pictures is None
    assert not a.cancel() and a.state == "done"


def test_the_queue_goes_on_after_a_cancel(engines, easel):
    engine = engines(easel)
    a, b = engine.submit("a"), engine.submit("b")
    soon(lambda: a.state == "running")
    a.cancel()
    easel.go.release(5)
    assert b.wait(5) and (a.state, b.state) == ("cancelled", "done")


def test_a_cancel_after_the_last_report_counts(engines, tmp_path):
    gate, history = threading.Event(), History(tmp_path)

    def draw(command, report):
        report(1, 1)
        gate.wait(5)
        return painted(1)

    job = engines(draw, history).submit("x")
    soon(lambda: job.done == 1)
    assert job.cancel()
    gate.set()
    assert job.wait(5) and job.state == "cancelled" and history.entries() == []


def test_a_cancel_while_it_is_saved_comes_too_late(engines, tmp_path):
    gate, begun = threading.Event(), threading.Event()

    def write(picture, path, entry, index):
        begun.set()
        gate.wait(5)
        path.write_bytes(b"")

    job = engines(lambda command, report: painted(1), History(tmp_path, write)).submit("x")
    assert begun.wait(5) and not job.cancel()
    gate.set()
    assert job.wait(5) and job.state == "done" and job.saved


def test_except_exception_does_not_catch_it(engines):
    caught = []

    def draw(command, report):
        for i in range(1000):
            try:
                report(i, 1000)
            except Exception as error:
                caught.append(error)
                break
            time.sleep(0.005)
        return painted(1)

    job = engines(draw).submit("x")
    soon(lambda: job.done > 2)
    job.cancel()
    assert job.wait(1) and job.state == "cancelled" and caught == []


def test_a_drawing_that_swallows_it_is_cancelled_all_the_same(engines):
    def draw(command, report):
        try:
            while True:
                report(1, 2)
                time.sleep(0.001)
        except BaseException:
            raise RuntimeError("something else") from None

    job = engines(draw).submit("x")
    soon(lambda: job.done)
    job.cancel()
    assert job.wait(1) and (job.state, job.error) == ("cancelled", "")


def test_a_report_from_a_left_over_thread_is_refused(engines):
    kept = []
    engine = engines(lambda command, report: kept.append(report) or painted(1))
    job = engine.submit("x")
    assert job.wait(5)
    with pytest.raises(Cancelled):
        kept[0](7, 7)
    assert (job.state, job.done) == ("done", 0)


# ---- what goes wrong -----------------------------------------------------------------------------


class Broken(Exception):
    def __str__(self) -> str:
        return "two\n  lines"


@pytest.mark.parametrize(
    "error, line",
    [
        (UserError("no weights for 'flow'; do this."), "no weights for 'flow'; do this."),
        (ValueError("bad shape"), "internal error: ValueError: bad shape"),
        (Broken(), "internal error: Broken: two lines"),
        (MemoryError(), "internal error: MemoryError: "),
        (SystemExit(3), "internal error: SystemExit: 3"),
        (KeyboardInterrupt(), "internal error: KeyboardInterrupt: "),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_failed_job_says_why_and_the_queue_goes_on(engines, tmp_path, error, line):
    def draw(command, report):
        report(1, 2, painted(5))
        if command == "bad":
            raise error
        return painted(1)

    history = History(tmp_path)
    engine = engines(draw, history)
    bad, good = engine.submit("bad"), engine.submit("good")
    assert good.wait(5) and good.state == "done" and bad.state == "failed"
    assert bad.error == line and bad.pictures is None and not bad.cancel() and line in repr(bad)
    if isinstance(error, UserError):
        assert bad.traceback == ""
    else:
        assert "in draw" in bad.traceback and "raise error" in bad.traceback
    assert [entry.id for entry in history.entries()] == [good.id]


@pytest.mark.parametrize(
    "returned",
    [None, painted(1).astype(float), painted(1)[0], [[1, 2], [3]], "x"],
    ids=["", "float", "3d", "list", "x"],
)
def test_a_drawing_that_is_none(engines, returned):
    job = engines(lambda command, report: returned).submit("x")
    assert job.wait(5) and job.state == "failed" and job.error and "\n" not in job.error


def test_a_full_disk_costs_no_picture(engines, tmp_path):
    def write(picture, path, entry, index):
        if entry.command == "1":
            raise OSError(28, "No space left on device")
        path.write_bytes(b"")

    history = History(tmp_path, write)
    engine = engines(lambda command, report: painted(command), history)
    made = [engine.submit(i) for i in range(3)]
    assert made[2].wait(5) and [job.state for job in made] == ["done"] * 3
    assert [job.saved for job in made] == [True, False, True]
    assert "No space left on device; free some disk space" in made[1].error and made[0].error == ""
    assert np.array_equal(made[1].pictures, painted(1))
    assert [entry.command for entry in history.entries()] == ["2", "0"]


def test_a_kind_that_is_none_is_refused_before_drawing(engines):
    with pytest.raises(UserError, match=r"no kind of job 'upscal'.* Did you mean upscale"):
        engines(lambda *_: pytest.fail("drawn")).submit("x", kind="upscal")


# ---- listeners -----------------------------------------------------------------------------------


def test_listeners_hear_every_change_in_order(engines):
    seen, main = [], threading.get_ident()

    def draw(command, report):
        for i in range(1, 4):
            report(i, 3)
        return painted(1)

    engine = engines(draw)
    engine.listen(lambda job: seen.append((job.command, job.state, job.done, threading.get_ident() == main)))
    job = engine.submit("a")
    job.wait(5)
    soon(lambda: len(seen) == 6)
    assert seen[0] == ("a", "queued", 0, True)
    assert seen[1:] == [("a", state, done, False) for state, done in
                        (("running", 0), ("running", 1), ("running", 2), ("running", 3), ("done", 3))]  # fmt: skip


def test_a_listener_that_fails_is_logged_and_harms_nothing(engines, caplog):
    seen = []

    def fail(job):
        raise {"queued": ValueError, "running": SystemExit, "done": asyncio.CancelledError}[job.state]("oops")

    engine = engines(lambda command, report: report(1, 1) or painted(1))
    engine.listen(fail)
    engine.listen(lambda job: seen.append(job.state))
    made = [engine.submit(i) for i in range(2)]
    assert all(job.wait(5) for job in made) and [job.state for job in made] == ["done"] * 2
    soon(lambda: seen.count("done") == 2)
    assert caplog.text.count("a listener failed at <Job") == 8 and "oops" in caplog.text


def test_a_listener_leaves(engines):
    seen = []
    engine = engines(lambda command, report: painted(1))
    leave = engine.listen(seen.append)
    engine.submit("a").wait(5)
    soon(lambda: len(seen) == 3)
    leave()
    leave()  # twice is no mistake
    engine.submit("b").wait(5)
    assert {job.command for job in seen} == {"a"}


def test_a_listener_may_cancel_wait_and_submit(engines):
    def on_change(job):
        if job.command == "a" and job.done == 2:
            job.cancel()
        if job.state in ("done", "cancelled"):
            assert job.wait()
        if job.command == "a" and job.state == "cancelled":
            followers.append(engine.submit("b"))
        if job.command == "c" and job.state == "queued":
            job.cancel()

    def draw(command, report):
        assert command != "c"
        for i in range(5):
            report(i, 5)
        return painted(1)

    engine, followers = engines(draw), []
    engine.listen(on_change)
    a, c = engine.submit("a"), engine.submit("c")
    soon(lambda: followers and followers[0].state == "done")
    assert (a.state, a.done, c.state) == ("cancelled", 2, "cancelled")


# ---- in a notebook -------------------------------------------------------------------------------


def test_awaiting_a_job_leaves_the_event_loop_free(engines, easel):
    engine = engines(easel)

    async def notebook():
        job, ticks = engine.submit("x"), 0
        waiting = [asyncio.create_task(job.done_async()) for _ in range(3)]
        while not waiting[0].done():
            await asyncio.sleep(0.005)
            ticks += 1
            assert ticks < 1000
            if ticks >= 20:
                easel.go.release()
        assert [await w for w in waiting] == [job] * 3
        assert await job.done_async() is job and job.state == "done"  # once it has ended, too
        return ticks

    assert asyncio.run(notebook()) >= 20


def test_awaiting_may_be_given_up(engines, easel):
    engine = engines(easel)

    async def notebook():
        job = engine.submit("x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.done_async(), 0.05)
        return job

    job = asyncio.run(notebook())  # its event loop is closed when the job ends
    assert job.state == "running"
    easel.go.release(4)
    assert job.wait(5) and job.state == "done"


def test_awaiting_a_job_that_is_cancelled_in_the_queue(engines, easel):
    engine = engines(easel)

    async def notebook():
        engine.submit("x")
        job = engine.submit("y")
        asyncio.get_running_loop().call_later(0.02, job.cancel)
        return (await asyncio.wait_for(job.done_async(), 5)).state

    assert asyncio.run(notebook()) == "cancelled"


# ---- the end -------------------------------------------------------------------------------------


def test_shutdown_cancels_all_and_ends_the_worker(easel):
    engine = JobEngine(easel)
    a, b = engine.submit("a"), engine.submit("b")
    soon(lambda: a.state == "running")
    worker = engine._worker
    threading.Timer(0.05, easel.go.release).start()
    assert engine.shutdown() and not worker.is_alive()
    assert (a.state, b.state) == ("cancelled", "cancelled") and easel.drawn == ["a"]
    with pytest.raises(UserError, match="was shut down; make a new one"):
        engine.submit("c")
    assert engine.shutdown()


def test_shutdown_of_a_drawing_that_never_reports(easel):
    engine = JobEngine(lambda command, report: easel.go.acquire(timeout=10) and painted(1))
    job = engine.submit("x")
    soon(lambda: job.state == "running")
    assert not engine.shutdown(0.05)
    easel.go.release()
    assert engine.shutdown(5) and job.state == "cancelled"


def test_with_shuts_down():
    with JobEngine(lambda command, report: painted(1)) as engine:
        assert engine.submit("x").wait(5)
    with pytest.raises(UserError):
        engine.submit("y")


def test_an_idle_worker_ends_and_is_started_again(engines, monkeypatch):
    monkeypatch.setattr(jobs, "IDLE", 0.05)
    engine = engines(lambda command, report: painted(1))
    assert engine.submit("a").wait(5)
    worker = engine._worker
    worker.join(5)
    assert not worker.is_alive() and engine._worker is None
    assert engine.submit("b").wait(5)


def test_an_engine_that_nobody_holds_goes(monkeypatch):
    monkeypatch.setattr(jobs, "IDLE", 0.02)
    engine = JobEngine(lambda command, report: painted(1))
    engine.submit("a").wait(5)
    gone = weakref.ref(engine)
    del engine
    soon(lambda: gc.collect() is not None and gone() is None)


def test_a_process_ends_though_a_job_is_under_way():
    code = """
import time, numpy as np
from mjcourse.studio.jobs import JobEngine
def draw(command, report):
    for i in range(10_000):
        report(i, 10_000)
        time.sleep(0.01)
engine = JobEngine(draw)
a, b = engine.submit("a"), engine.submit("b")
while not a.done: time.sleep(0.01)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_process_that_ends_still_saves_what_is_drawn(tmp_path):
    code = """
import sys, time, numpy as np
from mjcourse.studio.history import History, write_png
from mjcourse.studio.jobs import JobEngine
def slowly(picture, path, entry, index):
    print("saving", flush=True)
    time.sleep(0.5)
    write_png(picture, path, entry, index)
history = History(sys.argv[1], slowly)
engine = JobEngine(lambda command, report: np.zeros((1, 8, 8, 3), np.uint8), history)
job = engine.submit("a")
while job.state != "running" or not history.folder.exists(): time.sleep(0.001)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "studio")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, "saving\n", "")
    assert [entry.command for entry in History(tmp_path / "studio").entries()] == ["a"]


# ---- memory and history --------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False])
def test_pictures_of_old_jobs_leave_the_memory(engines, tmp_path, kept):
    made = []

    def draw(command, report):
        pictures = painted(command)
        made.append(weakref.ref(pictures))
        report(1, 1, pictures)
        return pictures

    engine = engines(draw, History(tmp_path) if kept else None)
    all_jobs = [engine.submit(i) for i in range(KEEP + 5)]
    assert all_jobs[-1].wait(20)
    soon(lambda: len(engine.jobs) == KEEP and engine.jobs[-1] is all_jobs[-1])
    gc.collect()
    assert [ref() is not None for ref in made] == [False] * 5 + [True] * KEEP
    assert all(job.preview is None for job in all_jobs[:5])
    if kept:
        assert np.array_equal(all_jobs[2].pictures, painted(2))
    else:
        with pytest.raises(UserError, match=r"are gone: .* to draw them again, submit: 2"):
            _ = all_jobs[2].pictures
    assert np.array_equal(all_jobs[-1].pictures, painted(KEEP + 4))


@dataclass(frozen=True)
class Told:
    prompt: str
    seed: int
    ar: str = "1:1"

    def __str__(self) -> str:
        return f"{self.prompt} --seed {self.seed}"


def test_the_history_gets_what_the_command_tells(engines, tmp_path):
    history = History(tmp_path)
    engine = engines(lambda command, report: time.sleep(0.02) or painted(command.seed), history)
    command = Told("太阳沙滩大海", SEED_MAX - 1)
    a = engine.submit(command)
    assert a.wait(5) and a.saved
    b = engine.submit(replace(command, seed=3), kind="vary", parent=a.id, index=2, seeds=[7, 9, 1, 2])
    assert b.wait(5)
    first, second = history.find(a.id), history.find(b.id)
    assert first.command == f"太阳沙滩大海 --seed {SEED_MAX - 1}" and first.kind == "imagine"
    assert first.settings == {"prompt": "太阳沙滩大海", "seed": SEED_MAX - 1, "ar": "1:1"}
    assert first.seeds == (SEED_MAX - 1, SEED_MAX, 0, 1) and first.parent is None and first.seconds >= 0.02
    assert (second.kind, second.parent, second.index, second.seeds) == ("vary", a.id, 2, (7, 9, 1, 2))
    assert history.current == second and history.undo() == first
    assert np.array_equal(History(tmp_path).pictures(a.id), painted(SEED_MAX - 1))


def test_the_drawing_may_tell_the_seeds_and_the_command_what_is_kept(engines, tmp_path):
    class Own(str):
        def record(self):
            return {"what": "counts"}

    history = History(tmp_path)
    job = engines(lambda command, report: (painted(1), [4, 2]), history).submit(Own("a red sun"), seeds=[1, 2, 3, 4])
    assert job.wait(5) and job.seeds == [4, 2]
    assert history.find(job.id).seeds == (4, 2) and history.find(job.id).settings == {"what": "counts"}
    assert np.array_equal(job.pictures, painted(1))


def test_a_command_that_tells_nothing(engines, tmp_path):
    history = History(tmp_path)
    job = engines(lambda command, report: painted(1), history).submit("a red sun")
    assert job.wait(5) and history.find(job.id).settings == {} and history.find(job.id).seeds == ()


def test_a_job_is_in_the_history_before_it_is_told_to_be_done(engines, tmp_path):
    history, seen = History(tmp_path), []

    def on_change(job):
        if job.state == "done":
            seen.append([entry.id for entry in history.entries()])

    engine = engines(lambda command, report: painted(1), history)
    engine.listen(on_change)
    job = engine.submit("x")
    soon(lambda: seen == [[job.id]])


def draw_for_ever(folder, told) -> None:
    """Draw job after job and tell each one that is done, in a process that is to be killed."""

    def draw(command, report):
        for i in range(3):
            report(i, 3, painted(command))
            time.sleep(0.001)
        return painted(command)

    engine = JobEngine(draw, History(folder))
    engine.listen(lambda job: told.send((job.id, job.command)) if job.state == "done" else None)
    for i in range(1000):
        engine.submit(i).wait()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_kernel_loses_no_finished_job(tmp_path):
    context, rng, kept = multiprocessing.get_context("forkserver"), np.random.default_rng(3), []
    context.set_forkserver_preload(["pytest", "hypothesis", "mjcourse.studio.jobs"])
    for _ in range(6):
        here, there = multiprocessing.Pipe(duplex=False)
        process = context.Process(target=draw_for_ever, args=(tmp_path, there))
        process.start()
        there.close()
        kept += [here.recv() for _ in range(int(rng.integers(1, 5)))]
        time.sleep(float(rng.uniform(0, 0.02)))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        try:
            while True:
                kept.append(here.recv())
        except EOFError:
            pass
        history = History(tmp_path)
        for id, seed in kept:
            assert np.array_equal(history.pictures(id), painted(seed))
    assert 6 <= len(kept) <= len(history.entries()) <= len(kept) + 6


# ---- with the real models ------------------------------------------------------------------------


def test_cancel_between_two_tokens_of_a_prior(engines):
    import torch

    from mjcourse.models.prior import Prior, PriorConfig, write_tokens

    prior = Prior(PriorConfig.tiny()).eval()
    cfg, text = prior.cfg, torch.randn(2, prior.cfg.registers, prior.cfg.text_width)

    def draw(command, report):
        write_tokens(prior, torch.randn(2, cfg.tokens, cfg.codes), text, progress=lambda i: report(i, cfg.tokens))
        return painted(1)

    engine = engines(draw)
    engine.listen(lambda job: job.command == "a" and job.done == 3 and job.cancel())
    a, b = engine.submit("a"), engine.submit("b")
    assert b.wait(20) and (a.state, a.done, a.total) == ("cancelled", 3, 16) and (b.state, b.done) == ("done", 16)


NEEDED = {"flow": ("flow", "text", "autoencoder-kl"), "prior": ("prior", "text", "autoencoder-vq")}


@pytest.mark.parametrize("model", NEEDED)
def test_a_real_drawing_is_cancelled_midway_and_the_next_one_is_whole(engines, model):
    if not all((config.WEIGHTS / f"{stage}.safetensors").exists() for stage in NEEDED[model]):
        pytest.skip(f"data/weights holds no weights of {model}: `mjcourse train all` makes them")
    from mjcourse.studio.engine import ENGINES

    painter = ENGINES[model]()

    def draw(command, report):
        total = command.steps or painter.prior.cfg.tokens
        seeds = [command.seed + i for i in range(4)]
        how = {"steps": command.steps} if command.steps else {}
        return painter([command.prompt] * 4, seeds, command.guidance, progress=lambda i: report(i, total), **how)

    command = parse(f"a red sun over the sea --seed 5 --model {model}")
    engine = engines(draw)

    async def notebook():
        long = engine.submit(command)
        gaps, last = [], time.monotonic()
        while long.done < 5 and long.state != "failed":
            await asyncio.sleep(0.002)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
        long.cancel()
        began = time.monotonic()
        await long.done_async()
        return long, time.monotonic() - began, max(gaps)

    job, latency, gap = asyncio.run(notebook())
    assert job.state == "cancelled", job.error + job.traceback
    assert job.done < job.total and latency < 1 and gap < 0.5, (job, latency, gap)
    again = engine.submit(command)
    assert again.wait(60) and again.state == "done", again.traceback
    assert np.array_equal(again.pictures, draw(command, lambda *_: None))  # the same bytes as in the main thread
