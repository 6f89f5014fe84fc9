"""Exercises of chapter 11: a grey filter, equal filters, a moved mark, a broken chain, curves, colours for dots.

Each check compares with a reference on random inputs, and with the values that usual mistakes give.
"""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.learn.chapters.dots_palette import check_dots_palette
from mjcourse.learn.chapters.mark_search import check_search
from mjcourse.learn.chapters.old_photo import check_old_photo
from mjcourse.learn.chapters.rendering_inputs import called, numpy_generator
from mjcourse.learn.compare import expect, expect_choices
from mjcourse.learn.exercise import Answers, Exercise
from mjcourse.studio.colour import to_light, to_values


def check_graduated(answers: Answers, g: torch.Generator) -> None:
    """`graduated(values, stops)`, (H, W, 3) sRGB values and a number → (H, W, 3)."""
    graduated, rng = answers["graduated"], numpy_generator(g)
    for h, w in ((7, 5), (4, 11)):
        values = rng.uniform(0, 1.2, (h, w, 3))  # in a chain there may be more than 1
        values *= np.where(rng.random(values.shape) < 0.2, 0.03, 1)  # and near black the curve is straight
        values[-1, 0, 0] = 1.15  # one that is certain to be more than 1 in the result, too
        values, stops = values.astype(np.float32), float(rng.uniform(0.7, 2.5))
        light, rows = to_light(values), np.arange(h)[:, None, None]
        fall = 1 - rows / (h - 1)  # 1 at the top, 0 at the bottom

        def seen(gain, light=light):
            return torch.tensor(to_values(light * gain))

        def held(fall, base=2.0, stops=stops):
            return seen(base ** (-stops * fall))

        gain, across = 2.0 ** (-stops * fall), np.linspace(1, 0, w)[:, None]
        want = seen(gain)
        plain = tuple(torch.tensor(values * gain**power) for power in (1, 1 / 2.2, 1 / 2.4))
        mistakes = {
            "that dims the *values*; a filter in front of the lens holds back *light*.": plain[0],
            "near black the curve (1) is a straight line, not a power: use `to_light` and `to_values`.": plain[1:],
            "that is linear light; turn it back into sRGB values.": torch.tensor(light * gain),
            "there and back have changed places: first to light, and at the end back to values.":
                torch.tensor(to_light(to_values(values) * gain)),
            "the top gets lighter; `stops` are held back, so the exponent is negative.": seen(1 / gain),
            "it is upside down: row 0 is the top.": (held(1 - fall), held(fall - 1)),
            "it runs from left to right; the stops fall from row to row.": (held(across), held(1 - across)),
            "every row is held back alike; that is an exposure of −stops.": held(1.0),
            "the *light* falls evenly there; wanted is that the *stops* do, as the exponent.":
                seen(1 - (1 - 2.0**-stops) * fall),
            "top and bottom row are not exactly at all and none of the stops: H rows are H − 1 steps apart.":
                tuple(held(1 - (rows + a) / (h + b)) for a, b in ((0, 0), (1, 0), (0.5, 0), (1, 1))),
            "a stop is a factor of 2, not of e.": held(fall, np.e),
            "something is cut off at 1; the next filter of a chain may bring it back (section 2).":
                (want.clamp(0, 1), seen(gain, light.clip(0, 1))),
            "the result is rounded to bytes; inside a chain it stays numbers.":
                ((want.clamp(0, 1) * 255).round(), (want.clamp(0, 1) * 255).round() / 255),
        }  # fmt: skip
        expect(called(graduated, values, stops), want, "the picture", mistakes)
        back = called(graduated, want.numpy().astype(np.float32), -stops)
        expect(back, torch.tensor(values), "what −stops makes of the result, which should be the picture,", rtol=1e-3)


def check_equal_start(answers: Answers, g: torch.Generator) -> None:
    """`equal_start(weight, r)`, (C · r², C_in, 3, 3) and a whole number → the same shape."""
    equal_start = answers["equal_start"]
    for r, channels, given in ((2, 5, 3), (3, 4, 2)):
        count = r * r
        weight = torch.randn(channels * count, given, 3, 3, generator=g)
        groups = weight.view(channels, count, given, 3, 3)

        def copied(chosen, times=count):
            return chosen.repeat_interleave(times, 0)

        mistakes = {
            "the copies of a filter must stand side by side: channel c is made of the rows c·r² to c·r² + r² − 1.":
                groups[:, 0].repeat(count, 1, 1, 1),
            "the first filters of the output channels are r² apart, not one after the other.":
                (copied(weight[:channels]), weight[:channels].repeat(count, 1, 1, 1)),
            "r² filters belong together, not always four; r need not be 2.": copied(weight[::4], 4),
            "each output channel has r² filters, not r.": copied(weight[::r], r),
            "that is the mean of the r² filters, which is r times weaker than they are; take the first.":
                copied(groups.mean(1)),
            "that is the sum of the r² filters, which is r times stronger than they are; take the first.":
                copied(groups.sum(1)),
            "that is another of the r² filters; wanted is the first, of a = b = 0.":
                tuple(copied(groups[:, k]) for k in range(1, count)),
            "now all the output channels are alike; only the r² filters of *one* channel should be.":
                (weight[:1].expand_as(weight), weight.mean(0).expand_as(weight)),
            "nothing has changed.": weight,
            "filters of zeros do agree, but nothing is left of the start that PyTorch drew.": torch.zeros_like(weight),
            "that makes the input channels alike; it is the output channels, dimension 0, that are shuffled.":
                weight[:, :1].expand_as(weight),
            "the filters have become flat; whole 3 × 3 filters are copied.": (
                weight[..., :1, :1].expand_as(weight), copied(groups[:, 0, :, :1, :1]).expand_as(weight)
            ),
            "one filter for each output channel is there; PixelShuffle wants r² copies of it.": groups[:, 0],
            "the copies are made weaker; each is the first filter as it is.":
                (copied(groups[:, 0]) / r, copied(groups[:, 0]) / count),
        }  # fmt: skip
        expect(equal_start(weight, r), copied(groups[:, 0]), "the tensor of weights", mistakes)


RUNS = {"A": "by-heart", "B": "checkerboard", "C": "other-world", "D": "healthy"}
RUN_WORDS = ("healthy", "checkerboard", "other-world", "by-heart", "shifted")
RUN_REASONS = {
    ("A", ""): "on its own pictures it gains five times what it gains on new ones, and goes on at home only.",
    ("A", "other-world"): "it gains on new posters, too; whoever knows pixel art only loses there (section 4).",
    (
        "B",
        "",
    ): "no other run has so much ripple, nor begins so far below bicubic: what carries the others there?",
    ("B", "shifted"): "squares that do not fit cost decibels too, but they make no grid: look at the ripple.",
    ("C", ""): "on its own pictures it gains 25 dB, on posters it loses two: which pictures can be got nearly exactly?",
    (
        "C",
        "checkerboard",
    ): "its ripple does not start high and heal, and at home it gains most of all.",
    ("D", ""): "on new posters it gains as much as on its own, and its ripple is that of exact ones: what is wrong?",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "A grey filter for the sky", 1, 10, check_graduated,
        hints="""
        Which of the chapter's filters is nearest? It is an exposure whose stops differ from row to row.

        Into light, times 2 to the power of minus the stops of the row, back into values. The stops of the H rows go
        from `stops` to 0 in equal steps.

        fall = np.linspace(stops, 0, H) has one number a row; 2.0 ** -fall must become (H, 1, 1) to be multiplied with
        (H, W, 3).
        """,
    ),
    Exercise(
        2, "Four filters that start as one", 2, 15, check_equal_start,
        hints="""
        Which rows of the weights belong to one output channel? The chapter's cell below (11) picks them by hand:
        weight[2 * a + b :: 4].

        Output channel c has the rows c·r² to c·r² + r² − 1, the first of them for a = b = 0. Each row is one filter,
        (C_in, 3, 3).

        weight[:: r * r] are the first filters, one for each output channel; Tensor.repeat_interleave puts copies
        side by side, Tensor.repeat does not.
        """,
    ),
    Exercise(
        3, "A mark on the wall", 2, 25, check_search,
        hints="""
        Two parts. First z for all places: what does (13) look like when the signs were moved by (dy, dx)? Then the
        threshold: how often may *one* look be wrong, if all together may be wrong with chance `alarm`?

        np.roll(signs, (dy, dx), (0, 1)) moves the signs; two loops are quick enough. Chances of a false alarm add up,
        so each of the R · C looks may have alarm / (R · C).

        z[dy, dx] = (np.roll(signs, (dy, dx), (0, 1)) * rest).sum() / np.sqrt((rest**2).sum()); the threshold is
        NormalDist().inv_cdf(1 − alarm / rest.size).
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one chain", 2, 20, check_old_photo,
        hints="""
        Go through the four filters one by one, with equations (3) to (5) beside them. Each line may have at most one
        fault, and one filter has none.

        Three questions: where are numbers cut off? In which space does each filter compute? Over what is a mean taken?

        No clip anywhere. The lens loses *light*. The m of contrast is the mean of values @ LUMA, one number.
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Start with the ripple: one run begins far above the others. For the rest compare the two panels of decibels.

        One run gains very much on its own pictures and loses against bicubic on posters: what may its own pictures
        be? Another gains several times more on its own than on new ones, though both are posters.

        Ripple: the uneven head without a shortcut. 25 dB at home, below bicubic on posters: another style. 4.6 dB at
        home and 0.9 on new posters: by heart.
        """,
    ),
    Exercise(
        6, "Design: colours for dots", 3, 40, check_dots_palette,
        hints="""
        Which colours can be mixed from dots of four? Only those *between* them. Where do the means of k-means lie:
        outside of the picture's colours, or inside?

        Move the colours outwards, away from their mean. Too far is wrong as well: dots of very different colours stay
        visible. You have the measure, `dots_error`, so try a few and keep the best, for each picture.

        lab = convert(to_float(extract_palette(picture, count)), "srgb", "oklab"); pushed = mean + by · (lab − mean)
        with by from 1.2 to 1.4; back with convert and to_bytes.
        """,
    ),
)  # fmt: skip
