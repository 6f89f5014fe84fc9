"""Exercises of chapter 01: what a crop keeps, averaging light, folds, broken batches, histograms, finding twins.

Each check compares with a reference on random inputs, and with the values that usual mistakes give.
"""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.learn.chapters.data_batch import check_batch
from mjcourse.learn.chapters.data_folds import check_fold
from mjcourse.learn.chapters.data_light import check_shrink
from mjcourse.learn.chapters.data_twins import check_fingerprint
from mjcourse.learn.compare import expect, expect_choices, number_of
from mjcourse.learn.exercise import Answers, Exercise


def check_kept(answers: Answers, g: torch.Generator) -> None:
    """`kept(box, width, height)`, (left, top, right, bottom) in pixels → share of the box that is left, 0 to 1."""
    kept = answers["kept"]
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    cases = []
    for upright in (False, True):
        short = int(rng.integers(65, 90))  # never 64, the side that the course trains on
        cut = int(rng.integers(20, 40))  # on each side
        a, b, p, q = cut, cut + short, *sorted(rng.uniform(0, short, 2))
        x, y = rng.uniform(5, 15, 2)
        along = [(a - x, a + y), (b - y, b + x), (a - x, b + y), (a + x, b - y), (x / 5, a - y / 3), (b + y / 3, b + y)]
        for low, high in along:
            box = (p, low, q, high) if upright else (low, p, high, q)
            cases.append((box, short, short + 2 * cut) if upright else (box, short + 2 * cut, short))

    def shares(overlap, of=lambda box, side: (box[2] - box[0]) * (box[3] - box[1])):
        return torch.tensor([overlap(box, w, h) / of(box, min(w, h)) for box, w, h in cases])

    def overlap(box, w, h, side=min, place=0.5, least=0.0, scaled_to=None):
        s = side(w, h)
        left, top = place * (w - s), place * (h - s)
        if scaled_to:  # the crop alone, and not the box
            left, top, s = (scaled_to / s * v for v in (left, top, s))
        wide, tall = min(box[2], left + s) - max(box[0], left), min(box[3], top + s) - max(box[1], top)
        return max(least, wide) * max(least, tall)

    want = shares(overlap)
    whole = (want > 1 - 1e-6).float()
    mistakes = {
        "that is the share that is cut off; wanted is the share that is left.": 1 - want,
        "a box that is cut off whole has share 0; where nothing overlaps, the overlap must not become negative.":
            shares(lambda *case: overlap(*case, least=-np.inf)),
        "the crop sits in the middle, with as much cut off on either side; see equation (4).":
            shares(lambda *case: overlap(*case, place=0.0)),
        "the crop's side is the *shorter* side of the picture.": shares(lambda *case: overlap(*case, side=max)),
        "an upright picture is cut above and below, a wide one left and right; one of the two is forgotten.": (
            shares(lambda *case: overlap(*case, side=lambda w, h: h)),
            shares(lambda *case: overlap(*case, side=lambda w, h: w)),
        ),
        "the crop is in pixels of the scaled picture, the box in those of the uncropped one; take the same for both.": [
            shares(lambda *case, S=S: overlap(*case, scaled_to=S)) for S in (64, 96, 128)
        ],
        "it is divided by the crop's area; a box that is seen whole has share 1.":
            shares(overlap, lambda box, side: side * side),
        "it is an area in pixels; divide it by the area of the box.": shares(overlap, lambda box, side: 1.0),
        "it says yes or no; wanted is the share of the box that is left, any number from 0 to 1.":
            (whole, (want > 0).float(), (want > 0.5).float()),
    }  # fmt: skip

    def share(said):
        return number_of(float(said) if type(said) in (bool, np.bool_) else said, "the share")

    expect(torch.tensor([share(kept(*case)) for case in cases]), want, "the share", mistakes)


RUNS = {"A": "leakage", "B": "unit-range", "C": "healthy", "D": "clamped"}
RUN_WORDS = ("healthy", "leakage", "unit-range", "twice", "clamped")
RUN_REASONS = {
    ("A", ""): "its values fill most of -1 to 1, in one heap; what is odd is how near its test pictures are.",
    ("A", "healthy"): "its values are, but most of the test pictures have a training picture nearer than .15.",
    ("B", ""): "no value lies below 0; see section 8b.",
    ("B", "leakage"): "its distances are small because all differences are: look at the range of its values first.",
    ("C", ""): "its values fill most of -1 to 1 without a tower, and no test picture has a twin; so what is wrong?",
    ("C", "leakage"): "no test picture of it has a training picture nearer than .15; compare with A.",
    ("D", ""): "two towers stand at the ends: about a fifth of all values lies at -1, another fifth at 1.",
    ("D", "twice"): "after equation (5) twice all values lie near -1; here a tower stands at 1 as well.",
}


def check_histograms(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → collection → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "What the crop keeps", 1, 10, check_kept,
        hints="""
        Forget S: in the pixels of the picture itself the crop is a square, as wide as the shorter side, in the
        middle.

        Two rectangles overlap from the larger of their left ends to the smaller of their right ends, the same for
        top and bottom; if that length is negative, they do not overlap.

        s = min(width, height); l, t = (width - s) / 2, (height - s) / 2; wide = max(0, min(right, l + s) -
        max(left, l)), tall likewise; wide * tall over the box's own area.
        """,
    ),
    Exercise(
        2, "Averaging light", 2, 15, check_shrink,
        hints="""
        Three steps: bytes to light, average each block as `area` does, light back to bytes.

        np.where(condition, a, b) picks the line or the power for each value. Work in 0 to 1, and round only once,
        at the end.

        light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) with v = x / 255; reshape to
        (h // k, k, w // k, k, 3), mean over axes 1 and 3, the inverse, (255 * v + 0.5).astype(np.uint8).
        """,
    ),
    Exercise(
        3, "Folds by content", 1, 15, check_fold,
        hints="""
        Equation (7) turns a scene into u in [0, 1). Cut that interval into `folds` equal pieces instead of three
        unequal ones.

        `split_of` has the key and the hash; the salt and a "|" come before the key. The number of the piece is the
        whole part of folds · u.

        text = salt + "|" + "|".join(scene.attributes().values()); u =
        int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32; return int(folds * u).
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one batch", 2, 20, check_batch,
        hints="""
        Run `try_out` and ask of each number what it should be.

        One fault is in where the random numbers come from, one in what a pick counts, one in what the network gets
        to see.

        generator(seed, step); picks count within `numbers`, so pictures[numbers[picks]] and labels[numbers[picks]];
        `to_tensor` in place of permute and / 255.
        """,
    ),
    Exercise(
        5, "Reading histograms", 1, 10, check_histograms,
        hints="""
        Look at the values first: do they fill most of -1 to 1, in one heap? Only then compare distances.

        Distances grow and shrink with the range of the values: in 0 to 1 they are half as large. Where are they
        small *although* the values reach far below 0?

        Nothing below 0: unit-range. Towers at both ends: clamped. Of the two others, one has test pictures nearer
        than .15 to a training picture.
        """,
    ),
    Exercise(
        6, "Design: find the twins", 3, 40, check_fingerprint,
        hints="""
        Begin with thumbnails, as section 8a does, and see with `try_fingerprint` which kinds are lost. Then ask
        of each kind what it leaves as it was.

        JPEG and moving: averages over blocks. Grey: only how light. Dark: subtract each picture's mean, divide by
        its spread. Mirrored: numbers that do not change if left and right are exchanged.

        From blocks of 4 × 4 pixels an 8 × 8 picture of lightness, standardised. With its left half a and its mirrored
        right half b, a + b and |a − b| survive a mirror: 64 numbers.
        """,
    ),
)  # fmt: skip
