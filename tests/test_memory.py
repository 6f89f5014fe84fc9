"""Freed memory stays with the process: a training step touches few new pages."""

import subprocess
import sys

import pytest

pytest.importorskip("resource")

STEPS = """
import resource, sys
import torch
from mjcourse.training.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("this C library cannot")
a = torch.ones(1 << 24)  # 64 MiB
for _ in range(2):
    b = a * 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        c = b + a
        d = c * 2
        del c, d
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True)
    if "cannot" in done.stderr:
        pytest.skip("not with this C library")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_used_again():
    pages = 2 * 20 * 2**26 // 4096  # that ten results of 64 MiB take
    kept, given_back = faults("keep"), faults("give back")
    assert kept < 0.2 * pages
    if given_back < 0.5 * pages:
        pytest.skip("this system maps large pages by itself")
