"""The design task of chapter 08: a dictionary that spells a row of numbers with two words."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mjcourse.learn.compare import tensor_of, whole_numbers
from mjcourse.learn.exercise import Answer, Answers, Wrong

WORDS, NUMBERS = 32, 12  # of a dictionary; of a row
TRAIN, HELD_OUT = 300, 600  # rows; of the pairs of a thing and a light, a third is in none of the rows to fit
THINGS, LIGHTS = 16, 16  # a row is the sum of one of these and one of those, and of noise
LIGHT, NOISE = 0.5, 0.1  # standard deviations, beside 1 of the things
WORLDS = 5  # things, lights and rows are drawn so often: a k-means has luck, the mean of five has little
GOOD = 1 / 3  # of the squared error that one word a row leaves, the most that is allowed on average
NEAR = 0.55  # an error up to here is two words that were not fitted well enough


def drawn_rows(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows to fit (TRAIN, NUMBERS) and rows held out (HELD_OUT, NUMBERS): a thing in a light, with noise."""
    count, middle = TRAIN + HELD_OUT, torch.randn(NUMBERS, generator=g)
    things, lights = (s * torch.randn(n, NUMBERS, generator=g) for n, s in ((THINGS, 1.0), (LIGHTS, LIGHT)))
    rows = middle + things[torch.randint(THINGS, (count,), generator=g)]
    rows = rows + lights[torch.randint(LIGHTS, (count,), generator=g)]
    rows = rows + NOISE * torch.randn(count, NUMBERS, generator=g)
    return rows[:TRAIN], rows[TRAIN:]


def k_means(rows: torch.Tensor, words: int, g: torch.Generator, rounds: int = 12) -> torch.Tensor:
    """Return a dictionary (words, NUMBERS) fitted to rows (N, NUMBERS) as section 1 does."""
    found = rows[torch.randperm(len(rows), generator=g)[:words]].clone()
    for _ in range(rounds):
        nearest = torch.cdist(rows, found).argmin(1)
        count = torch.bincount(nearest, minlength=words)
        total = torch.zeros_like(found).index_add_(0, nearest, rows)
        found = torch.where(count[:, None] > 0, total / count.clamp(min=1)[:, None], found)
    return found


def spelled(rows: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Return for each row (N, NUMBERS) its nearest word, (N, NUMBERS)."""
    return words[torch.cdist(rows, words).argmin(1)]


@dataclass(frozen=True)
class Spelling:
    """What two words made of the rows of one world; errors are shares of the one that a single word leaves."""

    tokens: torch.Tensor  # (HELD_OUT, 2)
    score: float  # the error on held-out rows
    mean_row: float  # the error of the mean row
    fitted: float  # the error on the rows that were to be fitted
    offset: float  # the part of `score` that is a constant


def check_two_words(answers: Answers, g: torch.Generator) -> None:
    """`two_words(rows, words)` → ``encode(rows)`` → (N, 2) whole numbers, ``decode(tokens)`` → (N, NUMBERS)."""
    found = [spelling(answers["two_words"], g) for _ in range(WORLDS)]

    def mean(name):
        return sum(getattr(one, name) for one in found) / WORLDS

    score = mean("score")
    if score <= GOOD:
        return
    said = f"error {score:.3f} of one word's, wanted {GOOD:.3f} or less"
    if score > mean("mean_row"):
        raise Wrong(f"the mean row would be nearer than what decode returns ({said}).")
    for k, name in enumerate(("first", "second")):
        if all(len(one.tokens[:, k].unique()) == 1 for one in found):
            raise Wrong(f"the {name} word is always the same: it says nothing ({said}).")
    if all(len(one.tokens.unique(dim=0)) <= WORDS for one in found):
        raise Wrong(f"no more than {WORDS} pairs of words are used: the second word repeats the first ({said}).")
    if mean("fitted") < 0.5 * score:
        raise Wrong(f"the fit is by heart: training rows have {mean('fitted'):.3f}, held-out rows more ({said}).")
    if mean("offset") > 0.1 * score:
        raise Wrong(f"what is decoded is off on average: is a mean forgotten, or added twice ({said})?")
    for k, name in enumerate(("first", "second")):
        used = max(len(one.tokens[:, k].unique()) for one in found)
        if used <= WORDS / 2:
            raise Wrong(f"no more than {used} words are used as the {name} one, of {WORDS} ({said}).")
    if score <= NEAR:
        raise Wrong(
            "nearly: fit longer, move the words again once both of a row are known, or let `encode` look for the best "
            f"*pair* ({said})."
        )
    raise Wrong(f"the second word saves too little: let it spell what the first one leaves ({said}).")


def spelling(answer: Answer, g: torch.Generator) -> Spelling:
    """Draw a world, let an answer spell its rows and return what came of it.

    Raises:
        Wrong: what it returns has not the form that was asked for, or `decode` knows more than the tokens.
    """
    train, held_out = drawn_rows(g)
    pair = answer(train, WORDS)
    if type(pair) not in (tuple, list) or len(pair) != 2 or not all(callable(f) for f in pair):
        raise Wrong("`two_words` must return two functions, `return encode, decode`.")
    encode, decode = Answer("encode", pair[0]), Answer("decode", pair[1])

    def told(rows):
        given = encode(rows)
        tokens = tensor_of(given, "what encode(rows) returns")
        if tokens.shape != (len(rows), 2):
            raise Wrong(f"encode must return two words a row, ({len(rows)}, 2); yours has {tuple(tokens.shape)}.")
        if not torch.equal(tokens, tokens.round()) or tokens.min() < 0 or tokens.max() >= WORDS:
            raise Wrong(f"the tokens must be whole numbers from 0 to {WORDS - 1}; yours are not.")
        return given, tokens.long()

    def heard(tokens):
        rows = tensor_of(decode(tokens), "what decode(tokens) returns")
        if rows.shape != (len(tokens), NUMBERS):
            raise Wrong(f"decode must return rows, ({len(tokens)}, {NUMBERS}); yours has {tuple(rows.shape)}.")
        if not rows.isfinite().all():
            raise Wrong("decode returns nan or inf.")
        return rows.float()

    own, (given, tokens) = told(train)[1], told(held_out)
    made = heard(tokens)
    some = torch.randperm(HELD_OUT, generator=g)[:100]
    if not torch.allclose(heard(tokens[some].clone()), made[some], atol=1e-4):
        raise Wrong("the same tokens do not always give the same rows: decode may know nothing but the tokens.")
    whole_numbers(given, "the tokens")

    def error(made, rows):
        return (made - rows).square().mean().item()

    one = error(spelled(held_out, k_means(train, WORDS, g)), held_out)
    errors = error(made, held_out), error(held_out.mean(0).expand_as(held_out), held_out), error(heard(own), train)
    offset = (made - held_out).mean(0).square().mean().item()
    return Spelling(tokens, *(value / one for value in (*errors, offset)))
