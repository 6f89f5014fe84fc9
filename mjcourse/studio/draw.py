"""What a command draws: each knob of the language as an equation over the engine. Chapter 13 takes it apart.

For a grid of pictures b = 1 … 4 with noise of the seeds s, s + 1 …, and the prompt's parts k of weight w_k:

    text     e_kb = reader(text_k) + CHAOS · √(chaos / 100) · σ · ε_b,   ε_b of the seed, σ the registers' spread
    pull     v = v₀ + guidance · Σ w_k (v_k - v₀) / Σ w_k           (of logits, in the prior)
    style    a part of its own for each style, weight (sw / 100) · its share in the reference
    way      steps · quality steps, before SETTLED in ROUNDS; from step INIT · iw on, starting at the picture of
             --init, with no rounds, as for --tile; up to stop %
    taste    weights θ₀ + (stylize / 1000) · (θ_taste - θ₀): of the house, or with --p the learner's own
    choice   weird: of more candidates the four that are least like the others
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from PIL import Image, ImageOps

from mjcourse import config
from mjcourse.data.prompts import language_of
from mjcourse.data.scenes import ASPECTS, ATTRIBUTES
from mjcourse.data.store import to_tensor
from mjcourse.data.words import EN_STYLE, ZH_STYLE
from mjcourse.models.steer import Velocity, walk
from mjcourse.studio.command import GRID, Command, Part
from mjcourse.studio.engine import FlowEngine, PriorEngine, default_engine
from mjcourse.studio.images import open_image
from mjcourse.studio.styled import with_taste
from mjcourse.training.clip import ClipReader

CHAOS = 1.0  # noise in the text at --chaos 100, as a share of the registers' spread
INIT = 0.3  # share of the way that --iw 1 leaves out
WEIRDEST = 16  # candidates at --weird 3000
SHARPNESS = 20.0  # how decidedly a reference's style is told: the cosines are multiplied with it
PREVIEW = 5  # steps from one preview to the next
SEAM = 2  # latents to either side of a tile's seam that are drawn anew

Report = Callable[..., None]


def silent(done: int, total: int, preview: np.ndarray | None = None) -> None:
    """Report nothing."""


def draw(command: Command, report: Report = silent, engine: FlowEngine | PriorEngine | None = None) -> np.ndarray:
    """Draw the pictures of a command, (4, H, W, 3) uint8: `draw_seeded` without the seeds."""
    return draw_seeded(command, report, engine)[0]


def draw_seeded(
    command: Command, report: Report = silent, engine: FlowEngine | PriorEngine | None = None
) -> tuple[np.ndarray, list[int]]:
    """Draw the pictures of a command, and tell the seed of each: with `weird`, four of many were chosen.

    Args:
        command: what to draw.
        report: called as ``report(done, total, preview)``, preview being pictures or None; what it raises stops the
            drawing and is passed on.
        engine: by default that of the command's model, loaded once.

    Returns:
        Pictures (4, H, W, 3) uint8, and their four seeds. The same command gives the same bytes on the same machine.
    """
    report(0, 1)  # before the engine is loaded, which takes its time
    engine = with_taste(engine or default_engine(command.model), command, report)
    draw_four = draw_by_flow if command.model == "flow" else draw_by_prior
    seeds = candidates(command)
    if len(seeds) == GRID:
        return draw_four(command, seeds, engine, report), seeds
    # Always four at once, since another batch rounds otherwise: so a chosen seed gives its picture again.
    fours = config.seeds_from(command.seed, -(-len(seeds) // GRID) * GRID)
    starts = range(0, len(fours), GRID)
    parts = [draw_four(command, fours[i : i + GRID], engine, within(report, i // GRID, len(starts))) for i in starts]
    pictures = np.concatenate(parts)[: len(seeds)]
    chosen = least_typical(pictures, GRID)
    return pictures[chosen], [seeds[i] for i in chosen]


def within(report: Report, part: int, parts: int) -> Report:
    """Return what reports the progress of one of several parts of equal length as that of the whole."""
    return lambda done, total, preview=None: report(part * total + done, parts * total, preview)


def candidates(command: Command) -> list[int]:
    """Return the seeds of the pictures to choose from: four, and more of them the weirder they shall be."""
    count = GRID + round((WEIRDEST - GRID) * command.weird / 3000) if command.weird else GRID
    return config.seeds_from(command.seed, count)


def spoken(command: Command) -> list[Part]:
    """Return the parts that the engine is told: what --no names in its surroundings, the style in words, the reference.

    ``a --no x`` weighs "a, x" against "a": the two differ by x alone, where x by itself would stand in any picture.
    """
    asked, kept_out = list(command.parts), []
    if command.no:
        asked, kept_out = asked[: -len(command.no)], asked[-len(command.no) :]
    if command.style:
        words = {"en": EN_STYLE[command.style][0], "zh": ZH_STYLE[command.style][0]}
        asked = [Part(f"{text}, {words[language_of(text)]}" if w > 0 else text, w) for text, w in asked]
    wanted = max(asked, key=lambda part: part.weight).text
    parts = asked + [Part(f"{wanted}, {text}", weight) for text, weight in kept_out]
    if command.sref and command.sw:
        shares = style_shares(np.array(open_image(command.sref).resize((64, 64), Image.Resampling.LANCZOS)))
        parts += [Part(EN_STYLE[style][0], command.sw / 100 * share) for style, share in shares.items() if share > 0.02]
    return parts


def told(command: Command, seeds: list[int], engine) -> tuple[list[torch.Tensor], list[float]]:
    """Return the registers of each part for each picture, (B, registers, width), and the weights of the parts."""
    texts, weights = [], []
    for text, weight in spoken(command):
        registers = engine.read([text]).expand(len(seeds), -1, -1)
        if command.chaos:
            drift = torch.stack([torch.randn(registers.shape[1:], generator=config.generator(s, 1)) for s in seeds])
            share = CHAOS * (command.chaos / 100) ** 0.5  # the noise's variance is in proportion to --chaos
            registers = registers + share * registers.std() * drift.to(registers.device)
        texts.append(registers)
        weights.append(weight)
    return texts, weights


@torch.no_grad()
def draw_by_flow(command: Command, seeds: list[int], engine: FlowEngine, report: Report) -> np.ndarray:
    """Draw the pictures of a command with the flow model, a seed each."""
    steps = max(1, round(command.steps * command.quality))
    start, stop = 0, max(1, round(steps * command.stop / 100))
    known = None
    if command.init:
        known = engine.autoencoder.encode(to_tensor(fitted(command.init, command.ar)[None]).to(engine.device))
        start = min(round(INIT * command.iw * steps), steps - 1)
    stop = max(start + 1, stop)
    total = stop - start + (steps if command.tile else 0)
    velocity = engine.velocity(*told(command, seeds, engine), command.guidance)
    if not command.tile:
        z = engine.walk(velocity, seeds, steps, command.ar, start, stop=stop, known=known,
                        progress=shown_by(engine.paint, report, start, total))  # fmt: skip
        return engine.paint(z)
    paint, velocity = partial(paint_tile, engine), rolled(velocity, seeds[0])
    z = engine.walk(velocity, seeds, steps, command.ar, start, stop=stop, known=known, rounds=1,
                    progress=shown_by(paint, report, start, total))  # fmt: skip
    noise, fresh = engine.noise(seeds, command.ar), engine.fresh(seeds, z)
    return paint(closed(velocity, z, noise, steps, fresh, lambda i, _: report(stop - start + i, total)))


def shown_by(paint: Callable, report: Report, start: int, total: int) -> Callable[[int, torch.Tensor], None]:
    """Return what a walk shall call at each step: it reports how far it is, with a preview at every few steps."""

    def progress(done: int, ahead: torch.Tensor) -> None:
        report(done - start, total, paint(ahead[:GRID]) if done % PREVIEW == 0 else None)

    return progress


def draw_by_prior(command: Command, seeds: list[int], engine: PriorEngine, report: Report) -> np.ndarray:
    """Draw the pictures of a command with the prior, a seed each."""
    texts, weights = told(command, seeds, engine)
    total = engine.prior.cfg.tokens
    return engine.paint(engine.write(engine.noise(seeds), texts, command.guidance, weights=weights,
                                     progress=lambda done: report(done, total)))  # fmt: skip


def fitted(path: str, aspect: str) -> np.ndarray:
    """Return a picture file cut to an aspect, in the middle, and brought to its size: (H, W, 3) uint8."""
    return np.array(ImageOps.fit(open_image(path, 96), ASPECTS[aspect], Image.Resampling.LANCZOS))


def rolled(velocity: Velocity, seed: int) -> Velocity:
    """Return a velocity that looks at the latents from a new place at each step, as if they were bent into a ring.

    What leaves on one side comes in on the other, so left and right fit. Steps are of whole patches, 2 latents.
    """
    g = config.generator(seed, 2)

    def shifted(z: torch.Tensor, t: float) -> torch.Tensor:
        by = 2 * int(torch.randint(z.shape[3] // 2, (), generator=g))
        return velocity(z.roll(by, 3), t).roll(-by, 3)

    return shifted


def closed(
    velocity: Velocity, z: torch.Tensor, noise: torch.Tensor, steps: int, fresh: Callable, progress: Callable
) -> torch.Tensor:
    """Return latents whose lower edge fits their upper one: brought to the middle, the seam is drawn anew.

    (A ring will not do here: the sky is always above the ground, and nothing that was learnt shows it below.)
    """
    half = z.shape[2] // 2
    keep = torch.ones_like(z[:1, :1])
    keep[:, :, half - SEAM : half + SEAM] = 0
    return walk(velocity, noise, steps, known=z.roll(half, 2), keep=keep, rounds=2, fresh=fresh,
                progress=progress).roll(-half, 2)  # fmt: skip


def paint_tile(engine: FlowEngine, z: torch.Tensor, rim: int = 4) -> np.ndarray:
    """Return pictures of latents whose edges meet: painted with a rim of what lies beyond, which is cut off."""
    wide = torch.nn.functional.pad(z, (rim,) * 4, mode="circular")
    return engine.paint(wide)[:, 4 * rim : -4 * rim, 4 * rim : -4 * rim]


@cache
def clip_reader() -> ClipReader:
    """Return the contrastive encoder, loaded once."""
    return ClipReader()


def least_typical(pictures: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of the `count` pictures of (N, H, W, 3) uint8 least like the others, least typical first."""
    square = np.stack([np.asarray(Image.fromarray(p).resize((64, 64), Image.Resampling.LANCZOS)) for p in pictures])
    vectors = clip_reader().images(square)
    return (vectors @ vectors.mean(0)).argsort()[:count].cpu().numpy()


def style_shares(picture: np.ndarray) -> dict[str, float]:
    """Return how much each style is in a picture (64, 64, 3) uint8, by the contrastive encoder: shares of 1."""
    styles = ATTRIBUTES["style"]
    cosines = clip_reader().likeness(picture[None], [f"a {EN_STYLE[style][0]} picture" for style in styles])[0]
    return dict(zip(styles, (SHARPNESS * cosines).softmax(0).tolist(), strict=True))
