"""Exercises of chapter 10: a fourth recipe, steering, a walk of second order, broken inpainting, curves, a grid."""

from __future__ import annotations

import torch

from mjcourse.learn.chapters.flow_grid import check_grid
from mjcourse.learn.chapters.flow_inpaint import check_inpaint
from mjcourse.learn.chapters.flow_walk import check_walk
from mjcourse.learn.chapters.fourth_recipe import check_fourth_recipe
from mjcourse.learn.compare import expect, expect_choices
from mjcourse.learn.exercise import Answers, Exercise


def check_steered(answers: Answers, g: torch.Generator) -> None:
    """`steered(z, t, v0, told, weights, s)`, (B, C, H, W), (B,), …, (K, B, C, H, W), (K,) → (B, C, H, W)."""
    steered = answers["steered"]
    shape = (4, 3, 5, 2)
    z, v0, told = (torch.randn(*n, *shape, generator=g) for n in ((), (), (3,)))
    v0, told = v0 + 0.5 * torch.randn(4, 3, 1, 1, generator=g), 1.5 * told
    told[:, 1], told[:, 3] = 2.5 * told[:, 1], 0.4 * told[:, 3]  # each picture has a size of its own
    t = 0.15 + 0.7 * torch.rand(4, generator=g)
    weights = torch.tensor([1.0, 0.7, -0.4]) * (0.7 + 0.6 * torch.rand(3, generator=g))
    weights = weights[torch.randperm(3, generator=g)]
    s, left = 2.5 + 2 * torch.rand((), generator=g).item(), (1 - t).view(-1, 1, 1, 1)

    def guided(s, told=told, weights=weights, total=None):
        total = weights.clamp(min=0).sum() if total is None else total
        return v0 + s * (weights.view(-1, 1, 1, 1, 1) * (told - v0)).sum(0) / total

    def brought(far, near, over=(1, 2, 3), power=1.0, left=left, measure=None, about=()):
        measure = measure or (lambda picture: picture.std(over, keepdim=True))
        far, near = z + left * far, z + left * near
        middle = far.mean(about, keepdim=True) if about else 0
        return (middle + (far - middle) * (measure(near) / measure(far)) ** power - z) / left

    def by_weights(**how):  # the same mistake, with and without what follows
        return [lambda: brought(guided(s, **how), guided(1, **how)), lambda: guided(s, **how)]

    far, near = guided(s), guided(1)
    want, everything = brought(far, near), weights.sum()
    mean_told = (weights.view(-1, 1, 1, 1, 1) * told).sum(0) / weights.clamp(min=0).sum()
    absolute = v0 + s * (mean_told - v0), v0 + (mean_told - v0)
    mistakes = {
        "that is (19), divided by the sum of *all* weights; here only the positive ones are added up.":
            by_weights(total=everything),
        "the weights are added up without their signs; only the positive ones are.":
            by_weights(total=weights.abs().sum()),
        "the pulls are not divided by the sum of the positive weights.": by_weights(total=1.0),
        "that is their number, or a mean; divide by the sum of the positive weights.": by_weights(total=3.0),
        "the negative prompt no longer pushes: it stays in the sum of the pulls, and is left out of W only.":
            by_weights(weights=weights.clamp(min=0)),
        "a pull goes from v₀ to v_k: w (v_k − v₀). What is multiplied here is v_k itself.":
            [lambda: brought(*absolute), absolute[0]],
        "the size of the picture is not brought back.": far,
        "that is the answer for s = 1: the size goes back, the direction does not.": near,
        "it is the *velocity* that was brought to another size; it has to be the picture x̂ of (8).": (
            lambda: far * near.std((1, 2, 3), keepdim=True) / far.std((1, 2, 3), keepdim=True)
        ),
        "each picture has a factor of its own; yours is the same for the batch.":
            lambda: brought(far, near, (0, 1, 2, 3)),
        "one factor a picture, over all its channels; yours has one a channel.": lambda: brought(far, near, (2, 3)),
        "the factor is upside down: the size grows where it should shrink.": lambda: brought(far, near, power=-1.0),
        "that is the root of the mean square; a standard deviation is taken about the picture's own mean.":
            lambda: brought(far, near, measure=lambda x: x.square().mean((1, 2, 3), keepdim=True).sqrt()),
        "the whole picture x̂ is multiplied, its mean as well.": lambda: brought(far, near, about=(1, 2, 3)),
        "it is the variance that was made equal; a size is a standard deviation.":
            lambda: brought(far, near, power=2.0),
        "the size is to be that of s = 1, not that of no text at all.": lambda: brought(far, v0),
        "the size is to be that of s = 1 with all the prompts, not that of one prompt.":
            [lambda k=k: brought(far, told[k]) for k in range(3)],
        "the velocity of a picture is (x̂ − z) / (1 − t); the division is missing.": lambda: want * left,
        "what it returns is the picture x̂; go back to the velocity by (8).": lambda: z + left * want,
        "the picture is z + (1 − t) v, by (8); yours has t in place of 1 − t.":
            lambda: brought(far, near, left=1 - left),
    }  # fmt: skip
    expect(steered(z, t, v0, told, weights, s), want, "the velocity", mistakes)
    expect(steered(z, t, v0, told, weights, 1.0), near, "the velocity for s = 1, where the size is right already,")
    expect(steered(z, t, v0, told, 3 * weights, s), want, "the velocity with all weights three times as large")
    one = brought(guided(s, told[:1], weights.new_ones(1)), told[0])
    expect(steered(z, t, v0, told[:1], weights.new_full((1,), 0.3), s), one, "the velocity for a single prompt")


RUNS = {"A": "never-silent", "B": "other-captions", "C": "healthy", "D": "unscaled"}
RUN_WORDS = ("healthy", "never-silent", "other-captions", "unscaled", "no-time")
RUN_REASONS = {
    ("A", ""): "with its text it is as good as any; look at its answer without text, and what that does to guidance.",
    ("A", "healthy"): "a healthy run's loss without text stays near the dotted line; this one's climbs to 30.",
    ("A", "other-captions"): "the true text helps it a lot; who learned from others' captions has no use for it.",
    ("B", ""): "its three lines are one: a text, true or wrong, changes nothing. What can it have been told?",
    ("B", "never-silent"): "its answer without text is as good as it can be; and does a text help it?",
    ("C", ""): "the true text saves much, no text stays near the dotted line, and guidance obeys.",
    ("C", "never-silent"): "without a text it stays near the dotted line: it has learned to do without.",
    ("D", ""): "read its axis at t = 0 and at t = 1, and compare with (16) for another S.",
    ("D", "no-time"): "who is not told the time stays near the dotted line without text; this one begins at 30.",
    ("D", "never-silent"): "it is large at t = 0 only; near t = 1 it does well without text.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "The fourth recipe", 1, 10, check_fourth_recipe,
        hints="""
        By (8), what is the difference of two velocities at the same z and t, if each comes from a picture?

        z cancels: (x̂ − z) − (x − z) = x̂ − x. So the loss is that of the picture, divided by something that depends on
        t only.

        at = t.view(-1, 1, 1, 1); z = (1 − at) noise + at x; left = (1 − at).clamp(min=least); the mean of ((net(z, t) −
        x) / left)².
        """,
    ),
    Exercise(
        2, "Steer, and keep the size", 2, 20, check_steered,
        hints="""
        Two parts, one after the other. First (19) with another divisor. Then, for two values of s, the picture that the
        velocity points to, and their sizes.

        pull = the sum of w_k (v_k − v₀), divided by weights.clamp(min=0).sum(). The pictures are z + (1 − t) (v₀ + s
        pull), once with s and once with s = 1.

        far, near = the two pictures; far * near.std((1, 2, 3), keepdim=True) / far.std((1, 2, 3), keepdim=True), minus
        z, divided by 1 − t. weights.view(-1, 1, 1, 1, 1) multiplies told − v₀.
        """,
    ),
    Exercise(
        3, "Second order at Euler's price", 2, 20, check_walk,
        hints="""
        Draw the velocity over time: two dots, and the straight line through them. Where on that line is the middle of
        the step to come?

        Half a step beyond v. The line rises by (v − before) in the length of the step before, so by (v − before) · step
        / (2 · last) in half a step.

        before = None; for t, after in pairwise(times.tolist()): v = field(z, t); step = after − t; go along v, or, with
        a velocity before, along v + (v − before) * step / (2 * last); then before, last = v, step.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one walk", 2, 20, check_inpaint,
        hints="""
        Three equations, three lines: (22), (17), (23). Ask of each line what it gives in a case that you know: s = 1, a
        known part alone, pure noise that goes back.

        One fault is in the time of the known part, one in where guidance starts from, one in how two deviations are put
        together.

        (1 − t) · noise + t · known; x_untold + s (x − x_untold); math.sqrt(wanted² − had²).
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Start with the numbers on the axes: one run's are not like the others'. Then ask in which runs the true text
        helps at all.

        (16) at t = 0 is S². Of the two that do use their text, one has a good answer without text as well, and guidance
        needs that answer.

        Three lines in one: no text that it was told ever fitted. No text far above the dotted line: null_text was
        never trained, and for s > 1 one walks away from nonsense. A loss of 25 at t = 0: S = 5.
        """,
    ),
    Exercise(
        6, "Design: the right times", 3, 40, check_grid,
        hints="""
        Walk once in many small steps, with points of your own, and keep the velocities. Along that walk, when does the
        velocity change? Euler errs just there.

        Either find out the data's size (where do the walkers end?) and move even times by (24). Or: the error of a step
        grows with the square of its length times the change, so steps should be short where the change is large: as one
        over its root.

        change = (v[1:] - v[:-1]).norm(dim=-1).mean(1) of a walk of 200 steps; share = change.sqrt().cumsum(0), from 0
        and divided by its end; the times at which it passes 0, 1/N, 2/N … (np.interp(even, share, times)).
        """,
    ),
)  # fmt: skip
