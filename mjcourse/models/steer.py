"""Steering the walk from noise to picture: weighted prompts, known parts, starts and stops. Chapters 10 and 13.

N. Liu et al. 2022 (composing velocities), Lugmayr et al. 2022 (redrawing parts, in rounds), Meng et al. 2021 (starting
from a picture).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

Velocity = Callable[[torch.Tensor, float], torch.Tensor]


def guided_velocity(
    model: torch.nn.Module,
    z: torch.Tensor,
    t: torch.Tensor,
    null: torch.Tensor,
    texts: Sequence[torch.Tensor],
    weights: Sequence[float],
    s: float,
) -> torch.Tensor:
    """Return v = v₀ + s Σ w_k (v_k - v₀) / Σ w_k, the velocity of several prompts k.

    Args:
        model: the flow transformer.
        z, t: (B, C, H, W) and (B,).
        null, texts: (B, registers, text_width), and a list of such.
        weights: a number for each of the texts; they must sum to more than 0.
        s: the guidance scale.
    """
    total, rows = sum(weights), len(texts) + 1
    *told, untold = model(z.repeat(rows, 1, 1, 1), t.repeat(rows), torch.cat([*texts, null])).chunk(rows)
    return untold + s * sum(w / total * (v - untold) for w, v in zip(weights, told, strict=True))


def walk(
    velocity: Velocity,
    noise: torch.Tensor,
    steps: int,
    start: int = 0,
    stop: int | None = None,
    known: torch.Tensor | None = None,
    keep: torch.Tensor | None = None,
    rounds: int = 1,
    settled: float = 1.0,
    fresh: Callable[[], torch.Tensor] | None = None,
    progress: Callable[[int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Walk from noise to latents by Euler steps, over a part of the way, around what is known.

    Args:
        velocity: ``velocity(z, t)``, z (B, C, H, W), t from 0 (noise) to 1 (picture).
        noise: (B, C, H, W), standard normal.
        steps: of equal length, over the whole way.
        start: the first step; the walk begins between noise and `known`, at t = start / steps.
        stop: the step before which to stop; what the velocity points to from there is returned.
        known, keep: latents, and 1 where they are to stay, 0 where the walk draws; they broadcast to `noise`.
        rounds: how often each step is made, going back with fresh noise: so a later round mends what an earlier one
            did wrong, and a new part comes to fit the known one.
        settled: the share of the way from which on each step is made once.
        fresh: returns that fresh noise, of the shape of `noise`.
        progress: called with (steps done, the latents that the current velocity points to).

    Returns:
        Latents (B, C, H, W).
    """
    stop = steps if stop is None else stop
    t = start / steps
    z = noise if known is None else (1 - t) * noise + t * known
    ahead = z
    for i in range(start, stop):
        t, after = i / steps, (i + 1) / steps
        again = rounds - 1 if i and t < settled else 0  # at t = 0 a second round would begin with new noise
        for r in range(again + 1):
            if keep is not None:
                z = keep * ((1 - t) * noise + t * known) + (1 - keep) * z
            v = velocity(z, t).float()
            ahead, there = z + (1 - t) * v, z + (after - t) * v
            if r < again:
                width = math.sqrt((1 - t) ** 2 - (t / after * (1 - after)) ** 2)
                z = t / after * there + width * fresh()
        z = there
        if progress:
            progress(i + 1, ahead)
    z = z if stop == steps else ahead
    return z if keep is None else keep * known + (1 - keep) * z
