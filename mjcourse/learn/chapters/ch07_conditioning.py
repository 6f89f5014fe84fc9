"""Exercises of chapter 07: three kinds of pairs, a floor without luck, all pairs, a broken round, curves, a style."""

from __future__ import annotations

import torch

from mjcourse.learn.chapters.every_pair import check_every_pair
from mjcourse.learn.chapters.fourth_style import check_fourth_style
from mjcourse.learn.chapters.matching_step import check_matching
from mjcourse.learn.chapters.three_pairs import check_three_pairs
from mjcourse.learn.compare import expect_both, expect_choices
from mjcourse.learn.exercise import Answer, Answers, Exercise


def check_obedience(answers: Answers, g: torch.Generator) -> None:
    """`obedience(truth, read, named)`, (N,) whole numbers, the same, (N,) bool → (accuracy, floor)."""
    for _ in range(2):  # two ways of averaging may agree by luck, but not twice
        check_one_floor(answers["obedience"], g)


def check_one_floor(obedience: Answer, g: torch.Generator) -> None:
    """Ask once, about 30 prompts and pictures, and about a model that always draws the same value."""

    def balanced(truth, read, named):
        values = truth[named].unique()
        return torch.stack([(read[named & (truth == v)] == v).double().mean() for v in values]).mean()

    def reference(truth, read, named, shifts=None):
        shifts = range(1, len(truth)) if shifts is None else shifts
        floors = [balanced(truth, read.roll(k), named) for k in shifts]
        return torch.stack([balanced(truth, read, named), torch.stack(floors).mean()])

    n = 30  # 7, 5 and 2 prompts name a value, so that hardly any two ways of averaging agree by luck
    truth = torch.arange(4).repeat_interleave(torch.tensor([15, 8, 5, 2]))
    named = torch.zeros(n, dtype=torch.bool)
    first = torch.tensor([0, 15, 23])  # of each value; a fourth one nobody names
    for at, count in zip(first, (7, 5, 2), strict=True):
        named[at : at + count] = True
    guess = torch.multinomial(torch.tensor([0.2, 0.5, 0.2, 0.1]), n, replacement=True, generator=g)
    read = torch.where(torch.rand(n, generator=g) < 0.45, truth, guess)
    read[first], read[first + 1], read[-2:] = truth[first], (truth[first] + 1) % 3, 3  # some right, some wrong
    order = torch.randperm(n, generator=g)
    truth, read, named = truth[order], read[order], named[order]
    want = reference(truth, read, named)
    everyone = torch.ones_like(named)

    def plain(read):
        return (read[named] == truth[named]).double().mean()

    def floor(value):
        return torch.stack([want[0], value])

    def only_told():  # exchanges pictures among prompts that name the attribute
        own = read[named]
        shifts = range(1, len(own))
        return floor(torch.stack([balanced(truth[named], own.roll(k), own == own) for k in shifts]).mean())

    plain_floor = torch.stack([plain(read.roll(k)) for k in range(1, n)]).mean()

    def precision(read):  # over the values that were read
        return balanced(read, truth, named)

    def named_precision(read):  # over the values that are named, 0 where nobody read one
        found = [(truth[named & (read == v)] == v).double().mean().nan_to_num() for v in truth[named].unique()]
        return torch.stack(found).mean()

    def moved(k, also):  # with `named` moved along, alone or beside the prompts' own
        told = named.roll(k) & named if also else named.roll(k)
        found = [(read.roll(k)[told & (truth == v)] == v).double().mean().nan_to_num() for v in truth[named].unique()]
        return torch.stack(found).mean()

    mistakes = {
        "prompts that leave the attribute unsaid do not count.": lambda: reference(truth, read, everyone),
        "the two have changed places: accuracy first.": want.flip(0),
        "that is the plain share of right ones; the balanced accuracy is the mean over the *values* of theirs.": (
            torch.stack([plain(read), plain_floor]), torch.stack([plain(read), want[1]]),
        ),
        "the floor is the plain share of right ones; it has to be balanced as the accuracy is.": floor(plain_floor),
        "a value that no prompt names has nobody to count; leave it out.": (
            torch.full((2,), torch.nan), floor(torch.tensor(torch.nan)), want * 3 / 4,
        ),
        "a picture is held against its own prompt as well; a floor has only *other* prompts.":
            lambda: floor(reference(truth, read, named, range(n))[1]),
        "the floor is no accuracy of guessing evenly: it depends on what the model likes to draw.":
            (floor(torch.tensor(1 / 3)), floor(torch.tensor(1 / 4))),
        "the floor comes from one exchange alone, with that one's luck; average over all of them.":
            [lambda k=k: floor(reference(truth, read, named, (k,))[1]) for k in range(1, n)],
        "a prompt may get *any* other picture, also that of a prompt which leaves the attribute unsaid.": only_told,
        "that is a share of the pictures that show a value; wanted is the share of the prompts that *name* it.": [
            lambda f=f: torch.stack([f(read), torch.stack([f(read.roll(k)) for k in range(1, n)]).mean()])
            for f in (precision, named_precision)
        ],
        "`named` belongs to the prompt and stays where it is; only what was *read* is moved along.": [
            lambda also=also: floor(torch.stack([moved(k, also) for k in range(1, n)]).mean()) for also in (False, True)
        ],
    }  # fmt: skip
    expect_both(obedience(truth, read, named), want, ("the accuracy", "the floor"), mistakes)
    always = torch.full_like(read, 1)
    names = [f"the {number} of a model that always draws one value" for number in ("accuracy", "floor")]
    expect_both(obedience(truth, always, named), torch.full((2,), 1 / 3), tuple(names))


RUNS = {"A": "all-in-code", "B": "shuffled", "C": "obeys", "D": "by-heart"}
RUN_WORDS = ("obeys", "all-in-code", "shuffled", "by-heart", "sign")
RUN_REASONS = {
    (
        "A",
        "",
    ): "its code carries tens of nats, and no other run's more than five; who then needs the text (section 8b)?",
    ("A", "sign"): "a KL with the wrong sign is pushed up without end; this one levels off.",
    ("B", ""): "on held-out scenes the right text saves nothing, and accuracy stays at its floor: what has it learned?",
    ("B", "by-heart"): "it does learn some texts by heart, but even a model of 64 scenes obeys other prompts a little.",
    ("B", "all-in-code"): "nor is the text's part in the code: a few nats are not enough to say it.",
    ("C", ""): "the right text saves half of the error on new scenes, and accuracy climbs away from its floor.",
    ("D", ""): "compare the two middle panels: on its own scenes the text says all, on new ones less and less.",
    ("D", "obeys"): "it obeys a little, but look at what the text saves on its own scenes: nearly everything.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "Three kinds of pairs", 1, 10, check_three_pairs,
        hints="""
        Take the hinge loss of chapter 03 and ask of each kind of pair: is it real, or a fake?

        Real pairs give the mean of max(0, 1 − ℓ), each kind of fake the mean of its own max(0, 1 + ℓ). The fakes' two
        means are weighted 1 − share and share.

        if len(wrong) == 0: share = 0, and leave the third mean out. The generator's loss is -made.mean().
        """,
    ),
    Exercise(
        2, "A floor without luck", 2, 20, check_obedience,
        hints="""
        Write the balanced accuracy first, as a function of truth, read and named; then call it for many readings.

        Held against other prompts: read.roll(k). Average over k = 1 … N − 1; k = 0 is the accuracy itself. truth and
        named stay where they are: they belong to the prompts.

        For v in truth[named].unique(): the mean of (read == v) over named & (truth == v); then the mean over these
        values. The floor is the mean of that over read.roll(k).
        """,
    ),
    Exercise(
        3, "Every text against every picture", 2, 20, check_every_pair,
        hints="""
        In equation (3) mark what depends on the picture only, and what on the text only.

        h(x) is D.net[:-1](x), once for all pictures; w(t) is D.words(text), once for all texts. All scalar products
        of two sets of rows are one matrix product.

        D.net[-1](seen) is (B, 1) and is added to (B, T) as it is: + D.compare(seen) @ D.words(text).T / √M, with M =
        D.compare.out_features.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one round", 2, 20, check_matching,
        hints="""
        Read it with equation (4) in hand, term by term. Then print the shapes of what goes in, and which number of
        text each picture gets.

        Two faults are in the third pair: which text it has, and which of the two should score higher. One is in the
        generator's turn.

        text.roll(1, 0) moves whole texts, text.roll(1, 1) the registers inside a text. discriminator_loss takes the
        real one first. The generator is judged by D(fake, text).
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Start with the KL: one run is apart from the others. Then compare the two panels of what the text saves.

        A model that was told other pictures' texts can still learn *those* pairs, one by one; what can it not do with
        a new prompt?

        80 nats in the code: all-in-code. Accuracy on the floor: shuffled. The text saves all on its own scenes, and
        on new ones less and less: by-heart.
        """,
    ),
    Exercise(
        6, "Design: the fourth style", 3, 40, check_fourth_style,
        hints="""
        The average has two faults: it has the other styles' mean, and it treats all styles alike. Mend the first and
        see how far that goes (not far enough).

        A thing's three known pictures tell its missing one by a linear map, which the complete things teach. But they
        are 28, and the inputs 72: infinitely many maps fit, and most are wild. Take the smallest one
        (`torch.linalg.lstsq` does on a CPU), or better, hold it back.

        For each style: inputs X (the other three, joined) and targets Y of the complete things, both minus their
        means; W = (XᵀX + λI)⁻¹ XᵀY with λ near 1; then mean + (x − mean) W. Or a few principal directions of all four
        pictures joined, with the missing ones filled in again and again.
        """,
    ),
)  # fmt: skip
