"""The debugging exercise of chapter 13: the loop of a worker with three faults, played without a thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import torch

from mjcourse.learn.compare import faults_left
from mjcourse.learn.exercise import Answer, Answers, Wrong

FAULTS = {
    "early": "a job is told to be done before the history has it (section 4: pictures, line, and only then tell).",
    "queue": "a job that was cancelled in the queue is drawn all the same, at least one step of it.",
    "listener": "a listener that raises does harm; it should harm nobody, and the others should still be told.",
}
PATIENCE = 1000  # steps after the click on Cancel that end a drawing which nobody stops


class Stopped(Exception):
    """What `report` raises in a drawing that is to stop."""


class Job:
    """A job: its `name`, ``draw(report)`` → pictures, a `stop` event, and what the worker notes of it.

    Attributes:
        state: ``queued`` at first; ``running``, and then for good ``done``, ``failed`` or ``cancelled``.
        done, total: how many steps of how many.
        error: what went wrong, as text.
    """

    def __init__(self, name: str, draw: Callable) -> None:
        self.name, self.draw, self.stop = name, draw, threading.Event()
        self.state, self.done, self.total, self.error = "queued", 0, 0, ""


class Ended(SystemExit):
    """Raised where a worker asks for a job after the last; no `Exception`, so that ``except Exception`` lets it go."""


class Line(queue.Queue):
    """A queue in which all jobs are there already, and None, the end, after them."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__()
        for job in (*jobs, None):
            self.put(job)

    def get(self, block: bool = True, timeout: float | None = None) -> Job | None:
        """Return the next job, or None once; then there is nothing to wait for."""
        try:
            return super().get(block=False)
        except queue.Empty:
            raise Ended("the worker asks for a job after None, which was to end it") from None


class Scene:
    """Jobs, listeners and a history for one run of a worker, and what happened in it.

    Args:
        counts: steps of each job.
        broken: a listener that raises stands before the one that listens.
    """

    def __init__(self, counts: list[int], broken: bool = False) -> None:
        self.jobs, self.kept, self.heard, self.began, self.early = [], {}, [], [], []
        self.drawn: dict[str, int] = {}  # steps of each job
        for k, count in enumerate(counts):
            self.add(f"job {k + 1}", count)
        self.listeners = [self._raises] * broken + [self._listen]

    def add(self, name: str, count: int, click: int = 0, error: str = "") -> Job:
        """Add a job of `count` steps; somebody cancels it while step `click` is drawn, or its drawing raises."""

        def draw(report):
            self.began.append(name)
            for k in range(1, count + PATIENCE * bool(click) + 1):
                if k == click:
                    job.stop.set()
                self.drawn[name] = k
                report(k, count)
            if error:
                raise ValueError(error)
            return f"pictures of {name}"

        job = Job(name, draw)
        self.jobs.append(job)
        return job

    def keep(self, job: Job, pictures: object) -> None:
        """Write into the history."""
        if job.name == "disk":
            raise OSError("the disk is full")
        if job.name == "sealed":
            job.stop.set()  # a click that comes too late
        self.kept[job.name] = pictures

    def play(self, worker: Answer) -> Scene:
        """Let a worker do all of it."""
        worker(Line(self.jobs), self.keep, self.listeners)
        return self

    def _listen(self, job: Job) -> None:
        self.heard.append((job.name, job.state, job.done, job.total))
        if job.state == "done" and job.name not in self.kept:
            self.early.append(job.name)

    def _raises(self, job: Job) -> None:
        raise RuntimeError("this widget was closed")


def check_worker(answers: Answers, g: torch.Generator) -> None:
    """`worker(jobs, keep, listeners)`: draw what comes from a queue until None comes."""
    worker = answers["worker"]
    counts = torch.randint(3, 7, (3,), generator=g).tolist()
    scene = Scene(counts[:1])
    click = counts[1] - 1
    scene.add("clicked", counts[1] + 2, click=click)
    scene.add("broken", 2, error="no such style")
    scene.add("disk", 2)
    scene.add("sealed", 2)
    scene.add("last", counts[2])
    try:
        scene.play(worker)
    except Wrong as wrong:
        if isinstance(wrong.__cause__, OSError | ValueError | Stopped):
            raise Wrong(
                f"one job's {type(wrong.__cause__).__name__} ends the worker: whatever a job raises, the next is drawn."
            ) from None
        raise
    _plain(scene, click)
    found = ["early"] if scene.early else []

    waiting = Scene(counts)
    waiting.jobs[1].stop.set()
    waiting.play(worker)
    name = waiting.jobs[1].name
    if name in waiting.began:
        found.append("queue")
    elif waiting.jobs[1].state != "cancelled" or (name, "cancelled", 0, 0) not in waiting.heard:
        raise Wrong("a job that was cancelled in the queue must get the state 'cancelled', and listeners be told so.")
    elif [job.state for job in waiting.jobs] != ["done", "cancelled", "done"]:
        raise Wrong("after a job that was cancelled in the queue the next one is not drawn.")

    harmed = Scene(counts, broken=True)
    try:
        harmed.play(worker)
    except Wrong as wrong:
        if not isinstance(wrong.__cause__, RuntimeError):
            raise
    if {job.state for job in harmed.jobs} != {"done"} or len(harmed.heard) < sum(counts):
        found.append("listener")
    if found:
        count = len(found)
        raise Wrong(faults_left(count, FAULTS[found[0]]))


def _plain(scene: Scene, click: int) -> None:
    """Check what even the broken worker does right: progress, ends, the way of a cancelled job."""
    states = {job.name: job.state for job in scene.jobs}
    want = dict(zip(states, ("done", "cancelled", "failed", "failed", "done", "done"), strict=True))
    if set(states.values()) == {"queued"}:
        raise Wrong("every job stays queued; draw them, and say so in job.state.")
    if scene.drawn.get("clicked", 0) > click + 1:
        raise Wrong("a click on Cancel while a job is drawn is not seen at its next report.")
    reasons = {
        "job 1": "a job whose drawing ends well", "clicked": "a job that was cancelled while it was drawn",
        "broken": "a job whose drawing raises", "disk": "a job that `keep` could not write", "last": "the last job",
        "sealed": "a job that was cancelled while it was being kept",
    }  # fmt: skip
    for name, state in want.items():
        if name in scene.kept and states[name] != "done":
            raise Wrong(f"{reasons[name]} is both kept and {states[name]}.")
        if states[name] != state:
            raise Wrong(f"{reasons[name]} must end as {state!r}; yours is {states[name]!r}.")
        if (name in scene.kept) != (state == "done"):
            raise Wrong(f"{reasons[name]} is {state!r}, and the history {'has' if name in scene.kept else 'lacks'} it.")
        heard = [row[1:] for row in scene.heard if row[0] == name]
        if not heard or heard[-1][0] != state or heard[0][0] != "running":
            raise Wrong(
                f"listeners must be told of each change: {reasons[name]} was heard as {heard[:1]} … {heard[-1:]}."
            )
    if any(scene.kept[name] != f"pictures of {name}" for name in scene.kept):
        raise Wrong("what is kept are not the pictures that the drawing returned.")
    job = scene.jobs[0]
    steps = [row[2] for row in scene.heard if row[0] == job.name and row[1] == "running"]
    if not set(range(1, job.total + 1)) <= set(steps) or not job.total:
        raise Wrong("listeners are not told of each step any more: job.done, job.total, and tell them.")
    if not all(job.error for job in scene.jobs if job.state == "failed"):
        raise Wrong("a job that failed must say why, in job.error.")


def slow_scene(worker: Callable) -> None:
    """Play four jobs in a real thread, one of them cancelled in the queue, one with a listener that raises; print."""
    kept, began, said = [], [], []

    def draw(name):
        def drawing(report):
            began.append(name)
            for k in range(4):
                time.sleep(0.01)
                report(k + 1, 4)
            return name

        return drawing

    def listen(job):
        if job.state == "done" and job.name not in kept:
            said.append(f"{job.name} is told to be done, and the history does not have it")
        if job.name == "tent" and job.done == 2:
            raise RuntimeError("this widget was closed")

    jobs, line = [Job(name, draw(name)) for name in ("house", "castle", "tent", "cat")], queue.Queue()
    jobs[1].stop.set()
    for job in (*jobs, None):
        line.put(job)

    def run():
        try:
            worker(line, lambda job, pictures: kept.append(job.name), [listen])
        except Exception as error:
            said.append(f"the worker is dead, by {type(error).__name__}: {error}")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    print("\n".join([*said, "cancelled in the queue: castle; drawn: " + ", ".join(began)]))
    print("; ".join(f"{job.name} {job.state} {job.error}".strip() for job in jobs))
