"""Pictures and prompts explained by the model itself: `describe` a picture, `shorten` a prompt. Chapter 13.

A flow model says how likely a picture x is under a caption c by how well it foretells the velocity, at common noise ε
and times t: the smaller E ‖v(z_t, t, c) - (x - ε)‖², the better c fits (Li et al. 2023, *Your diffusion model is
secretly a zero-shot classifier*).
"""

from __future__ import annotations

import re

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.captions import LANGUAGES, caption
from mjcourse.data.prompts import clean_prompt, known_zh, language_of
from mjcourse.data.scenes import ATTRIBUTES, Scene, sample_scene
from mjcourse.data.store import to_tensor
from mjcourse.studio.draw import clip_reader
from mjcourse.studio.engine import FlowEngine, default_engine
from mjcourse.training.loop import autocast

BANK = 2000  # captions of scenes that the contrastive encoder chooses from
CLOSE = 24  # of them that the flow model compares
LOOKS = 8  # pairs of noise and time to compare at
TIMES = (0.1, 0.7)  # from where to where: earlier nothing can be told, later the caption is not needed


@torch.no_grad()
def misfit(engine: FlowEngine, z: torch.Tensor, registers: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Return how badly captions fit a picture, (N,): the mean squared error of the velocity, at `LOOKS` common points.

    Args:
        engine: the flow model.
        z: the picture's latents, (1, C, H / 4, W / 4).
        registers: of N captions, (N, registers, text_width).
        seed: of the noise.
    """
    noise = torch.randn(LOOKS, *z.shape[1:], generator=config.generator(seed)).to(z.device)
    t = torch.linspace(*TIMES, LOOKS, device=z.device)
    mixed = (1 - t.view(-1, 1, 1, 1)) * noise + t.view(-1, 1, 1, 1) * z
    found = []
    for text in registers.split(8):
        n = len(text)
        with autocast(z.device, True):
            v = engine.flow(mixed.repeat(n, 1, 1, 1), t.repeat(n), text.repeat_interleave(LOOKS, 0)).float()
        found.append((v - (z - noise).repeat(n, 1, 1, 1)).square().mean((1, 2, 3)).view(n, LOOKS).mean(1))
    return torch.cat(found)


def describe(picture: np.ndarray, language: str = "en", count: int = 4, engine: FlowEngine | None = None) -> list[str]:
    """Return captions of a picture, the likeliest first.

    The contrastive encoder chooses the `CLOSE` nearest of `BANK` captions; then the flow model changes the nearest
    scene's attributes one by one, keeping what makes the picture likelier, and ranks all that were tried.

    Args:
        picture: (64, 64, 3) uint8.
        language: ``en`` or ``zh``.
        count: how many captions.
        engine: the flow model; by default the current one.

    Raises:
        UserError: another language.
    """
    if language not in LANGUAGES:
        raise UserError(f"there are no captions in {language!r}; allowed are {', '.join(LANGUAGES)}.")
    engine = engine or default_engine("flow")
    z = engine.autoencoder.encode(to_tensor(picture[None]).to(engine.device)).float().detach()
    scenes = [sample_scene("train", i) for i in range(BANK)]
    nearest = clip_reader().likeness(picture[None], [tell(scene, "en") for scene in scenes])[0]
    tried: dict[Scene, float] = {}

    def rank(those: list[Scene]) -> None:
        those = [scene for scene in dict.fromkeys(those) if scene not in tried]
        if those:
            misfits = misfit(engine, z, engine.read([tell(scene, "en") for scene in those]))
            tried.update(zip(those, misfits.tolist(), strict=True))

    rank([scenes[int(i)].replace(seed=0) for i in nearest.topk(CLOSE).indices])
    for name in ATTRIBUTES:
        best = min(tried, key=tried.get)
        rank(changed(best, name))
    return [tell(scene, language) for scene in sorted(tried, key=tried.get)[:count]]


def tell(scene: Scene, language: str) -> str:
    """Return the caption of a scene that names all there is, always in the same words."""
    return caption(scene, language, np.random.default_rng(0), full=True).text


def changed(scene: Scene, name: str) -> list[Scene]:
    """Return the scenes that differ from one in a single attribute, as far as they can be."""
    found = []
    for value in ATTRIBUTES[name]:
        try:
            found.append(scene.replace(**{name: value}))
        except UserError:  # values that contradict each other
            continue
    return found


@torch.no_grad()
def influence(prompt: str, engine: FlowEngine | None = None, seed: int = 0) -> list[tuple[str, float]]:
    """Return each word of a prompt with its influence: how far the velocity moves when the word is left out.

    The distance is taken at `LOOKS` times, on walks that the prompt itself leads, and divided by that between
    the whole prompt and none; so 1 is as much as all words together.

    Args:
        prompt: in either language.
        engine: the flow model; by default the current one.
        seed: of the noise.
    """
    engine = engine or default_engine("flow")
    cut = words_of(prompt)
    texts = [prompt, *("".join(w for k, w in enumerate(cut) if k != i) for i in range(len(cut)))]
    rows = [engine.read([re.sub(r"^[\s,，、]+|[\s,，、]+$", "", text) or " "]) for text in texts]
    registers = torch.cat([*rows, engine.flow.null_text[None]])
    z, moved = engine.noise([seed]), torch.zeros(len(registers), device=engine.device)
    for i in range(LOOKS):
        t = torch.full((len(registers),), i / LOOKS, device=z.device)
        with autocast(engine.device, True):
            v = engine.flow(z.expand(len(registers), -1, -1, -1), t, registers).float()
        moved += (v - v[:1]).square().mean((1, 2, 3)).sqrt()
        z = z + v[:1] / LOOKS
    share = (moved[1:-1] / moved[-1].clamp(min=1e-6)).tolist()
    return [(word.strip(), s) for word, s in zip(cut, share, strict=True) if re.search(r"\w", word)]


def shorten(prompt: str, least: float = 0.1, engine: FlowEngine | None = None) -> str:
    """Return a prompt without the words whose influence is below `least`; never without all of them."""
    found = influence(clean_prompt(prompt), engine)
    strongest = max(share for _, share in found)
    kept = [word for word, share in found if share >= min(least, strongest)]
    return ("" if language_of(prompt) == "zh" else " ").join(kept)


def words_of(prompt: str) -> list[str]:
    """Cut a prompt into words with what follows each; Chinese into the longest that captions say, else characters."""
    known, longest = known_zh()
    found, at = [], 0
    while at < len(prompt):
        if language_of(prompt[at]) == "zh":
            size = next((n for n in range(longest, 1, -1) if prompt[at : at + n] in known), 1)
            found.append(prompt[at : at + size])
        else:
            word = re.match(r"[^\s\u3400-\u9fff]*[\s]*", prompt[at:])[0] or prompt[at]
            size = len(word)
            found.append(word)
        at += size
    return found
