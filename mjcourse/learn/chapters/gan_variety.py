"""The design task of chapter 03: a score that says how well made points cover real ones."""

from __future__ import annotations

import math

import torch

from mjcourse.learn.compare import number_of
from mjcourse.learn.exercise import Answers, Wrong

MODES, COUNT, DRAWS = 8, 312, 8
SPREAD = 0.15  # standard deviation of a heap, on a ring of radius 2
# Better, worse, and what is wrong with a score that does not see it; from coarse to fine.
ORDERS = (
    ("all", "one", "points in one heap of eight score as well as points in all: it is blind to what is missing."),
    ("all", "three", "points in three heaps of eight score as well as points in all: it is blind to what is missing."),
    ("all", "noise", "noise over the whole square scores as well as real-looking points: it is blind to bad points."),
    ("all", "wide", "heaps four times too wide score as well as sharp ones: it is blind to bad points."),
    (
        "all",
        "every other",
        "points in every other heap score as well as points in all: mean and spread are the same, half of the data is "
        "missing.",
    ),
    ("all", "six", "points in six heaps of eight score as well as points in all: it misses a quarter of the data."),
    ("six", "three", "three heaps score as well as six: more of the data must count for more."),
    ("three", "one", "one heap scores as well as three: more of the data must count for more."),
    (
        "all",
        "strays",
        "as many points of noise among those in all heaps cost nothing: it asks what is near each real point, and no "
        "made point whether it is near a real one.",
    ),
)


def point_sets(g: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return real points (COUNT, 2) of a ring of heaps, and made ones by what is right or wrong with them.

    All made sets are as large as the real one, except "strays": "all" with as many points of noise.

    Place, size and turn of the ring are random, so that no number can be known beforehand.
    """
    turn, size = 2 * math.pi * torch.rand((), generator=g), 0.5 + 2 * torch.rand((), generator=g)
    place = 3 * torch.randn(2, generator=g)

    def ring(modes: int, spread: float = SPREAD, apart: int = 1) -> torch.Tensor:
        which = apart * (torch.randperm(COUNT, generator=g) % modes)  # as many points in each heap
        angle = turn + which * 2 * math.pi / MODES
        centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
        return place + size * (centres + spread * torch.randn(COUNT, 2, generator=g))

    made = {"all": ring(8), "six": ring(6), "three": ring(3), "one": ring(1), "wide": ring(8, 4 * SPREAD)}
    made["every other"] = ring(4, apart=2)
    made["noise"], strays = place + size * 2.5 * (2 * torch.rand(2, COUNT, 2, generator=g) - 1)
    made["strays"] = torch.cat([made["all"], strays])[torch.randperm(2 * COUNT, generator=g)]
    return ring(8), made


def check_variety(answers: Answers, g: torch.Generator) -> None:
    """`variety(real, made)`, (N, 2) and (M, 2) → one number, higher for better."""
    variety = answers["variety"]
    draws = []
    for _ in range(DRAWS):
        real, made = point_sets(g)
        names = [list(made)[k] for k in torch.randperm(len(made), generator=g)]  # so that no score can be prepared
        scores = {name: number_of(variety(real, made[name]), "the score") for name in names}
        draws.append(scores)
        again = number_of(variety(real, made["all"][torch.randperm(COUNT, generator=g)]), "the score")
        if abs(again - scores["all"]) > 0.1 * (max(scores.values()) - min(scores.values())):
            raise Wrong("the same points in another order get another score: points are a set, and luck is no measure.")
        if len(set(scores.values())) == 1:
            raise Wrong(f"whatever is made gets the same score, {scores['all']:.3g}.")
    if all(all(scores[better] < scores[worse] for better, worse, _ in ORDERS[:2]) for scores in draws):
        raise Wrong("it falls where it should rise: higher has to be better; a distance needs a minus sign.")
    for better, worse, blind in ORDERS:
        if not all(scores[better] > scores[worse] for scores in draws):
            raise Wrong(blind)
