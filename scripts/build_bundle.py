"""Make the copy of the course for students: ``python scripts/build_bundle.py`` writes runs/mjcourse-students.zip.

It holds chapters, exercises, the package and its data, with docs/students.md as its README, and leaves out what a
student should not have: solutions/, tests/ with the corpus of answers, scripts/ and the classroom. The same files give
the same bytes, on the same Python.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.files import write_atomically

TOP = "mjcourse-course"  # the folder that the archive unpacks to
FOLDERS = ("notebooks", "exercises", "mjcourse", "data")
FILES = (
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "Makefile",
    "LICENSE",
    "LICENSE-TEXT.md",
    "docs/language.md",
)
LEFT_OUT = ("mjcourse/classroom",)
JUNK = ("__pycache__", ".ipynb_checkpoints")
README = "docs/students.md"


def contents(root: Path) -> dict[str, Path]:
    """Return name in the archive → file, in order.

    Raises:
        UserError: a part of the course is missing.
    """
    found = {"README.md": root / README} | {name: root / name for name in FILES}
    for folder in FOLDERS:
        if not (root / folder).is_dir():
            raise UserError(f"{root / folder} is missing; make the bundle from a whole copy of the course.")
        for path in (root / folder).rglob("*"):
            name = path.relative_to(root)
            hidden = any(part in JUNK or part.startswith(".") for part in name.parts)
            if path.is_file() and not hidden and not any(name.is_relative_to(other) for other in LEFT_OUT):
                found[name.as_posix()] = path
    for name, path in found.items():
        if not path.is_file():
            raise UserError(f"{name} is missing: no {path}; make the bundle from a whole copy of the course.")
    return dict(sorted(found.items()))


def write(files: dict[str, Path], into: Path) -> None:
    """Write files to an archive, without dates, owners and the order of the disk."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(f"{TOP}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
    write_atomically(into, whole.getbuffer())


def main(words: list[str] | None = None) -> int:
    """Write the archive and say what is in it; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=config.RUNS / "mjcourse-students.zip", help="%(default)s")
    out = parser.parse_args(words).out
    files = contents(config.ROOT)
    write(files, out)
    exercises = [name for name in files if name.startswith("exercises/")]
    size = out.stat().st_size / 2**20
    print(f"{out}: {len(files)} files, {size:.0f} MB, {len(exercises)} exercise notebooks, no solutions.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"build_bundle: {error}", file=sys.stderr)
        sys.exit(2)
