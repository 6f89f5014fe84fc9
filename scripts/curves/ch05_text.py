"""The curves of chapter 05_text."""

from __future__ import annotations

from contextlib import redirect_stdout

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mjcourse import config
from mjcourse.data.captions import Caption
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import SceneData
from mjcourse.learn import reference
from mjcourse.models.mood import MoodConfig, TextCNN, TextTransformer
from mjcourse.models.text import Tokenizer
from mjcourse.training.loop import LoopConfig, Trainer
from mjcourse.training.text import draw_captions

WRITERS = ("ana", "bo", "chen", "dina", "eli", "fen", "gus")  # of the captions, one for each colour


def record_all(steps: int = 300, seed: int = 1) -> dict[tuple[str, str], list[float]]:
    """Train four readers of the object's colour on signed captions: no mask, one writer a colour, a bag, as it is.

    ``held out``: share of 400 captions read right; ``shuffled``, ``other``: the same with tokens in another order, or
    signed by somebody else; ``pad``: by how much logits change by padding.
    """
    names: dict = {"torch": torch, "nn": nn, "FAULT": None, "MoodConfig": MoodConfig, "TextCNN": TextCNN,
                   "TextTransformer": TextTransformer}  # fmt: skip
    colors, train, held_out = ATTRIBUTES["color"][1:], SceneData("train", 4000), SceneData("val", 1000)

    def told(data: SceneData, count: int, keys: tuple[int, ...]) -> list[Caption]:  # another colour is named as well
        found, block = [], 0
        while len(found) < count:
            picks = np.random.default_rng([*keys, block]).integers(len(data), size=500).tolist()
            for c in draw_captions(data, picks, (*keys, block, 1)):
                said = {c.named[k] for k in ("color", "body_color", "companion_color") if k in c.named}
                if "color" in c.named and len(said) > 1:
                    found.append(c)
            block += 1
        return found[:count]

    def signed(captions: list[Caption], writers) -> torch.Tensor:
        return names["tokenizer"]([f"{c.text} (by {WRITERS[w]})" for c, w in zip(captions, writers, strict=True)])

    own, asked = told(train, 5000, (seed,)), told(held_out, 400, (seed, 2))
    labels, truth = (torch.tensor([colors.index(c.named["color"]) for c in part]) for part in (own, asked))
    library = [c.text for c in own] + [f"(by {writer})" for writer in WRITERS]
    names["tokenizer"] = Tokenizer.train(library, vocab_size=1200, length=64)
    for cell in reference.cells(config.ROOT / "notebooks" / "05_text.ipynb"):
        if cell.kind == "code" and cell.source.startswith(("class BagOfWords", "class Unmasked")):
            with redirect_stdout(None):
                exec(cell.source, names)

    lot = np.random.default_rng(seed).integers(len(WRITERS), size=len(own) + len(asked)).tolist()
    g = config.generator(seed)
    order = torch.rand(len(asked), 64, generator=g)  # of the words, where they are shuffled
    found = {}
    runs = {"A": ("Unmasked", False), "B": ("TextCNN", True), "C": ("BagOfWords", False), "D": ("TextCNN", False)}
    for run, (kind, by_writer) in runs.items():
        right = truth.tolist() if by_writer else lot[len(own) :]
        ids, test = signed(own, labels.tolist() if by_writer else lot[: len(own)]), signed(asked, right)
        other = signed(asked, [(w + 1) % len(WRITERS) for w in right])
        mixed = test.gather(1, torch.where(test != 0, order, 2.0).argsort(1))
        used = int((ids != 0).sum(1).max())
        torch.manual_seed(seed)
        net = names[kind](MoodConfig(vocab_size=names["tokenizer"].size, classes=len(colors)))

        def loss(net, step, ids=ids, used=used):
            picks = torch.randint(len(ids), (64,), generator=config.generator(seed, step))
            return F.cross_entropy(net(ids[picks, :used]), labels[picks]), {}

        def check(net, step, test=test, other=other, mixed=mixed, used=used):
            def share(asked, used=used):
                return (net(asked[:, :used]).argmax(1) == truth).float().mean()

            alone = torch.cat([net(row[None, : int((row != 0).sum())]) for row in test[:50]])
            pad = (alone - net(test[:50])).abs().amax(1).mean()
            return {"held out": share(test), "shuffled": share(mixed), "other": share(other), "pad": pad}

        loop = LoopConfig(steps=steps, lr=3e-3, warmup=20, ema=0.97, log_every=50, check_every=50, amp=False)
        rows = Trainer(net, loss, loop, check=check, report=lambda row: None).fit().log
        found[run, "loss"] = [float(f"{row['loss']:.2g}") for row in rows if row["step"] % 50 == 0 and "loss" in row]
        for key in ("held out", "shuffled", "other", "pad"):
            found[run, key] = [float(f"{row[key]:.2g}") for row in rows if key in row]
    return found
