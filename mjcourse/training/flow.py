"""Recipe of stage ``flow``: the latent flow transformer on 100,000 scenes. Chapter 10."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import hardware
from mjcourse.data.scenes import ASPECTS, DATA_VERSION
from mjcourse.data.store import COUNTS, SceneData
from mjcourse.files import sha256, write_atomically
from mjcourse.models.flow import FlowConfig, FlowTransformer, flow_loss, sample
from mjcourse.training.autoencoder import encoded, load_autoencoder
from mjcourse.training.loop import LoopConfig, Trainer, autocast, learning_rate
from mjcourse.training.recipe import train_stage
from mjcourse.training.standing import counts, standing
from mjcourse.training.tellings import TOLD, crowded, tellings
from mjcourse.training.text import TextReader, draw_captions
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_trained, save_weights

STEPS, BATCH = 27_000, 128
FINISH, FINISH_RATE = 1 / 9, 6e-4  # the last share of the steps, in which all places count alike; its learning rate
WIDE, EVERY = 10_000, 5  # scenes drawn in each of the other aspects, and one step in how many that shows one of them
EARLY = {"flow-early-05": 0.05, "flow-early-25": 0.25}  # weights kept on the way, after which share of the steps before
DROPPED = 0.1  # share of captions left out, so that the model also learns pictures without words


def load_flow(device: torch.device, path: Path | None = None) -> FlowTransformer:
    """Return a trained flow transformer: the newest, or that of a file, as `EARLY` names them."""
    return load_trained(FlowTransformer, FlowConfig, path or find_weights("flow")).to(device)


class Finishing(Trainer):
    """A loop that warms up anew, to `FINISH_RATE`, for its steps from number `main` on."""

    def __init__(self, *args, main: int) -> None:
        super().__init__(*args)
        self.main = main

    def rate(self) -> float:
        """Return the learning rate of the step to come."""
        if self.step < self.main:
            return learning_rate(self.step, replace(self.cfg, steps=self.main))
        left = self.cfg.steps - self.main
        return learning_rate(self.step - self.main, replace(self.cfg, steps=left, lr=FINISH_RATE, warmup=left // 30))


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the flow transformer; snapshots and sample grids are kept at every 5 % of the way.

    One step in `EVERY` shows scenes in another aspect than 1:1, each of the four in turn.
    """
    device = config.device()
    train, held_out = SceneData("train", COUNTS["train"]), SceneData("val", COUNTS["val"])
    autoencoder, reader = load_autoencoder("autoencoder-kl", device), TextReader(device)
    scenes = {"1:1": train} | {
        aspect: SceneData("train", min(WIDE, len(train)), aspect=aspect) for aspect in ASPECTS if aspect != "1:1"
    }
    z_train = {aspect: np.array(encoded(data, "autoencoder-kl", device)) for aspect, data in scenes.items()}
    things = {aspect: np.array(standing(data)) for aspect, data in scenes.items()}
    z_val = torch.from_numpy(np.array(encoded(held_out, "autoencoder-kl", device)[:512])).float().to(device)
    told = tellings(train, reader, seed)
    weights = crowded(train)
    total = steps or STEPS
    main = total - round(FINISH * total)
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=1.6e-3, warmup=200, ema=0.999, compile=True, muon=True, seed=seed,
        check_every=max(1, main // 20), save_every=max(1, main // 40), log_every=50,
    )  # fmt: skip
    torch.manual_seed(seed)
    size = FlowConfig(registers=reader.net.cfg.registers, text_width=reader.net.cfg.width)
    model = FlowTransformer(size).to(device)
    val_text = reader.encode([c.text for c in draw_captions(held_out, list(range(512)), (seed, 0, 3))])

    def loss(net, step):
        g = config.generator(seed, step)
        turn, rest = divmod(step, EVERY)
        aspect = "1:1" if rest else list(ASPECTS)[1 + turn % 4]
        z = z_train[aspect]
        picks = torch.multinomial(weights[: len(z)], cfg.batch_size, replacement=True, generator=g).tolist()
        x = torch.from_numpy(z[picks]).float()
        noise = torch.randn(x.shape, generator=g)
        t = torch.sigmoid(torch.randn(len(x), generator=g))  # logit-normal
        dropped = torch.rand(len(x), generator=g) < DROPPED
        text = torch.from_numpy(told[picks, torch.randint(TOLD, (len(picks),), generator=g).numpy()]).float()
        text = torch.where(dropped.to(device)[:, None, None], net.null_text, text.to(device))
        places = counts(things[aspect][picks])[:, None].to(device) if step < main else 1.0
        return flow_loss(net, x.to(device), noise.to(device), t.to(device), text, places), {}

    def check(net, step):
        g = config.generator(seed, 1)
        noise = torch.randn(z_val.shape, generator=g).to(device)
        t = ((torch.arange(len(z_val)) + 0.5) / len(z_val)).to(device)
        with autocast(device, True):
            val = flow_loss(net, z_val, noise, t, val_text)
            z = sample(net, noise[:16], val_text[:16])
        grid(autoencoder.decode(z), cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        card = {"stage": "flow", "data": DATA_VERSION, "steps": step, "upstream": parents, "hardware": hardware()}
        save_weights(folder / "snapshots" / f"flow-{step:06d}.safetensors", net, net.cfg, card)
        for early, share in EARLY.items():
            if step == round(share * main):
                save_weights(folder / f"{early}.safetensors", net, net.cfg, card)
        return {"val_loss": val}

    parents = {stage: sha256(find_weights(stage)) for stage in needs}
    words = "\n".join(c.text for c in draw_captions(held_out, list(range(16)), (seed, 0, 3)))
    write_atomically(folder / "samples.txt", words.encode())
    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check,
                trainer=partial(Finishing, main=main))  # fmt: skip
