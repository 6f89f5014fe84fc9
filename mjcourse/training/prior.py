"""Recipe of stage ``prior``: GPT-2 over the tokens of 100,000 scenes. Chapter 09."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.data.store import COUNTS, SceneData
from mjcourse.files import write_atomically
from mjcourse.models.prior import Prior, PriorConfig, gumbel, prior_loss, write_tokens
from mjcourse.training.autoencoder import encoded, load_autoencoder
from mjcourse.training.loop import LoopConfig, autocast
from mjcourse.training.recipe import train_stage
from mjcourse.training.standing import counts, standing
from mjcourse.training.tellings import TOLD, crowded, tellings
from mjcourse.training.text import TextReader, draw_captions
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_trained

STEPS, BATCH = 4500, 64
HELPED = 0.57  # share of the steps in which the loss counts more where things stand
DROPPED = 0.1  # share of captions left out, so that the model also learns pictures without words


def load_prior(device: torch.device, path: Path | None = None) -> Prior:
    """Return a trained prior: the newest, or that of a file."""
    return load_trained(Prior, PriorConfig, path or find_weights("prior")).to(device)


@torch.no_grad()
def mean_loss(net: Prior, tokens: torch.Tensor, text: torch.Tensor) -> float:
    """Return the mean loss of a token in nats, of tokens (N, T) on the CPU told by text (N, R, C)."""
    parts = zip(tokens.split(64), text.split(64), strict=True)
    return float(torch.cat([prior_loss(net, t.to(text.device), x) for t, x in parts]).mean())


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the prior; sample grids are kept every 5 % of the way; the card states its loss on held-out scenes."""
    device = config.device()
    train, held_out = SceneData("train", COUNTS["train"]), SceneData("val", COUNTS["val"])
    autoencoder, reader = load_autoencoder("autoencoder-vq", device), TextReader(device)
    codes = np.array(encoded(train, "autoencoder-vq", device)).reshape(len(train), -1)
    val = torch.from_numpy(np.array(encoded(held_out, "autoencoder-vq", device)[:512]).astype(np.int64)).flatten(1)
    told, weights, things = tellings(train, reader, seed), crowded(train), np.array(standing(train))
    total = steps or STEPS
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=3e-3, warmup=200, weight_decay=0.05, ema=0.999, compile=True, muon=True,
        seed=seed, check_every=max(1, total // 20), save_every=max(1, total // 40), log_every=50,
    )  # fmt: skip
    torch.manual_seed(seed)
    side = autoencoder.cfg
    size = PriorConfig(codes=side.codes, registers=reader.net.cfg.registers, text_width=reader.net.cfg.width)
    model = Prior(size).to(device)
    if device.type == "cpu":
        model.body.set_attn_implementation("eager")  # 30 ms a picture and step, with the fused kernel 37
    captions = draw_captions(held_out, list(range(512)), (seed, 0, 3))
    val_text = reader.encode([c.text for c in captions])

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.multinomial(weights, cfg.batch_size, replacement=True, generator=g).numpy()
        tokens = torch.from_numpy(codes[picks].astype(np.int64)).to(device)
        dropped = torch.rand(len(picks), generator=g) < DROPPED
        text = torch.from_numpy(told[picks, torch.randint(TOLD, (len(picks),), generator=g).numpy()]).float()
        text = torch.where(dropped.to(device)[:, None, None], net.null_text, text.to(device))
        each = prior_loss(net, tokens, text)
        if step < HELPED * total:
            each = each * counts(things[picks]).flatten(1).to(device)
        return each.mean(), {}

    def check(net, step):
        found = {}
        for told_what, text in (("val_loss", val_text), ("val_loss_shuffled", val_text.roll(1, 0))):
            with autocast(device, True):
                parts = [
                    prior_loss(net, t.to(device), x).mean() for t, x in zip(val.split(64), text.split(64), strict=True)
                ]
            found[told_what] = torch.stack(parts).mean()
        with autocast(device, True):
            noise = gumbel((16, size.tokens, size.codes), config.generator(seed, 1)).to(device)
            tokens = write_tokens(net, noise, val_text[:16].float())
            pictures = autoencoder.decode(tokens.view(-1, 16, 16))
        grid(pictures.float().clamp(-1, 1), cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        return found

    write_atomically(folder / "samples.txt", "\n".join(c.text for c in captions[:16]).encode())
    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check)
