"""The maintainers' script that makes the outputs of the chapters."""

from __future__ import annotations

import importlib.util
import io

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image

from mjcourse.config import ROOT

spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "scripts" / "run_notebooks.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def png(array, mode):
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


@pytest.mark.parametrize(("mode", "colours"), [("RGBA", 4), ("RGB", 4), ("RGB", 1000), ("RGBA", 1000)])
def test_packing_keeps_every_pixel(mode, colours):
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (colours, len(mode)), dtype=np.uint8)
    if colours == 4 and mode == "RGBA":
        palette[:, 3] = 255
    before = png(palette[rng.integers(0, colours, (40, 50))], mode)
    after = script.packed(before)
    assert len(after) < len(before) if colours == 4 else len(after) <= len(before)
    pixels = [np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")) for data in (before, after)]
    assert np.array_equal(*pixels)


def test_a_cell_that_fails_is_raised_and_a_run_keeps_its_outputs(tmp_path, capsys):
    good = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
    script.run(good, tmp_path)
    assert good.cells[0].outputs[0].text == "42\n" and good.cells[0].execution_count == 1
    assert "print(6 * 7)" in capsys.readouterr().out
    with pytest.raises(CellExecutionError):
        script.run(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), tmp_path)


def test_fewer_colours_change_a_picture_by_little():
    y, x = np.mgrid[0:120, 0:160]
    before = np.stack([1.5 * x, 2 * y, 240 - 1.5 * x], -1).astype(np.uint8)
    before += np.random.default_rng(0).integers(0, 8, before.shape, np.uint8)  # noise makes its file large
    small = png(before[:40, :50], "RGB")
    assert len(Image.open(io.BytesIO(small)).getcolors(2000)) > 256 and script.reduced(small, 256) == small
    after = np.asarray(Image.open(io.BytesIO(script.reduced(png(before, "RGB"), 256))).convert("RGB"))
    assert len({tuple(c) for c in after.reshape(-1, 3).tolist()}) <= 256
    assert np.abs(after.astype(int) - before).mean() < 8
    plain = png(np.zeros((4, 4, 3), np.uint8), "RGB")
    assert script.reduced(plain, 256) == plain
