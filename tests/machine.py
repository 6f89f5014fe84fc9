"""How fast this machine is: for limits in seconds, which were set on another one."""

from __future__ import annotations

import time

import numpy as np

REFERENCE_SECONDS = 0.05  # of `yardstick` on the machine that the limits were set for


def yardstick() -> float:
    """Do a fixed piece of work, much Python and some numpy; return its processor time in seconds."""
    start = time.process_time()
    for _ in range(24):
        text = "".join(f"M{i * 0.37:.2f} {i * 0.73:.2f}" for i in range(4000))
        pixels = np.linspace(0, 255, 64 * 64 * 3, dtype=np.float32)
        for _ in range(20):
            pixels = np.sqrt(pixels * pixels + 1)
        assert len(text) > 4000 and pixels[0] > 1
    return time.process_time() - start


def slower(work: list[float]) -> float:
    """Return how much longer than on that machine the yardstick's best run took; 1 where it was quicker."""
    return max(1.0, min(work) / REFERENCE_SECONDS)
