"""Recipe of stage ``cvae-emoji``: a conditional VAE that is told the style and encodes the thing. Chapter 07.

It encodes a concept in one style and is asked to draw it in another, so the code has to hold what all
styles share. A concept that was seen in three styles is then asked for in the fourth: its code is the mean of
what the encoder makes of the three.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data import emoji
from mjcourse.data.store import to_tensor
from mjcourse.models.conditional import CVAE, CVAEConfig
from mjcourse.models.vae import vae_loss
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 2500, 64
CONFIG = CVAEConfig(latent=64, registers=1, text_width=len(emoji.STYLES), words=64, beta=4.0)


def all_pictures() -> np.ndarray:
    """Return all pictures, (4, 1140, 64, 64, 3) uint8, style by style."""
    concepts = emoji.load_concepts()
    return np.stack([[np.asarray(emoji.load_image(c.hex, style)) for c in concepts] for style in emoji.STYLES])


def seen(split: str = "train") -> np.ndarray:
    """Return which pictures belong to a split, (4, 1140) bool."""
    return np.array([[emoji.part(c, style) == split for c in emoji.load_concepts()] for style in emoji.STYLES])


def tell(styles: torch.Tensor) -> torch.Tensor:
    """Return what to tell the model of styles (N,), as a text of one register: (N, 1, 4)."""
    return F.one_hot(styles, len(emoji.STYLES)).float()[:, None]


@torch.no_grad()
def concept_codes(net: CVAE, pictures: np.ndarray, known: np.ndarray) -> torch.Tensor:
    """Return each concept's code, (1140, latent): the mean over the styles that are known of it, nan where none is."""
    device, codes = next(net.parameters()).device, []
    for style in range(len(pictures)):
        told = tell(torch.full((200,), style)).to(device)
        parts = [to_tensor(pictures[style][i : i + 200]).to(device) for i in range(0, len(pictures[style]), 200)]
        codes.append(torch.cat([net.encode(part, told[: len(part)])[0] for part in parts]))
    weight = torch.from_numpy(known).float().to(device)[..., None]
    return (torch.stack(codes) * weight).sum(0) / weight.sum(0)


@torch.no_grad()
def draw_in_style(net: CVAE, codes: torch.Tensor, style: int) -> torch.Tensor:
    """Return the pictures of codes (N, latent) in one style, (N, 3, 64, 64) in -1 to 1."""
    told = tell(torch.full((len(codes),), style)).to(codes.device)
    pairs = zip(codes.split(200), told.split(200), strict=True)
    return torch.cat([net.decode(z, t).clamp(-1, 1) for z, t in pairs])


def fourth_style(net: CVAE, split: str, pictures: np.ndarray | None = None) -> dict[str, dict[str, float]]:
    """Judge the fourth style of a split's concepts (``val`` or ``test``), by style.

    Returns:
        style → ``rmse`` and ``rmse_average`` (root mean square over all pixels in 0 to 1; the second of the average of
        the other three pictures), ``identified`` and ``identified_average``: the share of real pictures that lie
        nearest to their own concept's drawn picture (or average of the other three) of all 1,140 in that style, and
        ``identified_code``, the same by the cosine of the pictures' codes. Here the code of *every* concept comes from
        its other three styles, so that none is drawn from its own picture.
    """
    pictures = all_pictures() if pictures is None else pictures
    found, asked = {}, seen(split)
    flat = torch.from_numpy(pictures.reshape(*pictures.shape[:2], -1)).float() / 255
    for k, style in enumerate(emoji.STYLES):
        others = np.ones(pictures.shape[:2], bool)
        others[k] = False
        codes, real = concept_codes(net, pictures, others), concept_codes(net, pictures, ~others)
        drawn = draw_in_style(net, codes, k)
        guesses = {"": ((drawn + 1) / 2).permute(0, 2, 3, 1).flatten(1).cpu(), "_average": (flat.sum(0) - flat[k]) / 3}
        own, row = torch.from_numpy(asked[k].nonzero()[0]), {}
        for name, guess in guesses.items():
            row[f"rmse{name}"] = float((guess[own] - flat[k][own]).square().mean().sqrt())
            row[f"identified{name}"] = float((torch.cdist(flat[k][own], guess).argmin(1) == own).float().mean())
        cosine = F.normalize(real[own], dim=1) @ F.normalize(codes, dim=1).T
        row["identified_code"] = float((cosine.argmax(1).cpu() == own).float().mean())
        found[style] = row
    return found


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train on all pairs of the training split; the card states the fourth style, and its baselines."""
    device, total = config.device(), steps or STEPS
    pictures, known = all_pictures(), seen()
    styles_of = [known[:, c].nonzero()[0] for c in range(known.shape[1])]
    concepts = [c for c, styles in enumerate(styles_of) if len(styles)]
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=2e-3, warmup=200, weight_decay=0.02, ema=0.998, seed=seed,
        check_every=max(1, total // 10), save_every=max(1, total // 10),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = CVAE(CONFIG).to(device, memory_format=torch.channels_last)

    def loss(net, step):
        rng = np.random.default_rng([seed, step, 21])
        picks = rng.choice(concepts, cfg.batch_size)
        source, target = (np.array([rng.choice(styles_of[c]) for c in picks]) for _ in range(2))
        x, wanted = (
            to_tensor(pictures[s, picks]).to(device, memory_format=torch.channels_last) for s in (source, target)
        )
        mean, logvar = net.encode(x, tell(torch.from_numpy(source)).to(device))
        noise = torch.randn(mean.shape, generator=config.generator(seed, step)).to(device)
        recon = net.decode(mean + torch.exp(0.5 * logvar) * noise, tell(torch.from_numpy(target)).to(device))
        return vae_loss(wanted, recon, mean, logvar, net.cfg.beta)

    def check(net, step):
        judged = fourth_style(net, "val", pictures).values()
        rows = []
        for k in range(len(pictures)):
            asked = seen("val")[k].nonzero()[0][:4]
            codes = concept_codes(net, pictures, known)[asked]
            rows += [to_tensor(pictures[k, asked]), draw_in_style(net, codes, k).cpu()]
        grid(torch.cat(rows), cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        return {
            key: np.mean([row[key] for row in judged])
            for key in ("rmse", "rmse_average", "identified", "identified_code")
        }

    def finish(net):
        judged = fourth_style(net, "test", pictures)
        return {f"test_{style}_{key}": value for style, row in judged.items() for key, value in row.items()}

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


def load_emoji_cvae(device: torch.device | None = None) -> CVAE:
    """Return the trained conditional VAE of emoji."""
    return load_weights(CVAE(CONFIG), find_weights("cvae-emoji"), CONFIG).to(device or config.device())
