"""The debugging exercise of chapter 12: a step of reward-weighted flow matching with three faults, on a line."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.learn.compare import UNKNOWN_FAULT, close, expect, faults_left, number_of
from mjcourse.learn.exercise import Answers, Wrong

PLACES = torch.tensor([-1.2, 0.0, 1.2])  # of the three kinds of picture on the line: night, day, dusk
WIDTH = 0.3  # of the heap of a kind
OWN, REAL = (0.5, 0.35, 0.15), (0.3, 0.6, 0.1)  # how often the model draws each kind, and how often it is real
LIKED = torch.tensor([-1.0, 0.0, 1.0])  # the score of each kind
OFFSETS = torch.tensor([0.0, 2.5])  # what is added for each of the two prompts: all pictures of the second are liked
TEXTS = torch.eye(2)
TEMPERATURE = 0.8  # in spreads
STEPS = 2
FAULTS = {
    "within": "who shares in the softmax? Weights are normalised within each prompt; see (9) and the text below (10).",
    "real": "real scenes are in the batch, and how much does one of them count? Print the weights.",
    "square": "in (10) the weight stands before the square. Where is it here?",
}


class LineFlow(nn.Module):
    """A velocity on the line: z (B, 1), t (B, 1), text (B, 2) → (B, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, z: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([z, 4 * t - 2, text], 1))


def drawn_batch(own: int, real: int, g: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Return a batch for `tune_step`: `own` pictures for each prompt with their scores, and `real` ones.

    Returns:
        x (2 own, 1), text (2 own, 2), scores (2 own,), groups (2 own,), real x (real, 1), real text (real, 2), noise
        (2 own + real, 1), t (2 own + real, 1).
    """
    kinds = torch.multinomial(torch.tensor(OWN), 2 * own, replacement=True, generator=g)
    groups = torch.arange(2).repeat_interleave(own)
    kinds_real = torch.multinomial(torch.tensor(REAL), real, replacement=True, generator=g)
    places = PLACES[torch.cat([kinds, kinds_real])]
    x = (places + WIDTH * torch.randn(len(places), generator=g))[:, None]
    scores = LIKED[kinds] + OFFSETS[groups]
    real_text = TEXTS[torch.randint(2, (real,), generator=g)]
    noise, t = torch.randn(x.shape, generator=g), torch.sigmoid(torch.randn(x.shape, generator=g))
    return x[: 2 * own], TEXTS[groups], scores, groups, x[2 * own :], real_text, noise, t


@torch.no_grad()
def shares_drawn(net: nn.Module, prompt: int, count: int = 600, steps: int = 40) -> list[float]:
    """Return which share of the pictures that a flow draws for a prompt is nearest to each kind's place."""
    z, text = torch.randn(count, 1, generator=torch.Generator().manual_seed(5)), TEXTS[prompt].expand(count, 2)
    for i in range(steps):
        z = z + net(z, torch.full((count, 1), i / steps), text) / steps
    kind = (z - PLACES).abs().argmin(1)
    return [(kind == k).float().mean().item() for k in range(3)]


def shares_wanted(real_share: float) -> list[float]:
    """Return these shares as (8) wants them, mixed with real ones; they are the same for both prompts."""
    own, real = torch.tensor(OWN), torch.tensor(REAL)
    spread = ((own * LIKED.square()).sum() - (own * LIKED).sum().square()).sqrt()
    tilted = own * (LIKED / (TEMPERATURE * spread)).exp()
    return ((1 - real_share) * tilted / tilted.sum() + real_share * real).tolist()


def tune_step(
    net, optimizer, x, text, scores, groups, real, real_text, noise, t, temperature, faults: tuple[str, ...] = (),
    one_spread: bool = True, real_counts: float = 1.0, times: float | None = None,
) -> float:  # fmt: skip
    """Take one step on (10) mixed with real pictures, with any of `FAULTS`; return the loss.

    Args:
        faults: names of `FAULTS`, or "centred": one softmax for all, of scores without their prompt's mean.
        one_spread: the temperature is in mean spreads; else in each prompt's own.
        real_counts: the weight of a real picture.
        times: what the softmax within a prompt is multiplied by; by default the number of its pictures.
    """
    parts = [groups == group for group in groups.unique()]
    spreads = torch.stack([scores[those].std() for those in parts])
    if one_spread:
        spreads = spreads.mean().expand(len(parts))
    weights = torch.empty_like(scores)
    for those, spread in zip(parts, spreads, strict=True):
        weights[those] = (scores[those] / (temperature * spread)).softmax(0) * (those.sum() if times is None else times)
    if "within" in faults or "centred" in faults:
        means = torch.stack([scores[groups == group].mean() for group in groups])
        kept = scores - means if "centred" in faults else scores
        weights = (kept / (temperature * spreads[0])).softmax(0) * len(scores)
    weights = F.pad(weights, (0, len(real)), value=0.0 if "real" in faults else real_counts)[:, None]
    x, text = torch.cat([x, real]), torch.cat([text, real_text])
    error = net((1 - t) * noise + t * x, t, text) - (x - noise)
    loss = (weights * error).square().mean() if "square" in faults else (weights * error.square()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def check_tune_step(answers: Answers, g: torch.Generator) -> None:
    """`tune_step(net, optimizer, x, text, scores, groups, real, real_text, noise, t, temperature)` → the loss."""
    step, seed = answers["tune_step"], int(torch.randint(2**31, (), generator=g))
    temperature = 0.7 + 0.4 * torch.rand((), generator=g).item()
    batches = [list(drawn_batch(9, 7, g)) for _ in range(STEPS)]
    for batch in batches:  # any number of prompts, in any order, with any scores
        order, batch[3] = torch.randperm(18, generator=g), torch.tensor([0] * 7 + [2] * 6 + [1] * 5)
        batch[2] = (1 + batch[3]) * (0.8 + 0.3 * torch.randn(18, generator=g))
        batch[:4] = [part[order] for part in batch[:4]]
    taken = partial(some_steps, batches=batches, temperature=temperature, seed=seed)
    try:
        compare_steps(taken, step, len(batches[0][0]), len(batches[0][4]))
    except Wrong:
        of_two = [batch.copy() for batch in batches]
        for batch in of_two:
            batch[3] = batch[3].clamp(max=1)
        two = partial(some_steps, batches=of_two, temperature=temperature, seed=seed)
        try:
            right = all(map(close, two(step), two(tune_step)))
        except Wrong:
            right = False
        if not right:
            raise
        known = "with two prompts it is right, with three it is not: it has to work for any number of prompts"
        raise Wrong(f"{known}; `groups.unique()` says which there are.") from None


def some_steps(step, batches: list, temperature: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Take a step on each batch and return by how much the weights of the network moved, and the losses."""
    torch.manual_seed(seed)
    net = LineFlow()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = torch.cat([p.detach().flatten() for p in net.parameters()])
    losses = [number_of(step(net, optimizer, *batch, temperature), "the returned loss") for batch in batches]
    return torch.cat([p.detach().flatten() for p in net.parameters()]) - before, torch.tensor(losses)


def compare_steps(taken, step, own: int, real: int) -> None:
    """Compare what `taken` says of a step function with the reference; `own` and `real` are numbers of pictures.

    Raises:
        Wrong: it differs, and the message says which mistake it is.
    """
    moved, losses = taken(tune_step)
    size = moved.norm()
    got_moved, got_losses = taken(step)
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            mistakes.setdefault(found, []).append(lambda left=left: taken(partial(tune_step, faults=left))[0] / size)
    own_spread = "the temperature was right as it was: in *mean* spreads, the same for every prompt."
    mistakes[own_spread] = lambda: taken(partial(tune_step, one_spread=False))[0] / size
    many = "a real picture counts as much as one of the model's own does on average, 1; how many there are is given."
    mistakes[many] = [
        lambda c=c: taken(partial(tune_step, real_counts=c))[0] / size
        for c in (0.3, 0.5, 1 / real, 1 / own, own / real)
    ]
    rest = (), ("real",), ("square",), ("real", "square")  # faults that may be left besides
    centred = "each prompt's mean is taken off, but all pictures still share one softmax; see (9) and below (10)."
    mistakes[centred] = [
        lambda left=left: taken(partial(tune_step, faults=("centred", *left)))[0] / size for left in rest
    ]
    of_each = "the weights of a prompt have to be 1 in the mean: its softmax times the number of *its* pictures."
    mistakes[of_each] = [
        lambda n=n, left=left: taken(partial(tune_step, times=n, faults=left))[0] / size
        for n in (own, 1, own / 3, own + real)
        for left in rest
    ]
    mistakes["the weights of the network do not move: is the step taken?"] = torch.zeros_like(moved)
    if got_moved.isfinite().all():
        mistakes[UNKNOWN_FAULT] = got_moved / size  # the last: whatever it is
    expect(got_moved / size, moved / size, "the step of the network's weights", mistakes, rtol=1e-2, atol=1e-3)
    expect(got_losses, losses, "the returned loss", rtol=1e-3)
