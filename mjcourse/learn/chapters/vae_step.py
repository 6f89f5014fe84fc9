"""The debugging exercise of chapter 02: a training step of a VAE with three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch

from mjcourse.learn.compare import expect, faults_left, number_of
from mjcourse.learn.exercise import Answers
from mjcourse.models.vae import VAE, VAEConfig, gaussian_nll, kl_divergence

FAULTS = {
    "deviation": "the code is drawn with exp(logvar) as the deviation: that is the variance; see equation (11).",
    "unit": "reconstruction is divided by D and the KL is not: both terms need the same unit; see section 11b.",
    "clear": "gradients of the step before are still there when `backward` adds new ones.",
}

# How the units may be mended in another way than equation (14) has it: message → how nll and KL are divided then.
UNITS = {
    "both terms are in nats a picture now; equation (14) divides their sum by D, the number of values of a picture.":
        (lambda x, code: (1, 1),),
    "D is the number of values of *one* picture; x.numel() counts those of the whole batch.": (
        lambda x, code: (x.numel(), x.numel()), lambda x, code: (x[0].numel(), x.numel()),
    ),
    "the KL is divided by the length of the code; both terms need the same unit, nats divided by D.":
        (lambda x, code: (x[0].numel(), code[0].numel()),),
}  # fmt: skip


def vae_step(net: VAE, optimizer, x: torch.Tensor, noise: torch.Tensor, faults=(), units=None) -> float:
    """Take one training step of a VAE as equation (14) says, with any of `FAULTS` or of `UNITS`; return the loss."""
    mean, logvar = net.encode(x)
    deviation = logvar.exp() if "deviation" in faults else (0.5 * logvar).exp()
    recon = net.decode(mean + deviation * noise)
    sigma = (recon - x).square().mean().sqrt().detach()
    size = x[0].numel()
    of_nll, of_kl = units(x, mean) if units else (size, 1 if "unit" in faults else size)
    loss = gaussian_nll(x, recon, sigma).mean() / of_nll + kl_divergence(mean, logvar).mean() / of_kl
    if "clear" not in faults:
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def check_step(answers: Answers, g: torch.Generator) -> None:
    """`vae_step(net, optimizer, x, noise)` → the loss; the step is taken on `net`."""
    seed = int(torch.randint(2**31, (), generator=g))
    x = torch.rand(2, 4, 3, 16, 16, generator=g) * 2 - 1
    noise = torch.randn(2, 4, 8, generator=g)

    def taken(step):  # two steps: where the weights went, and both losses
        torch.manual_seed(seed)
        net = VAE(VAEConfig.tiny())
        with torch.no_grad():
            net.encoder[-1].bias[8:] += 0.8  # a fresh network's logvar is near 0, where exp and exp(½ ·) agree
        optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
        before = torch.cat([p.detach().flatten() for p in net.parameters()])
        losses = [step(net, optimizer, x[k], noise[k]) for k in range(2)]
        losses = torch.tensor([number_of(loss, "the returned loss") for loss in losses])
        moved = torch.cat([p.detach().flatten() for p in net.parameters()]) - before
        return moved.double(), losses

    moved, losses = taken(vae_step)
    scale = moved.norm()
    got_moved, got_losses = taken(answers["vae_step"])
    still = "the weights do not move: the gradients are cleared between `backward` and `step`, or one is missing."
    mistakes = {still: torch.zeros_like(moved)}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            mistakes.setdefault(found, []).append(lambda left=left: taken(partial(vae_step, faults=left))[0] / scale)
    for found, ways in UNITS.items():
        for units in ways:
            for left in ((), ("clear",)):
                wrong = partial(vae_step, faults=left, units=units)
                mistakes.setdefault(found, []).append(lambda wrong=wrong: taken(wrong)[0] / scale)
    expect(got_moved / scale, moved / scale, "the step of the weights", mistakes, rtol=1e-2, atol=1e-4)
    expect(got_losses, losses, "the returned loss", rtol=1e-3)
