"""Exercises of chapter 05: a word in pieces, texts in one row, near words first, a debugging, curves, a vocabulary.

Each check compares with a reference on random inputs, and with the values that usual mistakes give.
"""

from __future__ import annotations

import torch

from mjcourse.learn.chapters.attention_faults import check_attend
from mjcourse.learn.chapters.near_attention import check_near
from mjcourse.learn.chapters.text_cut import check_cut
from mjcourse.learn.chapters.text_vocabulary import check_vocabulary
from mjcourse.learn.compare import expect, expect_choices, tensor_of
from mjcourse.learn.exercise import Answers, Exercise, Wrong


def packed(g: torch.Generator, rows: int, length: int) -> torch.Tensor:
    """Return which text each token belongs to, (rows, length): numbers in any order, 0 for padding."""
    which = torch.zeros(rows, length, dtype=torch.long)
    for row in which:
        start = 0
        for number in (torch.randperm(9, generator=g)[:3] + 1).tolist():
            size = int(torch.randint(2, length // 3, (), generator=g))
            row[start : start + size] = number
            start += size + int(torch.randint(2, (), generator=g))
    return which


def check_mask(answers: Answers, g: torch.Generator) -> None:
    """`packed_mask(which, causal)`, (B, L) whole numbers → bool (B, 1, L, L)."""
    mask = answers["packed_mask"]
    for rows, length in ((3, 13), (2, 16)):
        which = packed(g, rows, length)
        same = which[:, None, :, None] == which[:, None, None, :]
        there = (which != 0)[:, None, None, :].expand_as(same)
        alone = torch.eye(length, dtype=torch.bool).expand_as(same) & ~there  # padding looks at itself
        for causal in (False, True):
            past = torch.ones(length, length, dtype=torch.bool)
            other_past = past.tril() if not causal else past
            past = past.tril() if causal else past
            want = same & there & past | alone
            mistakes = {
                "True and False have changed places: False is where a query may *not* look.": ~want,
                "padding looks at other padding; it may look at itself alone.": same & past,
                "padding looks at other tokens as well; it may look at itself alone.": [
                    part | alone for nobody in [(which == 0)[:, None, :, None].expand_as(same)]
                    for part in (nobody | same & there & past, (nobody | same & there) & past,
                                 nobody & there | same & there & past, (nobody | same) & there & past)
                ],
                "padding looks at nothing at all: a softmax over no score is nan; let it look at itself.":
                    same & there & past,
                "texts see each other: only tokens of the same text may.": (
                    there & past | alone, there & past, there & there.transpose(-2, -1) & past | alone,
                    there & there.transpose(-2, -1) & past,
                ),
                "with causal=True a token looks at itself and at what is *before* it; these look at what comes after.":
                    (same & there & past.T | alone, same & there & past.T, same & past.T),
                "with causal=True a token may look at itself, too.": (
                    same & there & past.tril(-1) | alone, same & there & past.tril(-1), same & past.tril(-1)
                ) if causal else [],
                "`causal` is not looked at.": (same & there & other_past | alone, same & there & other_past,
                                               same & other_past),
                "the heads need a dimension of their own: (B, 1, L, L).": want.squeeze(1),
                "each text of each row has its own mask: (B, 1, L, L).": (want[:1], want[0, 0]),
            }  # fmt: skip
            floats = {text: [m.float() for m in (made if isinstance(made, tuple | list) else (made,))]
                      for text, made in mistakes.items()}  # fmt: skip
            said = f"the mask with causal={causal}"
            expect(_mask(mask(which, causal), said), want.float(), said, floats)


def _mask(value: object, what: str) -> torch.Tensor:
    """Return a bool tensor as zeros and ones."""
    if type(value) is torch.Tensor and value.dtype != torch.bool:
        raise Wrong(f"{what} must hold True where a query may look and False elsewhere; yours holds {value.dtype}.")
    return tensor_of(value.float() if type(value) is torch.Tensor else value, what)


RUNS = {"A": "padding", "B": "shortcut", "C": "bag", "D": "healthy"}
RUN_WORDS = ("healthy", "bag", "shortcut", "padding", "memory")
RUN_REASONS = {
    ("A", ""): "only one of the four gives another answer when the same text is padded further.",
    ("A", "bag"): "order hardly matters to it, true, but a bag that counts real tokens does not see padding.",
    ("A", "healthy"): "the same text, padded further, gets other logits: look at the last panel.",
    ("B", ""): "it is the best by far, and below chance when somebody else signs.",
    ("B", "healthy"): "its score is too good, too early, and gone when somebody else signs.",
    ("B", "memory"): "who knows captions by heart is bad on held-out ones; this reader is excellent on them.",
    ("C", ""): "shuffle its words, and the score stays the same to the last digit.",
    ("C", "healthy"): "it never gets far, and the order of the words makes no difference to it at all.",
    ("D", ""): "it needs the order, does not care who signs, and padding changes nothing: what is wrong with that?",
    ("D", "bag"): "a bag would not mind shuffled words; this one loses a third of its score.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → reader → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "A word in pieces", 1, 10, check_cut,
        hints="""
        Section 2 has all of it inside `merges_by_hand`: there a pair is merged in every word of a corpus. Here
        the pairs are given and there is one word.

        Start with list(word). For each pair, in order, walk through the pieces from left to right: where two
        neighbours are the pair, put down both as one and go on two places further, else put down one.

        For one pair: new, i = [], 0; while i < len(pieces): fits = tuple(pieces[i:i + 2]) == pair;
        new.append("".join(pair) if fits else pieces[i]); i += 2 if fits else 1. Then pieces = new.
        """,
    ),
    Exercise(
        2, "Several texts in one row", 2, 15, check_mask,
        hints="""
        Two tokens may see each other where `which` is the same; compare `which` with itself, once as a column
        and once as a row. Then take away what is too much.

        Three conditions joined by &: same text, the token that is looked at is no padding, and with causal=True
        not later than the one that looks (torch.tril). At the end each token of padding gets itself back.

        same = which[:, :, None] == which[:, None, :]; see = same & (which != 0)[:, None, :]; if causal: see =
        see & torch.ones(L, L, dtype=torch.bool).tril(); then see | torch.eye(L, dtype=torch.bool), and [:, None].
        """,
    ),
    Exercise(
        3, "Near words first", 2, 20, check_near,
        hints="""
        Take `attention` of section 5 as it is. One line is new, between the scores and the softmax.

        Positions are torch.arange(L); the distance of all pairs is |column − row|, (L, L). `slope` has one number
        a head, and scores have shape (B, heads, L, L): which shape must it get?

        at = torch.arange(L); away = (at[:, None] - at).abs(); scores = q @ k.transpose(-2, -1) / d**0.5 -
        slope[:, None, None] * away; then masked_fill(~there[:, None, None, :], -torch.inf), softmax(-1), @ v.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in attention", 2, 20, check_attend,
        hints="""
        Follow one number: the shape of every line is known, so write it beside. The line that makes q, k and v is
        right.

        One fault is in what padding gets (section 8b), one in the root of equation (3), one in the line that puts
        the heads together again; compare it with `Block`.

        masked_fill(~there[:, None, None, :], -torch.inf) instead of the product; d is c // heads; y has shape
        (B, heads, T, d), and y.transpose(1, 2) has to come before reshape(b, t, c).
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        The loss does not tell them apart. Ask of each panel which of the words would show in it.

        One reader falls to nothing under another signature. One moves when a text is padded. One gets exactly
        the same score for shuffled words.

        The panel of padding has one high curve: no mask. The panel of signatures has one low curve: a shortcut.
        Of the other two, one is equal in the panels "held out" and "words shuffled": a bag has no order.
        """,
    ),
    Exercise(
        6, "Design: a vocabulary for two languages", 3, 40, check_vocabulary,
        hints="""
        Two things are scarce: places in the list, and fairness. Byte-pair encoding on all captions together gives
        nearly all places to English; and of its pieces many are only steps: `th`, `the`, and `w`, `wa`, `wat`.

        Give each language a share of the places of its own. In English count what stands between spaces; in
        Chinese spaces stand between phrases at most, so count neighbours, or runs of two to six characters.

        A piece is worth its count times (its length − 1). English: the 60 best whole words by that (without
        commas and full stops at their end). Chinese: byte-pair encoding with 60 merges, or the best runs, counted
        again after every few choices so that parts of chosen ones no longer count.
        """,
    ),
)  # fmt: skip
