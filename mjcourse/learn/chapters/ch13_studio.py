"""Exercises of chapter 13: neighbours, ranges in braces, what is kept out, a broken worker, curves, fewer keys."""

from __future__ import annotations

import torch

from mjcourse.learn.chapters.studio_keys import check_suggester
from mjcourse.learn.chapters.studio_ranges import check_ranges
from mjcourse.learn.chapters.studio_worker import check_worker
from mjcourse.learn.compare import expect, expect_choices, tensor_of
from mjcourse.learn.exercise import Answers, Exercise, Wrong


def check_neighbours(answers: Answers, g: torch.Generator) -> None:
    """`neighbours(seed, spread, count, shape)` → starts (count, *shape)."""
    neighbours = answers["neighbours"]

    def own(seed, *shape):
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def drawn(low, high):
        return int(torch.randint(low, high, (), generator=g))

    for seed, count in ((drawn(0, 10**6), 4), (drawn(0, 2**31), 3)):
        shape, spread = (drawn(2, 4), drawn(3, 5), 5), drawn(25, 70)
        near, far = (1 - (spread / 100) ** 2) ** 0.5, spread / 100
        each = torch.stack([own(seed + b, *shape) for b in range(count)])
        together = own(seed, count, *shape)

        def mixed(a, b, each=each):
            return torch.cat([each[:1], a * each[:1] + b * each[1:]])

        one, line, size = torch.Generator().manual_seed(seed), mixed(1 - far, far), ((1 - far) ** 2 + far**2) ** 0.5
        in_a_row = torch.stack([torch.randn(shape, generator=one) for _ in range(count)])
        times = torch.stack([own(seed * (b + 1), *shape) for b in range(count)])

        def unit(starts):  # each of deviation 1
            return starts / starts.flatten(1).std(1).view(-1, 1, 1, 1)

        chain = [each[0]]
        for noise in each[1:]:
            chain.append(near * chain[-1] + far * noise)
        want = mixed(near, far)
        mistakes = {
            "all the noises come from one generator; each picture has a seed, and so a generator, of its own.":
                (mixed(near, far, together), together, mixed(near, far, in_a_row), in_a_row),
            "all the pictures have the same seed; picture b has seed + b.":
                (each[:1].expand_as(each), mixed(near, far, each[:1].expand_as(each))),
            "the first picture is the plain one of its seed: it is mixed with nothing.": near * each[:1] + far * each,
            "the variance is below 1: it is the *squares* of p and q that must sum to 1, as in (9).":
                (mixed(1 - far, far), torch.cat([each[:1], (1 - far) * each[:1] + far * each[1:]])),
            "the variance is above 1: p is below 1.": mixed(1, far),
            "p² + q² must be 1, and with p = √(1 − q) it is not: q has a square below the root as well.":
                mixed((1 - far) ** 0.5, far),
            "p and q have changed places: spread 100 is the plain grid.": mixed(far, near),
            "q itself is the weight of the own noise; you give it q as its variance.":
                mixed((1 - far) ** 0.5, far**0.5),
            "the own noise has the weight q as it is; no root below the whole sum, only p is yours to choose.":
                (mixed((1 + far**2) ** -0.5, far * (1 + far**2) ** -0.5), mixed((1 - far) / size, far / size)),
            "`spread` goes to 100; in the equation it is a share.":
                (mixed(torch.nan, spread), mixed(1 - spread, spread)),
            "each is a neighbour of the one before; all should be neighbours of the first.": torch.stack(chain),
            "that is the plain grid; `spread` does nothing.": each,
            "the starts are scaled by what they happen to have as a deviation; the weights alone do it.":
                (want / want.std(), unit(want), unit(line), torch.cat([each[:1], unit(line)[1:]])),
            "the seeds are multiplied; picture b has seed + b.": (times, mixed(near, far, times)),
            "the seeds are counted from the second; picture b has seed + b, the first has b = 0.":
                mixed(near, far, torch.stack([own(seed + 1 + b, *shape) for b in range(count)])),
        }  # fmt: skip
        state = torch.get_rng_state()
        expect(neighbours(seed, spread, count, shape), want, "the grid of starts", mistakes)
        if not torch.equal(torch.get_rng_state(), state):
            raise Wrong("it draws from, or sets, everybody's random numbers; make a generator: torch.Generator().")
        plain = neighbours(seed, 100, count, shape)
        expect(plain, each, "the plain grid, at spread 100,", {"spread 100 makes nan or 0 of it.": each * torch.nan})
        expect(
            neighbours(seed, 0, count, shape),
            each[:1].expand_as(each),
            "a grid of spread 0, one start again and again,",
        )


def check_kept_out(answers: Answers, g: torch.Generator) -> None:
    """`kept_out(nothing, wanted, unwanted, s, weight)`, velocities (B, C, H, W), numbers → velocity."""
    kept_out = answers["kept_out"]
    shape = (3, 2, 4, 5)
    v0, a, x = torch.randn(3, *shape, generator=g)
    a, x = 0.7 * a + torch.tensor([0.2, 1.0, 2.0]).view(3, 1, 1, 1), 0.8 * x + 0.6 * a
    a, x = v0 + a, v0 + x
    s, weight = (2 + 3 * torch.rand((), generator=g)).item(), -(0.3 + 0.5 * torch.rand((), generator=g)).item()
    da, dx = a - v0, x - v0
    inside = (1, 2, 3)

    def along(this, by, dims=inside, power=2):
        return (this * by).sum(dims, keepdim=True) / by.square().sum(dims, keepdim=True) ** (power / 2) * by

    def made(rest, pull=da):
        return v0 + s * (pull + weight * rest)

    want = made(dx - along(dx, da))
    everywhere = (0, 1, 2, 3)
    mistakes = {
        "`weight` is negative already; it is added, as in (2).": v0 + s * (da - weight * (dx - along(dx, da))),
        "one product for the whole batch: each picture has its own.": made(dx - along(dx, da, everywhere)),
        "the products are taken channel by channel, place by place or row by row; each picture has *one*.":
            [made(dx - along(dx, da, dims)) for dims in ((1,), (2, 3), (3,), (2,), (1, 2), (1, 3))],
        "the share is not divided by ⟨d_a, d_a⟩.": made(dx - along(dx, da, power=0)),
        "the share is divided by the length of d_a; it takes the square of it, ⟨d_a, d_a⟩.":
            made(dx - along(dx, da, power=1)),
        "you took out of the wanted text what the unwanted one says; it is the other way round.": (
            made(dx, da - along(da, dx)), made(da - along(da, dx)), v0 + s * (da - along(da, dx) + weight * dx),
        ),
        "that keeps the part along d_a and drops the rest: subtract it from d_x.": made(along(dx, da)),
        "nothing is protected: that is (2) without its division.": made(dx),
        "that is (2) itself, with its division by the sum of the weights.": v0 + s * (da + weight * dx) / (1 + weight),
        "it is divided by the sum of the weights as in (2); here s belongs to the wanted text alone.":
            v0 + s * (da + weight * (dx - along(dx, da))) / (1 + weight),
        "`s` belongs to the whole bracket.": (
            v0 + s * da + weight * (dx - along(dx, da)), v0 + da + s * weight * (dx - along(dx, da)),
        ),
        "the velocity without a text, v₀, is missing at the front.": want - v0,
        "d_x and d_a are differences from v₀; one of yours is the velocity itself.": (
            made(x - along(x, da)), made(dx - along(dx, a)), made(x - along(x, a)), made(x - along(x, a), a),
            made(dx - along(dx, da), a), made(x - along(x, da), a),
        ),
        "the length of the sum is changed; only the part along d_a is to be taken out.":
            made((dx - along(dx, da)) * dx.norm() / (dx - along(dx, da)).norm()),
    }  # fmt: skip
    got = kept_out(v0, a, x, s, weight)
    expect(got, want, "the velocity", mistakes, rtol=1e-3)
    expect(kept_out(v0, a, a, s, weight), v0 + s * da, "where both texts say the same, the velocity", atol=1e-4)
    silent = torch.cat([v0[:1], a[1:]])  # in one picture the wanted text says nothing
    got = tensor_of(kept_out(v0, silent, x, s, weight), "the velocity")
    if not got.isfinite().all():
        raise Wrong("where the wanted text changes nothing, d_a is 0 and you divide by 0: all of d_x counts then.")
    want = torch.cat([v0[:1] + s * weight * dx[:1], want[1:]])
    lost = {"where the wanted text changes nothing, all of d_x counts; yours loses it.": torch.cat([v0[:1], want[1:]])}
    expect(got, want, "where the wanted text changes nothing, the velocity", lost, rtol=1e-3)


RUNS = {"A": "clamped", "B": "one-draw", "C": "weird", "D": "chaos"}
RUN_WORDS = ("chaos", "one-draw", "weird", "clamped", "off")
RUN_REASONS = {
    ("A", ""): "from 40 on nothing changes, to the last digit: what may a parser do to values that it thinks large?",
    ("A", "weird"): "a choice among more candidates cannot lose the prompt, nor stop at once: look at 40.",
    ("B", ""): "its pictures leave the usual and the prompt, and stay as alike in a grid as ever: what do they share?",
    ("B", "off"): "look at the second and the third panel: the knob does a lot, though all four pictures share it.",
    ("B", "weird"): "a choice among honest drawings obeys; this one loses the prompt.",
    ("C", ""): "pictures get less usual, a little, and every one obeys: what changes no reading at all?",
    ("C", "off"): "the steps are small, but they are there: from 0.13 to 0.18 apart.",
    ("D", ""): "the further apart a grid's pictures are, the fewer obey, up to the end: a reading of its own for each.",
    ("D", "one-draw"): "within a grid its pictures move apart, so each has a draw of its own.",
    ("D", "clamped"): "nothing stops half-way: each value does more than the one before.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "A grid of neighbours", 1, 10, check_neighbours,
        hints="""
        Begin with the noises: one for each picture, of seed + b, each from a generator of its own. Then look how (9)
        brings a sum of noises back to variance 1.

        Two independent noises of variance 1 with weights p and q have variance p² + q². The own noise has the weight
        q = spread / 100; what is p?

        torch.randn(shape, generator=torch.Generator().manual_seed(s)) with s = seed + b; the first as it is, the others
        √(1 − q²) times the first plus q times their own.
        """,
    ),
    Exercise(
        2, "A range in braces", 2, 25, check_ranges,
        hints="""
        Two jobs: find the ranges, and judge each one *before* you write it out. re.sub takes a function that gets each
        match and returns what to put there.

        The pattern: a { with no backslash before it, three numbers that may have a minus and a decimal point, and ".."
        and " by " between them. Decimal("0.1") counts exactly; (high − low) / step tells how many values there are
        and whether they end at high.

        (?<!\\\\)\\{(N)\\.\\.(N) by (N)\\} with N = -?\\d+(?:\\.\\d+)?. In order: step above 0, low below high,
        (high − low) % step == 0, at most 40 values; each refusal has match[0] in its line. f"{value:f}" may end in
        zeros: strip them, and the point.
        """,
    ),
    Exercise(
        3, "Out, and nothing else", 2, 20, check_kept_out,
        hints="""
        Draw two arrows for one picture, d_a and d_x. Which part of d_x runs along d_a, and how long is it, in units of
        d_a?

        share = ⟨d_x, d_a⟩ / ⟨d_a, d_a⟩, a number for each picture: sum over all dimensions but the batch. Then
        d_x − share · d_a has no part along d_a any more.

        (d_x * d_a).sum((1, 2, 3), keepdim=True) is (B, 1, 1, 1). Where ⟨d_a, d_a⟩ is 0 the share should be 0:
        clamp(min=…) with a tiny number does it.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one worker", 2, 25, check_worker,
        hints="""
        Go through the life of four jobs with a pencil: one that is drawn; one that was cancelled before its turn; one
        that is being kept while the process is killed; one with a listener whose widget was closed.

        Look for three things: what stands between `draw` and `keep`; what is asked before a job begins; what happens to
        the loop, and to the other listeners, where one of them raises.

        First keep, then state = "done" and tell. Before the state is "running": if job.stop.is_set(), it is
        "cancelled", tell, and the next one. In `tell`: a try (or suppress(Exception)) around each listener's call.
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Start with the first panel: in which runs do the pictures of a grid move apart, and how far along the knob?

        Whose pictures move apart without losing the prompt? Whose pictures lose the prompt without moving apart?

        Flat from 40 on: clamped. Apart does not rise, obedience falls: one draw for all four. Obeys at 1 throughout
        and a little further from the usual: chosen, not disturbed.
        """,
    ),
    Exercise(
        6, "Design: fewer keys", 3, 40, check_suggester,
        hints="""
        The most frequent word that begins as typed leaves 55 % of the keys. Where are they spent? Before the first
        letter nearly any word is possible, unless one looks at the word before.

        Count for each word which words come after it, and how often. Suggest the most frequent of those that begin as
        typed; where there is none, fall back on the most frequent of all words. That is about 44 %.

        More: the two words before; and a word that was suggested a letter ago and not taken need not be suggested
        again, since the person would have taken it. suggest(typed) can find out itself what it said at typed[:-1].
        """,
    ),
)  # fmt: skip
