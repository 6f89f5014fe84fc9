"""Keep the memory that tensors free, so that the next step need not ask the system for it again.

glibc gives each block of more than 32 MiB back to the system as soon as it is freed; the next one is mapped and zeroed
page by page. Training frees and takes hundreds of them a step.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt, <malloc.h>
KEPT = 2**31 - 1  # bytes at most that stay with the process, free


def keep_freed_memory() -> bool:
    """Let the C library keep up to 2 GiB of freed memory for this process; tell whether it could (glibc can)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, KEPT))
