"""Four houses draw the same 1,140 things: the emoji art, its names, its splits (chapters 01 and 14).

A *concept* is one emoji, say the fox; a *style* is one of four sets, each under its own licence in
``data/emoji/<style>``; a *pair* is one concept in one style, hence one picture. The splits are made
by cluster, that is by groups of concepts that look or are named almost alike, never by picture:

* ``role == "train"``: all four pairs train;
* ``role == "val_pair"`` and ``"test_pair"``: three pairs train, and the pair in ``held_out_style``
  is asked for in ``val`` or ``test``: a known thing in a known hand, never seen together;
* ``role == "unseen_concept"``: no pair trains; the four pairs form the split ``unseen``.

All members of a cluster share role and held-out style, so no look-alike of a held-out picture
trains in the same style.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mjcourse.config import DATA, UserError

HOME = DATA / "emoji"
STYLES = ("openmoji", "twemoji", "noto", "fluent")
SPLITS = ("train", "val", "test", "unseen")
LANGUAGES = ("en", "zh")
SIZE = 64  # pixels
RESTORE = "restore it with `git checkout -- data/emoji`"


@dataclass(frozen=True)
class Emoji:
    """One concept: its code, its names, and its place in the splits (chapter 01)."""

    hex: str  # code points without variation selectors, "1f98a"
    emoji: str  # the character itself
    group: str  # Unicode's category, "animals-nature"
    en: str  # CLDR's short name
    zh: str
    cluster: str  # hex of one member; look-alikes and near-namesakes share it
    role: str  # "train", "val_pair", "test_pair" or "unseen_concept"
    held_out_style: str | None  # for the two pair roles


def load_concepts(home: Path = HOME) -> list[Emoji]:
    """Return the 1,140 concepts in a fixed order (chapter 01).

    Raises:
        UserError: ``concepts.json`` is missing or damaged.
    """
    return list(_concepts(Path(home)))


@lru_cache(maxsize=4)
def _concepts(home: Path) -> tuple[Emoji, ...]:
    file = home / "concepts.json"
    fields = Emoji.__dataclass_fields__
    try:
        rows = json.loads(file.read_text("utf-8"))
        return tuple(Emoji(**{name: row[name] for name in fields}) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} cannot be read ({type(error).__name__}): {RESTORE}.") from error


def load_image(hex: str, style: str, home: Path = HOME):
    """Return the picture of one pair as a Pillow RGB image of 64 x 64 pixels (chapter 01).

    Args:
        hex: the concept's code, ``"1f98a"``.
        style: one of ``STYLES``.

    Raises:
        UserError: no such style, no such concept, or the file is missing or damaged.
    """
    from PIL import Image  # all that reading needs: NumPy and torch only where a function uses them

    if style not in STYLES:
        raise UserError(f"There is no emoji style {style!r}; the styles are {', '.join(STYLES)}.")
    file = Path(home) / style / f"{hex}.png"
    try:
        with Image.open(file) as picture:
            return picture.convert("RGB")
    except FileNotFoundError as error:
        if hex not in {concept.hex for concept in load_concepts(home)}:
            raise UserError(f"There is no emoji {hex!r}; load_concepts() lists the codes.") from error
        raise UserError(f"{file} is missing: {RESTORE}.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{file} is damaged: {RESTORE}.") from error


# ---- splits --------------------------------------------------------------------------------------


def split(name: str, home: Path = HOME) -> list[tuple[Emoji, str]]:
    """Return the (concept, style) pairs of ``train``, ``val``, ``test`` or ``unseen`` (chapter 01).

    Raises:
        UserError: no split has that name.
    """
    if name not in SPLITS:
        raise UserError(f"There is no split {name!r}; the splits are {', '.join(SPLITS)}.")
    return [(concept, style) for concept in load_concepts(home) for style in STYLES if part(concept, style) == name]


def part(concept: Emoji, style: str) -> str:
    """Return the split that a pair belongs to (chapter 01)."""
    if concept.role == "unseen_concept":
        return "unseen"
    if style != concept.held_out_style:
        return "train"
    return {"val_pair": "val", "test_pair": "test"}[concept.role]


def caption(concept: Emoji, style: str | None = None, language: str = "en") -> str:
    """Return what a pair is called: ``fox, twemoji style`` or ``狐狸，twemoji 风格`` (chapter 14).

    The captions are names, not CLDR's keywords: many keywords cannot be seen in the picture.

    Raises:
        UserError: the language is neither ``en`` nor ``zh``.
    """
    if language not in LANGUAGES:
        raise UserError(f"There are no captions in {language!r}; allowed are {', '.join(LANGUAGES)}.")
    if language == "zh":
        return concept.zh if style is None else f"{concept.zh}，{style} 风格"
    return concept.en if style is None else f"{concept.en}, {style} style"


class EmojiDataset:
    """A torch data set of (picture, caption, meta) over one split (chapter 14).

    A picture is a float tensor (3, 64, 64) in [-1, 1]; meta is a dict of ``hex``, ``style``,
    ``style_index``, ``group`` and ``cluster``.

    Args:
        split_name: one of ``SPLITS``.
        language: ``"en"`` or ``"zh"``, for the captions.
        styles: the styles to keep.
        captioner: function of (concept, style) to replace ``caption``.

    Raises:
        UserError: an unknown split, style or language.
    """

    def __init__(
        self,
        split_name: str = "train",
        language: str = "en",
        styles: Sequence[str] = STYLES,
        captioner: Callable[[Emoji, str], str] | None = None,
        home: Path = HOME,
    ):
        if unknown := [style for style in styles if style not in STYLES]:
            raise UserError(f"There is no emoji style {unknown[0]!r}; the styles are {', '.join(STYLES)}.")
        name = captioner or (lambda concept, style: caption(concept, style, language))
        self.home = home
        self.pairs = [(concept, style) for concept, style in split(split_name, home) if style in styles]
        self.captions = [name(concept, style) for concept, style in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int):
        import numpy as np
        import torch

        concept, style = self.pairs[index]
        pixels = torch.from_numpy(np.array(load_image(concept.hex, style, self.home)))  # (64, 64, 3) uint8
        picture = pixels.permute(2, 0, 1).float().div(127.5).sub(1)  # (3, 64, 64)
        meta = {name: getattr(concept, name) for name in ("hex", "group", "cluster")}
        return picture, self.captions[index], meta | {"style": style, "style_index": STYLES.index(style)}


# ---- checking ------------------------------------------------------------------------------------


def verify(home: Path = HOME) -> list[str]:
    """Return what is wrong with the emoji files, one line each; an empty list means all is well.

    Compares pictures, names and licences with ``SHA256SUMS``; `doctor` and `data info` call it.
    """
    home = Path(home)
    try:
        lines = (home / "SHA256SUMS").read_text("utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines if line)}
    except (OSError, ValueError):
        return [f"{home / 'SHA256SUMS'} is missing or damaged: {RESTORE}"]
    problems = []
    for name, digest in sums.items():
        try:
            if hashlib.sha256((home / name).read_bytes()).hexdigest() != digest:
                problems.append(f"{name} has changed: {RESTORE}")
        except OSError:
            problems.append(f"{name} is missing: {RESTORE}")
    there = {f"{style}/{file.name}" for style in STYLES for file in (home / style).glob("*.png")}
    return problems + [f"{name} is not in SHA256SUMS: move it away" for name in sorted(there - set(sums))]


def info(home: Path = HOME) -> dict:
    """Return counts of the set: concepts, clusters, pictures and bytes, by style, split and group."""
    concepts = load_concepts(home)
    files = {style: list((Path(home) / style).glob("*.png")) for style in STYLES}
    sizes = {style: sum(file.stat().st_size for file in files[style]) for style in STYLES}
    return {
        "concepts": len(concepts),
        "clusters": len({concept.cluster for concept in concepts}),
        "pictures": sum(map(len, files.values())),
        "bytes": sum(sizes.values()),
        "by_style": {style: {"pictures": len(files[style]), "bytes": sizes[style]} for style in STYLES},
        "by_split": {name: len(split(name, home)) for name in SPLITS},
        "by_role": dict(Counter(concept.role for concept in concepts)),
        "by_group": dict(Counter(concept.group for concept in concepts)),
    }


def baselines(home: Path = HOME) -> dict[str, dict[str, float]]:
    """Return per style what no model is needed for (chapter 14; seconds, 1 GB).

    For every concept and style: guess the average of the other three styles' pictures, or the mean
    picture of the style over its training pairs. ``rmse_*`` are root mean square errors over all
    pixels in [0, 1]; ``retrieval`` is the share of a style's pictures that lie nearer (in squared
    error) to the average of three of their own concept than to that of the other 1,139.
    """
    import numpy as np

    concepts = load_concepts(home)
    codes = [concept.hex for concept in concepts]
    pictures = np.stack([[np.asarray(load_image(code, style, home)) for code in codes] for style in STYLES])
    pictures = pictures.reshape(len(STYLES), len(codes), -1).astype(np.float32) / 255  # (4, 1140, 12288)
    total = pictures.sum(0)
    found = {}
    for style, target in zip(STYLES, pictures, strict=True):
        average = (total - target) / (len(STYLES) - 1)
        mean = target[[part(concept, style) == "train" for concept in concepts]].mean(0)
        score = target @ average.T - (average**2).sum(1) / 2  # highest where the distance is least
        found[style] = {
            "rmse_average_of_three": float(np.sqrt(((average - target) ** 2).mean())),
            "rmse_style_mean": float(np.sqrt(((mean - target) ** 2).mean())),
            "retrieval": float((score.argmax(1) == np.arange(len(codes))).mean()),
        }
    return found
