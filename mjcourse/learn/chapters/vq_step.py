"""The debugging exercise of chapter 08: a training step of a small VQ autoencoder with three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.learn.compare import UNKNOWN_FAULT, expect, faults_left, number_of
from mjcourse.learn.exercise import Answers

NUMBERS, WIDTH, CODES, BATCH = 12, 4, 16, 24  # of a row, of a code; codes; rows in a batch
STEPS = 2
FAULTS = {
    "length": "the longest code wins too often: (6) compares by the angle, with codes of length 1.",
    "through": "the picture's gradient does not reach the encoder: which bracket is held constant (straight through)?",
    "weight": "β stands at the wrong term: in (7) it is the one that draws the latent to the code.",
}
SLIPS = {  # what goes wrong in mending
    "both": "β stands at both terms of (7); only the one that draws the latent to the code has it.",
    "neither": "β is gone: in (7) it stands at the term that draws the latent to the code.",
    "cut": "the decoder gets the code alone, held constant: the picture's gradient does not reach the encoder.",
    "codes": "the chosen code goes on as long as it is; `broken_step` takes it from `unit`, of length 1.",
    "latents": "the latents are no longer of length 1; `broken_step` brought them to it.",
    "near": "codes are compared as long as they are: (6) compares by the angle, with codes of length 1.",
}


def vq_step(encoder, codes, decoder, optimizer, x: torch.Tensor, faults: tuple[str, ...] = ()) -> float:
    """Take one step on squared error + (7), x (B, NUMBERS), with any of `FAULTS` and `SLIPS`; return the loss."""
    z, unit = F.normalize(encoder(x), dim=1), F.normalize(codes, dim=1)
    if "latents" in faults:
        z = encoder(x)
    tokens = (z @ (codes if "length" in faults else unit).T).argmax(1)
    if "near" in faults:
        tokens = torch.cdist(z, codes).argmin(1)
    chosen = (codes if "codes" in faults else unit)[tokens]
    bracket = chosen - z
    recon = decoder(z + (bracket if "through" in faults else bracket.detach()))
    if "cut" in faults:
        recon = decoder(chosen.detach())
    of_code = 0.25 if {"weight", "both"} & {*faults} else 1.0
    of_latent = 1.0 if {"weight", "neither"} & {*faults} else 0.25
    loss = F.mse_loss(recon, x)
    loss = loss + of_code * F.mse_loss(chosen, z.detach()) + of_latent * F.mse_loss(z, chosen.detach())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def check_vq_step(answers: Answers, g: torch.Generator) -> None:
    """`vq_step(encoder, codes, decoder, optimizer, x)` → the loss; the step is taken on the three."""
    seed = int(torch.randint(2**31, (), generator=g))
    x = torch.randn(STEPS, BATCH, NUMBERS, generator=g)

    def taken(step):  # some steps: where the weights of each part went, and the losses
        torch.manual_seed(seed)
        encoder, decoder = nn.Linear(NUMBERS, WIDTH), nn.Linear(WIDTH, NUMBERS)
        lengths = torch.linspace(0.5, 2.0, CODES)[:, None]  # training does not keep codes at length 1
        codes = nn.Parameter(lengths * F.normalize(torch.randn(CODES, WIDTH), dim=1))
        parts = [list(encoder.parameters()), [codes], list(decoder.parameters())]
        optimizer = torch.optim.SGD([p for part in parts for p in part], lr=0.3)
        before = [torch.cat([p.detach().flatten() for p in part]) for part in parts]
        losses = [step(encoder, codes, decoder, optimizer, rows, frozen=False) for rows in x]
        losses = torch.tensor([number_of(loss, "the returned loss") for loss in losses])
        after = [torch.cat([p.detach().flatten() for p in part]) for part in parts]
        return [a - b for a, b in zip(after, before, strict=True)], losses

    def ours(*given, frozen, faults=()):
        return vq_step(*given, faults=faults)

    moved, losses = taken(ours)
    sizes = [m.norm() for m in moved]

    def scaled(moves):
        return torch.cat([m / size for m, size in zip(moves, sizes, strict=True)])

    got_moved, got_losses = taken(answers["vq_step"])
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            wrong = partial(ours, faults=left)
            mistakes.setdefault(found, []).append(lambda wrong=wrong: scaled(taken(wrong)[0]))
    for slip, found in SLIPS.items():
        mistakes[found] = lambda slip=slip: scaled(taken(partial(ours, faults=(slip,)))[0])
    for k, part in enumerate(("the encoder does", "the codes do", "the decoder does")):
        stands = [torch.zeros_like(m) if j == k else m for j, m in enumerate(got_moved)]
        mistakes[f"{part} not move: no gradient arrives there, or the optimizer takes no step."] = scaled(stands)
    got = scaled(got_moved)
    if got.isfinite().all():
        mistakes[UNKNOWN_FAULT] = got  # the last: whatever it is
    expect(got, scaled(moved), "the step of the weights", mistakes, rtol=1e-2, atol=1e-3)
    expect(got_losses, losses, "the returned loss", rtol=1e-3)
