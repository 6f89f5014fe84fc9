"""Recipe of stage ``text``: the encoder learns to read captions in both languages. Chapter 05."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.captions import Caption, caption
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import COUNTS, SceneData
from mjcourse.models.text import CaptionReader, TextConfig, Tokenizer
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.weights import find_weights, load_tensors, load_weights

STEPS, BATCH = 1600, 128


def draw_captions(data: SceneData, picks: list[int], keys: tuple[int, ...], full: float = 0.15) -> list[Caption]:
    """Return a fresh caption for each picked scene, every other one in Chinese, a share `full` of them naming
    all that is there; pure in `keys`."""
    rng = np.random.default_rng(keys)
    return [
        caption(data.scene(i), ("en", "zh")[k % 2], rng, full=bool(rng.random() < full)) for k, i in enumerate(picks)
    ]


def targets(captions: list[Caption]) -> torch.Tensor:
    """Return what each caption says, (B, attributes) int64: 0 where unsaid, else 1 + the value's index."""
    rows = [
        [1 + values.index(c.named[name]) if name in c.named else 0 for name, values in ATTRIBUTES.items()]
        for c in captions
    ]
    return torch.tensor(rows)


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train tokenizer and caption reader; the card states reading accuracy on held-out scenes."""
    device = config.device()
    train, held_out = SceneData("train", COUNTS["train"]), SceneData("val", 2000)
    cfg = LoopConfig(steps=steps or STEPS, batch_size=BATCH, lr=1e-3, warmup=100, ema=0.99, compile=True, seed=seed)
    size = TextConfig()
    corpus = (c.text for k in range(40) for c in draw_captions(train, list(range(500 * k, 500 * k + 500)), (seed, k)))
    tokenizer = Tokenizer.train(corpus, size.vocab_size, size.length)
    classes = tuple(1 + len(values) for values in ATTRIBUTES.values())
    torch.manual_seed(seed)
    model = CaptionReader(TextConfig(vocab_size=tokenizer.size, classes=classes), tokenizer.as_bytes()).to(device)

    def loss(net, step):
        picks = torch.randint(len(train), (cfg.batch_size,), generator=config.generator(seed, step)).tolist()
        captions = draw_captions(train, picks, (seed, step, 1))
        logits = net(tokenizer([c.text for c in captions]).to(device))
        wanted = targets(captions).to(device)
        return sum(F.cross_entropy(x.float(), wanted[:, k]) for k, x in enumerate(logits)) / len(logits), {}

    def check(net, step):
        return reading_accuracy(net, tokenizer, held_out, device)

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check)


@torch.no_grad()
def reading_accuracy(net: CaptionReader, tokenizer: Tokenizer, data: SceneData, device) -> dict[str, float]:
    """Return the share of attributes read right (unsaid ones too) and of captions read wholly right, by language."""
    captions = draw_captions(data, list(range(len(data))), (len(data), 7))
    wanted = targets(captions)
    right = []
    for part in torch.arange(len(captions)).split(500):
        logits = net(tokenizer([captions[i].text for i in part.tolist()]).to(device))
        right.append(torch.stack([x.argmax(1).cpu() for x in logits], 1) == wanted[part])
    right = torch.cat(right)
    return {
        "read_en": right[0::2].float().mean(), "read_zh": right[1::2].float().mean(),
        "whole_en": right[0::2].all(1).float().mean(), "whole_zh": right[1::2].all(1).float().mean(),
    }  # fmt: skip


class TextReader:
    """The trained tokenizer and caption reader, ready to use: ``reader.encode(["太阳沙滩大海"])``."""

    def __init__(self, device: torch.device | None = None, path: Path | None = None) -> None:
        self.path = path = path or find_weights("text")
        tensors, meta = load_tensors(path)
        try:
            cfg = TextConfig(**{**meta["config"], "classes": tuple(meta["config"]["classes"])})
        except (KeyError, TypeError) as error:
            raise UserError(f"{path.name} is of another version of the course; train it anew.") from error
        self.device = device or config.device()
        self.tokenizer = Tokenizer.from_bytes(tensors["tokenizer"], cfg.length)
        self.net = load_weights(CaptionReader(cfg, tensors["tokenizer"]), path, cfg).to(self.device)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> torch.Tensor:
        """Return the registers of texts, (B, registers, width)."""
        ids = self.tokenizer(texts)
        longest = max(1, int((ids != 0).sum(1).max()))  # the padding that all share need not be computed
        return self.net.encoder(ids[:, :longest].to(self.device))

    @torch.no_grad()
    def read(self, texts: list[str]) -> list[dict[str, str]]:
        """Return what each text is read to say: attribute → value, for those it names."""
        picks = [x.argmax(1).tolist() for x in self.net.read(self.encode(texts))]
        return [
            {name: values[k[i] - 1] for (name, values), k in zip(ATTRIBUTES.items(), picks, strict=True) if k[i]}
            for i in range(len(texts))
        ]
