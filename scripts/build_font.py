"""Rebuild ``mjcourse/fonts/NotoSansSC-mjcourse.ttf`` from Noto Sans SC (maintainers only; needs fonttools).

    python scripts/build_font.py --source NotoSansSC_400Regular.ttf
    python scripts/build_font.py --fetch            get it with `npm pack` first

Learners never run this: the font is committed. The character set is that of `characters()`; layout
tables, vertical metrics and hinting are dropped, and the family is renamed so that it never stands
in for a full Noto Sans SC that the machine may have.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "mjcourse" / "fonts" / "NotoSansSC-mjcourse.ttf"
FAMILY = "mjcourse Sans SC"

PACKAGE = "@expo-google-fonts/noto-sans-sc@0.4.3"
MEMBER = "package/400Regular/NotoSansSC_400Regular.ttf"
SHA256 = "d45f67f0a7c0ca3f256950777ce6a61cc7ce5f9696d02900cbbaac25f8aa7d16"

RANGES = [
    (0x20, 0x7E),  # Basic Latin
    (0xA0, 0xFF),  # Latin-1
    (0x370, 0x3FF),  # Greek
    (0x2010, 0x2027),  # dashes, quotation marks, ellipsis
    (0x2030, 0x203A),
    (0x2070, 0x209C),  # superscripts and subscripts
    (0x2190, 0x2199),  # arrows
    (0x2460, 0x2473),  # ① to ⑳
    (0x25A0, 0x25CF),  # squares, triangles, circles
    (0x3000, 0x301F),  # CJK punctuation
    (0xFF01, 0xFF65),  # full-width forms
    (0xFFE0, 0xFFE6),
]
HANZI_ROWS_TO = 55  # level 1; level 2 ends in row 87 and would add a megabyte
EXTRA = "−×÷±≤≥≈≠≡∞∑∏√∂∇∫∈∝·℃№™★☆✓✗♪〇⇒⇔"


def gb2312(first: int, last: int) -> set[int]:
    """Return the code points of the rows ``first`` to ``last`` of GB2312 (16-55 and 56-87 are hanzi)."""
    cells = (bytes([0xA0 + row, 0xA0 + cell]) for row in range(first, last + 1) for cell in range(1, 95))
    return {ord(text) for code in cells if (text := code.decode("gb2312", errors="ignore"))}


def said() -> set[int]:
    """Return the code points of all that the course's captions and emoji names can say."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "mjcourse/data").glob("*.py")))
    for concept in json.loads((ROOT / "data/emoji/concepts.json").read_text(encoding="utf-8")):
        text += concept["en"] + concept["zh"] + "".join(concept["kw_zh"])
    return set(map(ord, text)) - set(map(ord, "\n\t\r"))


def characters() -> set[int]:
    """Return the code points of the subset."""
    wanted = {code for first, last in RANGES for code in range(first, last + 1)}
    return wanted | set(map(ord, EXTRA)) | gb2312(16, HANZI_ROWS_TO) | said()


def fetch(folder: Path) -> Path:
    """Fetch the package into ``folder`` and return the font's path there."""
    name = subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
    with tarfile.open(folder / name.stdout.split()[-1]) as archive:
        archive.extract(MEMBER, folder, filter="data")
    return folder / MEMBER


def build(source: Path) -> None:
    """Write the subset of ``source`` to `OUT`."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{source} is not the font of {PACKAGE}; look at it, then change SHA256 here.")
    font = TTFont(source, recalcTimestamp=False)
    options = subset.Options(
        layout_features=[],
        hinting=False,
        notdef_outline=True,
        glyph_names=False,
        drop_tables=["BASE", "GDEF", "GPOS", "GSUB", "STAT", "vhea", "vmtx", "gasp", "DSIG"],
        name_IDs=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14],
        name_languages=[0x409],
        recalc_timestamp=False,
    )
    wanted = characters()
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    compact = FAMILY.replace(" ", "")
    version = str(font["name"].getDebugName(5)).removeprefix("Version ").split(";")[0]
    renamed = {1: FAMILY, 3: f"{version};mjcourse;{compact}-Regular", 4: f"{FAMILY} Regular"}
    for number, text in {**renamed, 6: f"{compact}-Regular"}.items():
        font["name"].setName(text, number, 3, 1, 0x409)
    font.save(OUT, reorderTables=False)
    missing = "".join(sorted(chr(code) for code in wanted - set(font.getBestCmap()) if code < 0x1F000))
    print(f"{OUT.relative_to(ROOT)}: {font['maxp'].numGlyphs:,} glyphs, {OUT.stat().st_size / 1e6:.2f} MB")
    print(f"asked for, not in the source: {missing!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--source", type=Path, help="the font, unpacked")
    choice.add_argument("--fetch", action="store_true", help=f"get {PACKAGE} with npm")
    given = parser.parse_args()
    if given.source:
        return build(given.source)
    with tempfile.TemporaryDirectory() as folder:
        build(fetch(Path(folder)))


if __name__ == "__main__":
    main()
