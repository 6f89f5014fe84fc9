"""The curves of chapter 09_prior."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from curves.pictures import small
from mjcourse import config
from mjcourse.data.store import SceneData
from mjcourse.learn.chapters.two_words import k_means
from mjcourse.models.prior import Prior, PriorConfig, gumbel, prior_loss, write_tokens
from mjcourse.training.loop import LoopConfig, Trainer
from mjcourse.training.tellings import TOLD, tellings
from mjcourse.training.text import TextReader, draw_captions

PATCH, SIDE, CODES = 4, 8, 64  # pixels of a patch; patches of a side of 32 px; words, found by k-means as in chapter 08


def patches(pictures: torch.Tensor) -> torch.Tensor:
    """Return the patches of pictures (N, 3, 32, 32) row by row, (N, SIDE², 3 · PATCH²)."""
    return F.unfold(pictures, PATCH, stride=PATCH).mT


def painted(rows: torch.Tensor) -> torch.Tensor:
    """Return pictures from their patches, the reverse of `patches`."""
    return F.fold(rows.mT, SIDE * PATCH, PATCH, stride=PATCH)


def record_all(seed: int = 3, steps: int = 400, every: int = 50) -> dict[tuple[str, str], list[float]]:
    """Train four priors over 64 tokens: on 64 scenes, in columns, as it is, told other scenes' captions."""
    train, held_out, reader = small("train", 2000), small("val", 200), TextReader(torch.device("cpu"))
    rows, held_rows = patches(train), patches(held_out)
    g = config.generator(seed)
    book = k_means(rows.flatten(0, 1)[torch.randperm(len(train) * SIDE**2, generator=g)[:20_000]], CODES, g)
    tokens, held = (torch.cdist(x.flatten(0, 1), book).argmin(1).view(len(x), -1) for x in (rows, held_rows))
    told = torch.from_numpy(np.array(tellings(SceneData("train", 2000), reader, seed))).float()
    captions = draw_captions(SceneData("val", 200), list(range(200)), (seed, 0, 3))
    asked = reader.encode([caption.text for caption in captions]).float()
    in_columns = torch.arange(SIDE**2).view(SIDE, SIDE).T.flatten()
    noise = torch.stack([gumbel((SIDE**2, CODES), config.generator(seed, i, 1)) for i in range(64)])
    size = PriorConfig(CODES, SIDE**2, width=64, layers=2, heads=4, registers=told.shape[2], text_width=told.shape[3])

    def detail(pictures):
        return (pictures[..., 1:] - pictures[..., :-1]).abs().mean()

    real = detail(painted(book[held]))

    def record(count: int, texts: torch.Tensor, order: torch.Tensor) -> list[dict]:
        torch.manual_seed(seed)
        net = Prior(size)
        net.body.set_attn_implementation("eager")

        def loss(net, step):
            g = config.generator(seed, step)
            picks, own = torch.randint(count, (32,), generator=g), torch.randint(TOLD, (32,), generator=g)
            unsaid = torch.rand(32, generator=g) < 0.1
            text = torch.where(unsaid[:, None, None], net.null_text, texts[picks, own])
            return prior_loss(net, tokens[picks][:, order], text).mean(), {}

        def check(net, step):
            own = min(count, len(held))
            right, wrong = (prior_loss(net, held[:, order], text).mean() for text in (asked, asked.roll(2, 0)))
            drawn = write_tokens(net, noise, asked[:64], guidance_scale=1)
            return {
                "train": prior_loss(net, tokens[:own][:, order], texts[:own, 0]).mean(),
                "held": right,
                "saves": wrong - right,
                "detail": detail(painted(book[drawn])) / real,
            }

        cfg = LoopConfig(
            steps=steps, batch_size=32, lr=3e-3, warmup=steps // 10, weight_decay=0.05, ema=0.98, muon=True,
            log_every=every, check_every=every,
        )  # fmt: skip
        return Trainer(net, loss, cfg, check=check, report=lambda row: None).fit().log

    as_it_is = torch.arange(SIDE**2)
    runs = {
        "A": (64, told, as_it_is),
        "B": (2000, told, in_columns),
        "C": (2000, told, as_it_is),
        "D": (2000, told.roll(1, 0), as_it_is),
    }
    found = {}
    for run, how in runs.items():
        log = record(*how)
        for key, digits in (("train", 2), ("held", 2), ("saves", 3), ("detail", 2)):
            found[run, key] = [round(float(row[key]), digits) + 0.0 for row in log]  # no -0.0
    return found
