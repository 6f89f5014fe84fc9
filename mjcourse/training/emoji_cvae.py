"""Recipe of stage ``cvae-emoji``: the conditional VAE draws a concept by its name, in any of four styles. Chapter 07.

A concept seen in three styles is asked for in the fourth. The name comes as the registers of the contrastive
encoder's text tower (chapter 06), the style as one more vector beside them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.data import emoji
from mjcourse.data.store import to_tensor
from mjcourse.models.conditional import CVAE, CVAEConfig
from mjcourse.models.vae import vae_loss
from mjcourse.training.clip import ClipReader, emoji_pictures
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 6000, 64
CONFIG = CVAEConfig(latent=8, registers=5, text_width=128, words=384)


class Names:
    """What to tell the model of a concept and a style: (5, 128), four registers of the name and one of the style."""

    def __init__(self, reader: ClipReader, language: str) -> None:
        self.row = {concept.hex: i for i, concept in enumerate(emoji.load_concepts())}
        texts = [emoji.caption(concept, None, language) for concept in emoji.load_concepts()]
        with torch.no_grad():
            parts = [
                reader.net.text(reader.tokenizer(texts[i : i + 200]).to(reader.device)) for i in range(0, 1200, 200)
            ]
        self.registers = torch.cat(parts).float()  # (1140, 4, 128)
        width = self.registers.shape[-1]
        self.styles = torch.eye(4).repeat_interleave(width // 4, 1).to(reader.device)[:, None] * 2  # (4, 1, 128)

    def __call__(self, pairs: list) -> torch.Tensor:
        """Return what to tell of (concept, style) pairs, (N, 5, 128)."""
        concepts = [self.row[concept.hex] for concept, _ in pairs]
        styles = [emoji.STYLES.index(style) for _, style in pairs]
        return torch.cat([self.registers[concepts], self.styles[styles]], 1)


@torch.no_grad()
def draw_pairs(net: CVAE, told: torch.Tensor) -> torch.Tensor:
    """Return the picture of each telling (N, R, C) at the middle of the prior, z = 0: (N, 3, 64, 64) in -1 to 1."""
    return torch.cat(
        [net.decode(torch.zeros(len(t), net.cfg.latent, device=t.device), t).clamp(-1, 1) for t in told.split(200)]
    )


def fourth_style(net: CVAE, names: Names, split: str) -> dict[str, dict[str, float]]:
    """Judge pictures of a split's pairs, by style; the average of the concept's other three pictures beside it.

    Returns:
        style → ``rmse`` and ``rmse_average`` (root mean square over all pixels in 0 to 1), ``identified`` and
        ``identified_average``: the share of real pictures that lie nearest to their own concept's drawn picture (or
        average of the other three styles) of all 1,140 concepts in that style.
    """
    concepts, found = emoji.load_concepts(), {}
    library = np.stack([[np.asarray(emoji.load_image(c.hex, style)) for c in concepts] for style in emoji.STYLES])
    library = torch.from_numpy(library.reshape(4, len(concepts), -1)).float() / 255
    for k, style in enumerate(emoji.STYLES):
        asked = [names.row[concept.hex] for concept, s in emoji.split(split) if s == style]
        drawn = draw_pairs(net, names([(concept, style) for concept in concepts]))
        drawn = ((drawn + 1) / 2).permute(0, 2, 3, 1).flatten(1).cpu()
        average = (library.sum(0) - library[k]) / 3
        real = library[k][asked]
        row = {}
        for name, guess in (("", drawn), ("_average", average)):
            row[f"rmse{name}"] = float((guess[asked] - real).square().mean().sqrt())
            row[f"identified{name}"] = float((torch.cdist(real, guess).argmin(1) == torch.tensor(asked)).float().mean())
        found[style] = row
    return found


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train on all pairs of the training split; the card states the fourth style, and concepts never seen at all."""
    device, total = config.device(), steps or STEPS
    reader = ClipReader(device)
    names = {language: Names(reader, language) for language in emoji.LANGUAGES}
    pairs, pictures = emoji_pictures("train")
    val = emoji.split("val")[::6]
    told = torch.stack([names[language](pairs) for language in emoji.LANGUAGES])  # (2, N, 5, 128)
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=2e-3, warmup=200, weight_decay=0.01, ema=0.998, seed=seed,
        check_every=max(1, total // 10), save_every=max(1, total // 10),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = CVAE(CONFIG).to(device, memory_format=torch.channels_last)

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(pairs), (cfg.batch_size,), generator=g)
        x = to_tensor(pictures[picks.numpy()]).to(device, memory_format=torch.channels_last)
        text = told[torch.randint(2, (len(picks),), generator=g), picks]
        return vae_loss(x, *net(x, torch.randn(len(x), net.cfg.latent, generator=g).to(device), text), net.cfg.beta)

    def check(net, step):
        made = torch.cat([draw_pairs(net, names[language](val[:16])) for language in emoji.LANGUAGES])
        grid(torch.cat([to_tensor(emoji_pictures("val")[1][::6][:16]), made.cpu()]), cols=8, zoom=2).save(
            folder / f"samples-{step:06d}.png"
        )
        judged = fourth_style(net, names["en"], "val").values()
        return {key: np.mean([row[key] for row in judged]) for key in ("rmse", "rmse_average", "identified")}

    def finish(net):
        found = {}
        for language in emoji.LANGUAGES:
            for split in ("test", "unseen"):
                for style, row in fourth_style(net, names[language], split).items():
                    found |= {f"{split}_{language}_{style}_{key}": value for key, value in row.items()}
        return found

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


def load_emoji_cvae(device: torch.device | None = None) -> CVAE:
    """Return the trained conditional VAE of emoji."""
    return load_weights(CVAE(CONFIG), find_weights("cvae-emoji"), CONFIG).to(device or config.device()).eval()
