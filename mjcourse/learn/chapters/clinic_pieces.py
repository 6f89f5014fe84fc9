"""An exercise of chapter 04: the gradient of a large batch, taken in pieces that fit into memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.learn.compare import expect, number_of
from mjcourse.learn.exercise import Answers, Wrong


class Watched(nn.Module):
    """A small network that notes how many pictures it got at once, and how many graphs wait for `backward`."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))
        self.largest = self.waiting = self.most_waiting = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B,) of points (B, 4)."""
        logits = self.net(x)
        self.largest = max(self.largest, len(x))
        if logits.requires_grad:
            self.waiting += 1
            self.most_waiting = max(self.waiting, self.most_waiting)
            logits.register_hook(self.freed)
        return logits

    def freed(self, gradient: torch.Tensor) -> None:
        """Note that a `backward` has come through."""
        self.waiting -= 1


def check_pieces(answers: Answers, g: torch.Generator) -> None:
    """`in_pieces(net, x, y, size)` → the mean loss; the gradients are left in the parameters' `.grad`."""
    in_pieces = answers["in_pieces"]
    seed = int(torch.randint(2**31, (), generator=g))
    count, size = 11, 4  # pieces of 4, 4 and 3
    x, old = torch.randn(count, 4, generator=g), torch.randn(6, 4, generator=g)
    y = (torch.arange(count) % 3 == 0).float()[torch.randperm(count, generator=g)]

    def gradient(net):
        if any(p.grad is None for p in net.parameters()):
            raise Wrong("no gradient is left in the parameters' `.grad`; call `backward` on each piece's loss.")
        return torch.cat([p.grad.flatten() for p in net.parameters()])

    def of(weights, start=0.0):  # the gradient where piece k's mean loss has a weight, and what was there before
        net, total = Watched(seed), 0.0
        for weight, a, b in zip(weights, x.split(size), y.split(size), strict=True):
            total = total + weight * F.binary_cross_entropy_with_logits(net(a), b)
        slopes = torch.autograd.grad(total, list(net.parameters()))
        return torch.cat([slope.flatten() for slope in slopes]) + start, total.detach()

    net = Watched(seed)
    net(old).sum().backward()
    before = gradient(net).clone()
    net.largest = net.waiting = net.most_waiting = 0
    weights = [p.detach().clone() for p in net.parameters()]
    loss = number_of(in_pieces(net, x, y, size), "the returned loss")
    if not all(map(torch.equal, weights, net.parameters())):
        raise Wrong("the weights have moved; only gradients are wanted, the step is the caller's.")
    if net.largest > size:
        raise Wrong(f"the network got {net.largest} pictures at once; at most {size} fit into memory.")
    right = [4 / 11, 4 / 11, 3 / 11]
    want, mean = of(right)
    mistakes = {
        "old gradients are still in it: clear them once, before the first piece.": lambda: of(right, before)[0],
        "only the last piece is left: clear the gradients before the first piece, not before each.":
            [lambda w=w: of([0, 0, w])[0] for w in (3 / 11, 1, 1 / 3, 3)],
        "the pieces' means are added up, and that is no mean: weigh them as equation (13) does.":
            lambda: of([1, 1, 1])[0],
        "every piece counts the same, though the last is smaller; see equation (13).": lambda: of([1 / 3] * 3)[0],
        "it is the gradient of the sum over the pictures; divide by their number.": lambda: of([4, 4, 3])[0],
        "each piece is divided by `size` or by the number of full pieces, which is not the number of pictures.":
            [lambda w=w: of(w)[0] for w in ([1, 1, 3 / 4], [1 / 4] * 3, [1 / 2] * 3)],
        "the last, smaller piece is left out.":
            [lambda w=w: of([w, w, 0])[0] for w in (4 / 11, 1 / 2, 1, 1 / 3)],
    }  # fmt: skip
    expect(gradient(net), want, "the gradient", mistakes)
    if net.most_waiting > 1:
        raise Wrong("the gradient is right, but all pieces wait in memory for one `backward`; call it piece by piece.")
    means = torch.stack([of([k == j for j in range(3)])[1] for k in range(3)])
    told = {
        "the returned loss is that of the last piece alone.": means[-1],
        "the returned loss is the plain mean over the pieces; see equation (13).": means.mean(),
        "the returned loss is a sum; wanted is the mean over the pictures.": [means.sum(), 11 * mean],
    }
    expect(loss, mean, "the returned loss", told)
