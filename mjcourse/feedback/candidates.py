"""Candidates to be rated: eight pictures a prompt, of prompts that leave the light open, kept as latents. Chapter 12.

The course ships some (``data/feedback``), drawn by the shipped flow; whoever trains a flow of their own draws anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.captions import caption_pair
from mjcourse.data.scenes import sample_scene
from mjcourse.data.store import SceneData, to_tensor
from mjcourse.training.loop import autocast
from mjcourse.training.text import draw_captions
from mjcourse.weights import load_tensors, save_tensors

PROMPTS, EACH = 64, 8  # prompts, and pictures of each
OPEN = ("time", "mood")  # what the prompts leave unsaid, so that a taste has something to choose
SEARCHED = 4000  # scenes among which open prompts are looked for
REMEDY = "`python scripts/build_candidates.py`, a minute or two"
NAME = "feedback/candidates.safetensors"  # in `config.RUNS` the learner's own, in `config.DATA` the shipped


@dataclass(frozen=True)
class Candidates:
    """Pictures of some prompts: picture k of prompt p is row p * `each` + k of the latents."""

    prompts: tuple[str, ...]
    z: torch.Tensor  # latents (prompts · each, C, H, W), float32 on the CPU

    @property
    def each(self) -> int:
        """Pictures a prompt."""
        return len(self.z) // len(self.prompts)

    @property
    def groups(self) -> torch.Tensor:
        """The number of each picture's prompt, (N,) int64."""
        return torch.arange(len(self.prompts)).repeat_interleave(self.each)

    def first(self, prompts: int) -> Candidates:
        """Return those of the first prompts only."""
        return Candidates(self.prompts[:prompts], self.z[: prompts * self.each])


def open_prompts(split: str, count: int, without: Sequence[str] = ()) -> list[str]:
    """Return captions of a split's first scenes, English and Chinese in turn, that do not name what is in `OPEN`.

    Args:
        split: of the scenes.
        count: how many.
        without: prompts to leave out. Splits share no scene, but a short caption such as 'snow' tells many.

    Raises:
        UserError: there are not so many.
    """
    found: list[str] = []
    for i in range(SEARCHED):
        pair = caption_pair(sample_scene(split, i), np.random.default_rng([0, i, 99]))
        told = pair[len(found) % 2]
        if not set(OPEN) & set(told.named) and told.text not in (*found, *without):
            found.append(told.text)
        if len(found) >= count:
            return found
    raise UserError(f"only {len(found)} prompts of {split} leave {' and '.join(OPEN)} open; ask for no more.")


def draw_candidates(
    engine,
    prompts: Sequence[str],
    guidance_scale: float,
    steps: int,
    each: int = EACH,
    report: Callable[[int, int], None] | None = None,
) -> Candidates:
    """Draw pictures of prompts; those of prompt p have the seeds 1000 p, 1000 p + 1 and so on.

    Args:
        engine: the studio's ``FlowEngine``.
        prompts: what to draw.
        guidance_scale, steps: as for the engine.
        each: pictures a prompt, at most 1,000.
        report: told (prompts done, prompts) after each.
    """
    parts = []
    for p, prompt in enumerate(prompts):
        seeds = range(1000 * p, 1000 * p + each)
        parts.append(engine.latents([prompt] * each, seeds, guidance_scale, steps).float().cpu())
        if report:
            report(p + 1, len(prompts))
    return Candidates(tuple(prompts), torch.cat(parts))


def paint_all(engine, z: torch.Tensor, batch: int = 64) -> np.ndarray:
    """Return the pictures (N, H, W, 3) uint8 of latents on any device."""
    return np.concatenate([engine.paint(part.to(engine.device)) for part in z.split(batch)])


def save_candidates(path: Path, found: Candidates, flow: str) -> None:
    """Write candidates as float16, with their prompts and the hash of the flow's weights, ``FlowEngine.digest``."""
    meta = {"prompts": list(found.prompts), "flow": flow}
    save_tensors(path, {"z": found.z.to(torch.float16)}, meta)


def load_candidates(flow: str) -> Candidates:
    """Return the candidates that a flow drew: the learner's own in ``runs/`` where they are its, else the shipped.

    Args:
        flow: the hash of its weights, ``FlowEngine.digest``.

    Raises:
        UserError: there are none, they were drawn by other weights, or the file is damaged.
    """
    there = [path for path in (config.RUNS / NAME, config.DATA / NAME) if path.exists()]
    if not there:
        raise UserError(f"there are no pictures to rate in {config.DATA / NAME}; draw them: {REMEDY}.")
    for path in there:
        tensors, meta = load_tensors(path)
        if meta.get("flow") != flow:
            continue
        z, prompts = tensors.get("z"), meta.get("prompts")
        if z is None or z.ndim != 4 or not prompts or len(z) % len(prompts):
            raise UserError(f"{path.name} is of another version of the course; draw its pictures anew: {REMEDY}.")
        return Candidates(tuple(prompts), z.float())
    raise UserError(f"{path.name} was drawn by other weights than this flow's; draw its pictures anew: {REMEDY}.")


def real_scenes(engine, count: int = 1000) -> tuple[torch.Tensor, torch.Tensor]:
    """Return latents and text of the first training scenes, for `tune_flow` to mix in: what it shall not forget."""
    data = SceneData("train", count)
    parts = [list(range(i, min(i + 100, count))) for i in range(0, count, 100)]
    with torch.no_grad(), autocast(engine.device, True):
        z = [engine.autoencoder.encode(to_tensor(data.images(part)).to(engine.device)).float() for part in parts]
    told = [engine.read([c.text for c in draw_captions(data, part, (0, part[0], 7))]) for part in parts]
    return torch.cat(z), torch.cat(told)
