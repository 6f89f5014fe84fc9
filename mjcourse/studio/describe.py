"""Pictures and prompts explained by the model itself: `describe` a picture, `shorten` a prompt. Chapter 13.

A flow model says how likely a picture x is under a caption c by how well it foretells the velocity, at common noise ε
and times t: the smaller E ‖v(z_t, t, c) - (x - ε)‖², the better c fits (Li et al. 2023, *Your diffusion model is
secretly a zero-shot classifier*).
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.captions import LANGUAGES, caption, write_caption
from mjcourse.data.prompts import clean_prompt, known_zh, language_of
from mjcourse.data.scenes import ATTRIBUTES, Scene
from mjcourse.data.scenes import TOGETHER as PARTS
from mjcourse.data.store import to_tensor
from mjcourse.data.writers import Dice
from mjcourse.studio.draw import clip_reader
from mjcourse.studio.engine import FlowEngine, default_engine
from mjcourse.studio.inbox import to_frame
from mjcourse.training.loop import autocast

ORDER = ("style", "time", "mood", "weather", "ground", "background", "water", "body", "body_color", "body_place",
         "object", "place", "color", "count", "companion", "companion_color")  # large things first  # fmt: skip
AT_FIRST = {"body_color": "yellow", "body_place": "center", "color": "white", "place": "center", "count": "one",
            "companion_color": "white"}  # parts of a new thing, until they are said  # fmt: skip
SMALL = ("object", "color", "count", "companion", "companion_color")  # where the encoder errs one time in five
TRIED = 3  # values of another attribute that the flow model compares: the contrastive encoder's choice
AGAIN = 12  # whole captions that it compares in the end
CAPTIONS = 8  # that may be asked for
LOOKS = 4  # pairs of noise and time to compare at
TIMES = (0.1, 0.7)  # from where to where: earlier nothing can be told, later the caption is not needed
STEPS = 8  # of the walk on which words are weighed
LEAST = 0.15  # influence of a word that matters


@torch.no_grad()
def misfit(
    engine: FlowEngine, z: torch.Tensor, registers: torch.Tensor, seed: int = 0, looks: int = LOOKS
) -> torch.Tensor:
    """Return how badly captions fit a picture, (N,): the mean squared error of the velocity, at a few common points.

    Args:
        engine: the flow model.
        z: the picture's latents, (1, C, H / 4, W / 4).
        registers: of N captions, (N, registers, text_width).
        seed: of the noise.
        looks: how many points.
    """
    noise = torch.randn(looks, *z.shape[1:], generator=config.generator(seed)).to(z.device)
    t = torch.linspace(*TIMES, looks, device=z.device)
    mixed = (1 - t.view(-1, 1, 1, 1)) * noise + t.view(-1, 1, 1, 1) * z
    found = []
    for text in registers.split(8):
        n = len(text)
        with autocast(z.device, True):
            v = engine.flow(mixed.repeat(n, 1, 1, 1), t.repeat(n), text.repeat_interleave(looks, 0)).float()
        found.append((v - (z - noise).repeat(n, 1, 1, 1)).square().mean((1, 2, 3)).view(n, looks).mean(1))
    return torch.cat(found)


def describe(
    picture: np.ndarray | bytes | str | Path, language: str = "en", count: int = 4, engine: FlowEngine | None = None
) -> list[str]:
    """Return captions of a picture, the likeliest first.

    Args:
        picture: (H, W, 3) uint8 of any size, the bytes of a picture file, or its path; see `to_frame`.
        language: ``en`` or ``zh``.
        count: how many captions, 1 to `CAPTIONS`.
        engine: the flow model; by default the current one.

    Raises:
        UserError: another language or count, or what `to_frame` refuses.
    """
    if language not in LANGUAGES:
        raise UserError(f"there are no captions in {language!r}; allowed are {', '.join(LANGUAGES)}.")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= CAPTIONS:
        raise UserError(f"cannot tell a picture in {count!r} captions; allowed are 1 to {CAPTIONS}.")
    return [tell(scene, language) for scene in likely_scenes(to_frame(picture), engine)[:count]]


@torch.no_grad()
def likely_scenes(picture: np.ndarray, engine: FlowEngine | None = None) -> list[Scene]:
    """Return scenes that a picture (H, W, 3) uint8 in one of the frames may show, the likeliest first.

    Attribute by attribute, from the large to the small, the captions are compared that tell what was found so far and
    one value more; what is not there is not said. The contrastive encoder, which is quick, chooses `TRIED` of them
    except for `SMALL` things, and the flow model, which is exact, decides. (Whole captions from the start do not find
    the way: the right house with a wrong colour and place fits worse than none.) At last whole captions are compared:
    what was found, and what came next at the closest decisions.
    """
    engine, reader = engine or default_engine("flow"), clip_reader()
    z = engine.autoencoder.encode(to_tensor(picture[None]).to(engine.device)).float()
    square = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.LANCZOS))  # all that it has seen
    seen = reader.images(square[None])[0]

    def misfits(texts: list[str]) -> list[float]:
        return misfit(engine, z, engine.read(texts)).tolist()

    best, said, close = Scene(), frozenset(), []
    for name in ORDER:
        options = choices(best, name)
        if len(options) < 2:  # a part of a thing that is not there
            continue
        texts = {scene: tell(scene, "en", said | named(scene, name)) for scene in options}
        if len(options) > TRIED and name not in SMALL:
            cosines = reader.texts(list(texts.values())) @ seen
            options = [options[i] for i in cosines.topk(TRIED).indices.tolist()]
        errors = misfits([texts[scene] for scene in options])
        found = sorted(zip(errors, options, strict=True), key=lambda pair: pair[0])
        best = found[0][1]
        said |= named(best, name)
        close += [(error - found[0][0], name, getattr(scene, name)) for error, scene in found[1:]]
    second = ((name, value, choices(best, name)) for _, name, value in sorted(close))
    others = [scene for name, value, options in second for scene in options if getattr(scene, name) == value]
    whole = list(dict.fromkeys([best, *others]))[: 1 + AGAIN]
    ranked = dict(zip(whole, misfits([tell(scene, "en") for scene in whole]), strict=True))
    return sorted(whole, key=ranked.get)


def tell(scene: Scene, language: str, said: frozenset[str] | None = None) -> str:
    """Return a caption of a scene, always in the same words: of all there is, or of the attributes that are `said`."""
    rng = np.random.default_rng(0)
    if said is None:
        return caption(scene, language, rng, full=True).text
    return write_caption(scene, language, said, Dice(rng)).text


def named(scene: Scene, name: str) -> frozenset[str]:
    """Return what a caption says that names one more attribute: nothing of what is not there."""
    if getattr(scene, name) == "none":
        return frozenset()
    return frozenset(("companion", "relation") if name == "companion" else (name,))  # it stands beside something


def choices(scene: Scene, name: str) -> list[Scene]:
    """Return the scenes in which one attribute has any of its values, as far as they can be; a thing brings parts."""
    found = []
    for value in ATTRIBUTES[name]:
        for side in ATTRIBUTES["relation"][1:] if name == "companion" and value != "none" else (None,):
            parts = {part: _part(scene, part, value, side) for part in PARTS.get(name, ())}
            with suppress(UserError):  # values that contradict each other
                found.append(scene.replace(**{name: value, **parts}))
    return found


def _part(scene: Scene, part: str, value: str, side: str | None) -> str:
    """The part of a thing that becomes `value`: gone with it, where it stands, what it was, or `AT_FIRST`."""
    if value == "none" or part == "relation":
        return side or "none"
    now = getattr(scene, part)
    return AT_FIRST[part] if now == "none" else now


def describe_command(picture: np.ndarray, language: str, count: int, as_json: bool = False) -> None:
    """Print captions of a picture, the likeliest first: ``mjcourse describe IMAGE``."""
    captions = describe(picture, language, count)
    print(json.dumps(captions, ensure_ascii=False, indent=2) if as_json else "\n".join(captions))


@torch.no_grad()
def influence(prompt: str, engine: FlowEngine | None = None, seed: int = 0) -> list[tuple[str, float]]:
    """Return each word of a prompt with its influence: how far the velocity moves when the word is left out.

    The distance is taken at `STEPS` times, on the walk that the prompt itself leads, and divided by that between
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
    for i in range(STEPS):
        t = torch.full((len(registers),), i / STEPS, device=z.device)
        with autocast(engine.device, True):
            v = engine.flow(z.expand(len(registers), -1, -1, -1), t, registers).float()
        moved += (v - v[:1]).square().mean((1, 2, 3)).sqrt()
        z = z + v[:1] / STEPS
    share = (moved[1:-1] / moved[-1].clamp(min=1e-6)).tolist()
    return [(word.strip(), s) for word, s in zip(cut, share, strict=True) if re.search(r"\w", word)]


def shorten(prompt: str, least: float = LEAST, engine: FlowEngine | None = None) -> str:
    """Return a prompt without the words whose influence is below `least`; never without all of them.

    By the default most words for an attribute stay and most function words go (a test counts both); it is low, since a
    word that is lost costs more than a filler that stays. Of words that say the same twice (``8-bit pixel art``), none
    matters alone, so that all may go: read what is left.

    Args:
        prompt: in either language, 1 to 500 characters.
        least: influence from which on a word stays, 0 or more.
        engine: the flow model; by default the current one.

    Raises:
        UserError: what `clean_prompt` refuses.
    """
    prompt = clean_prompt(prompt)
    found = influence(prompt, engine)
    strongest = max((share for _, share in found), default=0.0)
    kept = [word for word, share in found if share >= min(least, strongest)]
    return ("" if language_of(prompt) == "zh" else " ").join(kept) or prompt  # of signs alone nothing is left out


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
