"""The exercise of chapter 09 about the cache: attention that goes on where it stopped."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from mjcourse.learn.compare import expect, pair_of, tensor_of
from mjcourse.learn.exercise import Answer, Answers, Wrong

NAME = "what comes out"


def attend_on(x: torch.Tensor, kept, qkv: nn.Module, out: nn.Module, heads: int, fault: str = ""):
    """Return causal self-attention of new positions (B, N, C) after those in `kept`, and the new `kept`.

    Args:
        x: (B, N, C). kept: keys and values before them, (B, heads, P, C / heads) each, or None.
        qkv, out: linear layers, C → 3 C and C → C. fault: a mistake, as `check_attend_on` names it.
    """
    b, n, c = x.shape
    q, k, v = qkv(x).view(b, n, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    own = k, v
    if kept is not None and fault != "alone":
        parts = [(new, old) if fault == "front" else (old, new) for old, new in zip(kept, own, strict=True)]
        k, v = (torch.cat(pair, 2) for pair in parts)
    past = k.shape[2] - n
    see = torch.ones(n, past + n, dtype=torch.bool).tril(0 if fault == "corner" else past)
    if fault == "open":
        see = torch.ones_like(see)
    if fault == "self":
        see = torch.ones_like(see).tril(past - 1)
    scores = q @ k.mT / (1 if fault == "root" else c if fault == "width" else c // heads) ** 0.5
    if fault == "late":
        weights = scores.softmax(-1) * see
    else:
        weights = scores.masked_fill(~see, 0.0 if fault == "zero" else -torch.inf).softmax(-1)
    y = weights @ v
    y = (y if fault == "heads" else y.transpose(1, 2)).reshape(b, n, c)
    kept = own if fault == "forgets" else kept if fault == "first" and kept is not None else (k, v)
    return y if fault == "out" else out(y), kept


def in_parts(function, x: torch.Tensor, sizes: list[int], layers: tuple, heads: int) -> torch.Tensor:
    """Return what a function like `attend_on` makes of x (B, T, C), given in parts of these sizes, (B, T, C)."""
    made, kept = [], None
    for part in x.split(sizes, 1):
        y, kept = pair_of(function(part, kept, *layers, heads), "what it returns")
        y = tensor_of(y, NAME)
        if y.shape != part.shape:
            raise Wrong(f"{NAME} must be of the *new* positions, {tuple(part.shape)}; yours has {tuple(y.shape)}.")
        made.append(y)
    return torch.cat(made, 1)


def check_attend_on(answers: Answers, g: torch.Generator) -> None:
    """`attend_on(x, kept, qkv, out, heads)` → (B, N, C), and what to keep; parts must give what one pass gives."""
    answer: Answer = answers["attend_on"]
    for rows, heads, width, sizes in ((2, 3, 12, [5, 1, 3, 1, 2]), (3, 2, 8, [1, 1, 6, 2])):
        layers = qkv, _ = nn.Linear(width, 3 * width), nn.Linear(width, width)
        with torch.no_grad():
            for layer in layers:
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=g) * (2 / width**0.5))
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=g))
        x = torch.randn(rows, sum(sizes), width, generator=g)

        def ours(fault="", x=x, sizes=sizes, layers=layers, heads=heads):
            return in_parts(partial(attend_on, fault=fault), x, sizes, layers, heads)

        whole = ours(sizes=[x.shape[1]])
        said = {
            "alone": "the new positions see only each other: what was kept is not used.",
            "forgets": "only the newest keys and values are kept; those kept before belong to them as well.",
            "first": "what comes back to be kept is what was given: the new keys and values are not in it.",
            "front": "the new keys and values stand in front of the old ones, and the mask takes them for the oldest.",
            "open": "several new positions at once look at each other in both directions: they are causal, too.",
            "corner": "new position i may look at all that was kept and at i + 1 new ones; your mask begins at the "
            "first *kept* one: `tril` takes a diagonal.",
            "self": "a position may look at itself.",
            "root": "the root is left out; equation (4) divides by √d.",
            "width": "d is the length of one head's query, not the width.",
            "late": "the mask comes after the softmax, so that the weights do not add up to 1.",
            "zero": "what may not be seen has a score of 0, which is a score like any other; it needs −∞.",
            "heads": "the heads are put together in the wrong order.",
            "out": "the last layer, `out`, is missing.",
        }
        mistakes = {text: partial(ours, fault) for fault, text in said.items()}
        seen = []
        hook = qkv.register_forward_hook(lambda module, given, made, seen=seen: seen.append(given[0][..., 0].numel()))
        got = in_parts(answer, x, sizes, layers, heads)
        hook.remove()
        what = f"{NAME} (x in parts of {', '.join(map(str, sizes))} positions, against one pass)"
        expect(got, whole, what, mistakes, rtol=1e-3, atol=1e-4)
        passed = sum(seen) // len(x)
        if passed != sum(sizes):
            raise Wrong(
                f"right, but {passed} positions went through `qkv` where {sum(sizes)} are enough: keep keys and "
                "values, not x."
            )
    two_endings(answer, x, layers, heads)


def two_endings(answer: Answer, x: torch.Tensor, layers: tuple, heads: int) -> None:
    """Go on twice from one beginning: what was kept must not be changed by the first time."""
    length = x.shape[1]
    _, kept = pair_of(answer(x[:, :3], None, *layers, heads), "what it returns")
    answer(x[:, 3:].flip(1), kept, *layers, heads)
    again = pair_of(answer(x[:, 3:], kept, *layers, heads), "what it returns")[0]
    want, _ = attend_on(x, None, *layers, heads)
    if not torch.allclose(tensor_of(again, NAME).float(), want[:, 3:length].detach(), rtol=1e-3, atol=1e-4):
        raise Wrong("one beginning, two endings: the first changes what was kept for the second. Return a new `kept`.")
