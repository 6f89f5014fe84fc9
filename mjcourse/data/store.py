"""Scenes on disk: draw them once, keep them in shards, read any of them by number. Chapter 01.

A shard holds N scenes (1,000 to train on, 250 of the other splits): ``NNNNN-images.npy`` (N, 64, 64, 3)
uint8 and ``NNNNN-codes.npy`` (N, 18) int64 with the attributes as indices and the scene's seed. Shards
are written whole or not at all, so an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.scenes import ASPECTS, ATTRIBUTES, DATA_VERSION, SPLITS, Scene, sample_scene
from mjcourse.files import write_atomically

SHARD = {"train": 1000, "val": 250, "test": 250, "composition": 250}  # scenes in a file
PIECE = 50  # scenes in one job of a worker
COUNTS = {"train": 100_000, "val": 2_000, "test": 4_000, "composition": 4_000}


def scene_to_codes(scene: Scene) -> list[int]:
    """Return a scene as one integer per attribute, then its seed."""
    return [values.index(getattr(scene, name)) for name, values in ATTRIBUTES.items()] + [scene.seed]


def codes_to_scene(codes: Iterable[int]) -> Scene:
    """Return the scene that `scene_to_codes` wrote."""
    *codes, seed = (int(c) for c in codes)
    named = {name: values[c] for (name, values), c in zip(ATTRIBUTES.items(), codes, strict=True)}
    return Scene(**named, seed=seed)


def folder(split: str, size: int = 64, seed: int = 0, aspect: str = "1:1") -> Path:
    """Return where the shards of a split lie."""
    shape = "" if aspect == "1:1" else "-" + aspect.replace(":", "x")
    return config.CACHE / DATA_VERSION / f"{size}px-seed{seed}{shape}" / split


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getbuffer(), "MJCOURSE_CACHE")


def _load(path: Path, rows: int) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r")
        if len(array) != rows:
            raise ValueError(f"{len(array)} rows, not {rows}")
        return array
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path.name} in {path.parent} is damaged; delete it, and it is drawn anew.") from error


def _draw(split: str, first: int, count: int, size: int, seed: int, aspect: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw some scenes; return their codes (count, 18) and pictures (count, H, W, 3)."""
    from mjcourse.data.draw import render

    scenes = [sample_scene(split, first + i, seed) for i in range(count)]
    return np.array([scene_to_codes(s) for s in scenes], np.int64), np.stack([render(s, size, aspect) for s in scenes])


def build(
    split: str,
    count: int,
    size: int = 64,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    aspect: str = "1:1",
) -> Path:
    """Draw the first `count` scenes of a split (rounded up to whole shards), unless they are there.

    Args:
        split: one of ``train``, ``val``, ``test``, ``composition``.
        count: number of scenes.
        size: side in pixels.
        seed: seed of the data set.
        workers: processes; by default one a core.
        progress: called with (scenes done, scenes wanted) after each shard.
        aspect: one of `ASPECTS`; the scenes are the same in all, only drawn in another frame.

    Returns:
        The folder of the shards.

    Raises:
        UserError: an unknown split or aspect, a count below 1, or a disk that is full.
    """
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; allowed are {', '.join(SPLITS)}.")
    if count < 1:
        raise UserError(f"cannot build {count} scenes; ask for 1 or more.")
    if aspect not in ASPECTS:
        raise UserError(f"there is no aspect {aspect!r}; allowed are {', '.join(ASPECTS)}.")
    where = folder(split, size, seed, aspect)
    where.mkdir(parents=True, exist_ok=True)
    shard = SHARD[split]
    shards = range(-(-count // shard))
    missing = [k for k in shards if not all((where / f"{k:05d}-{part}.npy").exists() for part in ("images", "codes"))]
    done = len(shards) - len(missing)
    report = progress or (lambda done, total: None)
    report(done * shard, len(shards) * shard)
    firsts = [k * shard + i for k in missing for i in range(0, shard, PIECE)]
    draw_piece = partial(_draw, split, count=min(PIECE, shard), size=size, seed=seed, aspect=aspect)
    workers = min(workers or os.cpu_count() or 1, len(firsts))
    pool = ProcessPoolExecutor(workers, get_context("spawn")) if workers > 1 else None
    try:
        pieces = (pool.map if pool else map)(draw_piece, firsts)
        for k in missing:
            codes, images = zip(*islice(pieces, len(firsts) // len(missing)), strict=True)
            _save(where / f"{k:05d}-codes.npy", np.concatenate(codes))
            _save(where / f"{k:05d}-images.npy", np.concatenate(images))
            done += 1
            report(done * shard, len(shards) * shard)
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)
    return where


class SceneData:
    """The first `count` scenes of a split, read from disk as they are asked for.

    Args:
        split, count, size, seed, aspect: as for `build`, which is called for what is missing.
    """

    def __init__(
        self, split: str, count: int, size: int = 64, seed: int = 0, progress=None, aspect: str = "1:1"
    ) -> None:
        where = build(split, count, size, seed, progress=progress, aspect=aspect)
        self.aspect = aspect
        self.split, self.count, self._shard = split, count, SHARD[split]
        shards = range(-(-count // self._shard))
        self._images = [_load(where / f"{k:05d}-images.npy", self._shard) for k in shards]
        self.codes = np.concatenate([_load(where / f"{k:05d}-codes.npy", self._shard) for k in shards])[:count]

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> Scene:
        """Return the scene of that number."""
        return codes_to_scene(self.codes[index])

    def images(self, indices: Iterable[int]) -> np.ndarray:
        """Return pictures by number, (B, H, W, 3) uint8."""
        return np.stack([self._images[i // self._shard][i % self._shard] for i in indices])

    def attributes(self, indices: Iterable[int]) -> np.ndarray:
        """Return the attributes by number as indices into `ATTRIBUTES`, (B, 17) int64."""
        return self.codes[list(indices), :-1]


def to_tensor(images: np.ndarray):
    """Turn pictures (B, H, W, 3) uint8 into a float tensor (B, 3, H, W) in -1 to 1."""
    import torch

    # A copy: numpy takes any stride of a batch of one for contiguous, and torch rounds its sums by the strides.
    return torch.from_numpy(np.array(images, order="C")).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_uint8(images) -> np.ndarray:
    """Turn a tensor (B, 3, H, W) in -1 to 1 into pictures (B, H, W, 3) uint8."""
    return (images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu()).numpy()


def build_command(count: int | None = None, seed: int = 0, size: int = 64) -> None:
    """Draw every split with a progress bar: ``mjcourse data build``."""
    from rich.progress import Progress

    with Progress() as bar:
        for split, full in COUNTS.items():
            task = bar.add_task(f"{split} scenes", total=full)
            build(split, min(count or full, full), size, seed,
                  progress=lambda done, total, task=task: bar.update(task, completed=done, total=total))  # fmt: skip


def info() -> dict:
    """Return what data are there: scenes by split and size, emoji, folders (``mjcourse data info``)."""
    from mjcourse.data import emoji

    scenes = {}
    for where in sorted((config.CACHE / DATA_VERSION).glob("*px-seed*/*")):
        files = list(where.glob("*-images.npy"))
        scenes[f"{where.parent.name}/{where.name}"] = {
            "scenes": len(files) * SHARD[where.name],
            "megabytes": round(sum(f.stat().st_size for f in files) / 2**20, 1),
        }
    return {"version": DATA_VERSION, "cache": str(config.CACHE), "scenes": scenes, "emoji": emoji.info()}


def info_command(json: bool = False) -> None:
    """Print `info`: ``mjcourse data info [--json]``."""
    import json as json_

    found = info()
    if json:
        print(json_.dumps(found, ensure_ascii=False, indent=2))
        return
    print(f"scenes ({found['version']}), drawn so far under {found['cache']}:")
    for name, row in found["scenes"].items() or {}:
        print(f"  {name:28} {row['scenes']:7,} scenes {row['megabytes']:8.1f} MB")
    if not found["scenes"]:
        print("  none yet: `mjcourse data build` draws them, and so does whatever needs them")
    print("emoji art:")
    for key, value in found["emoji"].items():
        print(f"  {key}: {value}")
