"""Make notebooks lighter without changing what they show: PNG outputs are packed anew, pixel for pixel the same.

python scripts/light_notebooks.py notebooks/07_conditioning.ipynb …
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import nbformat
from PIL import Image


def packed(png: bytes) -> bytes:
    """Return a picture as the smallest PNG that Pillow makes of it: no alpha where all is opaque, best compression."""
    image = Image.open(io.BytesIO(png))
    if image.mode == "RGBA" and image.getextrema()[3] == (255, 255):
        image = image.convert("RGB")
    if image.mode == "RGB" and (colours := image.getcolors(256)):
        image = image.quantize(len(colours), dither=Image.Dither.NONE)  # few colours: a palette holds them all
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    same = Image.open(io.BytesIO(buffer.getvalue())).convert("RGBA").tobytes()
    smaller = len(buffer.getvalue()) < len(png)
    return buffer.getvalue() if smaller and same == Image.open(io.BytesIO(png)).convert("RGBA").tobytes() else png


def main(paths: list[str]) -> None:
    """Rewrite each notebook and say what was saved."""
    for path in map(Path, paths):
        notebook, before = nbformat.read(path, as_version=4), path.stat().st_size
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if png := output.get("data", {}).get("image/png"):
                    output["data"]["image/png"] = base64.b64encode(packed(base64.b64decode(png))).decode()
        nbformat.write(notebook, path)
        print(f"{path.name}: {before:,} → {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
