"""The curves of chapter 07_conditioning."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from curves.pictures import small
from mjcourse import config
from mjcourse.data.store import SceneData, to_uint8
from mjcourse.metrics.alignment import paired_prompts, prompt_accuracy
from mjcourse.metrics.probe import load_probe, read_pictures
from mjcourse.models.conditional import CVAE, CVAEConfig
from mjcourse.models.vae import kl_divergence, vae_loss
from mjcourse.training.loop import LoopConfig, Trainer
from mjcourse.training.tellings import TOLD, tellings
from mjcourse.training.text import TextReader


def record_all(seed: int = 3, steps: int = 800, every: int = 100) -> dict[tuple[str, str], list[float]]:
    """Train four conditional VAEs of 32 px: all in the code, told other scenes' captions, as it is, on 64 scenes."""
    train, held_out, prompts = small("train", 2000), small("val", 150), paired_prompts("val", 150, seed)
    reader, probe = TextReader(torch.device("cpu")), load_probe()
    told = torch.from_numpy(np.array(tellings(SceneData("train", 2000), reader, seed))).float()
    asked = reader.encode([caption.text for caption in prompts.english]).float()

    def saves(net, x, text):
        z = torch.randn(len(x), net.cfg.latent, generator=config.generator(seed))
        right, wrong = ((net.decode(z, t) - x).square().mean() for t in (text, text.roll(1, 0)))
        return 1 - right / wrong

    def record(count: int, beta: float, texts: torch.Tensor) -> list[dict]:
        torch.manual_seed(seed)
        net = CVAE(CVAEConfig(size=32, words=128, registers=told.shape[2], text_width=told.shape[3]))

        def loss(net, step):
            g = config.generator(seed, step)
            picks, own = torch.randint(count, (64,), generator=g), torch.randint(TOLD, (64,), generator=g)
            noise = torch.randn(64, net.cfg.latent, generator=g)
            return vae_loss(train[picks], *net(train[picks], noise, texts[picks, own]), beta)

        def check(net, step):
            drawn = net.decode(torch.randn(len(asked), net.cfg.latent, generator=config.generator(seed, 1)), asked)
            read = read_pictures(probe, to_uint8(F.interpolate(drawn.clamp(-1, 1), size=64, mode="bilinear")))
            shifted = (np.roll(read, k, 0) for k in (0, len(read) // 2))
            right, floor = (prompt_accuracy(prompts.truth, r, prompts.named)["mean"] for r in shifted)
            own, kl = min(count, len(asked)), kl_divergence(*net.encode(held_out, asked)).mean()
            new = saves(net, held_out, asked)
            return {"kl": kl, "own": saves(net, train[:own], texts[:own, 0]), "new": new, "accuracy": right - floor}

        cfg = LoopConfig(
            steps=steps, lr=2e-3, warmup=40, weight_decay=1e-3, ema=0.99, log_every=every, check_every=every
        )
        return Trainer(net, loss, cfg, check=check, report=lambda row: None).fit().log

    other = told.roll(1, 0)
    runs = {"A": (2000, 1.0, told), "B": (2000, 100.0, other), "C": (2000, 100.0, told), "D": (64, 100.0, told)}
    found = {}
    for run, how in runs.items():
        rows = record(*how)
        found[run, "kl"] = [float(f"{row['kl']:.3g}") for row in rows]
        for key, digits in (("own", 2), ("new", 2), ("accuracy", 3)):
            found[run, key] = [round(row[key], digits) for row in rows]
    return found
