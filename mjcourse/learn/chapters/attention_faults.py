"""The debugging exercise of chapter 05: attention with several heads and three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch
from torch import nn

from mjcourse.learn.compare import expect, faults_left, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

FAULTS = {
    "padding": "padding has a score of 0, and the softmax gives that its share; see section 8b.",
    "root": "the root is that of the width; in equation (3) d is the length of a query, and a head's is shorter.",
    "heads": "the heads are put together in the wrong order: ask which numbers end up in which token's row.",
}
OTHERS = {
    "late": "padding is taken out after the softmax, so the weights of a row no longer add up to 1.",
    "open": "padding is not taken out at all.",
}


def attend(
    x: torch.Tensor, there: torch.Tensor, qkv: nn.Module, out: nn.Module, heads: int, faults: tuple[str, ...] = ()
) -> torch.Tensor:
    """Return self-attention with several heads as in `Block`, (B, T, C), with any of `FAULTS` or `OTHERS`.

    Args:
        x: (B, T, C); there: (B, T), False for padding; qkv, out: linear layers, C → 3 C and C → C.
    """
    b, t, c = x.shape
    q, k, v = qkv(x).view(b, t, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-2, -1) * (c if "root" in faults else c // heads) ** -0.5
    seen = there[:, None, None, :]
    if not {"late", "open"} & set(faults):
        scores = scores.masked_fill(~seen, 0.0 if "padding" in faults else -torch.inf)
    y = (scores.softmax(-1) * (seen if "late" in faults else 1)) @ v
    return out((y if "heads" in faults else y.transpose(1, 2)).reshape(b, t, c))


def check_attend(answers: Answers, g: torch.Generator) -> None:
    """`attend(x, there, qkv, out, heads)` → (B, T, C); what comes out at padding is not looked at."""
    function, heads, width, length = answers["attend"], 3, 12, 7
    qkv, out = nn.Linear(width, 3 * width), nn.Linear(width, width)
    with torch.no_grad():
        for layer in (qkv, out):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=g) * (3 / width**0.5))
            layer.bias.copy_(torch.randn(layer.bias.shape, generator=g))
    x = torch.randn(2, length, width, generator=g)
    there = torch.arange(length) < torch.tensor([[length - 1], [length - 3]])

    def real(value: object) -> torch.Tensor:
        value = tensor_of(value, "what `attend` returns")
        if value.shape != x.shape:
            raise Wrong(f"what `attend` returns must have shape (B, T, C) as x has; yours has {tuple(value.shape)}.")
        return value[there]

    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            wrong = partial(attend, x, there, qkv, out, heads, faults=left)
            mistakes.setdefault(found, []).append(lambda wrong=wrong: real(wrong()))
    for kind, message in OTHERS.items():
        mistakes[message] = lambda kind=kind: real(attend(x, there, qkv, out, heads, (kind,)))
    mistakes["nothing is attended to: these are the values, each token's own."] = lambda: real(
        out(qkv(x)[..., 2 * width :])
    )
    mistakes["the last layer, `out`, is missing."] = lambda: real(attend(x, there, qkv, nn.Identity(), heads))
    mistakes["the root is left out; equation (3) divides by √d."] = lambda: real(
        attend(x, there, partial(_sharper, qkv, width, heads), out, heads)
    )
    want = real(attend(x, there, qkv, out, heads))
    got = function(x, there, qkv, out, heads)
    expect(real(got), want, "what `attend` returns at real tokens", mistakes, rtol=1e-3, atol=1e-4)
    if type(got) is not torch.Tensor or not got.requires_grad:
        raise Wrong("no gradient reaches the layers: no .detach(), .item() or no_grad on the way.")
    longer = torch.cat([x, 9 * torch.randn(2, 3, width, generator=g)], 1)
    seen = torch.cat([there, torch.zeros(2, 3, dtype=torch.bool)], 1)
    again = tensor_of(function(longer, seen, qkv, out, heads), "what `attend` returns")[:, :length]
    expect(again[there], want, "what `attend` returns for the same texts, padded further", rtol=1e-3, atol=1e-4)


def _sharper(qkv: nn.Module, width: int, heads: int, x: torch.Tensor) -> torch.Tensor:
    """Return queries that are √d times as long, so that dividing by √d leaves the scores as if it was left out."""
    q, rest = qkv(x).split((width, 2 * width), -1)
    return torch.cat([q * (width // heads) ** 0.5, rest], -1)
