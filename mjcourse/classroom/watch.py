"""Watching what runs behind closed doors: what it may use, what it says, and the end of all that came from it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field

TICK = 0.1  # seconds between two looks at the clock and the memory


@dataclass(frozen=True)
class Limits:
    """What code in the room may use.

    Memory is what all its processes hold together, in MB; seconds are of the clock, for all of it; output is what it
    may say to the outside, in MB; disk is its ``/tmp``, in MB, and each file in it.
    """

    memory: int = 3000
    seconds: float = 300
    output: int = 40
    disk: int = 256
    processes: int = 256


@dataclass
class Outcome:
    """What came out: lines, and how it ended: ``done``, ``time``, ``memory``, ``output`` or ``died``."""

    lines: list[bytes] = field(default_factory=list)
    ended: str = "done"
    complaint: str = ""  # the end of its stderr


def feed(pipe, job: bytes) -> None:
    """Write the job; whoever does not read it is watched by the clock."""
    try:
        pipe.write(job)
        pipe.close()
    except OSError:
        pass


def read(pipe, limits: Limits, outcome: Outcome) -> None:
    """Keep whole lines until there are too many of them, which `watch` sees."""
    left = limits.output * 2**20
    while left > 0 and (line := pipe.readline(left + 1)):
        left -= len(line)
        if left >= 0 and line.endswith(b"\n"):
            outcome.lines.append(line)
    if left <= 0:
        outcome.ended = "output"


def watch(process: subprocess.Popen, limits: Limits, outcome: Outcome, user: int | None) -> str:
    """Wait for the end of a process, or for what must end it, and return which."""
    until = time.monotonic() + limits.seconds
    while process.poll() is None:
        if outcome.ended == "output":
            return "output"
        if time.monotonic() > until:
            return "time"
        if _memory(process.pid, user) > limits.memory * 2**20:
            return "memory"
        try:
            process.wait(TICK)
        except subprocess.TimeoutExpired:
            continue
    return "done" if process.returncode == 0 else "died"


def _family(pid: int, user: int | None) -> list:
    """Return a process, all that came from it, and all of a user that is nobody else's."""
    import psutil

    try:
        found = [parent := psutil.Process(pid), *parent.children(recursive=True)]
    except psutil.Error:
        found = []
    if user is not None:
        found += [one for one in psutil.process_iter(["uids"]) if one.info["uids"] and one.info["uids"].real == user]
    return list({one.pid: one for one in found}.values())


def _memory(pid: int, user: int | None) -> int:
    """Return what a process and its descendants hold, in bytes; pages that two share count twice."""
    import psutil

    total = 0
    for one in _family(pid, user):
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


def end(process: subprocess.Popen, user: int | None) -> None:
    """End a process and all that came from it. Twice: one of them may have forked meanwhile."""
    import psutil

    for _ in range(2):
        for one in _family(process.pid, user):
            try:
                one.kill()
            except psutil.Error:
                continue
    process.kill()
    process.wait()
