"""The exercise of chapter 09 about masks: words that see each other, before a picture whose tokens look back."""

from __future__ import annotations

import torch

from mjcourse.learn.compare import expect, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

NAME = "the mask"


def may_look(there: torch.Tensor, tokens: int) -> dict[str, torch.Tensor]:
    """Return who may look at whom, bool (B, R + T, R + T): "right", and what usual mistakes give.

    Args:
        there: (B, R), False for padding. tokens: T.
    """
    words, length = there.shape[1], there.shape[1] + tokens
    real = torch.cat([there, torch.ones(len(there), tokens, dtype=torch.bool)], 1)
    key, query = real[:, None, :], real[:, :, None]
    place = torch.arange(length)
    text, back = place < words, place[:, None] >= place
    inside = text[:, None] & text  # from word to word
    alone = torch.eye(length, dtype=torch.bool) & ~query
    right = (inside | back) & key & query | alone
    strict = (inside | (place[:, None] > place)) & key & query
    no_text = (inside | back & ~text) & key & query | alone
    return {
        "right": right,
        "padding is not looked at, by anybody but itself; these are words that nobody said.":
            (inside | back).expand(len(there), -1, -1),
        "padding looks at itself *alone*; here it looks at the words, too.": (inside | back) & key | alone,
        "padding looks at nothing at all: a softmax over −∞ throughout is nan; let it look at itself.":
            (inside | back) & key & query,
        "words look at the words before them only, as in the chapter; here all words of a text see each other.":
            back & key & query | alone,
        "words look at the picture: what a token is told then holds the answer (section 9b).":
            (text[:, None] | back) & key & query | alone,
        "the picture is not causal: a token sees itself and what comes *before* it.": key & query | alone,
        "the picture is turned round: its tokens look at what comes *after* them.":
            (inside | ~text[:, None] & (text | ~back | torch.eye(length, dtype=torch.bool))) & key & query | alone,
        "a picture's token may look at itself: its output foretells the *next* one.": strict | alone,
        "the picture does not see the words.": no_text,
    }  # fmt: skip


def check_mask(answers: Answers, g: torch.Generator) -> None:
    """`picture_mask(there, tokens)`, (B, R) bool and T → (B, 1, R + T, R + T) of 0 and −∞."""
    mask = answers["picture_mask"]
    for rows, words, tokens in ((3, 5, 7), (4, 6, 4)):
        count = torch.randint(2, words, (rows,), generator=g)
        count[-1] = 0 if tokens == 4 else words  # a picture without words, and one with no padding
        there = torch.arange(words) < count[:, None]
        there = there.flip(1) if tokens == 4 else there  # padding stands behind the words, or in front of them
        got = tensor_of(mask(there, tokens), NAME)
        if got.isnan().any():
            raise Wrong("the mask holds nan: 0 · ∞ is no number; put −∞ where it belongs, with `masked_fill`.")
        if not ((got == 0) | (got == -torch.inf)).all():
            raise Wrong("it is added to the scores: 0 where a position may look and −∞ where not, no other number.")
        found = may_look(there, tokens)
        want = found.pop("right")[:, None].float()
        mistakes = {text: [may[:, None].float()] for text, may in found.items()}
        mistakes |= {
            "0 and −∞ have changed places: 0 is added where a position *may* look.": [1 - want],
            "it is turned over: the query, who looks, is the third dimension; the key is the fourth.":
                [want.mT],
            "the heads need a dimension of their own: (B, 1, R + T, R + T).": [want.squeeze(1)],
            "the words come first, then the picture.": [want.roll((tokens, tokens), (2, 3))],
        }  # fmt: skip
        expect((got == 0).float(), want, f"{NAME} (1 where 0 stands)", mistakes)
