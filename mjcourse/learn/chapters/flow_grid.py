"""The design task of chapter 10: times for Euler's steps, whatever the size of the data."""

from __future__ import annotations

from itertools import pairwise

import torch

from mjcourse.learn.chapters.flow_ring import SPREAD, mean_velocity, ring_centres
from mjcourse.learn.compare import close, missed, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

SMALL, LARGE = (0.1, 0.2), (8.0, 10.0)  # the range of either world's size
FEWEST, MOST = 7, 16  # steps
WALKERS, FINE = 100, 100  # that are judged; steps of the walk that they are judged by
GOOD = 0.57  # of the even grid's error, the most that is allowed
FEW = 0.2  # share of the times on one side of where noise and picture are equally strong


def world(size: float, modes: int = 8):
    """Return field(z, t), the exact velocity (7) for heaps on a ring, points of standard deviation `size`."""
    centres, spread = ring_centres(size, modes), size * SPREAD

    def field(z, t):  # no partial: it would tell its size to whoever asks
        return mean_velocity(z, t, centres, spread)

    return field


def euler_along(field, z: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Follow a field(z, t) from z (B, 2) by Euler's steps between `times` (N + 1,)."""
    for t, after in pairwise(times.tolist()):
        z = z + (after - t) * field(z, t)
    return z


def fine_end(field, z: torch.Tensor, size: float) -> torch.Tensor:
    """Return where walkers (B, 2) end, by Heun's fine steps at the times that (24) makes for this size."""
    times = torch.linspace(0, 1, FINE + 1, dtype=torch.float64)
    for t, after in pairwise((times / (times + (1 - times) * size)).tolist()):
        v = field(z, t)
        z = z + (after - t) / 2 * (v + field(z + (after - t) * v, after))
    return z


def check_grid(answers: Answers, g: torch.Generator) -> None:
    """`time_grid(field, steps)` → times (steps + 1,), rising from 0 to 1."""
    steps = int(torch.randint(FEWEST, MOST + 1, (), generator=g))
    modes = 5 + int(torch.randint(4, (), generator=g))
    worlds, grids = [], []
    for low, high in (SMALL, LARGE):
        size = low * (high / low) ** torch.rand((), generator=g).item()
        worlds.append((size, world(size, modes)))
    for _, field in worlds:
        times = tensor_of(answers["time_grid"](field, steps), "what `time_grid` returns")
        if times.shape != (steps + 1,):
            raise Wrong(f"{steps} steps have {steps + 1} times, ({steps + 1},); yours has shape {tuple(times.shape)}.")
        if not times.isfinite().all():
            raise Wrong("a time is nan or inf.")
        if abs(times[0]) > 1e-5 or abs(times[-1] - 1) > 1e-5:
            raise Wrong(f"the walk goes from t = 0 to t = 1; yours from {times[0]:.3g} to {times[-1]:.3g}.")
        if not (times.diff() > 0).all():
            raise Wrong("each time has to be later than the one before.")
        grids.append(times)
    even = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    if all(close(times, even) for times in grids):
        raise Wrong("these are even steps, which are what you are to beat.")
    for (size, field), times in zip(worlds, grids, strict=True):
        z = torch.randn(WALKERS, 2, generator=g).double()
        end = fine_end(field, z, size)
        error, of_even = ((euler_along(field, z, grid) - end).norm(dim=1).mean() for grid in (times, even))
        score = (error / of_even).item()
        if score <= GOOD:
            continue
        reached = missed(score, GOOD)
        said = f"for data of size {size:.2g} the error is {reached} of that of even steps, wanted {GOOD} or less"
        if close(*grids):
            raise Wrong(f"the times are the same whatever the field; {said}.")
        before = (times < 1 / (1 + size)).double().mean().item()  # half of them, by (24)
        if before < FEW:
            raise Wrong(f"{said}: only {before:.0%} of the times come before noise and picture are equally strong.")
        if before > 1 - FEW:
            raise Wrong(f"{said}: only {1 - before:.0%} of the times come after noise and picture are equally strong.")
        raise Wrong(f"{said}: put the times where the velocity changes, along the walk and not at one place.")
