"""The curves of chapter 02_vae."""

from __future__ import annotations

import torch

from curves.pictures import small
from mjcourse import config
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.vae import VAE, VAEConfig, gaussian_nll, kl_divergence, vae_loss
from mjcourse.training.loop import LoopConfig, Trainer


def record_all(seed: int = 3) -> dict[tuple[str, str], list[float]]:
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
