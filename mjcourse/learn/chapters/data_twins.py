"""The design task of chapter 01: a short fingerprint by which altered copies of a picture are found."""

from __future__ import annotations

import io

import numpy as np
import torch

from mjcourse.data.draw import render
from mjcourse.data.scenes import random_scene
from mjcourse.learn.compare import tensor_of
from mjcourse.learn.exercise import Answers, Wrong

COUNT, SIDE = 40, 32
LONGEST = 64  # numbers in a fingerprint
FOUND = 0.9  # share of the copies of each kind that must be found
# What was done to a copy → what a fingerprint that does not find it cannot bear.
KINDS = {
    "exact": "even exact copies are not told from other pictures; it keeps too little of a picture.",
    "jpeg": "saving once more as a small JPEG changes single bytes everywhere; compare averages over blocks.",
    "dark": "all bytes times a half: take brightness and contrast out of each picture before you compare.",
    "grey": "the colours are gone; what is left is how light each place is.",
    "moved": "the whole picture is moved by one pixel; fine detail does not survive that, averages over blocks do.",
    "mirrored": "left and right are exchanged; let a picture and its mirror image give the same numbers.",
}


def copies_of(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Return what was done → the altered copies, each (N, SIDE, SIDE, 3) uint8 in the order of the pictures."""
    from PIL import Image

    def again(picture: np.ndarray) -> np.ndarray:
        stored = io.BytesIO()
        Image.fromarray(picture).save(stored, "JPEG", quality=25)
        return np.asarray(Image.open(stored).convert("RGB"))

    light = (pictures @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)
    return {
        "exact": pictures.copy(),
        "jpeg": np.stack([again(picture) for picture in pictures]),
        "dark": (pictures * 0.5 + 0.5).astype(np.uint8),
        "grey": np.repeat(light[..., None], 3, axis=3),
        "moved": np.pad(pictures, ((0, 0), (1, 0), (1, 0), (0, 0)), "edge")[:, :SIDE, :SIDE],
        "mirrored": pictures[:, :, ::-1].copy(),
    }


def scenes(g: torch.Generator, count: int = COUNT) -> np.ndarray:
    """Return pictures of random scenes, (count, SIDE, SIDE, 3) uint8."""
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    return np.stack([render(random_scene(rng), SIDE) for _ in range(count)])


def found(originals: torch.Tensor, copies: torch.Tensor) -> float:
    """Return the share of copies, (N, d), whose nearest original is their own: row i belongs to row i."""
    near = torch.cdist(copies, originals).argmin(1)
    return float((near == torch.arange(len(originals))).float().mean())


def check_fingerprint(answers: Answers, g: torch.Generator) -> None:
    """`fingerprint(pictures)`, (N, 32, 32, 3) uint8 → (N, d) with d at most `LONGEST`."""
    function = answers["fingerprint"]
    pictures = scenes(g)

    def taken(x: np.ndarray) -> torch.Tensor:
        given = x.copy()
        marks = function(given)
        if type(marks) in (list, tuple):
            kind = type(marks).__name__
            raise Wrong(f"what fingerprint(pictures) returns must be an array or a tensor (N, d), not a {kind}.")
        marks = tensor_of(marks, "what fingerprint(pictures) returns")
        if not np.array_equal(given, x):
            raise Wrong("`fingerprint` changes the pictures that it was given; work on a copy.")
        if marks.dim() != 2 or len(marks) != len(x):
            raise Wrong(f"a row for each picture is wanted, ({len(x)}, d); yours has shape {tuple(marks.shape)}.")
        if not 1 <= marks.shape[1] <= LONGEST:
            raise Wrong(f"a fingerprint may have 1 to {LONGEST} numbers, to be short; yours has {marks.shape[1]}.")
        if not marks.isfinite().all():
            raise Wrong("a fingerprint holds nan or inf; did you divide by a spread of 0?")
        return marks

    own = taken(pictures)
    size = (own - own.mean(0)).norm(dim=1).mean()
    if size == 0:
        raise Wrong("all pictures get the same fingerprint.")
    some = torch.randperm(COUNT, generator=g)[: COUNT // 3]
    if (taken(pictures[some.numpy()]) - own[some]).norm(dim=1).max() > 0.01 * size:
        raise Wrong(
            "a picture's fingerprint depends on the other pictures of the batch: a rule by content must give the same "
            "answer next year, for a picture alone (section 5)."
        )
    shuffled = torch.randperm(COUNT, generator=g)  # so that no order can be known
    for kind, copies in copies_of(pictures).items():
        share = found(own[shuffled], taken(copies[shuffled.numpy()]))
        if share < FOUND:
            raise Wrong(f"{share:.0%} of the copies “{kind}” are found, wanted {FOUND:.0%}: {KINDS[kind]}")
