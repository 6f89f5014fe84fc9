"""A pytest plugin that times each chapter under nbval and fails one that is over its budget (`budgets.json`).

    python -m pytest -p benchmarks.chapter_times --nbval-lax --nbval-current-env notebooks

Machines are noisy and differ. So a fixed workload is timed before and after each chapter, and the chapter's seconds
are divided by how much longer than `calibration_seconds` it took: seconds on the machine that the budgets are for.
With ``MJCOURSE_TIMES=FILE`` the measured times are merged into that file, from which the README's table is made.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections import defaultdict
from pathlib import Path

BUDGETS = json.loads(Path(__file__).with_name("budgets.json").read_text())


def workload() -> float:
    """Return the seconds that a fixed piece of training takes: convolutions and matrix products, fp32, all threads."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.SiLU(), nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(),
                        nn.Linear(32 * 32 * 32, 64))  # fmt: skip
    x = torch.randn(32, 3, 32, 32)
    net(x).square().mean().backward()
    start = time.perf_counter()
    for _ in range(20):
        net.zero_grad()
        net(x).square().mean().backward()
    return time.perf_counter() - start


def calibrate(repeats: int = 5) -> float:
    """Return the median of a few runs of `workload`, after one to warm up."""
    workload()
    return statistics.median(workload() for _ in range(repeats))


class Memory(threading.Thread):
    """Watches the resident memory of this process's children: the kernels."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        import psutil

        me = psutil.Process()
        while True:
            held = 0
            for child in me.children(recursive=True):
                try:
                    held += child.memory_info().rss
                except psutil.Error:  # it has just ended
                    continue
            self.peak = max(self.peak, held)
            time.sleep(0.2)


def measured(seconds: float, calibrations: list[float], gigabytes: float) -> dict:
    """Return a chapter's seconds, as measured and on the budgets' machine, and the memory that it took."""
    slowness = statistics.mean(calibrations) / BUDGETS["calibration_seconds"]
    return {"seconds": round(seconds, 1), "scaled": round(seconds / slowness, 1), "gigabytes": round(gigabytes, 2)}


class Times:
    """Collects the seconds of each notebook and judges them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.gigabytes: dict[str, float] = {}
        self.calibrations: dict[str, list[float]] = {}
        self.memory = Memory()
        self.memory.start()
        self.last = calibrate()

    def pytest_runtest_logreport(self, report) -> None:
        """Add the seconds of a cell, with those of starting and stopping its kernel."""
        path = report.nodeid.split("::")[0]
        if path.endswith(".ipynb"):
            self.seconds[path] += report.duration

    def pytest_runtest_protocol(self, item, nextitem) -> None:
        """Calibrate where one notebook ends and another begins."""
        path = str(item.nodeid).split("::")[0]
        if path not in self.calibrations:
            self._close()
            self.calibrations[path] = [self.last]
            self.memory.peak = 0

    def _close(self) -> None:
        if self.calibrations:
            path = next(reversed(self.calibrations))
            self.last = calibrate()
            self.calibrations[path].append(self.last)
            self.gigabytes[path] = self.memory.peak / 2**30

    def pytest_sessionfinish(self, session) -> None:
        """Judge each chapter; a broken budget makes the run fail."""
        self._close()
        self.rows = {Path(path).stem: self.judge(path) for path in self.seconds}
        if session.exitstatus == 0 and any(row["over"] for row in self.rows.values()):
            session.exitstatus = 1
        if os.environ.get("MJCOURSE_TIMES") and session.exitstatus == 0:
            store(Path(os.environ["MJCOURSE_TIMES"]), self.rows)

    def judge(self, path: str) -> dict:
        """Return what was `measured` of a chapter, and what it is over, if anything."""
        from mjcourse.config import profile

        row = measured(self.seconds[path], self.calibrations[path], self.gigabytes[path]) | {"over": []}
        limit = BUDGETS["tolerance"]
        if row["scaled"] > limit * BUDGETS["seconds"][profile()]:
            row["over"].append(f"{row['scaled']:.0f} s, allowed {limit:g} x {BUDGETS['seconds'][profile()]} s")
        if profile() != "gpu" and row["gigabytes"] > BUDGETS["gigabytes"][profile()]:
            row["over"].append(f"{row['gigabytes']:.1f} GB, allowed {BUDGETS['gigabytes'][profile()]} GB")
        return row

    def pytest_terminal_summary(self, terminalreporter) -> None:
        """Print the table."""
        terminalreporter.section("chapter times")
        for name, row in self.rows.items():
            verdict = "OVER BUDGET: " + "; ".join(row["over"]) if row["over"] else "within budget"
            terminalreporter.line(
                f"{name:24} {row['seconds']:6.1f} s, on the budgets' machine {row['scaled']:6.1f} s, "
                f"{row['gigabytes']:.2f} GB: {verdict}"
            )


def store(path: Path, rows: dict) -> None:
    """Merge the rows of this run into a file, by profile."""
    from mjcourse.config import hardware, profile

    found = json.loads(path.read_text()) if path.exists() else {}
    where = {"hardware": hardware(), "date": time.strftime("%Y-%m-%d")}
    chapters = found.get(profile(), {}) | {
        name: {key: row[key] for key in ("seconds", "scaled", "gigabytes")} | where for name, row in rows.items()
    }
    found[profile()] = dict(sorted(chapters.items()))
    path.write_text(json.dumps(found, indent=1) + "\n")


def pytest_configure(config) -> None:
    """Start timing."""
    config.pluginmanager.register(Times(), "mjcourse-chapter-times")
