"""Record the curves that exercise 5 of a chapter shows: ``python scripts/record_curves.py 02_vae 03_gan``, or all.

Prints the entries of the notebooks' ``RECORDED``, to two or three digits. Half a minute each at most; another machine's
rounding leads some games elsewhere after some rounds, so copy all runs of a chapter or none.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

CURVES = Path(__file__).parent / "curves"


def main() -> None:
    """Record the chapters that are named."""
    for chapter in sys.argv[1:] or sorted(path.stem.removeprefix("ch") for path in CURVES.glob("ch*.py")):
        print(chapter)
        for key, values in import_module(f"curves.ch{chapter}").record_all().items():
            print(f"    {key}: {values},")


if __name__ == "__main__":
    main()
