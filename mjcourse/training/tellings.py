"""What the text encoder makes of the captions, read once before training and kept. Chapters 07, 09 and 10."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.data.scenes import ATTRIBUTES, DATA_VERSION
from mjcourse.data.store import SceneData
from mjcourse.files import sha256, write_atomically
from mjcourse.training.loop import autocast
from mjcourse.training.text import TextReader, draw_captions

TOLD = 2  # captions of a scene: reading anew at each step took a fifth of the time
FULL = 0.5  # share of captions that name all that is there: rare things (a companion) are told more often
CROWDED = 2.0  # how much more often a scene with a companion is drawn: two small things are harder than one


def crowded(data: SceneData) -> torch.Tensor:
    """Return how often each scene of a split is drawn in training, relative to a scene without a companion: (N,)."""
    companion = torch.from_numpy(data.codes[:, list(ATTRIBUTES).index("companion")])
    return torch.where(companion == ATTRIBUTES["companion"].index("none"), 1.0, CROWDED)


@torch.no_grad()
def tellings(data: SceneData, reader: TextReader, seed: int) -> np.ndarray:
    """Return what the text encoder makes of `TOLD` captions of each scene, half of them Chinese.

    Returns:
        (N, TOLD, registers, width) float16, computed once and kept in the cache.
    """
    key = sha256(reader.path)[:12]
    path = config.CACHE / DATA_VERSION / f"tellings-{key}" / f"{data.split}-{len(data)}-{seed}-{TOLD}-{FULL}.npy"
    cfg = reader.net.cfg

    def compute() -> np.ndarray:
        found = np.empty((len(data) * TOLD, cfg.registers, cfg.width), np.float16)
        for start in range(0, len(data), 2000):
            scenes = [i for i in range(start, min(start + 2000, len(data))) for _ in range(TOLD)]
            texts = [c.text for c in draw_captions(data, scenes, (seed, start, 2), FULL)]
            order = np.argsort([len(reader.tokenizer.tokens(t)) for t in texts], kind="stable")  # little padding
            for part in np.array_split(order, -(-len(order) // 500)):
                with autocast(reader.device, True):
                    registers = reader.encode([texts[i] for i in part])
                found[start * TOLD + part] = registers.to(torch.float16).cpu().numpy()
            if start % 10_000 == 0:
                print(f"captions of {data.split}: {start:,} of {len(data):,}", flush=True)
        return found.reshape(len(data), TOLD, cfg.registers, cfg.width)

    return cached(path, compute)


def cached(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array in a file, read as it is asked for; a missing file is computed first."""
    if not path.exists():
        buffer = io.BytesIO()
        np.save(buffer, compute())
        write_atomically(path, buffer.getbuffer(), "MJCOURSE_CACHE")
    return np.load(path, mmap_mode="r")
