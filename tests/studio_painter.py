"""Pictures drawn in no time, in place of a model: what the tests of the studio and of its widget share."""

from __future__ import annotations

import threading
import time

import numpy as np

from mjcourse.data.scenes import ASPECTS
from mjcourse.studio.task import Task

WAIT = 120  # seconds: other work may share the machine


def painting(seed: int, aspect: str = "1:1") -> np.ndarray:
    """A picture that differs from seed to seed, made in no time."""
    w, h = ASPECTS[aspect]
    blocks = np.random.default_rng(seed).integers(0, 256, (h // 8, w // 8, 3), np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)


class Painter:
    """Draws at once, or, when it is told to `hold`, step by step as it is let go."""

    def __init__(self) -> None:
        self.hold, self.go, self.tasks = False, threading.Semaphore(0), []

    def __call__(self, task: Task, report) -> np.ndarray:
        self.tasks.append(task)
        pictures = np.stack([painting(seed, task.ar) for seed in task.seeds])
        for step in range(4):
            report(step, 4, pictures // 2)
            assert not self.hold or self.go.acquire(timeout=WAIT)
        return pictures.repeat(4, 1).repeat(4, 2) if task.kind == "upscale" else pictures


def done(job):
    """Wait for a job that must succeed."""
    assert job.wait(WAIT) and (job.state, job.error) == ("done", ""), (job, job.traceback)
    return job


def soon(reached) -> None:
    """Wait until something holds."""
    until = time.monotonic() + WAIT
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.002)
