"""The curves of chapter 08_autoencoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from curves.pictures import small
from mjcourse import config
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.vq import Codebook, VQAutoencoder, VQConfig, perplexity
from mjcourse.training.loop import LoopConfig
from mjcourse.training.painter import Painter, PainterTrainer, Terms


class Cut(Codebook):
    """The fault "cut" of chapter 08's exercise: the decoder gets the code, and no gradient passes to the latent."""

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        _, tokens, loss = super().forward(z)
        return self.lookup(tokens), tokens, loss


def record_all(seed: int = 3, steps: int = 240, every: int = 40) -> dict[tuple[str, str], list[float]]:
    """Train three VQ autoencoders of 32 px: cut, as it is, and with dead codes left alone."""
    train, held_out = small("train", 2000), small("val", 150)
    cfg = VQConfig(width=48, fine_width=24, blocks=2, codes=512, dead=0.2)

    def steepness(x):
        return (x[..., 1:] - x[..., :-1]).abs().mean()

    def check(model, step):
        vq = model.autoencoder
        z, tokens = F.normalize(vq.encoder(held_out), dim=1), vq.encode(held_out)
        made = vq.decode(tokens).clamp(-1, 1)
        return {
            "PSNR": psnr(held_out, made).mean(),
            "held": perplexity(tokens, cfg.codes),
            "sharp": steepness(made) / steepness(held_out),
            "cos": (z * vq.codebook.lookup(tokens)).sum(1).mean(),
        }

    def record(reviving: bool, book: type[Codebook]) -> list[dict]:
        torch.manual_seed(seed)
        net = VQAutoencoder(cfg)
        net.codebook = book(cfg)

        def draw(model, step):
            x = train[torch.randint(len(train), (32,), generator=config.generator(seed, step))]
            if reviving and step % 10 == 0:
                with torch.no_grad():
                    model.autoencoder.codebook.revive(model.autoencoder.encoder(x), config.generator(seed, step, 2))
            return (x,)

        loop = LoopConfig(
            steps=steps, batch_size=32, lr=3e-3, warmup=steps // 10, weight_decay=1e-3, ema=0.98, log_every=every,
            check_every=every,
        )  # fmt: skip
        run = PainterTrainer(Painter(net), draw, loop, check=check, report=lambda row: None)
        run.terms = Terms(perceptual=0.0)
        return run.fit().log

    runs = {"A": (True, Cut), "B": (True, Codebook), "C": (False, Codebook)}
    found = {}
    for run, how in runs.items():
        rows = record(*how)
        for key, of, digits in (("psnr", "PSNR", 1), ("sharp", "sharp", 2), ("cos", "cos", 3)):
            found[run, key] = [round(row[of], digits) for row in rows]
        found[run, "perplexity"] = [float(f"{row['held']:.3g}") for row in rows]
    return found
