"""The warm-up of chapter 05: cutting a word into pieces with merges that are given."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import torch

from mjcourse.learn.exercise import Answers, Wrong

LETTERS, WORDS, MERGES = 5, 14, 9  # of a made-up language
Pair = tuple[str, str]


def joined(pieces: list[str], pair: Pair, first_only: bool = False) -> list[str]:
    """Return the pieces with each neighbouring `pair` made one, from left to right."""
    made, i, done = [], 0, False
    while i < len(pieces):
        fits = tuple(pieces[i : i + 2]) == pair and not (first_only and done)
        made.append("".join(pair) if fits else pieces[i])
        i, done = i + (2 if fits else 1), done or fits
    return made


def cut(word: str, merges: list[Pair], first_only: bool = False) -> list[str]:
    """Return a word's pieces after all merges, one after the other."""
    pieces = list(word)
    for pair in merges:
        pieces = joined(pieces, pair, first_only)
    return pieces


def by_rank(word: str, merges: list[Pair]) -> list[str]:
    """Return a word's pieces, always making the earliest merge that fits: nearly always what `cut` gives."""
    pieces = list(word)
    while fits := [pair for pair in merges if pair in set(pairwise(pieces))]:
        pieces = joined(pieces, fits[0])
    return pieces


def longest_first(word: str, merges: list[Pair]) -> list[str]:
    """Return pieces by taking, from the left, the longest that is known."""
    known, pieces = {a + b for a, b in merges}, []
    while word:
        size = next((n for n in range(len(word), 1, -1) if word[:n] in known), 1)
        pieces, word = [*pieces, word[:size]], word[size:]
    return pieces


def from_the_right(word: str, merges: list[Pair]) -> list[str]:
    """Return a word's pieces where each merge goes through it from right to left."""
    turned = cut(word[::-1], [(b[::-1], a[::-1]) for a, b in merges])
    return [piece[::-1] for piece in turned[::-1]]


def by_letters(word: str, merges: list[Pair]) -> list[str]:
    """Return pieces where each merge joins neighbours that spell it together, wherever the border between them is."""
    pieces = list(word)
    for pair in merges:
        made, i = [], 0
        while i < len(pieces):
            fits = i + 1 < len(pieces) and pieces[i] + pieces[i + 1] == "".join(pair)
            made.append("".join(pair) if fits else pieces[i])
            i += 2 if fits else 1
        pieces = made
    return pieces


def in_the_words_order(word: str, merges: list[Pair]) -> list[str]:
    """Return pieces by making, again and again, the leftmost merge that is known, whenever it was found."""
    pieces, known = list(word), set(merges)
    while fits := [i for i, pair in enumerate(pairwise(pieces)) if pair in known]:
        pieces[fits[0] : fits[0] + 2] = ["".join(pieces[fits[0] : fits[0] + 2])]
    return pieces


def as_text(word: str, merges: list[Pair]) -> list[str]:
    """Return pieces by replacing in a text with spaces, which also joins halves of other pieces."""
    text = " ".join(word)
    for a, b in merges:
        text = text.replace(f"{a} {b}", a + b)
    return text.split()


MISTAKES = {
    "no merge is made; the letters come back one by one.": lambda word, merges: list(word),
    "the merges are made in the wrong order: the first that was found comes first.":
        lambda word, merges: cut(word, merges[::-1]),
    "the merges are made in the order of the word; BPE makes them in the order in which they were found.":
        in_the_words_order,
    "two pieces are joined since their letters spell a merge; they must be its pair: (`l`, `ow`) is not `lo`, `w`.":
        by_letters,
    "that takes the longest known piece from the left; BPE makes its merges in the order in which they were found.":
        longest_first,
    "each merge is made at its first place only; a word may hold the same pair several times.":
        lambda word, merges: cut(word, merges, first_only=True),
    "the word is read from the right: of `aaa` the first two letters are merged.": from_the_right,
    "a pair is found in the middle of other pieces: compare whole pieces, not a text with spaces in it.": as_text,
    "only the first merge is made.": lambda word, merges: cut(word, merges[:1]),
}  # fmt: skip


def cases(g: torch.Generator) -> list[tuple[str, list[Pair]]]:
    """Return words and merges: some small ones in random letters, and a made-up language with its own merges."""

    def number(high: int, low: int = 0) -> int:
        return int(torch.randint(low, high, (), generator=g))

    letters = [chr(97 + k) for k in torch.randperm(26, generator=g)[: LETTERS + 1].tolist()]
    a, b, c, *_, unseen = letters

    def word(low: int) -> str:
        return "".join(letters[number(LETTERS)] for _ in range(number(8, low)))

    splits, merges = Counter(tuple(word(3)) for _ in range(WORDS)), []
    while len(merges) < MERGES:
        pairs = Counter()
        for pieces, times in splits.items():
            for pair in pairwise(pieces):
                pairs[pair] += times
        merges.append(max(pairs, key=lambda pair: (pairs[pair], pair)))
        splits = Counter({tuple(joined(list(pieces), merges[-1])): times for pieces, times in splits.items()})
    words = [word(2) + word(2) for _ in range(WORDS)] + [word(2) + unseen + word(2), word(1)[:1]]
    found = [(c + a + b + c, [(b, c), (a, b)]), (a * 3, [(a, a)]), ((a + b) * 2 + c, [(a, b), (b, c)])]
    found += [(a + b + c, [(a, b), (b, c), (a, b + c)]), (a + b + c, [(b, c), (a, b), (a, b + c)])]
    return found + [(w, merges) for w in words if cut(w, merges) == by_rank(w, merges)]


def check_cut(answers: Answers, g: torch.Generator) -> None:
    """`cut(word, merges)` → the word's pieces, a list of strings."""
    function, asked = answers["cut"], cases(g)
    said = []
    for word, merges in asked:
        given = list(merges)
        pieces = function(word, given)
        if pieces is None:
            raise Wrong("what `cut` returns is None; is the `return` missing?")
        if type(pieces) not in (list, tuple) or not all(type(piece) is str for piece in pieces):
            raise Wrong("`cut` must return a list of strings, the pieces from left to right.")
        if given != merges:
            raise Wrong("`cut` changes the list of merges that it was given; work on a copy.")
        said.append(list(pieces))
    right = [cut(word, merges) for word, merges in asked]
    if said == right:
        return
    for message, mistake in MISTAKES.items():
        if said == [mistake(word, merges) for word, merges in asked]:
            raise Wrong(message)
    for (word, _), got, want in zip(asked, said, right, strict=True):
        if "".join(got) != word:
            raise Wrong(f"the pieces of {word!r}, put together, give {''.join(got)!r}: a letter is lost or doubled.")
        if got != want:
            raise Wrong(f"the word {word!r} is cut into {' | '.join(got)}; its merges give {' | '.join(want)}.")
