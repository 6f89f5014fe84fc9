"""Exercises of chapter 07: three kinds of pairs, a floor without luck, all pairs, a broken round, curves, a style."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.chapters.every_pair import check_every_pair
from mjcourse.learn.chapters.fourth_style import check_fourth_style
from mjcourse.learn.chapters.matching_step import check_matching
from mjcourse.learn.compare import expect, expect_choices, pair_of, tensor_of
from mjcourse.learn.exercise import Answers, Exercise, Wrong


def check_three_pairs(answers: Answers, g: torch.Generator) -> None:
    """`three_pairs(right, made, wrong, share)`, logits (B,), (B,), (W,) and 0 to 1 → both players' losses."""
    losses = answers["three_pairs"]
    right, made, wrong = (s * torch.randn(n, generator=g) for n, s in ((9, 1.5), (9, 1.2), (6, 0.9)))
    share = 0.15 + 0.2 * torch.rand((), generator=g).item()

    def both(*given):
        return torch.cat([tensor_of(loss, "each loss").flatten() for loss in pair_of(losses(*given), "the losses")])

    a, b, c = F.relu(1 - right).mean(), F.relu(1 + made).mean(), F.relu(1 + wrong).mean()
    of_g = -made.mean()
    want = torch.stack([a + (1 - share) * b + share * c, of_g])
    fakes = torch.cat([made, wrong])
    soft = F.softplus(-right).mean() + (1 - share) * F.softplus(made).mean() + share * F.softplus(wrong).mean()

    def with_d(*d_losses):
        return [torch.stack([d, of_g]) for d in d_losses]

    mistakes = {
        "the two losses have changed places: discriminator first.": want.flip(0),
        "a real picture with a wrong text is a fake: its logit belongs below −1, as those of made pictures do.":
            with_d(a + (1 - share) * b + share * F.relu(1 - wrong).mean()),
        "`share` is the part of the wrong texts; made pictures get the rest.":
            with_d(a + share * b + (1 - share) * c),
        "the wrong texts do not count yet: that is the game without its third pair.":
            with_d(a + b, a + (1 - share) * b),
        "the fakes count twice as much as the real pictures: their two parts are `share` and 1 − `share`.":
            with_d(a + b + c, a + b + share * c),
        "both kinds of fakes count alike, as in equation (4); here `share` decides.": with_d(a + (b + c) / 2),
        "made pictures and wrong texts are thrown together; each kind has its own mean.":
            with_d(a + F.relu(1 + fakes).mean()),
        "these are softplus losses; the hinge is max(0, 1 − ℓ) for real pairs and max(0, 1 + ℓ) for fakes.":
            with_d(soft),
        "each kind is a mean over its own logits; these are sums.":
            with_d(9 * a + (1 - share) * 9 * b + share * 6 * c),
        "the generator cannot change the third pair; only its own logits, `made`, are in its loss.":
            [torch.stack([want[0], x]) for x in (-(1 - share) * made.mean() - share * wrong.mean(), -fakes.mean())],
        "the generator's hinge loss has no hinge: it is minus the mean of its logits (chapter 03).":
            torch.stack([want[0], F.relu(1 - made).mean()]),
        "the generator's loss has the wrong sign: it wants its logits high.": torch.stack([want[0], -of_g]),
    }  # fmt: skip
    expect(both(right, made, wrong, share), want, "the pair of losses", mistakes)
    none = "with no wrong text at all the made pictures get the whole weight"
    lost = {f"{none}; the mean of nothing is nan.": with_d(torch.tensor(torch.nan))}
    lost[f"{none}; the share of the wrong ones is lost."] = with_d(a + (1 - share) * b)
    expect(both(right, made, wrong[:0], share), torch.stack([a + b, of_g]), f"{none}: the pair", lost)
    right.requires_grad_(), made.requires_grad_(), wrong.requires_grad_()
    d_loss, g_loss = losses(right, made, wrong, share, frozen=False)
    for name, loss, logits in (("right", d_loss, right), ("wrong", d_loss, wrong), ("made", g_loss, made)):
        passes = type(loss) is torch.Tensor and loss.requires_grad
        if not passes or torch.autograd.grad(loss, logits, allow_unused=True, retain_graph=True)[0] is None:
            raise Wrong(f"no gradient reaches `{name}`: no .item(), .detach() or no_grad on the way.")


def check_obedience(answers: Answers, g: torch.Generator) -> None:
    """`obedience(truth, read, named)`, (N,) whole numbers, the same, (N,) bool → (accuracy, floor)."""
    obedience = answers["obedience"]

    def both(*given):
        return torch.cat([tensor_of(x, "each number").flatten() for x in pair_of(obedience(*given), "what it returns")])

    def balanced(truth, read, named):
        values = truth[named].unique()
        return torch.stack([(read[named & (truth == v)] == v).double().mean() for v in values]).mean()

    def reference(truth, read, named, shifts=None):
        shifts = range(1, len(truth)) if shifts is None else shifts
        floors = [balanced(truth, read.roll(k), named) for k in shifts]
        return torch.stack([balanced(truth, read, named), torch.stack(floors).mean()])

    n = 31
    truth = torch.multinomial(torch.tensor([0.55, 0.3, 0.15]), n, replacement=True, generator=g)
    truth[:9] = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])  # each value is there …
    named = torch.rand(n, generator=g) < 0.6
    named[:9] = torch.tensor([1, 1, 0] * 3, dtype=torch.bool)  # … and named, and sometimes not
    truth[9:11], named[9:11] = 3, False  # a value that nobody names
    guess = torch.multinomial(torch.tensor([0.2, 0.5, 0.2, 0.1]), n, replacement=True, generator=g)
    read = torch.where(torch.rand(n, generator=g) < 0.45, truth, guess)
    read[torch.tensor([0, 3, 4, 6, 9, 10])] = torch.tensor([0, 1, 0, 2, 3, 3])  # some of each, right and wrong
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

    def precision(read):
        return balanced(read, truth, named)

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
        "the floor comes from one exchange alone, with that one's luck; average over all of them.":
            [lambda k=k: floor(reference(truth, read, named, (k,))[1]) for k in range(1, n)],
        "the floor is no accuracy of guessing evenly: it depends on what the model likes to draw.":
            (floor(torch.tensor(1 / 3)), floor(torch.tensor(1 / 4))),
        "a prompt may get *any* other picture, also that of a prompt which leaves the attribute unsaid.": only_told,
        "it is averaged over what was *read*; the mean is over the values that the prompts name.":
            lambda: torch.stack([precision(read), torch.stack([precision(read.roll(k)) for k in range(1, n)]).mean()]),
    }  # fmt: skip
    expect(both(truth, read, named), want, "(accuracy, floor)", mistakes)
    always = torch.full_like(read, 1)
    deaf = "a model that always draws one value: accuracy and floor are both one over the values named; yours"
    expect(both(truth, always, named), torch.full((2,), 1 / 3), deaf)


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
        are few: a plain least-squares fit of 72 inputs follows their noise. Hold it back.

        For each style: inputs X (the other three, joined) and targets Y of the complete things, both minus their
        means; W = (XᵀX + λI)⁻¹ XᵀY with λ near 1; then mean + (x − mean) W. Or a few principal directions of all four
        pictures joined, with the missing ones filled in again and again.
        """,
    ),
)  # fmt: skip
