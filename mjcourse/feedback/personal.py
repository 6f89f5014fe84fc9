"""A taste of one's own: learnt from the ratings in ``runs/``, once for the same ratings, and kept. Chapter 12.

What was rated teaches the reward model. The flow is tuned on pictures that it draws for this anew, for the rated
prompts and others, so that flags, edits and filters of the rated pictures do not become a part of the prompts.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.feedback import taste as tastes
from mjcourse.feedback.candidates import EACH, PROMPTS, Candidates, draw_candidates, open_prompts
from mjcourse.feedback.ratings import ME, Pair, RatingStore
from mjcourse.feedback.reward import features_of, learn, rewards
from mjcourse.feedback.session import NEEDED
from mjcourse.feedback.taste import Taste, learn_change, load_taste, save_taste
from mjcourse.files import sha256
from mjcourse.weights import as_json, find_weights

RATED = PROMPTS // 2  # of the prompts that are drawn, how many at most are the learner's; the others keep it general
KEPT = 3  # tastes that stay on the disk, 2 MB each: undo of a rating finds the last one again

_learning = threading.Lock()  # of all threads of a program, one learns and the others wait for it


def personal_taste(engine, guidance_scale: float, steps: int, report: Callable = lambda *_: None) -> Taste:
    """Return the taste that the learner's ratings tell: kept from the last time, or learnt now, in a minute or two.

    Args:
        engine: the studio's ``FlowEngine``.
        guidance_scale, steps: as for `draw_candidates`.
        report: called as ``report(done, total)`` while it is learnt; what it raises stops it.

    Raises:
        UserError: there are fewer than `NEEDED` rated pairs, a rated picture is damaged, or the disk is full.
    """
    with RatingStore() as store:
        pairs = sorted(store.pairs(ME, from_stars=True))  # in one order, whatever was rated first
        if (missing := NEEDED - len(pairs)) > 0:
            raise UserError(
                f"--p needs a taste learned from {NEEDED} pairs of pictures that you rated, and {missing} are missing: "
                "rate more in the studio (chapter 13) or in chapter 12, or leave --p out."
            )
        path = config.RUNS / "taste" / f"personal-{key_of(pairs, engine)}.safetensors"
        if found := _kept(path):
            return found
        while not _learning.acquire(timeout=0.2):
            report(0, 1)
        try:
            if found := _kept(path):
                return found
            _learn(path, engine, store, pairs, guidance_scale, steps, report)
        finally:
            _learning.release()
    return load_taste(path)  # as it is found the next time, rounded to 8 bits


def key_of(pairs: Sequence[Pair], engine) -> str:
    """Return a name for all that a personal taste depends on."""
    recipe = as_json([tastes.TUNING, tastes.REAL, PROMPTS, EACH, RATED])
    told = json.dumps([recipe, engine.digest, sha256(find_weights("reward")), pairs])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def prompts_of(pairs: Sequence[Pair]) -> list[str]:
    """Return what to draw: the prompts rated most, without their weights, then such as leave the light open."""
    counts = Counter(pair.prompt for pair in pairs)
    rated = sorted(counts, key=lambda prompt: (-counts[prompt], prompt))[:RATED]
    plain = [re.sub(r"\s*::[-+\d.]*\s*", ", ", prompt).strip(", ") for prompt in rated]
    return list(dict.fromkeys([prompt for prompt in plain if prompt] + open_prompts("train", PROMPTS)))[:PROMPTS]


def features_by_size(pictures: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    """Return the frozen features of pictures, each (H, W, 3) uint8 of its own size: (N, F)."""
    rows: dict[int, torch.Tensor] = {}
    for shape in {picture.shape for picture in pictures}:
        those = [k for k, picture in enumerate(pictures) if picture.shape == shape]
        rows |= zip(those, features_of(np.stack([pictures[k] for k in those]), device), strict=True)
    return torch.stack([rows[k] for k in range(len(pictures))])


def features_drawn(engine, drawn: Candidates, report: Callable[[], None]) -> torch.Tensor:
    """Return the frozen features of candidates, (N, F); `report` is called on the way, and may stop it."""
    parts = []
    for z in drawn.z.split(64):
        report()
        parts.append(features_of(engine.paint(z.to(engine.device)), engine.device))
    return torch.cat(parts)


def _kept(path: Path) -> Taste | None:
    """The taste of a file; None where there is none, or it is damaged, since it can be learnt again."""
    with suppress(UserError, FileNotFoundError):
        return load_taste(path)
    return None


def _learn(
    path: Path,
    engine,
    store: RatingStore,
    pairs: Sequence[Pair],
    guidance_scale: float,
    steps: int,
    report: Callable,
) -> None:
    """Learn a taste from pairs and write it."""
    begun, cfg = time.perf_counter(), tastes.TUNING
    total = PROMPTS + cfg.steps
    report(0, total)
    row = {key: k for k, key in enumerate(sorted({key for pair in pairs for key in pair[:2]}))}
    rated = features_by_size([picture.pixels for picture in store.pictures(row)], engine.device)
    chosen = torch.tensor([[row[pair.winner], row[pair.loser]] for pair in pairs])
    learnt = learn(rated, chosen, [pair.prompt for pair in pairs])
    drawn = draw_candidates(engine, prompts_of(pairs), guidance_scale, steps, EACH,
                            lambda done, _: report(done, total))  # fmt: skip
    scores = rewards(learnt.model, features_drawn(engine, drawn, lambda: report(PROMPTS, total)))
    change = learn_change(engine, drawn, scores, lambda done, _: report(PROMPTS + done, total), cfg)
    save_taste(path, engine, change, learnt, cfg, time.perf_counter() - begun, ME, pairs=len(pairs))
    kept = sorted(path.parent.glob("personal-*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in kept[KEPT:]:
        for file in (old, old.with_suffix(".json")):
            with suppress(OSError):  # another program may read it, or have deleted it
                file.unlink()
