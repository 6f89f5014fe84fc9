"""Record the curves that exercise 5 of chapters 02 and 03 shows: ``python scripts/record_curves.py 02_vae 03_gan``.

Prints the entries of the notebooks' ``RECORDED``, to two or three digits. Ten seconds each; another machine's rounding
leads the games of chapter 03 elsewhere after some rounds, so copy all runs of a chapter or none.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data.store import SceneData, to_tensor
from mjcourse.learn import reference
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.vae import VAE, VAEConfig, gaussian_nll, kl_divergence, vae_loss
from mjcourse.training.loop import LoopConfig, Trainer

ROUNDS, EVERY = 600, 50  # of the games; rounds that one number stands for
# Run → the kind of game, and which of its three random starts.
GAMES = {"A": ("no-detach", 1), "B": ("relativistic", 2), "C": ("saturated", 0), "D": ("collapse", 1)}
CELLS = (
    "FAULT = None",
    "import copy",
    "def discriminator_loss",
    "class Crowd",
    "def gradient_penalty",
    "def ring",
    "def play",
)


def small(split: str, count: int) -> torch.Tensor:
    """Return the first scenes of a split at 32 px, (count, 3, 32, 32)."""
    data = SceneData(split, count)
    parts = (data.images(range(i, min(i + 500, count))) for i in range(0, count, 500))
    return torch.cat([F.avg_pool2d(to_tensor(part), 2) for part in parts])


def chapter_02(seed: int = 3) -> dict[tuple[str, str], list[float]]:
    """Train the four VAEs: on sixteen pictures, with β = 64, as in section 6, and with a σ that lets it collapse."""
    train, held_out = small("train", 2000), small("val", 200)
    mean = train.mean(0, keepdim=True).expand_as(held_out)
    print(f"MEAN_PICTURE = {float(psnr(held_out, mean).mean()):.1f}")

    def collapse(x, recon, mean, logvar, beta):
        nll = gaussian_nll(x, recon, torch.tensor(25.5)).mean()
        return (nll + beta * kl_divergence(mean, logvar).mean()) / x[0].numel(), {}

    def record(loss_of, beta: float, data: torch.Tensor) -> list[dict]:
        torch.manual_seed(seed)
        net = VAE(VAEConfig(size=32, latent=32, width=16))

        def loss(net, step):
            g = config.generator(seed, step)
            x = data[torch.randint(len(data), (32,), generator=g)]
            return loss_of(x, *net(x, torch.randn(32, 32, generator=g)), beta)

        def check(net, step):
            mean, logvar = net.encode(held_out)
            own = data[:200]
            return {
                "train": psnr(own, net.decode(net.encode(own)[0])).mean(),
                "val": psnr(held_out, net.decode(mean)).mean(),
                "kl": kl_divergence(mean, logvar).mean(),
                "active": (mean.var(0) > 0.01).sum(),
            }

        cfg = LoopConfig(steps=240, lr=2e-3, warmup=40, weight_decay=1e-3, ema=0.99, log_every=20, check_every=20)
        rows = Trainer(net, loss, cfg, check=check, report=lambda row: None).fit().log
        return [row for row in rows if row["step"] == 20 or row["step"] % 40 == 0]

    found = {}
    runs = {"A": (vae_loss, 1.0, train[:16]), "B": (vae_loss, 64.0, train), "C": (vae_loss, 1.0, train),
            "D": (collapse, 1.0, train)}  # fmt: skip
    for run, (loss_of, beta, data) in runs.items():
        rows = record(loss_of, beta, data)
        for key in ("train", "val"):
            found[run, key] = [round(row[key], 1) for row in rows]
        found[run, "kl"] = [float(f"{row['kl']:.3g}") for row in rows]
        found[run, "active"] = [int(row["active"]) for row in rows]
    return found


def chapter_03() -> dict[tuple[str, str], list[float]]:
    """Play the four games with the chapter's own cells; a number is the mean of `EVERY` rounds, of norms the median."""
    names: dict = {}
    for cell in reference.cells(config.ROOT / "notebooks" / "03_gan.ipynb"):
        if cell.kind == "code" and any(mark in cell.source for mark in CELLS):
            exec(cell.source, names)
    descent = partial(torch.optim.SGD, lr=0.1)
    how = {
        "no-detach": {"settings": [("non-saturating", 0.3)], "detach": False},
        "relativistic": {"settings": [("relativistic", 0.3)]},
        "saturated": {"settings": [("minimax", 0.0)], "head_start": 250, "for_g": descent},
        "collapse": {"settings": [("non-saturating", 0.0)], "g_steps": 10, "d_steps": 1},
    }
    found = {}
    for run, (kind, start) in GAMES.items():
        modes = []

        def watch(step, generator, _, modes=modes, start=start):
            if step % EVERY == 0:
                noise = torch.randn(3, 1000, 2, generator=config.generator(4))
                with torch.no_grad():
                    modes.append(int(names["scores"](generator(noise))[0][start]))

        played = names["play"](rounds=ROUNDS, watch=watch, **how[kind])
        for key in ("real", "fake", "norm"):
            parts = getattr(played, key)[:, start].view(-1, EVERY)
            each = parts.median(1).values if key == "norm" else parts.mean(1)
            found[run, key] = [float(f"{value:.2g}") for value in each.tolist()]
        found[run, "modes"] = modes
    return found


def main() -> None:
    """Record the chapters that are named."""
    for chapter in sys.argv[1:] or ("02_vae", "03_gan"):
        print(chapter)
        for key, values in {"02_vae": chapter_02, "03_gan": chapter_03}[chapter]().items():
            print(f"    {key}: {values},")


if __name__ == "__main__":
    main()
