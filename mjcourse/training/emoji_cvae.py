"""Recipe of stage ``cvae-emoji``: a conditional VAE that is told the style and encodes the thing. Chapter 07.

It encodes a concept in one style and is asked to draw it in another, so the code has to hold what all
styles share; the loss of chapter 06 pulls the codes of two styles of one concept together. A concept that was seen in
three styles is then asked for in the fourth: its code is the mean of what the encoder makes of the three.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data import emoji
from mjcourse.data.store import to_tensor
from mjcourse.models.clip import clip_loss
from mjcourse.models.conditional import CVAE, CVAEConfig
from mjcourse.models.vae import reparameterize, vae_loss
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 2500, 64
PULL, SHARPNESS = 0.05, 10.0  # weight and 1/τ of the contrastive loss between two styles of a concept
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
def encode_all(net: CVAE, pictures: np.ndarray) -> torch.Tensor:
    """Return the mean code of each picture (4, N, 64, 64, 3) uint8, told its style: (4, N, latent)."""
    device, codes = next(net.parameters()).device, []
    for style in range(len(pictures)):
        told = tell(torch.full((200,), style)).to(device)
        parts = [to_tensor(pictures[style][i : i + 200]).to(device) for i in range(0, len(pictures[style]), 200)]
        codes.append(torch.cat([net.encode(part, told[: len(part)])[0] for part in parts]))
    return torch.stack(codes)


def concept_codes(codes: torch.Tensor, known: np.ndarray) -> torch.Tensor:
    """Return each concept's code, (N, latent): the mean over the styles that are known of it, nan where none is.

    Args:
        codes: (4, N, latent), as `encode_all` gives them.
        known: (4, N) bool.
    """
    weight = torch.from_numpy(known).to(codes)[..., None]
    return (codes * weight).sum(0) / weight.sum(0)


@torch.no_grad()
def draw_in_style(net: CVAE, codes: torch.Tensor, style: int) -> torch.Tensor:
    """Return the pictures of codes (N, latent) in one style, (N, 3, 64, 64) in -1 to 1."""
    told = tell(torch.full((len(codes),), style)).to(codes.device)
    pairs = zip(codes.split(200), told.split(200), strict=True)
    return torch.cat([net.decode(z, t).clamp(-1, 1) for z, t in pairs])


def moved(x: torch.Tensor, g: torch.Generator, most: int = 3) -> torch.Tensor:
    """Return pictures (B, 3, H, W), all moved by the same few pixels on white, and mirrored or not."""
    x = x.flip(3) if torch.rand((), generator=g) < 0.5 else x
    across, down = torch.randint(-most, most + 1, (2,), generator=g).tolist()
    return F.pad(x, (across, -across, down, -down), value=1.0)


def fourth_style(
    net: CVAE, split: str, pictures: np.ndarray | None = None, styles: Sequence[str] = emoji.STYLES
) -> dict[str, dict[str, float]]:
    """Judge the fourth style of a split's concepts (``val`` or ``test``), by style.

    Returns:
        style → ``rmse`` and ``rmse_average`` (root mean square over all pixels in 0 to 1; the second of the average of
        the other three pictures), ``identified`` and ``identified_average``: the share of real pictures that lie
        nearest to their own concept's drawn picture (or average of the other three) of all 1,140 in that style, and
        ``identified_code``, the same by the cosine of the pictures' codes. Here the code of *every* concept comes from
        its other three styles, so that none is drawn from its own picture.
    """
    pictures = all_pictures() if pictures is None else pictures
    found, asked, each = {}, seen(split), encode_all(net, pictures)
    flat = torch.from_numpy(pictures.reshape(*pictures.shape[:2], -1)).float() / 255
    for style in styles:
        k = emoji.STYLES.index(style)
        others = np.ones(pictures.shape[:2], bool)
        others[k] = False
        codes = concept_codes(each, others)
        drawn = draw_in_style(net, codes, k)
        guesses = {"": ((drawn + 1) / 2).permute(0, 2, 3, 1).flatten(1).cpu(), "_average": (flat.sum(0) - flat[k]) / 3}
        own, row = torch.from_numpy(asked[k].nonzero()[0]), {}
        for name, guess in guesses.items():
            row[f"rmse{name}"] = float((guess[own] - flat[k][own]).square().mean().sqrt())
            row[f"identified{name}"] = float((torch.cdist(flat[k][own], guess).argmin(1) == own).float().mean())
        cosine = F.normalize(each[k][own], dim=1) @ F.normalize(codes, dim=1).T
        row["identified_code"] = float((cosine.argmax(1).cpu() == own).float().mean())
        found[style] = row
    return found


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train on all pairs of the training split; the card states the fourth style, and its baselines."""
    device, total = config.device(), steps or STEPS
    pictures, known = all_pictures(), seen()
    styles_of = [known[:, c].nonzero()[0] for c in range(known.shape[1])]
    concepts = [c for c, styles in enumerate(styles_of) if len(styles) > 1]
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=2e-3, warmup=200, weight_decay=0.02, ema=0.998, seed=seed,
        check_every=max(1, total // 10), save_every=max(1, total // 10),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = CVAE(CONFIG).to(device, memory_format=torch.channels_last)

    def loss(net, step):
        rng, g = np.random.default_rng([seed, step, 21]), config.generator(seed, step)
        picks = rng.choice(concepts, cfg.batch_size, replace=False)
        source, target = np.array([rng.choice(styles_of[c], 2, replace=False) for c in picks]).T
        both = moved(to_tensor(pictures[np.stack([source, target]), picks].reshape(-1, 64, 64, 3)), g)
        given, wanted = both.to(device, memory_format=torch.channels_last).chunk(2)
        told = [tell(torch.from_numpy(style)).to(device) for style in (source, target)]
        mean, logvar = net.encode(given, told[0])
        noise = torch.randn(mean.shape, generator=g).to(device)
        recon = net.decode(reparameterize(mean, logvar, noise), told[1])
        total_loss, parts = vae_loss(wanted, recon, mean, logvar, net.cfg.beta)
        codes = [F.normalize(code.float(), dim=1) for code in (mean, net.encode(wanted, told[1])[0])]
        apart = clip_loss(*codes, torch.tensor(SHARPNESS, device=device))
        return total_loss + PULL * apart, parts | {"apart": apart.detach()}

    def check(net, step):
        judged = fourth_style(net, "val", pictures).values()
        rows = []
        for k in range(len(pictures)):
            asked = seen("val")[k].nonzero()[0][:4]
            codes = concept_codes(encode_all(net, pictures), known)[asked]
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
