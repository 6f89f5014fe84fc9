"""The debugging exercise of chapter 04: an epoch of training and testing, with three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.learn.compare import close, expect, faults_left, number_of, pair_of, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

FAULTS = {
    "sigmoid": "the loss gets probabilities and takes them for logits; see section 2.1.",
    "mode": "the test moves batch norm's running averages, or does not use them; see section 3.4.",
    "average": "a batch with fewer pictures counts as much as a full one; see equation (13).",
}
SIZE, TRAIN, TEST = 4, 10, 7  # pictures in a batch, to train on and to test on: the last batches are smaller
FAR = 200.0  # a logit at which a sigmoid in float32 is 0 or 1


def epoch(net, optimizer, train, test, size: int, faults: tuple[str, ...] = ()) -> tuple[float, float]:
    """Train on one pair (x, y) and test on another, with any faults; return both losses, averaged over the pictures.

    Args:
        net: (B, …) → logits (B,).
        train, test: pictures (N, …) and labels (N,), 1 or 0.
        size: pictures in a batch.
        faults: of `FAULTS`, or of `mjcourse.learn.chapters.clinic_programs.FAULTS`.
    """

    def batches(pair):
        pairs = list(zip(*(one.split(size) for one in pair), strict=True))
        return pairs[:-1] if "last" in faults and len(pairs) > 1 else pairs

    def loss_of(x, y):
        logits = net(x)
        return F.binary_cross_entropy_with_logits(torch.sigmoid(logits) if "sigmoid" in faults else logits, y)

    def step(x, y):
        loss = loss_of(x, y)
        if "clear" not in faults:
            optimizer.zero_grad()
        loss.backward()
        if "still" not in faults:
            optimizer.step()
        return loss.item()

    def average(losses, pairs):
        weights = [1.0 if "average" in faults else float(len(y)) for _, y in pairs]
        return sum(loss * w for loss, w in zip(losses, weights, strict=True)) / sum(weights)

    if not {"mode", "asleep"} & set(faults):
        net.train()
    own, other = batches(train), batches(test)
    trained = average([step(x, y) for x, y in own], own)
    if "twice" in faults:
        trained = average([step(x, y) for x, y in own], own)
    if "mode" not in faults:
        net.eval()
    if "test-steps" in faults:
        return trained, average([step(x, y) for x, y in other], other)
    with torch.no_grad():
        return trained, average([loss_of(x, y).item() for x, y in other], other)


def small_net(width: int = 5) -> nn.Module:
    """Return a network with batch norm, points (B, width) → logits (B,)."""
    return nn.Sequential(nn.Linear(width, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))


def check_epoch(answers: Answers, g: torch.Generator) -> None:
    """`epoch(net, optimizer, train, test, size)` → both losses; the steps are taken on `net`."""
    seed = int(torch.randint(2**31, (), generator=g))
    x = 1 + 2 * torch.randn(TRAIN + TEST, 5, generator=g)
    y = (torch.randperm(TRAIN + TEST, generator=g) % 2).float()
    train, test = (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])

    def taken(one):  # two epochs: all losses, and where weights and buffers went
        torch.manual_seed(seed)
        net = small_net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
        before = torch.cat([t.detach().clone().flatten().float() for t in net.state_dict().values()])
        losses = []
        for _ in range(2):
            pair = pair_of(one(net, optimizer, train, test, SIZE), "what it returns")
            losses += [number_of(loss, "a returned loss") for loss in pair]
        after = torch.cat([t.detach().flatten().float() for t in net.state_dict().values()])
        return torch.tensor(losses), after - before

    def row(one):
        return torch.cat(taken(one))

    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            mistakes.setdefault(found, []).append(partial(row, partial(epoch, faults=left)))
    slips = {
        "asleep": "the second epoch trains in eval mode: the test has put it there, and nobody takes it back.",
        "test-steps": "the test trains: nothing of it may call `backward` or `step`.",
        "still": "the weights do not move: is `optimizer.step()` missing, or are the gradients cleared before it?",
        "clear": "gradients of the batch before are still there when `backward` adds new ones.",
    }
    for fault, message in slips.items():
        mistakes[message] = partial(row, partial(epoch, faults=(fault,)))
    losses, moved = taken(epoch)
    got_losses, got_moved = taken(answers["epoch"])
    if close(got_moved, taken(partial(epoch, faults=("last",)))[1], rtol=1e-3):
        raise Wrong("the last, smaller batch is left out.")
    swapped = "the two losses have changed places: training first."
    mistakes[swapped] = torch.cat([losses.view(2, 2).flip(1).flatten(), moved])
    expect(torch.cat([got_losses, got_moved]), torch.cat([losses, moved]), "a loss or weight", mistakes, rtol=1e-3)
    check_far_out(answers)


def check_far_out(answers: Answers) -> None:
    """Let a judge be sure and wrong: its loss is as large as its logits, and training moves it."""
    net = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    with torch.no_grad():
        net[0].weight.fill_(1.0), net[0].bias.zero_()
    pair = torch.tensor([[FAR], [-FAR], [-FAR], [FAR]]), torch.tensor([0.0, 1.0, 1.0, 0.0])
    step = torch.optim.SGD(net.parameters(), lr=0.2 / FAR)  # one step leaves 0.8 of the weight
    made = pair_of(answers["epoch"](net, step, pair, pair, len(pair[0])), "what it returns")
    losses = torch.cat([tensor_of(loss, "a returned loss").flatten() for loss in made])
    if not close(losses, torch.tensor([FAR, 0.8 * FAR]), rtol=1e-3):
        raise Wrong(
            f"the fault is silenced, not repaired: for a judge that is sure and wrong, with logits of ±{FAR:.0f}, the "
            f"loss is {FAR:.0f}, and a step lowers it to {0.8 * FAR:.0f}; yours are {losses[0]:.4g} and "
            f"{losses[1]:.4g}. A sigmoid before the logarithm has no slope there (2.1): take "
            "`binary_cross_entropy_with_logits`."
        )
