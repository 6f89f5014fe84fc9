"""An exercise of chapter 03: the penalty R1, applied lazily."""

from __future__ import annotations

import torch
from torch import nn

from mjcourse.learn.compare import expect
from mjcourse.learn.exercise import Answers, Wrong
from mjcourse.models.gan import gradient_penalty

BATCH, SHAPE = 6, (3, 5, 7)  # no size, and no product of sizes, is `every` or its square


class Counted(nn.Module):
    """A small discriminator, pictures (B, *SHAPE) → logits (B,), that counts its calls."""

    def __init__(self, g: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(105, 10, generator=g) / 10)
        self.last = nn.Parameter(torch.randn(10, generator=g))
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.tanh(x.flatten(1) @ self.first) @ self.last


def check_lazy_r1(answers: Answers, g: torch.Generator) -> None:
    """`lazy_r1(D, real, gamma, step, every)` → what is added to the discriminator's loss at a step."""
    penalty = answers["lazy_r1"]
    D, real, gamma, every = Counted(g), torch.randn(BATCH, *SHAPE, generator=g), 0.7, 4

    def gradient():
        x = real.clone().requires_grad_()
        return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].flatten(1)

    x = real.clone().requires_grad_()
    r1 = gradient_penalty(D(x), x)
    want = every * gamma * r1
    weights = torch.autograd.grad(D(real).sum(), list(D.parameters()))
    mistakes = {
        f"it is not multiplied by `every`: at one step in {every} the penalty must make up for the others.": gamma * r1,
        "gamma is missing.": (every * r1, r1),
        "the factor ½ of equation (6) is missing.": 2 * want,
        "a squared length is the *sum* of squares over all numbers of a picture; it is their mean.": want / 105,
        "the squares are added up over the channels only; flatten each picture first: its gradient has *one* length.":
            want / 35,
        "the squares are added up over a part of a picture only; flatten it first: its gradient has *one* length.":
            (want / 3, want / 5, want / 7, want / 15, want / 21),
        "it is summed over the batch; equation (6) has a mean over pictures.": 6 * want,
        "it is the length, not its square.": lambda: every * gamma * 0.5 * gradient().norm(dim=1).mean(),
        "it is the square of the mean gradient; the squares come first, then the mean over pictures.": (
            lambda: every * gamma * 0.5 * gradient().mean(0).square().sum(), want / 36,
        ),
        "it is divided by `every`; it has to be multiplied.": gamma * r1 / every,
        "it is the gradient by the discriminator's weights; equation (6) has it by the picture.":
            (every * gamma * 0.5 * sum(w.square().sum() for w in weights),
             every * gamma * 0.5 * sum((w / 6).square().sum() for w in weights)),
        "at a step that is a multiple of `every`, 0 among them, the penalty is due; it is 0.": torch.zeros(()),
    }  # fmt: skip
    for step in (0, 8):
        expect(penalty(D, real, gamma, step, every, frozen=False), want, f"the penalty at step {step}", mistakes)
    for step in (1, 3, 6):
        D.calls = 0
        got = penalty(D, real, gamma, step, every, frozen=False)
        whole = f"it comes at step {step} too; with every = {every} it is due at 0, 4, 8 …, and 0 at the others."
        expect(got, torch.zeros(()), f"the penalty at step {step}", {whole: (want, want / every)})
        if D.calls:
            raise Wrong("at a step without penalty the discriminator is run all the same: laziness was to save that.")
    loss = penalty(D, real, gamma, 4, every, frozen=False)
    if type(loss) is not torch.Tensor or not loss.requires_grad:
        raise Wrong("no gradient reaches the discriminator's weights: is `create_graph=True` missing?")
    for parameter, right in zip(D.parameters(), torch.autograd.grad(want, list(D.parameters())), strict=True):
        (got,) = torch.autograd.grad(loss, parameter, retain_graph=True, allow_unused=True)
        if got is None:
            raise Wrong("no gradient reaches the discriminator's weights: is `create_graph=True` missing?")
        expect(got, right, "the penalty's gradient by the discriminator's weights", rtol=1e-3)
