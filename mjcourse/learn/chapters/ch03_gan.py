"""Exercises of chapter 03: what a judge knows, average rivals, lazy R1, a broken round, curves, a score of variety."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from mjcourse.learn.chapters.gan_lazy import check_lazy_r1
from mjcourse.learn.chapters.gan_round import check_round
from mjcourse.learn.chapters.gan_variety import check_variety
from mjcourse.learn.compare import expect, expect_choices, number_of, pair_of, tensor_of
from mjcourse.learn.exercise import Answers, Exercise, Wrong
from mjcourse.models.gan import discriminator_loss, generator_loss

LATE = "for logits in the hundreds it is not finite: never take the sigmoid first and its logarithm afterwards."


def check_divergence(answers: Answers, g: torch.Generator) -> None:
    """`divergence(real, fake)`, logits (N,) and (M,) → one number."""
    divergence = answers["divergence"]
    real, fake = 1.0 + torch.randn(9, generator=g), -1.5 + torch.randn(14, generator=g)

    def value(real, fake):
        return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()

    v = value(real, fake)
    want = (v + math.log(4)) / 2
    sure = -F.softplus(-real).sum(), -F.softplus(fake).sum()
    mistakes = {
        "that is the value V of the game; equation (4) has to be solved for the JSD.": v,
        "that is half of V: the −log 4 of equation (4) is still in it.": v / 2,
        "it is twice the JSD: equation (4) has 2 JSD.": 2 * want,
        "log 4 has the wrong sign: V = −log 4 + 2 JSD.": (v - math.log(4)) / 2,
        "V has the wrong sign: it is minus the discriminator's loss.": (math.log(4) - v) / 2,
        "log 4 is to be halved as well.": v / 2 + math.log(4),
        "real and made have changed places: D should be high on real pictures.":
            (value(fake, real) + math.log(4)) / 2,
        "each expectation is a mean over its own batch; do not add the pictures up.": (sum(sure) + math.log(4)) / 2,
        "each expectation is a mean over its own batch; the two batches differ in size.": (
            (2 * sum(sure) / 23 + math.log(4)) / 2, (sum(sure) / 9 + math.log(4)) / 2,
            (sum(sure) / 14 + math.log(4)) / 2, (sum(sure) / 23 + math.log(4)) / 2,
        ),
        "it is in bits; equation (4) is in nats, with the natural logarithm.": want / math.log(2),
    }  # fmt: skip
    expect(divergence(real, fake), want, "the divergence", mistakes)
    far = torch.tensor([300.0, 150.0]), torch.tensor([-400.0, 120.0])
    lost = [torch.tensor(x) for x in (torch.nan, torch.inf, -torch.inf)]
    got = tensor_of(divergence(*far), "the divergence of logits in the hundreds")
    cut = "it is clamped; from a judge who is sure and wrong the estimate is far below 0, and it is to be left so."
    right = (value(*far) + math.log(4)) / 2
    expect(got, right, "the divergence of logits in the hundreds", {LATE: lost, cut: torch.zeros(())})


def check_average_losses(answers: Answers, g: torch.Generator) -> None:
    """`average_losses(real, fake)`, logits (N,) and (M,) → (discriminator's loss, generator's loss)."""
    losses = answers["average_losses"]

    def reference(real, fake):
        ahead, behind = real - fake.mean(), fake - real.mean()
        return torch.stack([
            F.softplus(-ahead).mean() + F.softplus(behind).mean(), F.softplus(ahead).mean() + F.softplus(-behind).mean()
        ])  # fmt: skip

    def both(real, fake):
        return torch.tensor([number_of(loss, "each loss") for loss in pair_of(losses(real, fake), "the losses")])

    real, fake = 0.5 + torch.randn(8, generator=g), -0.5 + torch.randn(8, generator=g)
    want = reference(real, fake)
    paired = torch.stack([f("relativistic", real, fake) for f in (discriminator_loss, generator_loss)])
    ahead, behind = real - fake.mean(), fake - real.mean()
    own_real, own_fake = real - real.mean(), fake - fake.mean()
    first = torch.stack([F.softplus(-ahead).mean(), F.softplus(-behind).mean()])
    plain = torch.stack([f("non-saturating", real, fake) for f in (discriminator_loss, generator_loss)])
    mistakes = {
        "that is the relativistic loss of the chapter, pair by pair; here each logit meets the others' mean.": paired,
        "the two losses have changed places: discriminator first.": want.flip(0),
        "each logit is compared with the mean of its own kind; take the mean of the other kind.": torch.stack([
            F.softplus(-own_real).mean() + F.softplus(own_fake).mean(),
            F.softplus(own_real).mean() + F.softplus(-own_fake).mean(),
        ]),
        "one of the two terms of each loss is missing: real ones against made, and made ones against real.": (
            first, torch.stack([F.softplus(behind).mean(), F.softplus(ahead).mean()]), torch.stack([first[0], want[1]]),
            torch.stack([want[0], F.softplus(-behind).mean()]),
        ),
        "these are the losses of equations (2) and (5); nothing is compared with a mean yet.": plain,
        "it is half of the sum of the two terms; here they are added.": want / 2,
        "each term is a mean over its batch; it is a sum.": 8 * want,
        "the mean has to be taken before softplus, of the logits.": torch.stack([
            F.softplus(fake.mean() - real.mean()) * 2, F.softplus(real.mean() - fake.mean()) * 2
        ]),
    }  # fmt: skip
    expect(both(real, fake), want, "the pair of losses", mistakes)
    real, fake = torch.randn(5, generator=g), torch.randn(7, generator=g)
    expect(both(real, fake), reference(real, fake), "the pair of losses, for batches of different sizes")
    far = torch.tensor([300.0, -250.0]), torch.tensor([-400.0, 120.0, 130.0])
    pair = pair_of(losses(*far), "the losses")
    if not all(tensor_of(loss, "each loss").isfinite().all() for loss in pair):
        raise Wrong(LATE)
    got = torch.tensor([number_of(loss, "each loss") for loss in pair])
    expect(got, reference(*far), "the pair of losses for logits in the hundreds")
    real.requires_grad_()
    loss = losses(real, fake)[0]
    passes = type(loss) is torch.Tensor and loss.requires_grad
    got = torch.autograd.grad(loss, real, allow_unused=True)[0] if passes else None
    if got is None:
        raise Wrong("no gradient reaches the real logits: no .item(), .detach() or no_grad on the way.")
    (slope,) = torch.autograd.grad(reference(real, fake)[0], real)
    broken = {
        "the mean is detached; a gradient has to pass through it too.": (torch.sigmoid(real - fake.mean()) - 1) / 5
    }
    expect(got, slope, "the gradient of the discriminator's loss", broken)


RUNS = {"A": "no-detach", "B": "healthy", "C": "saturated", "D": "collapse"}
RUN_WORDS = ("healthy", "drifting", "collapse", "saturated", "no-detach")
RUN_REASONS = {
    ("A", ""): "the made logits rest near −log 2 while the real ones stay 1.5 above; who rests there (equation 10)?",
    ("A", "collapse"): "few modes, yes, but the made logits *rest* near −log 2; in a collapse both are near 0.",
    ("B", ""): "modes covered rise to all eight; what the logits do on the way is the relativistic loss's own affair.",
    ("B", "drifting"): "the level of both logits wanders, and a relativistic loss sees differences only (section 6).",
    ("C", ""): "look at the axis of the gradient norm.",
    ("D", ""): "the gradient has a decent size and the logits are level; look at the modes.",
    ("D", "healthy"): "the logits are level and calm, as in a good game, and yet hardly one mode is covered.",
    ("D", "no-detach"): "the logits of real and made points are level, near 0: nothing keeps them apart.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "What a judge knows", 1, 10, check_divergence,
        hints="""
        Equation (1) tells V from D, equation (4) tells the JSD from V.

        log D = −softplus(−ℓ) on real pictures, log(1 − D) = −softplus(ℓ) on made ones; V adds the two means.

        V = −(F.softplus(-real).mean() + F.softplus(fake).mean()); the JSD is (V + math.log(4)) / 2.
        """,
    ),
    Exercise(
        2, "Average rivals", 1, 15, check_average_losses,
        hints="""
        Two differences do it all: each real logit minus the mean made one, each made logit minus the mean real
        one.

        The discriminator wants the first difference high and the second low, the generator the reverse. −log
        σ(t) is softplus(−t).

        ahead = real - fake.mean(); behind = fake - real.mean(); d = softplus(-ahead).mean() +
        softplus(behind).mean(); g has both signs turned.
        """,
    ),
    Exercise(
        3, "Lazy R1", 2, 20, check_lazy_r1,
        hints="""
        Three things: when is it due, how much does it weigh then, and can the result be differentiated once
        more?

        Take x = real.detach().requires_grad_(), the gradient of D(x).sum() by x with create_graph=True, and the
        squares summed within each picture. Only where step % every == 0, times `every`.

        if step % every: return torch.zeros(()); (gradient,) = torch.autograd.grad(D(x).sum(), x,
        create_graph=True); return every * gamma * 0.5 * gradient.square().flatten(1).sum(1).mean().
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one round", 2, 20, check_round,
        hints="""
        Ask of each `backward`: into whose `.grad` does it write, and who clears that before the next step?

        Two faults are about gradients in the wrong place, one of them in either player. The third is in the
        word that names a loss.

        fake.detach() in the discriminator's turn; of_d.zero_grad() before its backward, since the generator's
        turn has written into D; generator_loss("non-saturating", …).
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Modes covered first: who covers eight? Then ask of the others what their logits and gradients have in
        common with section 8.

        One gradient norm is smaller by eight orders of magnitude. One run has its made logits at rest near
        −0.7.

        The level of relativistic logits means nothing. Rest at −log k with k steps of D: equation (10). Level
        logits, a healthy gradient and one mode: the generator runs ahead of its judge.
        """,
    ),
    Exercise(
        6, "Design: a score of variety", 3, 40, check_variety,
        hints="""
        A score that looks only at each made point's nearest real one cannot see what is missing; the reverse
        cannot see bad points among good ones. Coverage (8) asks the real points alone.

        Good families: coverage (8) together with the share of made points that lie near a real one; minus the
        mean of nearest distances both ways; minus the energy distance 2 E|x−y| − E|x−x'| − E|y−y'|.

        d = torch.cdist(real, made) is nearly all that is needed: the means of d.min(1).values and d.min(0).values
        are the nearest distances both ways. Energy: d.mean(), and the same mean of cdist(real, real) and of
        cdist(made, made).
        """,
    ),
)  # fmt: skip
