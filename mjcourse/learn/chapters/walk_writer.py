"""The debugging exercise of chapter 09: a sampler with three faults, and a prior small enough to know what is right."""

from __future__ import annotations

import math
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.learn.compare import close, expect, faults_left, tensor_of
from mjcourse.learn.exercise import Answers, Wrong
from mjcourse.models.prior import gumbel

REGISTERS, TEXT_WIDTH = 2, 3  # a text is (REGISTERS, TEXT_WIDTH)
PLACES, LEAN = 12, 0.3  # of the ring; how much it is pulled forward without a text, 1 with one
FAULTS = {
    "shift": "which token do the logits foretell? As in section 2, the last token of a sentence does not go in.",
    "guidance": "with s = 1 it must be the model as trained, with s = 0 the model without a text; see (7).",
    "temperature": "T comes in twice: the logits are divided by it, or the noise is multiplied (section 5).",
}


class Walker(nn.Module):
    """A prior without a network, called as `Prior`: text (B, R, C), tokens (B, T) → logits (B, T, codes).

    The logits of token i depend on the text and on the two tokens before it, by tables (codes + 1, codes); the row
    `codes` stands for the time before the first token.
    """

    def __init__(self, last: torch.Tensor, before: torch.Tensor, turn: torch.Tensor, null_text: float) -> None:
        super().__init__()
        self.last, self.before, self.turn = last, before, turn
        self.null_text = nn.Parameter(torch.full((REGISTERS, TEXT_WIDTH), null_text))

    def forward(self, tokens: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        nothing = torch.full((len(tokens), 2), self.last.shape[1])
        past = torch.cat([nothing, tokens[:, :-1]], 1)  # (B, 2 + T - 1): the last token does not go in
        way = text.mean((1, 2))[:, None, None]
        return self.last[past[:, 1:]] + self.before[past[:, :-1]] + way * self.turn[past[:, 1:]]


def ring() -> Walker:
    """Return a walk on a ring of `PLACES` codes: a step forward, a step back or none; a text of ones pulls forward.

    Captions mostly said "forward", so that without a text it goes forward a little.
    """
    at = torch.arange(PLACES)
    forward, back = F.one_hot((at + 1) % PLACES, PLACES), F.one_hot((at - 1) % PLACES, PLACES)
    last = torch.where((forward + back + torch.eye(PLACES)) > 0, 0.0, -20.0)  # elsewhere never
    last, turn = (F.pad(table, (0, 0, 0, 1)) for table in (last, (forward - back).float()))  # it begins anywhere
    return Walker(last, torch.zeros_like(last), turn, LEAN)


def steps_of(tokens: torch.Tensor) -> list[float]:
    """Return which share of the steps of walks (B, T) goes back, nowhere, forward, and elsewhere."""
    step = (tokens[:, 1:] - tokens[:, :-1]) % PLACES
    which = step == PLACES - 1, step == 0, step == 1, (step > 1) & (step < PLACES - 1)
    return [there.float().mean().item() for there in which]


def steps_wanted(guidance_scale: float, temperature: float) -> list[float]:
    """Return these shares as (7) and the temperature want them, for a text of ones."""
    way = LEAN + guidance_scale * (1 - LEAN)
    weights = [math.exp(way * s / temperature) for s in (-1, 0, 1)]
    return [*(w / sum(weights) for w in weights), 0.0]


@torch.no_grad()
def write(model, noise, text, guidance_scale: float, temperature: float, given, faults: tuple[str, ...] = ()):
    """Return tokens (B, T) drawn with noise (B, T, codes) after those given (B, G), with any of `FAULTS`."""
    tokens, told = given, torch.cat([text, model.null_text.expand_as(text)])
    while tokens.shape[1] < noise.shape[1]:
        asked = tokens if "shift" in faults else F.pad(tokens, (0, 1))
        asked = asked.repeat_interleave(2, 0) if "doubled" in faults else asked.repeat(2, 1)
        with_text, without = model(asked, told)[:, -1].chunk(2)
        logits = (with_text if "guidance" in faults else without) + guidance_scale * (with_text - without)
        logits = logits / temperature if "temperature" in faults else logits
        drawn = (logits + temperature * noise[:, tokens.shape[1]]).argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, drawn], 1)
    return tokens


def check_write(answers: Answers, g: torch.Generator) -> None:
    """`write(model, noise, text, guidance_scale, temperature, given)` → tokens (B, T)."""
    answer, codes, rows, length = answers["write"], 9, 12, 10
    tables = 1.5 * torch.randn(3, codes + 1, codes, generator=g)
    model = Walker(*tables, 0.5)
    text = torch.randn(rows, 1, 1, generator=g).expand(-1, REGISTERS, TEXT_WIDTH).contiguous()
    noise, start = gumbel((rows, length, codes), g), torch.randint(codes, (rows, 3), generator=g)
    scale = 2 + torch.rand((), generator=g).item()
    temperature = 0.4 + 0.2 * torch.rand((), generator=g).item()
    given = model, noise, text, scale, temperature, start
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            mistakes.setdefault(found, []).append(lambda left=left: write(*given, faults=left))
    mistakes |= {
        "the temperature does not come in any more.": lambda: write(model, noise, text, scale, 1.0, start),
        "T multiplies the logits; it has to divide them.":
            lambda: write(model, noise, text, scale, 1 / temperature, start),
        "the guidance is gone: that is the model as trained.": lambda: write(model, noise, text, 1, temperature, start),
        "the given tokens belong to the sentence: (B, T), with them in front.": lambda: write(*given)[:, 3:],
        "token i is drawn with the noise of place i, wherever the drawing begins.":
            lambda: write(model, noise.roll(start.shape[1], 1), text, scale, temperature, start),
        "each walk is doubled beside itself (`repeat_interleave`), but the texts stand one block below the other.":
            lambda: write(*given, faults=("doubled",)),
        "with the text and without it have changed places.":
            lambda: write(model, noise, text, 1 - scale, temperature, start),
    }  # fmt: skip
    expect(answer(*given), write(*given), "what is written", mistakes)
    for count, what in ((0, "what is written after no given token"), (1, "what is written after one given token")):
        own = model, noise, text, 1.0, 1.0, start[:, :count]
        expect(answer(*own), write(*own), what)
    cold = model, noise, text, scale, 0.0, start
    got = tensor_of(answer(*cold), "what is written at T = 0")
    if not close(got, write(*cold)):
        raise Wrong("at T = 0 the likeliest code is drawn, always: nothing may be divided by T then (section 5).")
