"""Exercises of chapter 02: KL of two Gaussians, free bits, an honest direction, a broken step, curves, a better prior.

Each check compares with a reference on random inputs, and with the values that usual mistakes give.
"""

from __future__ import annotations

import torch

from mjcourse.learn.chapters.vae_prior import check_prior
from mjcourse.learn.chapters.vae_step import check_step
from mjcourse.learn.compare import expect, expect_choices
from mjcourse.learn.exercise import Answers, Exercise, Wrong
from mjcourse.models.vae import kl_divergence


def check_kl_between(answers: Answers, g: torch.Generator) -> None:
    """`kl_between(mean1, logvar1, mean2, logvar2)`, each (B, latent) → (B,)."""
    kl = answers["kl_between"]
    m1, m2 = torch.randn(2, 5, 7, generator=g)
    v1, v2 = 0.7 * torch.randn(2, 5, 7, generator=g)

    def terms(m1, v1, m2, v2, gap=2.0):
        return 0.5 * (v2 - v1 + (v1.exp() + (m1 - m2).abs() ** gap) / v2.exp() - 1)

    each = terms(m1, v1, m2, v2)
    d = (m1 - m2) ** 2
    mistakes = {
        "that is KL(p ‖ q); the expectation is over q, the first Gaussian, and a KL is not symmetric.":
            terms(m2, v2, m1, v1).sum(1),
        "that is the KL to N(0, I), as in equation (10); the second Gaussian has to come in.": kl_divergence(m1, v1),
        "it is twice the KL; where is the factor ½?": 2 * each.sum(1),
        "it is the mean over the coordinates; independent coordinates add up, so take the sum.": each.mean(1),
        "it is summed over the pictures; sum over the coordinates, dimension 1, and keep one number a picture.":
            (each.sum(0), each.sum(), each.sum(1).mean(), each.sum(1, keepdim=True)),
        "exp(logvar) is the variance already; it need not be squared.":
            (0.5 * (2 * (v2 - v1) + ((2 * v1).exp() + d) / (2 * v2).exp() - 1)).sum(1),
        "exp(½ logvar) is the standard deviation; the formula has variances.":
            (0.5 * (v2 - v1 + ((v1 / 2).exp() + d) / (v2 / 2).exp() - 1)).sum(1),
        "the squared distance of the means is to be divided by the second variance too.":
            (0.5 * (v2 - v1 + (v1 - v2).exp() + d - 1)).sum(1),
        "the distance of the means has to be squared.": terms(m1, v1, m2, v2, gap=1.0).sum(1),
        "the −1 is missing: two equal Gaussians must give 0.": (each + 0.5).sum(1),
        "the logarithm has the wrong sign: ½ (logvar2 − logvar1 + …).": (each + v1 - v2).sum(1),
    }  # fmt: skip
    expect(kl(m1, v1, m2, v2), each.sum(1), "the KL", mistakes)
    expect(kl(m1, v1, m1, v1), torch.zeros(5), "the KL of a Gaussian to itself")


def check_free_bits(answers: Answers, g: torch.Generator) -> None:
    """`free_bits(mean, logvar, floor)`, (B, latent), (B, latent), nats → one number."""
    free = answers["free_bits"]
    size = torch.tensor([0.01, 1.5, 0.02, 1.0, 0.03, 0.4])[torch.randperm(6, generator=g)]  # some coordinates are idle
    mean, logvar = size * torch.randn(9, 6, generator=g), 0.3 * size * torch.randn(9, 6, generator=g)
    floor = 0.05 + 0.05 * torch.rand((), generator=g).item()
    each = 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
    per = each.mean(0)
    want = per.clamp(min=floor).sum()
    mistakes = {
        "the floor is put under the whole KL; each coordinate has its own, before the sum.": (
            each.sum(1).mean().clamp(min=6 * floor), per.sum().clamp(min=floor), per.sum(),
            each.sum(1).clamp(min=floor).mean(),
        ),
        "the floor is put under each picture's KL; average over the batch first, then take the maximum.": (
            each.clamp(min=floor).sum(1).mean(), each.clamp(min=floor).mean(0).sum()
        ),
        "it is a ceiling (`max=`, minimum); free bits are a floor.": per.clamp(max=floor).sum(),
        "it is the mean over the coordinates; add them up.": per.clamp(min=floor).mean(),
        "one number for the batch is wanted, the sum over the coordinates.": per.clamp(min=floor),
        "the batch is summed; the KL of a coordinate is its mean over the batch.": each.sum(0).clamp(min=floor).sum(),
        "the KL is twice too large before the floor comes; where is the ½?": (2 * per).clamp(min=floor).sum(),
        "the floor is subtracted; a coordinate above it pays its whole KL.": (per - floor).clamp(min=0).sum(),
        "the floor is added to every coordinate; one above it pays its KL alone.": (per + floor).sum(),
    }  # fmt: skip
    expect(free(mean, logvar, floor), want, "the loss term", mistakes)
    mean.requires_grad_(), logvar.requires_grad_()
    loss = free(mean, logvar, floor, frozen=False)
    passes = type(loss) is torch.Tensor and loss.requires_grad
    got = torch.autograd.grad(loss, mean, allow_unused=True)[0] if passes else None
    if got is None:
        raise Wrong("no gradient reaches `mean`: no .item(), .detach() or no_grad on the way.")
    slope = torch.where(per > floor, mean.detach() / len(mean), 0.0)
    both = "a coordinate below the floor still feels the KL; there its gradient must be 0."
    expect(got, slope, "the gradient by `mean`", {both: mean.detach() / len(mean)})


def check_direction(answers: Answers, g: torch.Generator) -> None:
    """`balanced_direction(codes, plus, other)`, (N, latent), (N,) bool, (N,) whole numbers → (latent,)."""
    direction = answers["balanced_direction"]
    values = [0, 1, 2, 3, 5]  # the least and the largest occur on both sides; at 2, or at 3, nobody is minus
    alone = 2 + int(torch.randint(2, (), generator=g))
    sizes = (20 + 25 * torch.rand(5, generator=g)).int().tolist()
    shares = [1.0 if v == alone else s for v, s in zip(values, (0.15, 0.5, 0.7, 0.3, 0.8), strict=True)]
    mixed = torch.randperm(sum(sizes), generator=g)
    other = torch.tensor(values).repeat_interleave(torch.tensor(sizes))[mixed]
    plus = torch.cat([torch.arange(n) < share * n for n, share in zip(sizes, shares, strict=True)])[mixed]
    codes = torch.randn(len(mixed), 5, generator=g) + 2.0 * torch.randn(6, 5, generator=g)[other]
    codes = codes + plus[:, None] * torch.randn(5, generator=g)
    high, low = (torch.stack([codes[(other == v) & side].mean(0) for v in values]) for side in (plus, ~plus))
    both = torch.tensor([v != alone for v in values])
    parts, count = (high - low)[both], torch.tensor(sizes)[both]
    want = parts.mean(0)
    pooled = codes[plus].mean(0) - codes[~plus].mean(0)
    mistakes = {
        "that is the plain difference of means of section 8c; `other` still goes along with it.": pooled,
        "it points from plus to minus.": (-want, -pooled),
        "a value with codes on one side only gives nan; leave such values out.": torch.full((5,), torch.nan),
        "values of `other` count by how many codes they have; each should count the same.":
            (count[:, None] * parts).sum(0) / count.sum(),
        "the differences are added up; take their mean.": parts.sum(0),
        "it is divided by a value that was left out; take the mean over those that have both sides.":
            (parts.sum(0) / 5, parts.sum(0) / 6),
        "a value of `other` is forgotten: its largest occurs on both sides too.": parts[:-1].mean(0),
        "a value of `other` is forgotten: its smallest occurs on both sides too.": parts[1:].mean(0),
        "`other` may have any whole numbers, not only 0 and 1; take all that occur on both sides.": parts[:2].mean(0),
        "the two sides are averaged apart, one of them over a value that the other lacks; first take the difference of "
        "each value.": high.mean(0) - low[both].mean(0),
        "it was scaled to length 1; the length matters in equation (17).": want / want.norm(),
        "one direction for all values is wanted, (latent,): take the mean over the values of `other`.": parts,
    }  # fmt: skip
    expect(direction(codes, plus, other), want, "the direction", mistakes)
    swapped = direction(codes, ~plus, other)
    expect(swapped, -want, "the direction with plus and minus exchanged")


RUNS = {"A": "overfit", "B": "expensive", "C": "healthy", "D": "collapse"}
RUN_WORDS = ("healthy", "collapse", "expensive", "overfit", "sign")
RUN_REASONS = {
    ("A", ""): "look at both PSNRs: one keeps rising while the other stays behind.",
    ("A", "healthy"): "on its training pictures it is, and only there; compare the two PSNRs.",
    ("B", ""): "its KL is small but not 0, and its PSNR is above the mean picture's.",
    ("B", "collapse"): "after a collapse no unit is active; here they are, and the PSNR is above the grey line.",
    ("C", ""): "a KL in the tens of nats, active units, both PSNRs rising together: what is wrong with that?",
    ("D", ""): "no unit is active and the PSNR stays on the grey line.",
    ("D", "expensive"): "a high price leaves a few nats for the light of the picture; here not one is left.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "KL between two Gaussians", 1, 10, check_kl_between,
        hints="""
        Start from E_q[log q(z) − log p(z)] for one coordinate, as section 5c does, now with p = N(μ₂, σ₂²).

        E_q[(z − μ₂)²] = σ₁² + (μ₁ − μ₂)², and that is divided by 2σ₂². Check: with μ₂ = 0 and σ₂ = 1 you are
        back at equation (10).

        Per coordinate ½ (logvar2 − logvar1 + (σ₁² + (μ₁ − μ₂)²) / σ₂² − 1), with σ² = logvar.exp(); then sum
        over dimension 1.
        """,
    ),
    Exercise(
        2, "Free bits", 2, 15, check_free_bits,
        hints="""
        You need the KL of each coordinate by itself, as the bars of section 6b show it, before anything is
        added.

        Order: KL of each picture and coordinate (B, latent), mean over the batch (latent,), the larger of that
        and the floor, sum.

        each = 0.5 * (mean.square() + logvar.exp() - 1 - logvar), then each.mean(0).clamp(min=floor).sum(). The
        clamp also cuts the gradient where the floor holds.
        """,
    ),
    Exercise(
        3, "A direction that changes one thing", 2, 15, check_direction,
        hints="""
        Compare only codes that agree in `other`: night and day among scenes with a lighthouse, then among those
        without.

        For each value of `other`: mean of the plus codes minus mean of the minus codes. A value with one side
        only has no difference; skip it. Then take the plain mean of the differences.

        for v in other.unique(): a, b = codes[(other == v) & plus], codes[(other == v) & ~plus]; if both have
        members, keep a.mean(0) - b.mean(0). At the end torch.stack(kept).mean(0).
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one step", 2, 20, check_step,
        hints="""
        Nothing crashes, so read line by line with equations (11) and (14) beside it, and recall the five lines
        of section 3a.

        One fault is in the draw of the code, one in the units of the loss, one in what is left from the step
        before.

        The deviation is exp(½ logvar). Both nll and KL are divided by x[0].numel(). optimizer.zero_grad() comes
        before backward().
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Do not start with the loss; it is not even drawn. Start with KL and active units, then the two PSNRs.

        One run has no active unit. One has a low KL and nearly no gain beyond light and horizon. Of the other
        two, one does well on its own pictures only.

        PSNR at the grey line and no unit: collapse. KL of three nats: the price of a nat was 64. Training PSNR
        7 dB above the held-out one: sixteen pictures by heart.
        """,
    ),
    Exercise(
        6, "Design: a better prior", 3, 40, check_prior,
        hints="""
        One Gaussian fills the room between the clusters (section 4). Any density with several heaps can leave
        it empty; you need not know how many there are.

        Two families work. Mixture: group the codes (k-means, a few lines), fit mean and covariance to each
        group, pick a group by its share, draw. Kernel: pick a training code, add noise.

        Kernel: noise too small repeats training codes, too large fills the holes. A third of the median
        distance between a code and its nearest neighbour, in each coordinate, is a fair start; take all
        randomness from g.
        """,
    ),
)  # fmt: skip
