"""Exercise 1 of chapter 10: the loss of a network that says the picture and is trained by its velocity."""

from __future__ import annotations

import torch
from torch import nn

from mjcourse.learn.compare import expect
from mjcourse.learn.exercise import Answers, Wrong


class SaysPicture(nn.Module):
    """A small network, z (B, C, H, W) and t (B,) → x̂ (B, C, H, W), that counts its calls and notes t's shape."""

    def __init__(self, channels: int, g: torch.Generator) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(channels, channels, generator=g))
        self.calls, self.shape = 0, ()

    def forward(self, z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.calls, self.shape = self.calls + 1, tuple(t.shape)
        return torch.tanh(torch.einsum("bchw,cd->bdhw", z, self.mix) + t.view(-1, 1, 1, 1))


def check_fourth_recipe(answers: Answers, g: torch.Generator) -> None:
    """`velocity_loss(net, x, noise, t, least)`, (B, C, H, W), the same, (B,), a number → one number."""
    velocity_loss = answers["velocity_loss"]
    x, noise = 1.3 * torch.randn(6, 3, 4, 2, generator=g), torch.randn(6, 3, 4, 2, generator=g)
    net, least = SaysPicture(3, g), 0.08 + 0.1 * torch.rand((), generator=g).item()
    t = torch.cat([0.1 + 0.6 * torch.rand(4, generator=g), torch.tensor([1 - 0.4 * least, 1.0])])
    t = t[torch.randperm(6, generator=g)]
    at = t.view(-1, 1, 1, 1)
    left = (1 - at).clamp(min=least)

    def loss(z=(1 - at) * noise + at * x, target=x, scale=left, told=t):
        return ((net(z, told) - target) / scale).square()

    want = loss().mean()
    z, short = (1 - at) * noise + at * x, left * noise + (1 - left) * x  # all of the way, and what `least` leaves of it
    lost = [torch.tensor(value) for value in (torch.nan, torch.inf)]
    mistakes = {
        "at t = 1 the loss is nan or inf: 1 − t must not fall below `least` where you divide by it.": lost,
        "that is the loss of x, section 2's second recipe; wanted is that of the velocity, by (9).": loss(scale=1).mean,
        "the error is divided by 1 − t once; *squared* errors are divided by its square, see (9).":
            loss(scale=left.sqrt()).mean,
        "noise and picture have changed places in z; see (1).":
            (loss(z=at * noise + (1 - at) * x).mean, loss(z=at * noise + (1 - at) * x, scale=at.clamp(min=least)).mean),
        "the network says x, not v: by (8) its velocity is (x̂ − z) / (1 − t).": loss(target=x - noise, scale=1).mean,
        "a network that says the right x has to pay nothing, also where 1 − t < `least`: the velocity that it is "
        "compared with needs `least`, too.": ((net(z, t) - z) / left - (x - noise)).square().mean(),
        "it is divided by t; the error of the *picture* is divided by 1 − t, that of the noise by t.":
            loss(scale=at.clamp(min=least)).mean,
        "`least` is the smallest that 1 − t may become, max(1 − t, least); it is not added.":
            loss(scale=1 - at + least).mean,
        "`least` limits 1 − t, not its square.": loss(scale=(1 - at).square().clamp(min=least).sqrt()).mean,
        "z is made by (1) as it stands; `least` is only for what one divides by.":
            (loss(z=left * noise + at * x).mean, loss(z=short).mean, loss(z=short, told=t.clamp(max=1 - least)).mean),
        "the mean over all numbers is wanted, as in `flow_loss`; this is a sum.": (
            lambda: loss().sum(), lambda: loss().sum() / 6
        ),
        "pictures near t = 1 do not count at all; they count, with `least`.": (
            lambda: loss()[t <= 1 - least].mean(), lambda: loss()[t < 1].mean(),
            lambda: loss()[t <= 1 - least].sum() / x.numel(), lambda: loss()[t < 1].sum() / x.numel(),
        ),
    }  # fmt: skip
    net.calls = 0
    made = velocity_loss(net, x, noise, t, least)
    if net.calls != 1:
        raise Wrong(f"the network has to be asked once; it was asked {net.calls} times.")
    if net.shape != (6,):
        raise Wrong(f"the network is called with t of shape (B,), here (6,); yours is called with {net.shape}.")
    expect(made, want, "the loss", mistakes, rtol=2e-5)
    pays = "the loss of a network that says the right x"
    expect(velocity_loss(lambda z, t: x, x, noise, t, least), torch.zeros(()), pays)
    passes = type(made) is torch.Tensor and made.requires_grad
    slope = torch.autograd.grad(made, net.mix, allow_unused=True)[0] if passes else None
    if slope is None:
        raise Wrong("no gradient reaches the network: no .item(), .detach() or no_grad on the way.")
    expect(slope, torch.autograd.grad(want, net.mix)[0], "the gradient by the network's weights", rtol=1e-3)
