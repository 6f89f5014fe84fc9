"""Exercises of chapter 12: ties, a lead with its interval, winners held up, a broken step, curves, careful weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from mjcourse.learn.chapters.doubtful_taste import check_weights
from mjcourse.learn.chapters.held_winner import check_held_up
from mjcourse.learn.chapters.tilted_step import check_tune_step
from mjcourse.learn.chapters.vote_lead import check_lead
from mjcourse.learn.compare import expect, expect_choices, tensor_of
from mjcourse.learn.exercise import Answers, Exercise, Wrong


def check_ties(answers: Answers, g: torch.Generator) -> None:
    """`tie_loss(first, second, said, least)`, (P,), (P,), (P,) of 1, 0, -1, a number → one number."""
    tie_loss = answers["tie_loss"]
    said = torch.tensor([1, 1, 1, 1, 1, -1, -1, -1, -1, 0, 0, 0, 0, 0])  # P of them, in each of a few rounds
    said = torch.stack([said[torch.randperm(14, generator=g)] for _ in range(3)])
    first, second = torch.randn(2, 3, 14, generator=g).clamp(-2, 2)
    least = 0.4 + 0.6 * torch.rand((), generator=g).item()

    def left(d, least=least):  # of 1, by the other two
        return 1 - (d - least).sigmoid() - (-d - least).sigmoid()

    def each(apart=None, win=least, tie=left, below=torch.sigmoid):
        """Return -log of the chance of each answer; `win` is how far ahead one has to be, `below` the noise's law."""
        d = first - second if apart is None else apart
        one, other = below(d - win), below(-d - win)
        return -torch.where(said == 1, one, torch.where(said == -1, other, tie(d))).log()

    def mean(**how):
        return each(**how).mean(1)  # (rounds,)

    def half(d):  # of a choice either way
        return (d.sigmoid() * (-d).sigmoid()).sqrt()

    def coin(d):
        return torch.full_like(d, 0.5)

    want, decided = mean(), said != 0
    choices = [(how * decided).sum(1) for how in (each(), each(win=0.0))]  # of nine in each round
    mistakes = {
        "that leaves the ties out; they say that the two rewards are near each other.":
            [total / count for total in choices for count in (9, 14)],
        "that takes a tie for half a choice in either direction; its chance is what the other two leave of 1.":
            (mean(win=0.0, tie=half), mean(tie=half)),
        "that takes a tie for a choice by a coin: its chance does depend on the rewards.":
            (mean(tie=coin), mean(win=0.0, tie=coin)),
        "`least` has the wrong sign: whoever wins has to be ahead by *more* than `least`.": mean(win=-least),
        "`least` is missing where one of the two is chosen; the three chances have to add up to 1.": mean(win=0.0),
        "the three chances do not add up to 1: a tie is neither the first *nor* the second.": (
            mean(tie=lambda d: 1 - (d - least).sigmoid()), mean(tie=lambda d: 1 - (-d - least).sigmoid()),
            mean(tie=lambda d: (least - d.abs()).sigmoid()),
        ),
        "that is the chance that *two* looks fail, one each way; there is one look, so subtract both chances from 1.":
            mean(tie=lambda d: (least - d).sigmoid() * (least + d).sigmoid()),
        "first and second are exchanged: said = 1 is for the first.": mean(apart=second - first),
        "the mean over the choices is wanted.": 14 * want,
        "the logarithm or the minus before it is missing.":
            (-want, (-each()).exp().mean(1), -(-each()).exp().mean(1)),
        "the unit is the nat, the natural logarithm.": want / math.log(2),
        "the noise in the *difference* is logistic (section 1), not Gaussian.": (
            mean(below=torch.special.ndtr, tie=lambda d: torch.special.ndtr(least - d) - torch.special.ndtr(-least - d))
        ),
    }  # fmt: skip
    got = [tensor_of(tie_loss(*one, least), "the loss") for one in zip(first, second, said, strict=True)]
    if any(one.ndim for one in got):
        raise Wrong(f"one number is wanted, the mean over the choices; yours has shape {tuple(got[0].shape)}.")
    expect(torch.stack(got), want, "the loss of three lots of choices", mistakes)
    a, b, chosen = (x[0][decided[0]] for x in (first, second, said))
    plain = -F.logsigmoid((a - b) * chosen).mean()
    expect(tie_loss(a, b, chosen, 1e-6), plain, "the loss where `least` is about 0 and nobody ties, which is (2),")
    first.requires_grad_()
    made = tie_loss(first[0], second[0], said[0], least, frozen=False)
    passes = type(made) is torch.Tensor and made.requires_grad
    slope = torch.autograd.grad(made, first, allow_unused=True)[0] if passes else None
    if slope is None:
        raise Wrong("no gradient reaches the rewards: no .item(), .detach() or no_grad on the way.")
    right = torch.autograd.grad(each()[0].mean(), first)[0]
    expect(slope, right, "the gradient by the first reward", rtol=1e-3)


RUNS = {"A": "no-price", "B": "coin", "C": "healthy", "D": "swapped"}
RUN_WORDS = ("healthy", "no-price", "coin", "swapped", "timid")
RUN_REASONS = {
    ("A", ""): "its score rises without end and its distance with it, while the rater's utility turns round.",
    ("A", "healthy"): "the score alone looks best of all (section 9a); look at the rater's utility at the end.",
    ("A", "swapped"): "the rater's utility first rises, and steeply: at the beginning its score is right.",
    ("B", ""): "its score rises as C's does; how many choices on unseen prompts does it foretell?",
    ("B", "healthy"): "a score that foretells half of the choices knows nothing; what the rater gains there is luck.",
    ("B", "timid"): "whoever pays that much for distance goes nowhere; this run goes two nats away.",
    ("C", ""): "it foretells most choices, stays near, keeps to the prompt, and the rater likes it better: "
    "what is wrong with that?",
    ("D", ""): "it foretells choices as well as C does, and the rater likes what it draws *less* and less.",
    ("D", "no-price"): "it stays two nats away, as C does; the utility falls from the first step on.",
    ("D", "coin"): "choices by a coin cannot be foretold; here four in five are.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "Cannot tell", 1, 10, check_ties,
        hints="""
        Draw the logistic density of the noisy difference, about r(a) − r(b), and mark −least and +least below it. The
        three answers are three pieces of its area.

        The first is chosen where difference + noise > least. By (1) that has the chance σ(r(a) − r(b) − least). Put
        the other way round for the second. The tie has the rest.

        d = first − second; one = torch.sigmoid(d − least); other = torch.sigmoid(−d − least); neither = 1 − one −
        other. Choose among the three by `said` with torch.where, then −log, then the mean.
        """,
    ),
    Exercise(
        2, "A lead, and how sure it is", 2, 20, check_lead,
        hints="""
        Two sums for each prompt are all that you need of the votes: how many there are, and by how much the first
        model is ahead in them.

        A resample is a row of `picks`: the sums of these prompts, a prompt that is there twice taken twice. The lead
        of a resample is a quotient of two totals.

        many = torch.bincount(prompts); ahead = torch.bincount(prompts, votes[:, 0] − votes[:, 1]);
        ahead[picks].sum(1) / many[picks].sum(1) are the resampled leads; torch.quantile at 0.025 and 0.975.
        """,
    ),
    Exercise(
        3, "Hold the winners up", 2, 20, check_held_up,
        hints="""
        Four numbers a pair come first: log π(w), log π(l), log π₀(w), log π₀(l). How does one get them from the tokens'
        logarithms?

        Sum over dimension 1. ahead and ahead_before are differences of two of the four; the fall of a winner is
        log π₀(w) − log π(w), where that is positive. All of it stands in the brackets behind β.

        fall = (before_w.sum(1) − now_w.sum(1)).clamp(min=0); −F.logsigmoid(beta * (ahead − ahead_before − hold *
        fall)).mean(); before all that, detach the two references.
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one step", 2, 20, check_tune_step,
        hints="""
        Print the weights: their sum for each prompt, and those of the real pictures. Then read the last lines beside
        (10).

        One fault is in whose weights add up to what, one in what a real picture counts, one in where the weight
        stands.

        For each prompt by itself, softmax times the number of its pictures, as `reward_weights` does; F.pad(…,
        value=1.0); and (weights * error.square()).mean().
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Do not start with the score: it rises in all four, as it must. Start with the choices that are foretold, then
        the rater's utility.

        One run foretells no more than a coin. One foretells well and pleases the rater less and less. Of the other
        two, one does not know where to stop.

        Without a price for distance: 70 nats away and still climbing. Half of the choices foretold: the coin. A
        utility that falls from the start: winner and loser exchanged.
        """,
    ),
    Exercise(
        6, "Design: much gain, little distance", 3, 40, check_weights,
        hints="""
        Three questions, one after the other. Which form have the best weights for a given distance? How is the
        distance to be shared among the prompts? Which scores are to be believed?

        Form: (8) is the optimum of (7), at one temperature for all prompts; halve an interval of temperatures until
        the mean distance is right. Belief: section 9b names a cautious score, the mean less some of the disagreement.

        caution: scores.mean(2) − 0.4 · scores.std(2). Better: believe a score as far as it goes, (mean − the prompt's
        mean) · V / (V + s² / members), with s the members' disagreement and V how much true utilities differ, about 1.
        """,
    ),
)  # fmt: skip
