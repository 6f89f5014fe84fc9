"""Recipe of stage ``autoencoder-kl``: the KL autoencoder on scenes at 64 px. Chapter 08."""

from __future__ import annotations

from pathlib import Path

import torch

from mjcourse import config
from mjcourse.data.store import COUNTS, SceneData, to_tensor
from mjcourse.models.autoencoder import Autoencoder, AutoencoderConfig, autoencoder_loss
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid

STEPS, BATCH = 4500, 48


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the autoencoder; its card states PSNR on held-out scenes."""
    device = config.device()
    train, held_out = SceneData("train", COUNTS["train"]), SceneData("val", 1000)
    cfg = LoopConfig(
        steps=steps or STEPS, batch_size=BATCH, lr=2e-3, warmup=150, weight_decay=1e-3, ema=0.998, seed=seed
    )
    torch.manual_seed(seed)
    model = Autoencoder(AutoencoderConfig()).to(device, memory_format=torch.channels_last)
    val = to_tensor(held_out.images(range(256))).to(device, memory_format=torch.channels_last)

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(train), (cfg.batch_size,), generator=g).tolist()
        x = to_tensor(train.images(picks)).to(device, memory_format=torch.channels_last)
        noise = torch.randn(len(picks), net.cfg.latent_channels, x.shape[2] // 4, x.shape[3] // 4, generator=g)
        return autoencoder_loss(x, *net(x, noise.to(device)), net.cfg.kl_weight)

    def check(net, step):
        recon = net.decode(net.encode(val[:8]))
        grid(torch.cat([val[:8], recon.clamp(-1, 1)]), cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        return {"val_psnr": psnr(net, val)}

    def finish(net):
        net.fit_scale(to_tensor(train.images(range(1000))).to(device))
        x = to_tensor(held_out.images(range(1000))).to(device)
        return {"val_psnr": psnr(net, x)}

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


@torch.no_grad()
def psnr(model: Autoencoder, x: torch.Tensor) -> float:
    """Return the mean over pictures (N, 3, H, W) of the reconstruction's PSNR in dB."""
    values = []
    for part in x.split(128):
        recon = model.decode(model.encode(part)).clamp(-1, 1)
        values.append(10 * torch.log10(4 / ((recon - part) ** 2).mean((1, 2, 3))))
    return float(torch.cat(values).mean())
