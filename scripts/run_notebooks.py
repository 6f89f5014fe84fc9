"""Make the outputs of notebooks that are committed: run each from the top with the shipped weights, in a profile.

python scripts/run_notebooks.py [--profile cpu] [--pack] [--colours 256] notebooks/07_conditioning.ipynb …

PNG outputs are packed, without loss unless a number of colours is given, for notebooks that would be too large.
Nothing is written if a cell fails; with --pack nothing is run. Seconds and memory go to benchmarks/chapter_times.json.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).resolve().parent.parent
SMALL = 20_000  # bytes: a PNG so small keeps its colours


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook in a folder and keep its outputs; print each cell's seconds. A cell that fails raises."""
    started: dict[int, float] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}, record_timing=False)
    client.on_cell_execute = lambda cell, cell_index: started.update({cell_index: time.perf_counter()})
    client.on_cell_executed = lambda cell, cell_index, execute_reply: print(
        f"{time.perf_counter() - started[cell_index]:7.1f} s  {cell.source.splitlines()[0][:90]}", flush=True
    )
    client.execute()


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


def reduced(png: bytes, colours: int) -> bytes:
    """Return a picture in so many colours, the best for it, as a PNG; one that has no more, or is small, is left."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.getcolors(colours) or len(png) <= SMALL:
        return png
    buffer = io.BytesIO()
    image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def slim(notebook: nbformat.NotebookNode) -> None:
    """Drop what a widget's layout and style leave unset from the saved state: null is what a reader fills in."""
    for saved in notebook.metadata.get("widgets", {}).values():
        for model in saved["state"].values():
            if model["model_name"].endswith(("LayoutModel", "StyleModel")):
                model["state"] = {name: value for name, value in model["state"].items() if value is not None}


def main() -> None:
    """Run and pack each notebook, and say how long it took and how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--profile", default="cpu", choices=("ci", "cpu", "gpu"))
    parser.add_argument("--pack", action="store_true", help="only pack the pictures that are there")
    parser.add_argument("--colours", type=int, choices=range(2, 257), metavar="N", help="at most N colours a picture")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from benchmarks.chapter_times import Memory, calibrate, measured, store

    with tempfile.TemporaryDirectory() as empty:  # no artefacts of one's own
        os.environ |= {"MJCOURSE_PROFILE": args.profile, "MJCOURSE_RUNS": str(Path(empty) / "runs")}
        for path in args.notebooks:
            notebook, start = nbformat.read(path, as_version=4), time.perf_counter()
            if not args.pack:
                memory, before = Memory(), calibrate()
                memory.start()
                began = time.perf_counter()
                run(notebook, path.parent)
                seconds, after = time.perf_counter() - began, calibrate()
                row = measured(seconds, [before, after], memory.peak / 2**30)
                store(HERE / "benchmarks" / "chapter_times.json", {path.stem: row})
                print(row)
            for cell in notebook.cells:
                for output in cell.get("outputs", []):
                    if png := output.get("data", {}).get("image/png"):
                        picture = packed(base64.b64decode(png))
                        if args.colours:
                            picture = reduced(picture, args.colours)
                        output["data"]["image/png"] = base64.b64encode(picture).decode()
            slim(notebook)
            nbformat.write(notebook, path)
            print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
