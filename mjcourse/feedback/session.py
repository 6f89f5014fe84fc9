"""Rating one thing after another: what comes next, what was done, what is taken back. The widget sits on top of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mjcourse.config import UserError
from mjcourse.feedback.pictures import picture_id
from mjcourse.feedback.ratings import ME, Made, RatingStore, how_made
from mjcourse.viz import to_png

NEEDED = 200  # pairs after which a learned taste is to be trusted: what chapter 12 measures
ZOOM = 4  # of the shown pictures
MODES = ("pairs", "stars")
SIDES = ("left", "right")


@dataclass(frozen=True, eq=False)
class Item:
    """What is rated at one go: one picture with stars, or two of the same prompt against each other."""

    command: str | Made
    pictures: tuple[np.ndarray, ...]  # each (H, W, 3) uint8
    places: tuple[int, ...]  # their numbers among those of the command
    shown: tuple[bytes, ...]  # PNG files, enlarged

    @property
    def mode(self) -> str:
        """How it is rated, one of `MODES`."""
        return "pairs" if len(self.pictures) == 2 else "stars"

    @property
    def prompt(self) -> str:
        """What the pictures were asked to show."""
        return how_made(self.command)[1]


class RatingSession:
    """One person's sitting: shows candidates in turn and stores each rating before the next one comes.

    The next candidate is fetched, and its pictures made ready, in a thread while the current one is looked at, so
    candidates may be drawn on the way. What the rater has rated already is left out, so a sitting goes on where the
    last one stopped.

    Args:
        store: where the ratings go.
        candidates: of (command or prompt without flags, pictures (H, W, 3) uint8), at best four pictures or more each.
        rater: who rates.
        mode: ``pairs`` or ``stars``; `switch` changes it.
        needed: how many pairs are wanted in all, those of stars too.
        all_pairs: compare any two pictures of a candidate, not each of them once.
        seed: of the order of left and right.

    Raises:
        UserError: an unknown mode, `needed` below 1, or what `store` refuses.
    """

    def __init__(
        self,
        store: RatingStore,
        candidates: Iterable[tuple[str | Made, Sequence[np.ndarray] | np.ndarray]],
        rater: str = ME,
        mode: str = "pairs",
        needed: int = NEEDED,
        all_pairs: bool = False,
        seed: int = 0,
    ) -> None:
        if needed < 1:
            raise UserError(f"{needed} pairs cannot be wanted; ask for 1 or more.")
        self.store, self.rater, self.needed = store, rater, needed
        self.skipped = 0
        self.trouble = ""  # why the last candidate could not be fetched
        self._all_pairs, self._rng = all_pairs, np.random.default_rng(seed)
        self._rated = {frozenset(keys) for keys in [*(p[:2] for p in store.pairs(rater)), *zip(store.stars(rater))]}
        self._queue: dict[str, deque[Item]] = {mode: deque() for mode in MODES}
        self._done: list[tuple[Item, int | None]] = []  # with the rating's number, None for a skip
        self._source = iter(candidates)
        self._pool = ThreadPoolExecutor(1, "candidates")
        self._next = self._pool.submit(self._fetch)
        self.switch(mode)

    @property
    def item(self) -> Item | None:
        """What is to be rated now, or None when there is no more."""
        return self._queue[self.mode][0] if self._queue[self.mode] else None

    @property
    def ready(self) -> bool:
        """Whether what comes after the current item can be shown at once."""
        return len(self._queue[self.mode]) > 1 or self._next.done()

    @property
    def rated(self) -> int:
        """How many ratings of this sitting count."""
        return sum(number is not None for _, number in self._done)

    def switch(self, mode: str) -> None:
        """Go on in another mode, with the pictures at hand.

        Raises:
            UserError: an unknown mode.
        """
        if mode not in MODES:
            raise UserError(f"cannot rate by {mode!r}; allowed are {' and '.join(MODES)}.")
        self.mode = mode
        self._fill()

    def choose(self, side: str) -> None:
        """Store that the picture of one side is the better one, and go on.

        Args:
            side: ``left`` or ``right``.

        Raises:
            UserError: another side, no pair at hand, or a store that cannot write: the pair then stays.
        """
        if side not in SIDES:
            raise UserError(f"there is no side {side!r}; choose {' or '.join(SIDES)}.")
        winner = SIDES.index(side)
        keys = self._stored("pairs")
        self._finish(self.store.prefer(keys[winner], keys[1 - winner], self.rater))

    def star(self, stars: int) -> None:
        """Store 1 to 5 stars for the picture, and go on.

        Raises:
            UserError: another number, no single picture at hand, or a store that cannot write: the picture then stays.
        """
        (key,) = self._stored("stars")
        self._finish(self.store.star(key, stars, self.rater))

    def skip(self) -> None:
        """Go on without a rating: it is a tie, or hard to say. After trouble with a candidate, try the next.

        Raises:
            UserError: there is nothing to skip.
        """
        if self.item is None and self.trouble:
            self._fill()
            return
        self._wanted(self.mode)
        self.skipped += 1
        self._finish(None)

    def undo(self) -> None:
        """Take back the last rating or skip of this sitting, and show it again.

        Raises:
            UserError: there is none, or the store cannot write.
        """
        if not self._done:
            raise UserError("there is nothing to undo in this sitting; rate something first.")
        item, number = self._done[-1]
        if number is None:
            self.skipped -= 1
        else:
            self.store.undo(self.rater, number)
        self._done.pop()
        self.mode = item.mode
        self._queue[item.mode].appendleft(item)

    def status(self) -> str:
        """Return one line: what was done and how much more is wanted."""
        count = self.store.count(self.rater)
        more = self.needed - count.all_pairs
        wanted = f"{more} more wanted" if more > 0 else "that is enough"
        return (
            f"{self.rater}: pairs chosen {count.pairs}, pictures with stars {count.stars}; together "
            f"{count.all_pairs} of {self.needed} pairs, {wanted}. "
            f"In this sitting: {self.rated} rated, {self.skipped} skipped."
        )

    def close(self) -> None:
        """Fetch no more candidates."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wanted(self, mode: str) -> Item:
        if self.item is None:
            raise UserError(self.trouble or f"there is no more to rate by {self.mode}; give more candidates.")
        if self.item.mode != mode:
            raise UserError(f"the item at hand is not rated by {mode}; switch to {mode} first.")
        return self.item

    def _stored(self, mode: str) -> list[str]:
        item = self._wanted(mode)
        return [self.store.add_picture(p, item.command, k) for p, k in zip(item.pictures, item.places, strict=True)]

    def _finish(self, number: int | None) -> None:
        self._done.append((self._queue[self.mode].popleft(), number))
        self._fill()

    def _fill(self) -> None:
        """Go to the next candidate that has something to rate in this mode, when the current one has not."""
        self.trouble = ""
        while self.item is None:
            try:
                queue = self._next.result()
            except Exception as error:  # of whoever draws the candidates: the ratings so far are safe
                self.trouble = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                self._next = self._pool.submit(self._fetch)
                return
            if queue is None:
                return
            self._queue = queue
            self._next = self._pool.submit(self._fetch)

    def _fetch(self) -> dict[str, deque[Item]] | None:
        """Make the next candidate's items, by mode; None when there is no more."""
        if (candidate := next(self._source, None)) is None:
            return None
        command, pictures = candidate
        how_made(command)  # a prompt that cannot be stored is told before anyone looks at its pictures
        named: dict[str, tuple[np.ndarray, int, bytes]] = {}
        for place, picture in enumerate(pictures):
            named.setdefault(picture_id(picture), (np.asarray(picture), place, to_png(picture, ZOOM)))
        keys = [*named]  # each picture once
        pairs = [*combinations(keys, 2)] if self._all_pairs else [*zip(keys[::2], keys[1::2], strict=False)]
        pairs = [pair if self._rng.random() < 0.5 else pair[::-1] for pair in pairs]
        groups = {"pairs": pairs, "stars": [(key,) for key in keys]}
        return {
            mode: deque(
                Item(command, *zip(*(named[key] for key in group), strict=True))
                for group in groups[mode]
                if frozenset(group) not in self._rated
            )
            for mode in MODES
        }
