"""Exercises of chapter 09: a mask, the nucleus, a cache, a broken sampler, curves, draws without slips."""

from __future__ import annotations

import torch

from mjcourse.learn.chapters.cached_attention import check_attend_on
from mjcourse.learn.chapters.nucleus import check_nucleus
from mjcourse.learn.chapters.picture_mask import check_mask
from mjcourse.learn.chapters.slip_free import check_slip_free
from mjcourse.learn.chapters.walk_writer import check_write
from mjcourse.learn.compare import expect_choices
from mjcourse.learn.exercise import Answers, Exercise

RUNS = {"A": "by-heart", "B": "wrong-order", "C": "healthy", "D": "shuffled"}
RUN_WORDS = ("healthy", "by-heart", "shuffled", "wrong-order", "leak")
RUN_REASONS = {
    ("A", ""): "its loss falls on the scenes that it trains on, and *rises* on others: what has it learned?",
    ("A", "leak"): "a leak gives the answer away on held-out scenes as well (section 9b); there, its loss rises.",
    ("B", ""): "its losses are the lowest on new scenes; then look at what it draws, in the last panel.",
    ("B", "healthy"): "no loss can tell (section 9a): look at what it draws, beside real scenes.",
    ("C", ""): "both losses fall together, the right caption saves, and it draws about as real scenes are.",
    ("D", ""): "it draws decent scenes, but whether it is told their captions or others makes no difference to it.",
    ("D", "leak"): "a leak has a loss near 0, and draws garbage (section 9b); this one draws decent scenes.",
    ("D", "healthy"): "look at what the right caption saves on new scenes.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "A mask for words and picture", 1, 10, check_mask,
        hints="""
        Draw the square of R + T times R + T on paper, queries down, keys to the right. Words and picture cut it into
        four blocks; say for each of them who looks at whom.

        Without padding: the upper left block is all yes, the upper right all no, the lower left all yes, the lower
        right yes on and below the diagonal. So it is the causal mask, or "both are words".

        may = (key is a word and query is a word) | (key ≤ query); & the key is real; & the query is real; | the
        diagonal. Then torch.zeros(…).masked_fill(~may, -torch.inf): a product with ∞ would give nan.
        """,
    ),
    Exercise(
        2, "The nucleus", 2, 15, check_nucleus,
        hints="""
        Sort the probabilities, the likeliest first, and add them up along the way. Which probabilities must be at
        hand: those of the softmax of ℓ, or of ℓ / T?

        A code belongs to the nucleus if what the likelier ones have *together* is still below p. For the likeliest
        that is 0, so it always belongs.

        share.sort(-1, descending=True) gives values and order; before = values.cumsum(-1) − values; out =
        zeros.scatter(-1, order, before >= p); logits.masked_fill(out, -inf). For T = 0 divide by max(T, 1e-6).
        """,
    ),
    Exercise(
        3, "A cache of your own", 2, 20, check_attend_on,
        hints="""
        Of the past, only keys and values are asked for; nobody looks at an old query again.

        Put the kept keys in front of the new ones (dimension 2), and the values likewise. The scores are (N, P + N)
        then; which new position is allowed to see which of the P + N?

        New position i may look at the P kept ones and at the first i + 1 new ones: torch.ones(N, P + N,
        dtype=torch.bool).tril(P). Return (k, v), made by torch.cat, which leaves the old ones as they are.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one sampler", 2, 20, check_write,
        hints="""
        Three things happen in the loop: the model is asked, two guesses become one, a code is drawn. There is one
        fault in each.

        What does `forward` in section 2 do with the last token of a sentence? Put s = 0 and s = 1 into the formula of
        the logits. Let T be small and count how often it comes in.

        Ask with one more token at the end, whatever it is: F.pad(tokens, (0, 1)). (7) begins at ℓ₀. The noise times T
        is enough.
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Compare the two losses of each run first. Then what the right caption saves, and only then the pictures.

        One run's loss rises on new scenes. One does not care about captions. Of the other two the losses look fine.

        A leak would show as a loss near 0 on *both* kinds of scenes. Sentences in columns, painted in rows: pictures
        that lie on their side, with the horizon's edge upright; so their left-right steps are too many.
        """,
    ),
    Exercise(
        6, "Design: draws without slips", 2, 25, check_slip_free,
        hints="""
        Print the sorted probabilities of a few contexts. What do the false codes have in common in all of them, and
        how do the true ones stand out?

        The model's mistakes are spread thinly over many codes. In one context three stand out, in the next fifteen;
        so neither a number of codes nor a share of the probability fits both. What does?

        A floor under the probability of each single code: fixed (try 0.015), or a share of the likeliest one's (try
        0.08), or some times the median. What is below gets −∞, what is above stays as it is.
        """,
    ),
)  # fmt: skip
