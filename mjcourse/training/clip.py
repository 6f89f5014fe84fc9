"""Recipe of stage ``clip``: contrastive training on scenes and emoji, English and Chinese. Chapter 06.

The text tower starts as the encoder of stage ``text``, and each picture has one wrong text more that is almost
right. Without either, the towers find the right one of 100 scenes and still know no object: chapter 06, section 7.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data import emoji
from mjcourse.data.captions import LANGUAGES, caption, caption_pair
from mjcourse.data.scenes import ATTRIBUTES, Scene
from mjcourse.data.store import COUNTS, SceneData, to_tensor
from mjcourse.models.clip import CLIP, CLIPConfig, clip_loss, recall_at_1
from mjcourse.models.text import TextConfig, Tokenizer
from mjcourse.training.loop import LoopConfig, autocast
from mjcourse.training.recipe import train_stage
from mjcourse.training.text import TextReader
from mjcourse.weights import find_weights, load_tensors, load_weights

STEPS, SCENES, EMOJI = 1600, 160, 64  # steps; pictures of each kind in a batch
FULL = 0.6  # share of captions that name all that is there


def grown(tokenizer: Tokenizer, texts: list[str]) -> Tokenizer:
    """Return a tokenizer to which each character of some texts is known; what it knew keeps its number."""
    backend = json.loads(tokenizer.json)
    vocabulary = backend["model"]["vocab"]
    met = {c for text in texts for c in unicodedata.normalize("NFKC", text).lower() if not c.isspace()}
    vocabulary |= {c: len(vocabulary) + k for k, c in enumerate(sorted(met - set(vocabulary)))}
    return Tokenizer(json.dumps(backend, ensure_ascii=False), tokenizer.length)


def reading_towers(reader: TextReader, size: CLIPConfig | None = None) -> tuple[CLIP, Tokenizer]:
    """Return new towers whose text tower is the encoder of stage ``text``, with the characters of all emoji names.

    Args:
        reader: the trained encoder.
        size: of the towers; its text part is taken from the reader.
    """
    names = [emoji.caption(c, s, lang) for c, s in emoji.split("train") for lang in LANGUAGES]
    tokenizer, encoder = grown(reader.tokenizer, names), reader.net.encoder
    text = replace(encoder.cfg, vocab_size=tokenizer.size, classes=())
    model = CLIP(replace(size or CLIPConfig(), text=text), tokenizer.as_bytes())
    old = {name: value.cpu() for name, value in encoder.state_dict().items()}
    rows = old["tokens.weight"]
    old["tokens.weight"] = torch.cat([rows, model.text.tokens.weight.detach()[len(rows) :]])
    model.text.load_state_dict(old)
    return model, tokenizer


def swapped(scene: Scene, name: str, rng: np.random.Generator) -> Scene | None:
    """Return the scene with another value of one attribute, or None where no other is possible."""
    for value in rng.permutation([v for v in ATTRIBUTES[name] if v not in ("none", getattr(scene, name))]):
        try:
            return replace(scene, **{name: str(value)})
        except UserError:  # a whale on a meadow, a sun at night
            continue
    return None


def told_and_swapped(
    data: SceneData, picks: list[int], keys: tuple[int, ...], full: float = FULL
) -> tuple[list[str], list[str]]:
    """Return a caption of each picked scene, and one of the scene with another value of one attribute it names.

    Languages take turns; a share `full` of the captions name all that is there; pure in `keys`.
    """
    rng, right, wrong = np.random.default_rng(keys), [], []
    for k, i in enumerate(picks):
        scene, language, key = data.scene(i), LANGUAGES[k % 2], int(rng.integers(2**32))
        how = {"full": bool(rng.random() < full)}
        said = caption(scene, language, np.random.default_rng(key), **how)
        there = [name for name, value in said.named.items() if value != "none"]
        others = (swapped(scene, str(name), rng) for name in rng.permutation(there))
        other = next((o for o in others if o is not None), data.scene(picks[k - 1]))  # nothing to swap: a neighbour
        right.append(said.text)
        wrong.append(caption(other, language, np.random.default_rng(key), **how).text)
    return right, wrong


@lru_cache(maxsize=2)
def emoji_pictures(split: str) -> tuple[list, np.ndarray]:
    """Return the (concept, style) pairs of a split and their pictures, (N, 64, 64, 3) uint8."""
    pairs = emoji.split(split)
    return pairs, np.stack([np.asarray(emoji.load_image(concept.hex, style)) for concept, style in pairs])


def emoji_batch(count: int, g: torch.Generator) -> tuple[np.ndarray, list[str], list[str]]:
    """Return pictures of `count` different concepts, what they are called, and what they are not.

    Every other name is Chinese, half name the style. The wrong name is of another style, or else of a
    concept of the same group.
    """
    pairs, pictures = emoji_pictures("train")
    picks, seen = [], set()
    for i in torch.randperm(len(pairs), generator=g).tolist():
        if pairs[i][0].hex not in seen:
            seen.add(pairs[i][0].hex)
            picks.append(i)
        if len(picks) == count:
            break
    styled, groups, right, wrong = (torch.rand(count, generator=g) < 0.5).tolist(), {}, [], []
    for i in picks:
        groups.setdefault(pairs[i][0].group, []).append(pairs[i][0])
    for k, i in enumerate(picks):
        (concept, style), language = pairs[i], LANGUAGES[k % 2]
        mates = groups[concept.group]
        mate, other = mates[mates.index(concept) - 1], emoji.STYLES[emoji.STYLES.index(style) - 1]
        right.append(emoji.caption(concept, style if styled[k] else None, language))
        wrong.append(emoji.caption(concept, other, language) if styled[k] else emoji.caption(mate, None, language))
    return pictures[picks], right, wrong


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train both towers; the card states recall at 1 among 100 test scenes, the swap test, and recall of emoji."""
    device = config.device()
    train, val, test = (SceneData(split, COUNTS[split]) for split in ("train", "val", "test"))
    total = steps or STEPS
    cfg = LoopConfig(
        steps=total, batch_size=SCENES + EMOJI, lr=1e-3, warmup=100, weight_decay=0.02, ema=0.998, compile=True,
        seed=seed, check_every=max(1, total // 10), save_every=max(1, total // 20),
    )  # fmt: skip
    torch.manual_seed(seed)
    model, tokenizer = reading_towers(TextReader(device))
    model = model.to(device, memory_format=torch.channels_last)

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(train), (SCENES,), generator=g).tolist()
        art, names, wrong_names = emoji_batch(EMOJI, g)
        right, wrong = told_and_swapped(train, picks, (seed, step, 5))
        x = to_tensor(np.concatenate([train.images(picks), art])).to(device, memory_format=torch.channels_last)
        image, text, scale = net(x, tokenizer([*right, *names, *wrong, *wrong_names]).to(device))
        return clip_loss(image, text[: len(x)], scale, text[len(x) :]), {"scale": scale.detach()}

    def check(net, step):
        return (
            scene_recall(net, tokenizer, val, 5, seed)
            | emoji_recall(net, tokenizer, "val")
            | {f"swap_{k}": v for k, v in swap_accuracy(net, tokenizer, val, 250).items()}
        )

    def finish(net):
        found = scene_recall(net, tokenizer, test, 20, seed) | emoji_recall(net, tokenizer, "test")
        found |= {f"swap_{k}": v for k, v in swap_accuracy(net, tokenizer, test, 1000).items()}
        return {f"test_{key}": value for key, value in found.items()}

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


@torch.no_grad()
def embed_images(net: CLIP, images: np.ndarray) -> torch.Tensor:
    """Return unit vectors (N, embed) of pictures (N, 64, 64, 3) uint8."""
    device = net.log_scale.device
    with autocast(device, True):
        return torch.cat(
            [net.encode_image(to_tensor(images[i : i + 200]).to(device)) for i in range(0, len(images), 200)]
        )


@torch.no_grad()
def embed_texts(net: CLIP, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    """Return unit vectors (N, embed) of texts."""
    device = net.log_scale.device
    with autocast(device, True):
        parts = [net.encode_text(tokenizer(texts[i : i + 200]).to(device)) for i in range(0, len(texts), 200)]
    return torch.cat(parts)


def scene_recall(net: CLIP, tokenizer: Tokenizer, data: SceneData, groups: int, seed: int) -> dict[str, float]:
    """Return recall at 1 among 100 scenes with fully told captions: both ways and languages, mean over groups."""
    rng = np.random.default_rng([seed, groups, 17])
    pairs = [caption_pair(data.scene(i), rng, full=True) for i in range(100 * groups)]
    image = embed_images(net, data.images(range(100 * groups))).split(100)
    found = {}
    for k, language in enumerate(LANGUAGES):
        text = embed_texts(net, tokenizer, [pair[k].text for pair in pairs]).split(100)
        both = np.array([recall_at_1(a, b) for a, b in zip(image, text, strict=True)]).mean(0)
        found |= {f"to_text_{language}": both[0], f"to_image_{language}": both[1]}
    return found


def swap_accuracy(
    net: CLIP,
    tokenizer: Tokenizer,
    data: SceneData,
    count: int,
    languages: tuple[str, ...] = LANGUAGES,
    blind: bool = False,
) -> dict[str, float]:
    """Return by attribute how often a picture is nearer to its full caption than to one with that attribute swapped.

    Args:
        count: scenes to try each attribute on, those that have it; languages take turns. A coin scores 0.5.
        blind: take the picture of another scene: what towers score that only know which values are common.
    """
    found, images = {}, embed_images(net, data.images(range(count))).roll(int(blind), 0)
    for name in ATTRIBUTES:
        rng, scenes, right, wrong = np.random.default_rng([count, 31]), [], [], []
        for i in range(count):
            scene, language = data.scene(i), languages[i % len(languages)]
            other = None if getattr(scene, name) == "none" else swapped(scene, name, rng)
            if other is not None:
                told, mistold = (
                    caption(s, language, np.random.default_rng([i, 5]), full=True).text for s in (scene, other)
                )
                scenes, right, wrong = [*scenes, i], [*right, told], [*wrong, mistold]
        text = embed_texts(net, tokenizer, [*right, *wrong]).split(len(scenes))
        own, swap = ((images[scenes] * part).sum(1) for part in text)
        found[name] = float((own > swap).float().mean())
    return found


@torch.no_grad()
def emoji_recall(net: CLIP, tokenizer: Tokenizer, split: str) -> dict[str, float]:
    """Return the share of a split's pictures whose own name is the nearest of all 1,140, by language."""
    pairs, pictures = emoji_pictures(split)
    concepts = emoji.load_concepts()
    own = torch.tensor([[c.hex for c in concepts].index(concept.hex) for concept, _ in pairs])
    image, found = embed_images(net, pictures), {}
    for language in LANGUAGES:
        names = embed_texts(net, tokenizer, [emoji.caption(c, None, language) for c in concepts])
        found[f"emoji_{language}"] = ((image @ names.T).argmax(1).cpu() == own).float().mean()
    return found


class ClipReader:
    """The trained towers, ready to use: ``likeness(images, ["太阳沙滩大海"])`` gives cosines (N, texts)."""

    def __init__(self, device: torch.device | None = None, path: Path | None = None) -> None:
        path = path or find_weights("clip")
        tensors, meta = load_tensors(path)
        try:
            cfg = dict(meta["config"])
            text = TextConfig(**cfg.pop("text") | {"classes": ()})
            cfg = CLIPConfig(**cfg, text=text)
        except (KeyError, TypeError) as error:
            raise UserError(f"{path.name} is of another version of the course; train it anew.") from error
        self.device = device or config.device()
        self.tokenizer = Tokenizer.from_bytes(tensors["tokenizer"], cfg.text.length)
        self.net = load_weights(CLIP(cfg, tensors["tokenizer"]), path, cfg).to(self.device).eval()

    def images(self, images: np.ndarray) -> torch.Tensor:
        """Return unit vectors (N, embed) of pictures (N, 64, 64, 3) uint8."""
        return embed_images(self.net, images)

    def texts(self, texts: list[str]) -> torch.Tensor:
        """Return unit vectors (N, embed) of texts."""
        return embed_texts(self.net, self.tokenizer, texts)

    def likeness(self, images: np.ndarray, texts: list[str]) -> torch.Tensor:
        """Return the cosine of every picture and text, (N, texts)."""
        return self.images(images) @ self.texts(texts).T
