"""The learner's own pictures, read without ever stopping an epoch (chapters 01, 04 and 14).

Two layouts are read: class folders, ``root/<class>/*.png``, as torchvision's ``ImageFolder`` reads
them, and a folder with a ``captions.csv`` whose columns are ``file`` and ``caption``. Every file is
decoded once by ``scan``: what can be mended is mended and counted, the rest is skipped for a reason
that has a name (``pictures.py`` holds both lists). A folder that holds ``train`` and ``test`` is
scanned for pictures that are in both.
"""

from __future__ import annotations

import csv
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mjcourse.config import UserError
from mjcourse.data.pictures import (
    HIDDEN,
    LINK_LOOP,
    NO_CAPTION,
    NO_CLASS,
    NO_PERMISSION,
    NOT_LISTED,
    OUTSIDE,
    UNREADABLE,
    BadPicture,
    open_picture,
)

CAPTIONS = "captions.csv"


@dataclass(frozen=True)
class Entry:
    """One usable picture: its file, its text (class name or caption), and ``train`` or ``test`` or ``""``."""

    path: Path
    text: str
    part: str = ""


@dataclass
class ScanReport:
    """What ``scan`` found: usable pictures, skipped files with reasons, mended files, duplicates."""

    root: Path
    usable: list[Entry] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    handled: list[tuple[Path, str]] = field(default_factory=list)
    duplicates: list[tuple[Entry, Entry]] = field(default_factory=list)

    @property
    def crossing(self) -> list[tuple[Entry, Entry]]:
        """The duplicates of which one is in train and the other in test: a leak."""
        return [(one, other) for one, other in self.duplicates if one.part != other.part]

    def counts(self) -> dict[str, int]:
        """Return how many files were skipped for each reason."""
        return dict(Counter(reason for _, reason in self.skipped).most_common())

    def __str__(self) -> str:
        def lines(title, pairs):
            for reason, count in Counter(reason for _, reason in pairs).most_common():
                first = next(path for path, other in pairs if other == reason)
                yield f"  {title}: {count} × {reason}, such as {self._name(first)}"

        text = [f"{self.root}: {len(self.usable)} usable pictures, {len(self.skipped)} files skipped"]
        text += [*lines("skipped", self.skipped), *lines("mended", self.handled)]
        for one, other in self.duplicates:
            leak = "in train and in test" if one.part != other.part else "twice"
            text.append(f"  the same picture {leak}: {self._name(one.path)} = {self._name(other.path)}")
        return "\n".join(text)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def scan(root: str | Path, size: int = 64) -> ScanReport:
    """Read every file below ``root`` and report what can be used, what not, and why (chapter 01).

    Args:
        root: a folder of class folders, one with a ``captions.csv``, or one that holds such folders
            named ``train`` and ``test``.
        size: as in ``open_picture``.

    Raises:
        UserError: the folder is not there or cannot be listed, or its ``captions.csv`` cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"There is no folder {root}: give a folder with one folder of pictures per class.")
    report = ScanReport(root)
    parts = [root / part for part in ("train", "test")]
    both = all(part.is_dir() for part in parts) and not (root / CAPTIONS).is_file()
    seen: dict[bytes, Entry] = {}
    checked: dict[Path, bytes] = {}
    for home, part in zip(parts, ("train", "test"), strict=True) if both else [(root, "")]:
        for path, text in _listed(home, report):
            entry = Entry(path, text, part)
            if path not in checked:  # a picture may have several captions
                try:
                    picture, notes = open_picture(path, size)
                except BadPicture as error:
                    report.skipped.append((path, str(error)))
                    continue
                report.handled += [(path, note) for note in notes]
                pixels = repr(picture.size).encode() + picture.tobytes()
                checked[path] = hashlib.sha256(pixels).digest()
                twin = seen.setdefault(checked[path], entry)
                if twin is not entry:
                    report.duplicates.append((twin, entry))
            report.usable.append(entry)
    return report


def _listed(home: Path, report: ScanReport) -> Iterator[tuple[Path, str]]:
    """Yield (file, text) of the files of one data set; note the others as skipped."""
    files = list(_walk(home, report, ()))
    if (home / CAPTIONS).is_file():
        rows = _read_captions(home / CAPTIONS)
        for name, text in rows:
            path = home / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                report.skipped.append((path, OUTSIDE))
            elif not text:
                report.skipped.append((path, NO_CAPTION))
            else:
                yield path, text
        named = {home / name for name, _ in rows} | {home / CAPTIONS}
        report.skipped += [(path, NOT_LISTED) for path in files if path not in named]
        return
    for path in files:
        inside = path.relative_to(home).parts
        if len(inside) > 1:
            yield path, inside[0].replace("_", " ")
        else:
            report.skipped.append((path, NO_CLASS))


def _walk(folder: Path, report: ScanReport, above: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files below ``folder`` in order, following links but never in a circle."""
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        reason = NO_PERMISSION if isinstance(error, PermissionError) else UNREADABLE
        report.skipped.append((folder, reason))
        return
    above = (*above, os.path.realpath(folder))
    for child in children:
        if child.name.startswith((".", "__MACOSX")) or child.name.lower() in ("thumbs.db", "desktop.ini"):
            report.skipped.append((child, HIDDEN))
        elif not os.path.isdir(child):
            yield child
        elif os.path.realpath(child) in above:
            report.skipped.append((child, LINK_LOOP))
        else:
            yield from _walk(child, report, above)


def _read_captions(file: Path) -> list[tuple[str, str]]:
    """Return the (file name, caption) rows of a captions.csv, in UTF-8 with or without a BOM."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
            if not {"file", "caption"} <= set(columns):
                found = ", ".join(columns) or "none"
                raise UserError(f"{file} has the columns {found}; it needs file,caption in its first line.")
            rows = [[(row[columns[c]] or "").strip() for c in ("file", "caption")] for row in reader]
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8: save it again as 'CSV UTF-8'.") from error
    except (OSError, csv.Error) as error:
        raise UserError(f"{file} cannot be read: {error}.") from error
    return [(name.replace("\\", "/"), text) for name, text in rows if name or text]


class PictureFolder:
    """A torch data set of (picture, caption) over a folder; it never stops an epoch (chapters 01, 04, 14).

    A picture is a float tensor (3, size, size) in [-1, 1]: the shorter side scaled to ``size``, the
    middle cut out. A file that turned bad since the scan is replaced by the next usable one, counted
    in ``replaced`` (per process of a DataLoader), and warned of once. ``report`` is the scan's result,
    ``classes`` the distinct texts.

    Args:
        root: a folder of class folders, or one with a ``captions.csv``.
        size: side of the pictures in pixels.
        caption: function from the class name or the csv's caption to the text wanted.

    Raises:
        UserError: no folder, no usable picture, a bad ``captions.csv`` or size; when every file has
            turned bad, also on reading.
    """

    def __init__(self, root: str | Path, size: int = 64, caption: Callable[[str], str] | None = None):
        if not isinstance(size, int) or not 1 <= size <= 4096:
            raise UserError(f"size is {size!r}; allowed are whole numbers of pixels from 1 to 4096.")
        self.size, self.caption = size, caption or str
        self.report = scan(root, size)
        self.entries = self.report.usable
        if any(entry.part for entry in self.entries):
            raise UserError(f"{root} holds train and test: open {Path(root) / 'train'} or its test by itself.")
        if not self.entries:
            skipped = ", ".join(f"{n} × {reason}" for reason, n in self.report.counts().items())
            why = f" (skipped: {skipped})" if skipped else ""
            raise UserError(f"No usable picture in {root}{why}: put pictures into {root}/<class>/.")
        self.classes = sorted({entry.text for entry in self.entries})
        self.replaced: Counter[Path] = Counter()

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int):
        import numpy as np
        import torch
        from PIL import Image, ImageOps

        if not -len(self) <= index < len(self):
            raise IndexError(index)
        for step in range(len(self)):
            entry = self.entries[(index + step) % len(self)]
            try:
                picture, _ = open_picture(entry.path, self.size)
            except BadPicture as error:
                self.replaced[entry.path] += 1
                if self.replaced[entry.path] == 1:
                    warnings.warn(f"{entry.path} is left out: {error}", stacklevel=2)
                continue
            square = ImageOps.fit(picture, (self.size, self.size), Image.Resampling.LANCZOS)
            pixels = torch.from_numpy(np.array(square))  # (size, size, 3) uint8
            return pixels.permute(2, 0, 1).float().div(127.5).sub(1), self.caption(entry.text)
        raise UserError(f"No picture in {self.report.root} can be read any more.")
