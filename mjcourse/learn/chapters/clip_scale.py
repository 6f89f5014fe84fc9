"""Exercise 3 of chapter 06: which temperature fits towers that are trained already."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from mjcourse.learn.compare import number_of
from mjcourse.learn.exercise import Answers, Wrong
from mjcourse.models.clip import clip_loss

MOST = 100.0  # as in the chapter
WITHIN = 0.01  # of the right s, relatively


def slope(cosines: torch.Tensor, s: float, ways: tuple[int, ...] = (0, 1)) -> float:
    """Return how the loss changes with s, by equation (6), from cosines (N, N); 1 is the way from pictures to texts."""
    own = cosines.diagonal()
    parts = [((s * cosines).softmax(way) * cosines).sum(way) - own for way in ways]
    return float(torch.stack(parts).mean())


def best(cosines: torch.Tensor, ways: tuple[int, ...] = (0, 1), most: float = MOST) -> float:
    """Return the s between 0 and `most` at which the loss is least; it is convex in s, so its slope is halved on."""
    low, high = 0.0, most
    if slope(cosines, high, ways) <= 0:
        return high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(cosines, middle, ways) < 0 else (low, middle)
    return (low + high) / 2


def pairs(g: torch.Generator, sure: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit vectors (N, d) of pictures and texts whose best s is well inside the range, or beyond it if `sure`.

    Sure pairs are all nearest to each other, some hardly, so that the loss still falls at `MOST`, and can be seen to.
    """
    while True:
        count, d = int(torch.randint(20, 40, (), generator=g)), 8
        z, n, m = torch.randn(3, count, d, generator=g)
        noise = (0.15 if sure else 0.4) + (0.3 if sure else 0.6) * float(torch.rand((), generator=g))
        u = F.normalize(z + noise * n, dim=1)
        v = F.normalize(z + noise * m + (0 if sure else 0.5) * z[:1] * m[:, :1], dim=1)  # texts lean to one direction
        c = (u @ v.T).double()
        if sure:
            if slope(c, 10 * MOST) <= 0 and 3e-3 < float(clip_loss(u, v, torch.tensor(MOST))) < 0.3:
                return u, v
        else:
            both, one, other = best(c), best(c, (1,)), best(c, (0,))
            if 3 < both < 50 and min(abs(both / x - 1) for x in (one, other, 1 / 0.07)) > 3 * WITHIN:
                return u, v


def check_scale(answers: Answers, g: torch.Generator) -> None:
    """`best_scale(image, text)`, unit vectors (N, d) each → s."""
    function = answers["best_scale"]
    asked = [pairs(g, False), pairs(g, False), pairs(g, True)]
    said = [number_of(function(u, v), "s") for u, v in asked]
    cosines = [(u @ v.T).double() for u, v in asked]
    right = [best(c) for c in cosines]

    def are(values: list[float], some: slice = slice(None)) -> bool:
        return all(abs(a - b) <= WITHIN * abs(b) for a, b in zip(said[some], values[some], strict=True))

    if are(right):
        return
    if are(right, slice(2)):
        raise Wrong(
            f"where all pairs are nearest to each other the loss falls for ever: return the most that is allowed, "
            f"{MOST:.0f}; yours is {said[2]:.4g}."
        )
    inside = slice(2)
    mistakes = {
        "that is the temperature τ; its reciprocal s is wanted.": [1 / s for s in right],
        "that is the logarithm of s, as it is learned; s itself is wanted.": [math.log(s) for s in right],
        "that fits pictures that look for their texts; equation (2) is the mean of both ways.":
            [best(c, (1,)) for c in cosines],
        "that fits texts that look for their pictures; equation (2) is the mean of both ways.":
            [best(c, (0,)) for c in cosines],
        "that is the loss at the best s; the s itself is wanted.":
            [float(clip_loss(u, v, torch.tensor(s))) for (u, v), s in zip(asked, right, strict=True)],
        "that is where CLIP starts, 1/0.07, whatever the vectors are.": [1 / 0.07] * 3,
        "that is always the largest s; where some pairs are confused, a large s makes sure of the wrong ones.":
            [MOST] * 3,
    }  # fmt: skip
    for message, values in mistakes.items():
        if are(values, inside):
            raise Wrong(message)
    k = next(k for k in range(3) if abs(said[k] - right[k]) > WITHIN * right[k])
    if not 0 < said[k] <= MOST * (1 + WITHIN):
        raise Wrong(f"s is {said[k]:.4g}; it lies between 0 and {MOST:.0f}.")
    u, v = asked[k]
    loss, least = (float(clip_loss(u.double(), v.double(), torch.tensor(s))) for s in (said[k], right[k]))
    side = "larger" if said[k] < right[k] else "smaller"
    near = "close: a finer search, within one per cent, is wanted; " if abs(said[k] / right[k] - 1) < 0.1 else ""
    raise Wrong(f"{near}your s = {said[k]:.4g} gives a loss of {loss:.4f}, a {side} one {least:.4f}.")
