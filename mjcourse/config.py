"""Where things live, how long things run, and on what: paths, profiles, seeds, device.

Everything else in the package imports this file; it imports nothing of the package and
does not import torch until a function that needs it is called.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(os.environ.get("MJCOURSE_HOME") or Path(__file__).resolve().parent.parent)
DATA = ROOT / "data"  # committed: emoji art, weights, small examples
WEIGHTS = DATA / "weights"  # committed: *.safetensors and their cards
RUNS = Path(os.environ.get("MJCOURSE_RUNS") or ROOT / "runs")  # what the learner trains
CACHE = Path(os.environ.get("MJCOURSE_CACHE") or ROOT / ".cache")  # rebuilt when missing

PROFILES = ("ci", "cpu", "gpu")
SEED_MAX = 2**32 - 1  # of what a person may choose


class UserError(Exception):
    """A mistake that the user can mend; its text is one clear line: what, what is allowed, what to do.

    The command line prints it on stderr and exits with status 2, never with a traceback.
    """


def profile() -> str:
    """Return the running profile, ``ci``, ``cpu`` or ``gpu`` (chapter 00).

    ``MJCOURSE_PROFILE`` decides; without it, ``gpu`` where torch finds one, else ``cpu``.

    Raises:
        UserError: ``MJCOURSE_PROFILE`` holds another word.
    """
    name = os.environ.get("MJCOURSE_PROFILE", "").strip().lower()
    if not name:
        return "gpu" if device().type == "cuda" else "cpu"
    if name not in PROFILES:
        raise UserError(f"MJCOURSE_PROFILE is {name!r}; allowed are {', '.join(PROFILES)}.")
    return name


def by_profile(*, ci: T, cpu: T, gpu: T) -> T:
    """Pick the value for the running profile: ``steps = by_profile(ci=20, cpu=400, gpu=2000)``.

    Profiles fix step counts, not clock time, so that results repeat.
    """
    return {"ci": ci, "cpu": cpu, "gpu": gpu}[profile()]


def device():
    """Return the ``torch.device`` to compute on: cuda, else mps, else cpu.

    ``MJCOURSE_DEVICE`` overrides it.

    Raises:
        UserError: ``MJCOURSE_DEVICE`` is not a device that this machine has.
    """
    import torch

    wanted = os.environ.get("MJCOURSE_DEVICE", "").strip().lower()
    has = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted and not has.get(wanted.split(":")[0]):
        allowed = ", ".join(name for name, there in has.items() if there)
        raise UserError(f"MJCOURSE_DEVICE is {wanted!r}; this machine has {allowed}.")
    torch.backends.cudnn.deterministic = True  # the same seed gives the same picture on a GPU too
    return torch.device(wanted or next(name for name, there in has.items() if there))


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (chapter 00)."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator(*keys: int):
    """Return a CPU ``torch.Generator`` whose stream is a pure function of ``keys``.

    ``generator(seed, step)`` gives a training step the same noise whether or not the run was
    interrupted before it; ``generator(seed, index)`` gives a picture the same noise in any batch.
    """
    import numpy as np
    import torch

    word = int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


def seeds_from(seed: int, count: int) -> list[int]:
    """Return the seeds of `count` pictures: counted up from the first, going on from 0 after `SEED_MAX`."""
    return [(seed + i) % (SEED_MAX + 1) for i in range(count)]


def hardware() -> str:
    """Name the machine in a few words: processor or GPU, cores, torch's version."""
    import platform

    import torch

    where = device()
    if where.type == "cuda":
        what = torch.cuda.get_device_name(where)
    else:
        threads = torch.get_num_threads()
        instructions = f"{torch.backends.cpu.get_cpu_capability()}, {platform.machine()}"
        what = f"{threads} CPU thread{'s' if threads > 1 else ''} ({instructions})"
    return f"{what}, torch {torch.__version__}"
