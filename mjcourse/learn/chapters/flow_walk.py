"""Exercise 3 of chapter 10: a walk of second order that asks the network once a step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from mjcourse.learn.compare import expect
from mjcourse.learn.exercise import Answer, Answers, Wrong

Use = Callable[[torch.Tensor, torch.Tensor, float, float], torch.Tensor]


class Asked:
    """A smooth field (B, D), t → (B, D) that remembers the times at which it was asked."""

    def __init__(self, width: int, g: torch.Generator) -> None:
        self.inside, self.outside = torch.randn(width, 6, generator=g), torch.randn(6, width, generator=g)
        self.turn, self.times = 3 * torch.randn(6, generator=g), []

    def __call__(self, z: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
        t = torch.as_tensor(t, dtype=z.dtype).flatten()[0]
        self.times.append(t.item())
        return torch.tanh(z @ self.inside + self.turn * t) @ self.outside


def middle(v: torch.Tensor, before: torch.Tensor, step: float, last: float) -> torch.Tensor:
    """Return the velocity in the middle of a step, guessed from those at its start and at the start of the last one."""
    return v + (v - before) * step / (2 * last)


def walked(field, z: torch.Tensor, times: torch.Tensor, use: Use = middle, first: float = 1.0, renew: bool = True):
    """Follow a field along `times`; `use(v, before, step, last step)` is what a step goes along, the first one v.

    Args:
        first: what the velocity of the first step is multiplied by.
        renew: the velocity before is that of the last step, not always that of the first one.
    """
    before = last = None
    for t, after in pairwise(times.tolist()):
        v, step = field(z, t), after - t
        z = z + step * (first * v if before is None else use(v, before, step, last))
        if before is None or renew:
            before, last = v, step
    return z


def check_walk(answers: Answers, g: torch.Generator) -> None:
    """`walk_on(field, z, times)`, (B, D) and (N + 1,) → where it ends, (B, D)."""
    walk_on = answers["walk_on"]
    check_one_walk(walk_on, 5, 3, g)
    check_one_walk(walk_on, 3, 2, g)
    check_one_walk(walk_on, 1, 4, g)


def check_one_walk(walk_on: Answer, steps: int, width: int, g: torch.Generator) -> None:
    """Walk a number of uneven steps through a new field."""
    lengths = 0.4 + torch.rand(steps, generator=g)
    lengths[:2] = lengths[:2] * torch.tensor([0.5, 1.3])[:steps]  # so that steps differ clearly
    times = torch.cat([torch.zeros(1), lengths.cumsum(0) / lengths.sum()])
    times[-1] = 1
    field, z = Asked(width, g), torch.randn(4, width, generator=g)
    made, asked = walk_on(field, z, times), torch.tensor(field.times)
    said = f"{steps} steps have to ask the field {steps} times, at the start of each; yours asks {len(asked)} times"
    if len(asked) == 2 * steps:
        raise Wrong(f"{said}: that is the price of Heun. Keep the velocity of the step before.")
    if len(asked) == steps + 1:
        raise Wrong(f"{said}: nobody needs the velocity at t = 1, or one twice.")
    if len(asked) != steps:
        raise Wrong(f"{said}.")
    if not torch.allclose(asked, times[:-1], atol=1e-5):
        if torch.allclose(asked, times[1:], atol=1e-5):
            raise Wrong("the field is asked at the time at which a step ends; the walk is not there yet.")
        if torch.allclose(asked, torch.arange(steps) / steps, atol=1e-5):
            raise Wrong("the field is asked at times of equal steps; the steps are not equal, take them from `times`.")
        raise Wrong("the field has to be asked at times[0] to times[N - 1], in this order.")

    def end(use: Use = middle, **how):
        return lambda: walked(field, z, times, use, **how)

    mistakes = {
        "that is Euler: the velocity of the step before does not come in.": end(lambda v, u, h, k: v),
        "3/2 and −1/2 are right for equal steps only; how much it changes depends on the lengths of both steps.":
            end(lambda v, u, h, k: 1.5 * v - 0.5 * u),
        "that guesses the velocity at the *end* of the step; the mean over a step is the one in its middle.":
            end(lambda v, u, h, k: v + (v - u) * h / k),
        "the change has the wrong sign: going on means v + (v − the one before) · …":
            end(lambda v, u, h, k: v - (v - u) * h / (2 * k)),
        "the lengths have changed places: divide by that of the step *before*, over which the change was seen.":
            end(lambda v, u, h, k: v + (v - u) * k / (2 * h)),
        "that is the mean with the velocity before: it looks back half a step, and the guess is for half a step ahead.":
            end(lambda v, u, h, k: (v + u) / 2),
        "a change has to become a rate: divide it by the length of the step before.":
            end(lambda v, u, h, k: v + (v - u) * h / 2),
        "the first step has no velocity before it: there it goes along v alone.": end(first=1.5),
        "the velocity before is always that of the first step; keep the newest one.": end(renew=False),
        "the steps are taken as equal, 1/N; their lengths are in `times`.":
            end(lambda v, u, h, k: (1.5 * v - 0.5 * u) / (steps * h), first=1 / (steps * times[1].item())),
    }  # fmt: skip
    expect(made, walked(field, z, times), f"the end of a walk of {steps} steps", mistakes)
