"""New pictures from old ones: variations, redrawn regions, panning, zooming out, blends, upscaling. Chapter 13.

All but the last are one walk of the flow model around what is known (`mjcourse.models.steer.walk`):

    vary, remix     start at t₀ on the way to the old picture, with new noise
    region          keep everything outside the region
    pan             put the old picture elsewhere in the frame, and keep it
    zoom            put it into the middle of a wider frame, and keep it
    blend           walk each picture back to its noise, add the noises, walk forward with all descriptions
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image, ImageOps

from mjcourse import config
from mjcourse.config import UserError, seeds_from
from mjcourse.data.scenes import ASPECTS
from mjcourse.data.store import to_tensor
from mjcourse.models.steer import walk
from mjcourse.studio.command import GRID, Command
from mjcourse.studio.draw import Report, silent, told
from mjcourse.studio.engine import FlowEngine, default_engine
from mjcourse.studio.styled import with_taste
from mjcourse.studio.task import LATENT
from mjcourse.training.loop import autocast
from mjcourse.training.upscaler import enlarge, load_upscaler

VARY = {"subtle": 0.6, "strong": 0.3}  # t₀, the share of the way that is left out
SIDES = {"left": (0, 1), "right": (0, -1), "up": (1, 0), "down": (-1, 0)}  # where the picture moves
ROUNDS = 2  # how often each step is made where a part is redrawn, so that it fits the rest
AROUND = 0.25  # how much of the guidance counts when zooming out: what the words name is in the picture already
OVERLAP = 1  # latents next to what is redrawn that are redrawn with it, so that no seam is left


def vary(command: Command, picture: np.ndarray, strength: str = "subtle", report: Report = silent) -> np.ndarray:
    """Draw four variations of a picture (H, W, 3) uint8; with another prompt in the command, that is a remix.

    Args:
        command: its seed gives the new noise; model, guidance and steps as for `draw`.
        picture: in the frame of the command's aspect.
        strength: one of `VARY`.
        report: as for `draw`.
    """
    if strength not in VARY:
        raise UserError(f"there is no variation {strength!r}; allowed are {' and '.join(VARY)}.")
    return _walked(command, _known(command, picture), None, report, VARY[strength])


def region(command: Command, picture: np.ndarray, chosen: np.ndarray, report: Report = silent) -> np.ndarray:
    """Draw a part of a picture anew, four times.

    Args:
        command: what to draw there.
        picture: (H, W, 3) uint8.
        chosen: (H, W) bool, where to draw; it grows to whole latents, 4 × 4 pixels.
        report: as for `draw`.

    Raises:
        UserError: nothing is chosen, or `chosen` is not as large as the picture.
    """
    if chosen.shape != picture.shape[:2]:
        raise UserError(f"the region is {chosen.shape} pixels and the picture {picture.shape[:2]}; both must be equal.")
    if not chosen.any():
        raise UserError("no region is chosen: mark what shall be drawn anew.")
    h, w = chosen.shape
    cells = chosen.reshape(h // LATENT, LATENT, w // LATENT, LATENT).any((1, 3))
    return _walked(command, _known(command, picture), ~cells, report)


def pan(command: Command, picture: np.ndarray, side: str, report: Report = silent) -> np.ndarray:
    """Move the frame by half its size to a side and draw what comes into sight, four times.

    Args:
        side: one of `SIDES`; ``right`` shows what lies right of the picture.
        command, picture, report: as for `region`.
    """
    if side not in SIDES:
        raise UserError(f"there is no side {side!r}; allowed are {', '.join(SIDES)}.")
    z = _known(command, picture)
    by = [step * size // 2 for step, size in zip(SIDES[side], z.shape[2:], strict=True)]
    there = torch.ones(z.shape[2:])
    for axis, step in enumerate(by):
        gone = slice(0, step) if step > 0 else slice(step, None) if step < 0 else slice(0, 0)
        there[(slice(None),) * axis + (gone,)] = 0
    return _walked(command, z.roll(by, (2, 3)), there.bool().numpy(), report)


def zoom_out(command: Command, picture: np.ndarray, report: Report = silent) -> np.ndarray:
    """Put a picture into the middle of a wider frame and draw what lies left and right of it, four times.

    The picture is brought to the new frame's height. From 1:1 on, all frames are as high in a scene's own units
    (`mjcourse.data.draw`), so things are of the size that the model has learnt there; out of 2:3 and 1:2 they come
    out smaller than that, by 2/3 and 3/4.

    At full guidance the words draw a second sun beside the first now and then, hence `AROUND`.

    Args:
        command: what to draw; its aspect is the new frame.
        picture: (H, W, 3) uint8 of any size, narrower than the new frame.
        report: as for `draw`.

    Raises:
        UserError: the frame is not wider than the picture.
    """
    (w, h), (high, wide) = ASPECTS[command.ar], picture.shape[:2]
    inner = 2 * round(wide * h / high / 2)  # as much is new on the left as on the right
    side = (w - inner) // 2
    if side < LATENT:
        raise UserError(f"a picture of {wide} x {high} pixels fills a {command.ar} frame: zoom out to a wider one.")
    small = np.asarray(ImageOps.fit(Image.fromarray(picture), (inner, h), Image.Resampling.LANCZOS))
    canvas = np.pad(small, ((0, 0), (side, side), (0, 0)), "edge")  # no hard edge that latents would carry on
    cut = -(-side // LATENT)  # a latent that is new in part is new
    there = np.zeros((h // LATENT, w // LATENT), bool)
    there[:, cut:-cut] = True
    return _walked(command, _known(command, canvas), there, report, pull=AROUND)


@torch.no_grad()
def blend(command: Command, pictures: list[np.ndarray], captions: list[str], report: Report = silent) -> np.ndarray:
    """Mix two to five pictures into four new ones.

    Args:
        command: seed, guidance and steps; its prompt is not used.
        pictures: each (H, W, 3) uint8 in the frame of the command's aspect.
        captions: what each shows, as `mjcourse.studio.describe.describe` tells it.
        report: as for `draw`.
    """
    if not 2 <= len(pictures) <= 5:
        raise UserError(f"cannot blend {len(pictures)} pictures; allowed are 2 to 5.")
    engine, steps = with_taste(_engine(command), command, report), command.steps
    known = torch.cat([_known(command, picture) for picture in pictures])
    texts = [engine.read([caption]) for caption in captions]
    z = known
    for i in reversed(range(steps)):  # back to the noise it came from: the same Euler steps, downhill
        t = torch.full((len(z),), i / steps, device=z.device)
        with autocast(engine.device, True):
            z = z - engine.flow(z, t, torch.cat(texts)).float() / steps
        report(steps - i, 2 * steps)
    fresh = engine.noise(seeds_from(command.seed, GRID), command.ar)
    noise = (z.sum(0, keepdim=True) + 0.5 * fresh) / (len(z) + 0.25) ** 0.5  # of variance 1
    velocity = engine.velocity(texts, [1.0] * len(texts), command.guidance)
    return engine.paint(walk(velocity, noise, steps, progress=lambda i, _: report(steps + i, 2 * steps)))


@cache
def upscaler():
    """Return the upscaler, loaded once."""
    return load_upscaler(config.device())


def upscale(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 at four times its size."""
    return enlarge(upscaler(), picture[None])[0]


def _engine(command: Command) -> FlowEngine:
    if command.model != "flow":
        raise UserError("old pictures are changed by the flow model; the prior only draws new ones: use --model flow.")
    return default_engine("flow")


@torch.no_grad()
def _latents(engine: FlowEngine, picture: np.ndarray) -> torch.Tensor:
    return engine.autoencoder.encode(to_tensor(picture[None]).to(engine.device)).float()


def _known(command: Command, picture: np.ndarray) -> torch.Tensor:
    return _latents(_engine(command), picture)


@torch.no_grad()
def _walked(
    command: Command,
    known: torch.Tensor,
    there: np.ndarray | None,
    report: Report,
    begin: float = 0.0,
    pull: float = 1.0,
) -> np.ndarray:
    """Walk to four pictures: from the share `begin` of the way to `known` on, and keeping it where `there` says so.

    `pull` is how much of the guidance counts, from 0, as without any, to 1.
    """
    engine, seeds = with_taste(_engine(command), command, report), seeds_from(command.seed, GRID)
    steps, keep = max(2, round(command.steps * command.quality)), None
    start = round(begin * steps)
    if there is not None:
        drawn = torch.from_numpy(~there).float()[None, None].to(engine.device)
        keep = 1 - torch.nn.functional.max_pool2d(drawn, 2 * OVERLAP + 1, 1, OVERLAP)

    velocity = engine.velocity(*told(command, seeds, engine), 1 + pull * (command.guidance - 1))
    how = {} if keep is None else {"keep": keep, "rounds": ROUNDS, "settled": 1.0}
    z = engine.walk(velocity, seeds, steps, command.ar, start, known=known, **how,
                    progress=lambda i, _: report(i - start, steps - start))  # fmt: skip
    return engine.paint(z)
