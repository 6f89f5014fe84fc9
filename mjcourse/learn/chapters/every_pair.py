"""The exercise of chapter 07 about equation (3): the logits of every picture with every text, in one pass."""

from __future__ import annotations

import math

import torch

from mjcourse.learn.compare import expect
from mjcourse.learn.exercise import Answers, Wrong
from mjcourse.models.conditional import CGANConfig, TextDiscriminator


def check_every_pair(answers: Answers, g: torch.Generator) -> None:
    """`every_pair(D, x, text)`, a discriminator, (B, 3, 16, 16), (T, R, C) → logits (B, T)."""
    every_pair = answers["every_pair"]
    torch.manual_seed(int(torch.randint(2**31, (), generator=g)))
    D = TextDiscriminator(CGANConfig.tiny())
    with torch.no_grad():
        D.net[-1].bias += 1.5  # a fresh layer's biases are nearly 0, and would not be missed
        D.compare.bias += torch.randn(D.compare.bias.shape, generator=g)
        D.words.net[-2].bias += torch.randn(D.words.net[-2].bias.shape, generator=g)
    x, text = torch.randn(5, 3, 16, 16, generator=g), torch.randn(7, 4, 32, generator=g)
    told = x.repeat_interleave(7, 0), text.repeat(5, 1, 1)
    want = D(*told).view(5, 7).detach()
    with torch.no_grad():
        seen, words = D.net[:-1](x), D.words(text)
        real, match = D.net[-1](seen), D.compare(seen) @ words.T
    root = math.sqrt(words.shape[1])
    passes = {"pictures": [], "texts": []}
    hooks = [
        D.net[0].register_forward_hook(lambda module, given, made: passes["pictures"].append(len(made))),
        D.words.register_forward_hook(lambda module, given, made: passes["texts"].append(len(made))),
    ]
    mistakes = {
        "rows are pictures and columns are texts; yours is the other way round.": want.T,
        "the factor 1/√M of equation (3) is missing.": real + match,
        "equation (3) divides by √M; you divide by M.": real + match / root**2,
        "M is the number of features that are compared, `D.compare.out_features`, not that of h(x).":
            real + match / math.sqrt(seen.shape[1]),
        "only the second term of (3) is divided by √M; whether it is real stays as it is.": (real + match) / root,
        "the first term of (3) is missing: is it real?": match / root,
        "the second term of (3) is missing: every text gets the same logit.": (
            real.expand(5, 7), real, real.squeeze(1)
        ),
        "the bias of the layer A (`compare`) is missing.": real + (match - D.compare.bias.detach() @ words.T) / root,
        "it is a softmax or a probability; logits are wanted.": (want.softmax(1), want.sigmoid(), want.softmax(0)),
        "these are only the pictures with a text each; wanted is every picture with every text.":
            (D(x, text[:5]).detach(), D(x, text[:5]).detach().diag()),
    }  # fmt: skip
    passes["pictures"].clear(), passes["texts"].clear()
    got = every_pair(D, x, text, frozen=False)
    counted = {name: sum(count) for name, count in passes.items()}
    expect(got, want, "the logits", mistakes, rtol=1e-3, atol=1e-4)
    if counted["pictures"] > len(x):
        raise Wrong(
            f"right, but the convolutions saw {counted['pictures']} pictures: {len(x)} is enough, as h(x) does not "
            "depend on the text."
        )
    if counted["texts"] > len(text):
        raise Wrong(f"right, but `words` read {counted['texts']} texts: {len(text)} is enough.")
    for hook in hooks:
        hook.remove()
    if type(got) is not torch.Tensor or not got.requires_grad:
        raise Wrong("no gradient reaches the discriminator: no .item(), .detach() or no_grad on the way.")
    grades = torch.randn(5, 7, generator=g)
    parts = [D.net[0].weight, D.compare.weight, D.words.net[1].weight]
    wanted = torch.autograd.grad((D(*told).view(5, 7) * grades).sum(), parts)
    for part, right in zip(torch.autograd.grad((got * grades).sum(), parts, allow_unused=True), wanted, strict=True):
        if part is None:
            raise Wrong("a gradient does not reach all of the discriminator: convolutions, `compare` and `words`.")
        expect(part, right, "the gradient of the discriminator's weights", rtol=1e-2, atol=1e-3)
