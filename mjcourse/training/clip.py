"""Recipe of stage ``clip``: contrastive training on scenes and emoji, English and Chinese. Chapter 06."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data import emoji
from mjcourse.data.captions import LANGUAGES, caption_pair
from mjcourse.data.store import COUNTS, SceneData, to_tensor
from mjcourse.models.clip import CLIP, CLIPConfig, clip_loss, recall_at_1
from mjcourse.models.text import TextConfig, Tokenizer
from mjcourse.training.loop import LoopConfig, autocast
from mjcourse.training.recipe import train_stage
from mjcourse.training.text import draw_captions
from mjcourse.weights import find_weights, load_tensors, load_weights

STEPS, SCENES, EMOJI = 1500, 160, 64  # steps; pictures of each kind in a batch
FULL = 0.6  # share of captions that name all that is there


def train_tokenizer(data: SceneData, seed: int, length: int = 64, vocab_size: int = 3000) -> Tokenizer:
    """Return a tokenizer trained on captions of scenes and on the names of all emoji that train."""
    blocks = [[i % len(data) for i in range(500 * k, 500 * k + 500)] for k in range(10)]
    captions = [c.text for k, block in enumerate(blocks) for c in draw_captions(data, block, (seed, k))]
    names = [emoji.caption(c, s, lang) for c, s in emoji.split("train") for lang in LANGUAGES]
    return Tokenizer.train([*captions, *names], vocab_size, length)


@lru_cache(maxsize=2)
def emoji_pictures(split: str) -> tuple[list, np.ndarray]:
    """Return the (concept, style) pairs of a split and their pictures, (N, 64, 64, 3) uint8."""
    pairs = emoji.split(split)
    return pairs, np.stack([np.asarray(emoji.load_image(concept.hex, style)) for concept, style in pairs])


def emoji_batch(count: int, g: torch.Generator) -> tuple[np.ndarray, list[str]]:
    """Return pictures of `count` different concepts and what they are called, every other one in Chinese."""
    pairs, pictures = emoji_pictures("train")
    picks, seen = [], set()
    for i in torch.randperm(len(pairs), generator=g).tolist():
        if pairs[i][0].hex not in seen:
            seen.add(pairs[i][0].hex)
            picks.append(i)
        if len(picks) == count:
            break
    styled = (torch.rand(count, generator=g) < 0.5).tolist()
    names = [
        emoji.caption(pairs[i][0], pairs[i][1] if styled[k] else None, LANGUAGES[k % 2]) for k, i in enumerate(picks)
    ]
    return pictures[picks], names


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train both towers; the card states recall at 1 among 100 test scenes and among all emoji of a style."""
    device = config.device()
    train, val, test = (SceneData(split, COUNTS[split]) for split in ("train", "val", "test"))
    tokenizer = train_tokenizer(train, seed)
    total = steps or STEPS
    cfg = LoopConfig(
        steps=total, batch_size=SCENES + EMOJI, lr=1e-3, warmup=100, weight_decay=0.02, ema=0.998, compile=True,
        seed=seed, check_every=max(1, total // 10), save_every=max(1, total // 20),
    )  # fmt: skip
    torch.manual_seed(seed)
    size = CLIPConfig(text=TextConfig(vocab_size=tokenizer.size, registers=4))
    model = CLIP(size, tokenizer.as_bytes()).to(device)

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(train), (SCENES,), generator=g).tolist()
        art, names = emoji_batch(EMOJI, g)
        texts = [c.text for c in draw_captions(train, picks, (seed, step, 5), FULL)] + names
        x = to_tensor(np.concatenate([train.images(picks), art])).to(device)
        return clip_loss(*net(x, tokenizer(texts).to(device))), {"scale": net.scale.detach()}

    def check(net, step):
        return scene_recall(net, tokenizer, val, 5, seed) | emoji_recall(net, tokenizer, "val")

    def finish(net):
        found = scene_recall(net, tokenizer, test, 20, seed) | emoji_recall(net, tokenizer, "test")
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
