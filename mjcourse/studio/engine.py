"""The picture engines: prompts in, pictures out, by each of the text-to-image models. Chapter 13 takes them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.scenes import ASPECTS
from mjcourse.data.store import to_uint8
from mjcourse.files import sha256
from mjcourse.models.prior import gumbel, write_tokens
from mjcourse.models.steer import Velocity, guided_velocity, walk
from mjcourse.studio.imagine import DEFAULTS
from mjcourse.training.autoencoder import load_autoencoder
from mjcourse.training.conditional import draw_told, load_conditional
from mjcourse.training.flow import load_flow
from mjcourse.training.loop import autocast
from mjcourse.training.prior import load_prior
from mjcourse.training.text import TextReader
from mjcourse.weights import find_weights, load_tensors

ROUNDS, SETTLED = 3, 0.5  # how often each step of a new picture is made, until which share of the way


def parents(path: Path, *stages: str) -> dict[str, str]:
    """Return the hashes of the weights that a file was trained on, which may not be the newest.

    Raises:
        UserError: the file does not name them all.
    """
    named = load_tensors(path)[1].get("upstream", {})
    if not set(stages) <= set(named):
        raise UserError(f"{path.name} is of another version of the course; train it anew.")
    return {stage: named[stage] for stage in stages}


class FlowEngine:
    """Text encoder, flow transformer and autoencoder together: ``engine(["太阳沙滩大海"], seeds=[1])``.

    Args:
        weights: of the flow transformer; by default the learner's own, else the shipped ones.
        device: by default the one `config.device` picks.
    """

    def __init__(self, weights=None, device: torch.device | None = None) -> None:
        self.device = device or config.device()
        self.path = weights or find_weights("flow")
        self.digest = sha256(self.path)  # now: the file may be replaced later
        self.flow = load_flow(self.device, self.path)
        wanted = parents(self.path, "text", "autoencoder-kl")
        self.reader = TextReader(self.device, find_weights("text", wanted["text"]))
        self.autoencoder = load_autoencoder(
            "autoencoder-kl", self.device, find_weights("autoencoder-kl", wanted["autoencoder-kl"])
        )

    def read(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the registers of B texts, English or Chinese: (B, registers, text_width)."""
        with autocast(self.device, True):
            return self.reader.encode(list(texts)).float()

    def noise(self, seeds: Sequence[int], aspect: str = "1:1") -> torch.Tensor:
        """Return the noise of B seeds in the frame of an aspect, (B, C, H / 4, W / 4), each of its own seed."""
        w, h = ASPECTS[aspect]
        shape = (self.flow.cfg.latent_channels, h // 4, w // 4)
        return torch.stack([torch.randn(shape, generator=config.generator(seed)) for seed in seeds]).to(self.device)

    def fresh(self, seeds: Sequence[int], like: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Return what gives ever more noise of B seeds, shaped as `like` (B, C, H, W), for the rounds of `walk`."""
        generators = [config.generator(seed, 4) for seed in seeds]
        return lambda: torch.stack([torch.randn(like.shape[1:], generator=g) for g in generators]).to(self.device)

    def walk(self, velocity: Velocity, seeds: Sequence[int], steps: int, aspect: str = "1:1", start: int = 0, **how):
        """Walk from the noise of B seeds to latents (B, C, H / 4, W / 4), early steps in rounds.

        Args:
            velocity, steps, start: as for `mjcourse.models.steer.walk`; a walk that starts later has no rounds.
            seeds, aspect: of the noise.
            how: more for `mjcourse.models.steer.walk`.
        """
        noise = self.noise(seeds, aspect)
        how = {"rounds": 1 if start else ROUNDS, "settled": SETTLED, "fresh": self.fresh(seeds, noise), **how}
        return walk(velocity, noise, steps, start, **how)

    def velocity(self, texts: Sequence[torch.Tensor], weights: Sequence[float], guidance_scale: float) -> Velocity:
        """Return the velocity of several prompts, for `walk`.

        Args:
            texts: registers of each, (B, registers, text_width), or (1, …) for all pictures alike.
            weights: of each.
            guidance_scale: how strongly to follow them.
        """

        def velocity(z: torch.Tensor, t: float) -> torch.Tensor:
            null, *each = (text.expand(len(z), -1, -1) for text in (self.flow.null_text[None], *texts))
            times = torch.full((len(z),), t, device=z.device)
            with autocast(self.device, True):
                return guided_velocity(self.flow, z, times, null, each, weights, guidance_scale)

        return velocity

    @torch.no_grad()
    def paint(self, z: torch.Tensor) -> np.ndarray:
        """Return the pictures (B, H, W, 3) uint8 of latents (B, C, H / 4, W / 4)."""
        with autocast(self.device, True):
            return to_uint8(self.autoencoder.decode(z))

    @torch.no_grad()
    def latents(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        guidance_scale: float = DEFAULTS["flow"]["guidance"],
        steps: int = DEFAULTS["flow"]["steps"],
        progress=None,
        aspect: str = "1:1",
        rounds: int = ROUNDS,
    ) -> torch.Tensor:
        """Return the latents (B, C, H / 4, W / 4) of a picture for each prompt.

        Args:
            prompts: B texts, English or Chinese.
            seeds: B numbers from 0 to 4294967295; a picture's noise depends on its own seed alone.
            guidance_scale: how strongly to follow the prompt; 1 is no guidance.
            steps: Euler steps from noise to picture, the early ones in rounds.
            progress: called with the number of steps done.
            aspect: one of `ASPECTS`, the frame of the picture.
            rounds: how often each early step is made.
        """
        velocity = self.velocity([self.read(prompts)], [1.0], guidance_scale)
        shown = progress and (lambda i, _: progress(i))
        return self.walk(velocity, seeds, steps, aspect, rounds=rounds, progress=shown)

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int], *how, **more) -> np.ndarray:
        """Return the pictures of `latents`, (B, H, W, 3) uint8: the same arguments, the same bytes on a machine."""
        return self.paint(self.latents(prompts, seeds, *how, **more))


class PriorEngine:
    """Text encoder, GPT-2 prior and VQ autoencoder together, called as `FlowEngine`; chapter 09 builds them.

    Args:
        weights: of the prior; by default the learner's own, else the shipped ones.
        device: by default the one `config.device` picks.
    """

    def __init__(self, weights=None, device: torch.device | None = None) -> None:
        self.device = device or config.device()
        self.path = weights or find_weights("prior")
        self.prior = load_prior(self.device, self.path)
        wanted = parents(self.path, "text", "autoencoder-vq")
        self.reader = TextReader(self.device, find_weights("text", wanted["text"]))
        self.autoencoder = load_autoencoder(
            "autoencoder-vq", self.device, find_weights("autoencoder-vq", wanted["autoencoder-vq"])
        )

    read = FlowEngine.read

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Return Gumbel noise of B seeds, (B, tokens, codes), each of its own seed."""
        shape = (self.prior.cfg.tokens, self.prior.cfg.codes)
        return torch.stack([gumbel(shape, config.generator(seed)) for seed in seeds]).to(self.device)

    @torch.no_grad()
    def write(self, noise: torch.Tensor, text: torch.Tensor | Sequence[torch.Tensor], *how, **more) -> torch.Tensor:
        """Return `write_tokens` of this prior, (B, tokens): on a CPU in float32, faster for one token at a time."""
        with autocast(self.device, self.device.type != "cpu"):
            return write_tokens(self.prior, noise, text, *how, **more)

    @torch.no_grad()
    def paint(self, tokens: torch.Tensor) -> np.ndarray:
        """Return the pictures (B, 64, 64, 3) uint8 of tokens (B, 256)."""
        with autocast(self.device, True):
            return to_uint8(self.autoencoder.decode(tokens.view(-1, 16, 16)))

    def __call__(
        self,
        prompts: list[str],
        seeds: list[int],
        guidance_scale: float = DEFAULTS["prior"]["guidance"],
        temperature: float = 1.0,
        top_k: int | None = None,
        progress=None,
    ) -> np.ndarray:
        """Draw one picture for each prompt.

        Args:
            prompts: B texts, English or Chinese.
            seeds: B numbers from 0 to 4294967295; a picture's noise depends on its own seed alone.
            guidance_scale: how strongly to follow the prompt; 1 is no guidance.
            temperature, top_k: as for `write_tokens`.
            progress: called with the number of tokens there are.

        Returns:
            (B, 64, 64, 3) uint8. The same arguments give the same bytes on the same machine.
        """
        text = self.read(prompts)
        return self.paint(self.write(self.noise(seeds), text, guidance_scale, temperature, top_k, progress=progress))


class ConditionalEngine:
    """Text encoder and conditional VAE or GAN together, called as `FlowEngine`; chapter 07 builds them.

    Args:
        stage: ``cvae`` or ``cgan``.
        device: by default the one `config.device` picks.
    """

    def __init__(self, stage: str, device: torch.device | None = None) -> None:
        self.device = device or config.device()
        _, meta = load_tensors(find_weights(stage))
        self.reader = TextReader(self.device, find_weights("text", meta["upstream"]["text"]))
        self.model = load_conditional(stage, self.device)

    @torch.no_grad()
    def __call__(self, prompts: list[str], seeds: list[int]) -> np.ndarray:
        """Draw one picture for each prompt, (B, 64, 64, 3) uint8, its noise of its own seed."""
        latent = self.model.cfg.latent
        noise = torch.stack([torch.randn(latent, generator=config.generator(seed)) for seed in seeds])
        return to_uint8(draw_told(self.model, noise.to(self.device), self.reader.encode(list(prompts)).float()))


ENGINES = {"flow": FlowEngine, "prior": PriorEngine}


@cache
def default_engine(model: str) -> FlowEngine | PriorEngine:
    """Return the engine of a name of `ENGINES` with the current weights, loaded once."""
    return ENGINES[model]()
