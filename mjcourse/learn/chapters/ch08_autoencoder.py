"""Exercises of chapter 08: bits of a picture, rounding, revived codes, a broken step, curves, a two-word dictionary."""

from __future__ import annotations

import math

import torch

from mjcourse.learn.chapters.code_revival import check_revive_far
from mjcourse.learn.chapters.two_words import check_two_words
from mjcourse.learn.chapters.vq_step import check_vq_step
from mjcourse.learn.compare import expect, expect_both, expect_choices, pair_of, tensor_of, whole_numbers
from mjcourse.learn.exercise import Answers, Exercise, Wrong
from mjcourse.models.vq import perplexity


def check_bits(answers: Answers, g: torch.Generator) -> None:
    """`bits(mean, logvar, tokens)`, (B, C, h, w), the same, (B, h', w') whole numbers → two numbers of bits."""
    bits = answers["bits"]
    mean, logvar = 1.5 * torch.randn(6, 2, 3, 4, generator=g), torch.randn(6, 2, 3, 4, generator=g) - 1
    tokens = torch.multinomial(torch.tensor([0.4, 0.25, 0.0, 0.2, 0.1, 0.05]), 6 * 20, replacement=True, generator=g)
    tokens = tokens.view(6, 4, 5)
    tokens[0, 0] = torch.tensor([0, 1, 3, 4, 7])  # codes 2, 5 or 6 may not be there at all
    each = 0.5 * (mean**2 + logvar.exp() - 1 - logvar)
    nats = each.flatten(1).sum(1).mean()
    a = nats / math.log(2)
    entropy = perplexity(tokens, 8).log2()
    b = 20 * entropy
    own = torch.stack([perplexity(t, 8).log2() for t in tokens]).mean()
    used = len(tokens.unique())
    want = torch.stack([a, b])
    unknown = torch.tensor(torch.nan)

    def kl(*values):
        return [torch.stack([torch.as_tensor(v), b]) for v in values]

    def told(*values):
        return [torch.stack([a, torch.as_tensor(v, dtype=a.dtype)]) for v in values]

    mistakes = {
        "both are in nats; a bit is log 2 nats.": want * math.log(2),
        "the KL is in nats; a bit is log 2 nats.": kl(nats),
        "the tokens are in nats; a bit is log 2 nats.": told(b * math.log(2)),
        "a bit is log 2 nats: divide, do not multiply.": (
            *kl(nats * math.log(2)), *told(b * math.log(2) ** 2), torch.stack([nats, b]) * math.log(2)
        ),
        "the KL is a mean over the numbers, as in (2); a picture pays for all of its latents: sum.":
            (*kl(each.mean() / math.log(2)), torch.stack([each.mean() / math.log(2), entropy])),
        "the KL is summed over the batch as well; take the mean over the pictures.": kl(6 * a),
        "the KL is twice too large; where is the ½?": kl(2 * a),
        "`logvar` is log σ²: its exponential is the variance, and nothing is squared or doubled any more.":
            kl(*(0.5 * (mean**2 + v.exp() - 1 - s).sum() / 6 / math.log(2)
                 for v, s in ((2 * logvar, 2 * logvar), (logvar / 2, logvar), (2 * logvar, logvar)))),
        "that is the entropy of one token; a picture has many.": told(entropy),
        "the tokens are those of the whole batch; how many has one picture?": told(6 * b),
        "that is log₂ of the number of codes in use; codes that are chosen often cost less.":
            told(20 * math.log2(used), 20 * math.log2(8)),
        "that is the perplexity (8); bits are its logarithm.": told(2**entropy, 20 * 2**entropy),
        "a code that nobody chooses adds 0: 0 · log 0 is 0, not nan.": told(unknown),
        "each picture's shares are its own; they belong to the whole batch: nobody sends a new table a picture.":
            told(20 * own),
        "the entropy has the wrong sign: the logarithm of a share is negative.": told(-b),
    }  # fmt: skip
    expect_both(bits(mean, logvar, tokens), want, ("the bits of the KL", "the bits of the tokens"), mistakes)
    same = tensor_of(pair_of(bits(mean, logvar, torch.ones_like(tokens)), "the result")[1], "the bits of the tokens")
    expect(same, torch.zeros(()), "the bits of tokens that are all the same")


def check_round_through(answers: Answers, g: torch.Generator) -> None:
    """`round_through(z, levels)`, (B, C, h, w) and an odd number → codes (B, C, h, w), tokens (B, h, w)."""
    answer = answers["round_through"]
    for levels, shape in ((5, (2, 3, 4, 6)), (7, (3, 2, 5, 4))):
        z, half, channels = 1.2 * torch.randn(shape, generator=g), (levels - 1) / 2, shape[1]
        soft = z.tanh()
        steps = (half * soft).round()
        code = steps / half
        hard = z.clamp(-1, 1)

        def put_together(digits, weights):
            return (digits * weights.view(-1, 1, 1)).sum(1)

        each, digits = torch.arange(channels), steps + half
        tokens = put_together(digits, levels**each)
        made, told = pair_of(answer(z, levels), "what it returns")
        mistakes = {
            "that is tanh(z), not rounded; the decoder has to see the rounded code.": soft,
            "it is rounded before tanh: first into −1 to 1, then round.": (
                z.round().tanh(), z.round().clamp(-half, half) / half, z.round()
            ),
            "the steps are not brought back to −1 to 1: divide by (L − 1) / 2.": steps,
            "it is rounded down (`floor` or whole numbers); take the *nearest* level.": (
                (half * soft).floor() / half, (half * soft).trunc() / half
            ),
            "the numbers are brought into −1 to 1 by tanh; `clamp` cuts them off there.": (
                (half * hard).round() / half, (half * z).round().clamp(-half, half) / half
            ),
            f"that makes {levels + 1} levels or more: the levels are the whole numbers from −(L−1)/2 to (L−1)/2.": (
                (levels / 2 * soft).round() / (levels / 2), (levels * soft).round() / levels,
                (levels * soft).round() / half,
            ),
            f"that makes only 3 levels, −1, 0 and 1; wanted are {levels}: scale, round, scale back.": soft.round(),
        }  # fmt: skip
        expect(made, code, "the code", mistakes)
        words = f"the tokens must run from 0 to {levels}^{channels} − 1"
        broken = {
            f"{words}: shift the steps to 0 … {levels - 1} before you put them together.":
                put_together(steps, levels**each),
            "channel 0 has the weight 1, channel c the weight Lᶜ; yours are the other way round.":
                put_together(digits, (levels**each).flip(0)),
            "different codes get the same token: a place's steps are digits, channel c counts Lᶜ.": (
                digits.sum(1), put_together(digits, each + 1), put_together(digits, levels * each),
            ),
            "one token a place, (B, h, w): put the channels' steps together.": digits,
            "a digit has L values, so channel c counts Lᶜ, not (L − 1)ᶜ or (L + 1)ᶜ.":
                (put_together(digits, (levels - 1) ** each), put_together(digits, (levels + 1) ** each)),
        }  # fmt: skip
        expect(told, tokens, "the tokens", broken)
        z.requires_grad_()
        made = pair_of(answer(z, levels, frozen=False), "what it returns")[0]
        grades = torch.randn(shape, generator=g)
        passes = type(made) is torch.Tensor and made.requires_grad
        slope = torch.autograd.grad((made * grades).sum(), z, allow_unused=True)[0] if passes else None
        if slope is None:
            raise Wrong("no gradient reaches z: the code must be tanh(z) plus a bracket that is held constant.")
        straight = {
            "the gradient is 0: rounding is flat. Let it pass straight through, as in section 6.": torch.zeros(shape),
            "the gradient passes by the tanh as well; only the *rounding* is to be skipped.": grades,
            "the gradient is too large by the scale; scale back inside of the bracket.":
                (half * grades * (1 - soft**2), grades * (1 - soft**2) * levels),
        }  # fmt: skip
        expect(slope, grades * (1 - soft**2), "the gradient by z", straight)
        whole_numbers(told, "the tokens")


RUNS = {"A": "cut", "B": "healthy", "C": "dead-codes"}
RUN_WORDS = ("healthy", "dead-codes", "loud", "cut", "sign")
RUN_REASONS = {
    ("A", ""): "its latents lie on their codes exactly, and the PSNR stands still: what does the encoder learn from?",
    ("A", "dead-codes"): "few codes cost half a decibel (section 6), not seven.",
    ("A", "loud"): "a loud critic makes a picture sharp (section 8b); this run's are the least sharp of all.",
    ("A", "sign"): "latents and codes that push each other away have a small cosine; here it is 1.",
    ("B", ""): "the best PSNR of all, and most of the codes in use: what is wrong with that?",
    ("C", ""): "its PSNR rises as B's does; how many of the 512 codes are in use?",
    ("C", "healthy"): "the PSNR will not warn you (section 8a); look at the perplexity.",
}


def check_curves(answers: Answers, g: torch.Generator) -> None:
    """`diagnosis()` → run → what it is."""
    expect_choices(answers["diagnosis"](), RUNS, RUN_WORDS, RUN_REASONS)


EXERCISES = (
    Exercise(
        1, "What a picture costs, in bits", 1, 10, check_bits,
        hints="""
        Two separate sums. What is the KL of *one* number, and how many numbers has a picture? What is the entropy of
        *one* token, and how many tokens has a picture?

        KL: ½ (μ² + σ² − 1 − log σ²), summed over the latents of a picture, mean over pictures, divided by log 2.
        Tokens: −Σ p log₂ p times the tokens of a picture.

        share = torch.bincount(tokens.flatten()) / tokens.numel(); leave out zeros, share[share > 0], before the
        logarithm. A picture has tokens[0].numel() tokens.
        """,
    ),
    Exercise(
        2, "A dictionary that nobody learns", 2, 20, check_round_through,
        hints="""
        Build it in the forward direction first: z into −1 to 1, times half the range, rounded, back. Only then think
        of the gradient.

        The trick of section 6 with other letters: soft + (hard − soft).detach(), with soft = tanh(z) and hard the
        rounded one. The step of a channel, shifted to 0 … L − 1, is a digit.

        half = (L − 1) / 2; steps = torch.round(half * soft); hard = steps / half; tokens: the sum over channels of
        (steps + half) · Lᶜ, with L ** torch.arange(C) shaped (C, 1, 1).
        """,
    ),
    Exercise(
        3, "Revive where it is needed", 2, 20, check_revive_far,
        hints="""
        How well is a latent served? By the largest cosine that it has with any living code. The worst served latent is
        where the next code should stand.

        For each dead code in turn: cosines of all latents with the codes that live now, their maximum over the codes,
        the latent where this is smallest. Put the code there, and count it among the living.

        unit = F.normalize(z, dim=1); here = F.normalize(codes[usage >= dead], dim=1); worst = (unit @
        here.T).amax(1).argmin(); then here = torch.cat([here, unit[worst][None]]).
        """,
    ),
    Exercise(
        4, "Debugging: three faults in one step", 2, 20, check_vq_step,
        hints="""
        Read it with (6), the paragraph "straight through" and (7) beside it, in this order.

        One fault is in what is compared, one in what is held constant, one in where a quarter stands.

        argmax over z @ unit.T; decoder(z + (chosen − z).detach()); the loss (chosen, z.detach()) has weight 1 and
        (z, chosen.detach()) has ¼.
        """,
    ),
    Exercise(
        5, "Reading the curves", 1, 10, check_curves,
        hints="""
        Start with the PSNR: in two runs it rises, in one it does not. Two of the faults would show in the sharpness
        and in the cosine at once; do they?

        Of the two where it rises, one uses far fewer codes. Where it does not, the latents lie on their codes exactly.

        Few codes and a good picture: nobody revives them. A cosine of 1 and a blur: the encoder pleases the codes and
        does not hear of the picture.
        """,
    ),
    Exercise(
        6, "Design: a dictionary of two words", 3, 40, check_two_words,
        hints="""
        32 words twice are 1,024 pairs. Where should the second word be spent, when the first one is known?

        Fit 32 words by k-means. Subtract from each row its nearest word: what is left is a new set of rows, smaller and
        of another shape. What fits a dictionary to them?

        first = k_means(rows, words, g); rest = rows − spelled(rows, first); second = k_means(rest, words, g). encode
        finds the nearest first word, then the nearest second one to the rest; decode adds the two words.
        """,
    ),
)  # fmt: skip
