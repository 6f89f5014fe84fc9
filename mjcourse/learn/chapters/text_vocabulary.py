"""The design task of chapter 05: a few pieces that make captions short, in two languages at once."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.data.captions import LANGUAGES, caption
from mjcourse.data.scenes import random_scene
from mjcourse.learn.compare import missed
from mjcourse.learn.exercise import Answers, Wrong

COUNT = 120  # pieces beside the single characters
TEXTS, HELD_OUT = 100, 200  # captions of each language to choose from and to be judged by
# Tokens of held-out captions as a share of their characters, the most that is allowed. Byte-pair encoding on all
# captions gives .52 and .85; on each language alone .59 and .74 with half of the pieces each, and no other share of
# them meets both. Held-out captions are many, so that nobody gets there by luck: from draw to draw .003 and .005.
WANTED = {"en": 0.55, "zh": 0.76}
NAMES = {"en": "English", "zh": "Chinese"}


def tell(g: torch.Generator, count: int = TEXTS) -> dict[str, list[str]]:
    """Return lower-case captions of random scenes that name all that is there, by language."""
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=g)))
    return {
        language: [caption(random_scene(rng), language, rng, full=True).text.lower() for _ in range(count)]
        for language in LANGUAGES
    }


def in_secret(g: torch.Generator, *parts: dict[str, list[str]]) -> list[dict[str, list[str]]]:
    """Return captions with letters exchanged for letters and Chinese characters for Chinese ones, all alike."""
    met = sorted({c for part in parts for texts in part.values() for text in texts for c in text if c.isalpha()})
    table = {}
    for kind in ([c for c in met if c.isascii()], [c for c in met if not c.isascii()]):
        order = torch.randperm(len(kind), generator=g).tolist()
        table |= {ord(c): kind[k] for c, k in zip(kind, order, strict=True)}
    return [{name: [text.translate(table) for text in texts] for name, texts in part.items()} for part in parts]


def tokens(pieces: list[str], texts: list[str]) -> float:
    """Return tokens per caption: each is cut at spaces, what is between into as few pieces or characters as can be."""
    known, longest, fewest = set(pieces), max(map(len, pieces), default=1), {}
    for part in {part for text in texts for part in text.split()}:
        best = [0]
        for end in range(1, len(part) + 1):
            starts = range(max(0, end - longest), end - 1)
            best.append(min([best[-1], *(best[k] for k in starts if part[k:end] in known)]) + 1)
        fewest[part] = best[-1]
    return sum(fewest[part] for text in texts for part in text.split()) / len(texts)


def shares(pieces: list[str], texts: dict[str, list[str]]) -> dict[str, float]:
    """Return tokens as a share of characters, by language."""
    return {name: tokens(pieces, some) / tokens([], some) for name, some in texts.items()}


def check_vocabulary(answers: Answers, g: torch.Generator) -> None:
    """`choose_pieces(english, chinese, count)` → at most `count` strings of two or more characters."""
    choose = answers["choose_pieces"]
    train, held_out = in_secret(g, tell(g), tell(g, HELD_OUT))
    pieces = choose(list(train["en"]), list(train["zh"]), COUNT)
    if type(pieces) not in (list, tuple, set) or not all(type(piece) is str for piece in pieces):
        raise Wrong("`choose_pieces` must return a list of strings.")
    pieces = list(pieces)
    if len(pieces) > COUNT:
        raise Wrong(f"these are {len(pieces)} pieces; no more than count = {COUNT} are allowed.")
    again = len(pieces) - len(set(pieces))
    if again > COUNT // 10:
        raise Wrong(f"{again} pieces are there more than once: they take a place for nothing.")
    single = sum(len(piece) < 2 for piece in pieces)
    if single > COUNT // 10:
        raise Wrong(f"{single} pieces are single characters: these are known anyhow, and take a place for nothing.")
    spaced = sum(len(piece.split()) != 1 or piece.strip() != piece for piece in pieces)
    if spaced > COUNT // 10:
        raise Wrong(f"{spaced} pieces hold a space: captions are cut at spaces first, so these never occur.")
    whole = "\n".join(text for texts in train.values() for text in texts)
    strange = sum(piece not in whole for piece in pieces)
    if strange > COUNT // 4:
        raise Wrong(f"{strange} pieces occur in none of the captions that you were given: count what is there.")
    found = shares(pieces, held_out)
    if all(found[name] <= WANTED[name] for name in WANTED):
        return
    own = shares(pieces, train)
    read = {name: missed(x, WANTED[name]) if x > WANTED[name] else f"{x:.3f}" for name, x in found.items()}
    said = ", ".join(f"{NAMES[name]} {read[name]} (wanted at most {WANTED[name]:.3f})" for name in WANTED)
    said = f"tokens of held-out captions as a share of their characters: {said}"
    if min(found.values()) > 0.98:
        raise Wrong(f"the pieces hardly ever occur. {said}.")
    worse = max(found, key=lambda name: found[name] - own[name])
    if found[worse] - own[worse] > 0.15:
        raise Wrong(
            f"the pieces fit the captions they come from ({NAMES[worse]} {own[worse]:.2f}), hardly others. {said}."
        )
    if len(pieces) < COUNT // 2:
        raise Wrong(f"only {len(pieces)} of {COUNT} pieces are used. {said}.")
    if all(found[name] > WANTED[name] for name in WANTED):
        raise Wrong(f"both languages are cut too small: many pieces are rare, or parts of other pieces. {said}.")
    if found["en"] > WANTED["en"] + 0.05:
        raise Wrong(f"English gets too few of the pieces, or too short ones. {said}.")
    if found["en"] > WANTED["en"]:
        raise Wrong(f"some English pieces are hardly used: were they only steps to longer ones? {said}.")
    raise Wrong(f"Chinese gets too few of the pieces: what is counted in tokens favours long English words. {said}.")
