"""Exercise 3 of chapter 12: a DPO loss that holds the winners up, and a small prior to try it on."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.compare import expect
from mjcourse.learn.exercise import Answers, Wrong

TOKENS, CODES, WIDTH, PAIRS = 6, 16, 4, 12  # of the small prior: of a picture; to choose from; numbers a code; pairs


def tuned_by(loss, steps: int = 100, seed: int = 2) -> dict[str, float]:
    """Tune a small prior by a loss (now_w, now_l, before_w, before_l, beta, hold), each (PAIRS, TOKENS) → a number.

    Its tokens are independent, and its codes share a few numbers, so that what pulls at one pulls at others.

    Returns:
        By how many nats winners and losers became likelier, means over the pairs.
    """
    g = torch.Generator().manual_seed(seed)
    codes, places = (torch.randn(n, WIDTH, generator=g).requires_grad_() for n in (CODES, TOKENS))
    before = (places @ codes.T).log_softmax(1).detach()
    winners, losers = (torch.multinomial(before.exp(), PAIRS, replacement=True, generator=g).T for _ in range(2))

    def read(table: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return table.gather(1, tokens.T).T  # (PAIRS, TOKENS)

    old = read(before, winners), read(before, losers)
    optimizer = torch.optim.Adam([codes, places], lr=0.02)
    for _ in range(steps):
        now = (places @ codes.T).log_softmax(1)
        optimizer.zero_grad()
        loss(read(now, winners), read(now, losers), *old, 0.1, 50.0).backward()
        optimizer.step()
    now = (places @ codes.T).log_softmax(1).detach()
    rises = [(read(now, tokens) - was).sum(1).mean().item() for tokens, was in zip((winners, losers), old, strict=True)]
    return dict(zip(("winners", "losers"), rises, strict=True))


def held_up(now_w, now_l, before_w, before_l, beta, hold, over=torch.sum, fall=F.relu) -> torch.Tensor:
    """Return what stands in the brackets of σ, (B,), from log-probabilities of tokens (B, T)."""
    now_w, now_l, before_w, before_l = (over(x, 1) for x in (now_w, now_l, before_w, before_l))
    return beta * (now_w - now_l - (before_w - before_l) - hold * fall(before_w - now_w))


def check_held_up(answers: Answers, g: torch.Generator) -> None:
    """`held_up_loss(now_w, now_l, before_w, before_l, beta, hold)`, (B, T) each, two numbers → one number."""
    held_up_loss = answers["held_up_loss"]
    pairs, length = 8, 5
    before_w, before_l = (-0.3 - 2 * torch.rand(2, pairs, length, generator=g)).unbind()
    moved = 0.6 * torch.randn(2, pairs, length, generator=g)
    way = torch.tensor([-0.45, 0.3] * (pairs // 2))[torch.randperm(pairs, generator=g), None]
    moved[0] += way - moved[0].mean(1, keepdim=True)  # half of the winners fell, half rose, by less
    now_w, now_l = before_w + moved[0], before_l + moved[1]
    beta, hold = 0.25 + 0.2 * torch.rand((), generator=g).item(), 2 + torch.rand((), generator=g).item()
    given = now_w, now_l, before_w, before_l

    def loss(inside: torch.Tensor) -> torch.Tensor:
        return -F.logsigmoid(inside).mean()

    def made(now_w=now_w, now_l=now_l, before_w=before_w, before_l=before_l, beta=beta, hold=hold, **how):
        return loss(held_up(now_w, now_l, before_w, before_l, beta, hold, **how))

    inside = held_up(*given, beta, hold)
    plain, want = beta * (moved[0].sum(1) - moved[1].sum(1)), loss(inside)
    fallen = F.relu(-moved[0].sum(1))
    nothing = torch.zeros_like(now_w)
    mistakes = {
        "that is (13): the winners are not held up.": loss(plain),
        "the probability of a picture is the *product* of its tokens', so the logarithms are added; yours is a mean.":
            (made(over=torch.mean), made(over=torch.mean, beta=1.0)),
        "the fall is that of the whole picture: first add up its tokens, then take max(0, ·).":
            loss(plain - beta * hold * F.relu(-moved[0]).sum(1)),
        "the sum of all pairs falls or rises together in yours; each winner has its own fall.":
            (loss(plain - beta * hold * fallen.mean()), loss(plain - beta * hold * F.relu(-moved[0].sum(1).mean()))),
        "it is a winner that became *likelier* that pays; held up is one that became less likely.":
            made(fall=lambda x: F.relu(-x)),
        "a winner that became likelier must not be paid for it: max(0, ·) is missing.": made(fall=lambda x: x),
        "the fall makes the loss smaller; it has to count against the pair.": made(hold=-hold),
        "winner and loser are exchanged.": (made(now_l, now_w, before_l, before_w), loss(-plain), loss(-inside)),
        "it is the loser that is held up.": loss(plain - beta * hold * F.relu(-moved[1].sum(1))),
        "the reference does not come in at all: `ahead_before` is missing.": (
            made(before_w=nothing, before_l=nothing), loss(beta * ((now_w - now_l).sum(1) - hold * fallen))
        ),
        "the fall stands outside of σ; it belongs into the brackets, before β.": (
            loss(plain) + hold * fallen.mean(), loss(plain) + beta * hold * fallen.mean()
        ),
        "β multiplies all that is in the brackets, also the fall.": loss(plain - hold * fallen),
        "β is missing.": made(beta=1.0),
        "the mean over the pairs is wanted.": (
            pairs * want, -F.logsigmoid(inside), -F.logsigmoid(inside)[:, None]
        ),
        "the logarithm or the minus before it is missing.": (-want, inside.sigmoid().mean(), -inside.sigmoid().mean()),
    }  # fmt: skip
    expect(held_up_loss(*given, beta, hold), want, "the loss", mistakes)
    for x in given:
        x.requires_grad_()
    got = held_up_loss(*given, beta, hold, frozen=False)
    passes = type(got) is torch.Tensor and got.requires_grad
    slopes = torch.autograd.grad(got, given, allow_unused=True) if passes else [None] * 4
    if slopes[0] is None or slopes[1] is None:
        raise Wrong("no gradient reaches winner or loser: no .item(), .detach() or no_grad on the way of `now_…`.")
    if any(slope is not None and slope.abs().max() > 0 for slope in slopes[2:]):
        raise Wrong("a gradient reaches the reference; it is frozen: detach `before_w` and `before_l`.")
    right = torch.autograd.grad(made(), given[:2])
    still = torch.autograd.grad(loss(held_up(*given, beta, 0.0) - beta * hold * fallen.detach()), given[:2])
    cut = "the fall counts in the loss, but no gradient comes from it, so that nobody is held up: no .detach() there."
    expect(torch.stack(slopes[:2]), torch.stack(right), "the gradient by the tokens", {cut: torch.stack(still)})
