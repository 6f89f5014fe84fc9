"""Training that is really killed, at random moments and in the middle of a save, ends in the same weights."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import kill_driver
import numpy as np
import pytest
import torch

from mjcourse.weights import load_tensors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture(scope="module")
def processes():
    """A server that has torch loaded and forks a process for each run, which saves seconds a kill."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "mjcourse.models.autoencoder", "mjcourse.training.loop"])
    return context


def start(processes, folder: Path, amp: bool = False, stall: str | None = None):
    beat = processes.Value("i", 0)
    process = processes.Process(target=kill_driver.train, args=(folder, amp, beat, stall))
    process.start()
    return process, beat


def until(process, beat, reached) -> bool:
    """Wait till `reached(step under way)`; False when the process ended before."""
    deadline = time.monotonic() + 120
    while not reached(beat.value):
        if not process.is_alive():
            return False
        assert time.monotonic() < deadline, f"stuck at {beat.value}"
        time.sleep(0.001)
    return True


def saved_step(folder: Path) -> int:
    """Return the step of the checkpoint, which must be whole; 0 without one."""
    path = folder / "checkpoint.safetensors"
    return load_tensors(path)[1]["step"] if path.exists() else 0


def finish(processes, folder: Path, amp: bool = False) -> dict:
    """Let a run go on to its end; return all that its checkpoint holds."""
    process, _ = start(processes, folder, amp)
    process.join(120)
    assert process.exitcode == 0
    tensors, meta = load_tensors(folder / "checkpoint.safetensors")
    assert meta["step"] == kill_driver.STEPS
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in meta["log"]]
    return tensors | {"log": rows}


def assert_same(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    assert found["log"] == wanted["log"]
    different = [k for k, v in wanted.items() if k != "log" and not torch.equal(v, found[k])]
    assert not different, different


@pytest.fixture(scope="module")
def whole(processes, tmp_path_factory):
    """The uninterrupted run, by precision."""
    found = {}

    def run(amp: bool) -> dict:
        if amp not in found:
            found[amp] = finish(processes, tmp_path_factory.mktemp("whole") / "run", amp)
        return found[amp]

    return run


@pytest.mark.parametrize("amp, seed", [(False, 1), (False, 2), (False, 3), (True, 4)], ids=str)
def test_killed_at_random_moments(processes, whole, tmp_path, amp, seed):
    rng, folder, kills = np.random.default_rng(seed), tmp_path / "run", []
    while len(kills) < 6:
        process, beat = start(processes, folder, amp)
        target = saved_step(folder) + int(rng.integers(1, 22))
        if not until(process, beat, lambda step: step >= target):  # noqa: B023
            break  # it came to its end first
        time.sleep(float(rng.uniform(0, 0.02)))  # anywhere in a step or a save
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        kills.append(saved_step(folder))
        assert kills[-1] % kill_driver.SAVE_EVERY == 0 or kills[-1] == kill_driver.STEPS
    assert len(kills) >= 3
    assert_same(finish(processes, folder, amp), whole(amp))


@pytest.mark.parametrize("stall", kill_driver.STALLS)
def test_killed_in_the_middle_of_a_save(processes, whole, tmp_path, stall):
    folder = tmp_path / "run"
    process, beat = start(processes, folder, stall=stall)
    assert until(process, beat, lambda step: step == kill_driver.STALLED)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert saved_step(folder) == kill_driver.SAVE_EVERY * (3 if stall == "after" else 2)
    assert bool(list(folder.glob("checkpoint*.partial"))) == (stall != "after")  # it was in the middle, really
    assert_same(finish(processes, folder), whole(False))


def test_ctrl_c_saves_and_leaves(processes, whole, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, kill_driver.__file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line == "step 40\n":
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert "stopping after this step" in process.stderr.read()
    step = saved_step(folder)
    assert 41 <= step < kill_driver.STEPS
    assert line == f"step {step - 1}\n"  # the step under way was the last, and it is in the checkpoint
    found = finish(processes, folder)
    extra = [row for row in found["log"] if row not in whole(False)["log"]]
    assert [row["step"] for row in extra] in ([], [step])  # where it left, one row more in the log
    assert_same(found | {"log": [row for row in found["log"] if row not in extra]}, whole(False))
