"""Exercise 3 of chapter 05: attention in which far tokens count less, in place of learned positions."""

from __future__ import annotations

import torch

from mjcourse.learn.compare import expect, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

NAME = "what `near_attention` returns"
NO_GRADIENT = "no gradient reaches `slope`, so it cannot be learned: no .item(), .detach() or no_grad on the way."


def steps(length: int) -> torch.Tensor:
    """Return how many places the second of two tokens is behind the first, (length, length)."""
    at = torch.arange(length)
    return at[:, None] - at


def near(q, k, v, slope, there, distance=torch.abs, root: float = 0.5, inside=False, mask=-torch.inf, dim=-1):
    """Return softmax(q kᵀ / √d − slope · |i − j|) v, (B, heads, L, d), or what a mistake gives.

    Args:
        q, k, v: (B, heads, L, d). slope: (heads,). there: (B, L), False for padding.
        distance: of what `steps` returns. root: power of d. inside: the distance is divided by √d, too.
        mask: score of padding, None for its own. dim: of the softmax.
    """
    far, by = slope[:, None, None] * distance(steps(q.shape[2])), q.shape[-1] ** root
    scores = (q @ k.transpose(-2, -1) - far) / by if inside else q @ k.transpose(-2, -1) / by - far
    scores = scores if mask is None else scores.masked_fill(~there[:, None, None], mask)
    return scores.softmax(dim) @ v


def check_near(answers: Answers, g: torch.Generator) -> None:
    """`near_attention(q, k, v, slope, there)` → (B, heads, L, d); what comes out at padding is not looked at."""
    function = answers["near_attention"]

    def made(heads: int, length: int, d: int, padding: tuple[int, int] = (0, 0)) -> tuple[torch.Tensor, ...]:
        q, k, v = torch.randn(3, 2, heads, length, d, generator=g)
        there = torch.arange(length) < length - torch.tensor(padding)[:, None]
        return q, 2 * k, torch.where(there[:, None, :, None], v, 4 * v), 0.1 + torch.rand(heads, generator=g), there

    def compared(given: tuple[torch.Tensor, ...], what: str, mistakes: dict[str, list[torch.Tensor]]) -> None:
        real = given[-1][:, None, :, None].expand_as(given[0])
        got = tensor_of(function(*given), NAME)
        if got.shape != real.shape:
            raise Wrong(f"{NAME} must have shape {tuple(real.shape)}, as q has; yours has {tuple(got.shape)}.")
        expect(got[real], near(*given)[real], what, {text: [m[real] for m in some] for text, some in mistakes.items()})

    q, k, v, slope, there = given = made(4, 7, 6)
    far = slope[:, None, None] * steps(7).abs()
    plain = near(q, k, torch.eye(7).expand(2, 4, 7, 7), 0 * slope, there)  # the weights of attention (3)
    mistakes = {
        "far tokens gain; the distance has to be subtracted.": [near(*given, distance=lambda x: -x.abs())],
        "the distance has no sign: a token three to the left is as far as one three to the right.":
            [near(*given, distance=lambda x: x), near(*given, distance=lambda x: -x)],
        "the distance is squared.": [near(*given, distance=torch.square)],
        "the distance is divided by √d as well; only the product q·k is.": [near(*given, inside=True)],
        "the root is missing: q·k is divided by √d, as in equation (3).": [near(*given, root=0)],
        "q·k is divided by d; equation (3) has √d.": [near(*given, root=1)],
        "that is attention (3) alone; the distance does not come in.": [plain @ v],
        "the softmax runs over the queries; the weights of one query, its row, add up to 1.": [near(*given, dim=-2)],
        "the distance changes the weights after the softmax, so that they no longer add up to 1.":
            [(plain * torch.exp(-far)) @ v, (plain - far) @ v],
        "each head has its own slope: give `slope` the shape (heads, 1, 1).":
            [near(q, k, v, slope.mean().expand(4), there), near(q, k, v, slope[:1].expand(4), there)],
    }  # fmt: skip
    compared(given, "the result", mistakes)
    padded = made(3, 8, 4, (2, 3))
    mistakes = {
        "padding is looked at.": [near(*padded, mask=None)],
        "padding has a score of 0, which is a score like any other; it needs −∞.": [near(*padded, mask=0.0)],
    }
    compared(padded, "the result at real tokens, beside padding,", mistakes)

    slope.requires_grad_()
    result = function(*given, frozen=False)
    passes = type(result) is torch.Tensor and result.requires_grad
    got = torch.autograd.grad(result.sum(), slope, allow_unused=True)[0] if passes else None
    if got is None:
        raise Wrong(NO_GRADIENT)
    expect(got, torch.autograd.grad(near(*given).sum(), slope)[0], "the gradient by `slope`", rtol=1e-3, atol=1e-4)
