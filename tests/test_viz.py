"""Grids, captions and figures: every character has its glyph, no letter is lost, nothing is cut off."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mjcourse import viz
from mjcourse.config import UserError
from mjcourse.data.captions import vocabulary
from mjcourse.data.emoji import load_concepts

PROMPT = "a watercolor of a red sailboat on a calm sea at sunset, mountains far behind, peaceful"
PROMPT_ZH = "水彩画：日落时分，平静的海面上有一艘红色的帆船，远处是“群山”，左边有一只小猫，宁静的气氛。"
FIGURES = "–—‘’“”…×÷±≤≥≈→←↑↓·∞ΔΣΠΩαβγδεζηθλμπρστφψω²³°￥，。；：！？（）《》、①②③"


@pytest.fixture(scope="module", autouse=True)
def agg():
    import matplotlib

    matplotlib.use("Agg")


def colours(n: int, high: int = 8, wide: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, high, wide, 3), dtype=np.uint8)


# ---- font ----------------------------------------------------------------------------------------


def without_glyph(text: str) -> str:
    """Return the characters of ``text`` that the font draws as the box for unknown ones."""
    face = viz.font(24)

    def look(letter: str) -> tuple:
        mask = face.getmask(letter)
        return mask.size, bytes(mask)

    box = look("\ue000")
    assert sum(box[1]) > 0
    return "".join(sorted({c for c in text if not c.isspace() and look(c) == box}))


def test_font_draws_all_that_captions_names_and_figures_say():
    assert without_glyph("\ue001") == "\ue001"  # the test sees a missing glyph
    words = vocabulary()
    assert without_glyph("".join(words["zh"] | words["en"])) == ""
    assert without_glyph("".join(c.zh + c.en for c in load_concepts())) == ""
    assert without_glyph(FIGURES + "".join(map(chr, range(0x21, 0x7F)))) == ""


def test_font_draws_the_common_characters():
    cells = (bytes([row, cell]) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    assert without_glyph("".join(cell.decode("gb2312", errors="ignore") for cell in cells)) == ""


def test_font_is_small_and_keeps_its_licence():
    assert viz.FONT.stat().st_size < 1.6e6
    assert "SIL OPEN FONT LICENSE Version 1.1" in (viz.FONT.parent / "OFL.txt").read_text()
    assert viz.font(20).getname() == (viz.FAMILIES[1], "Regular")


# ---- wrapping ------------------------------------------------------------------------------------


@given(st.text(alphabet="ab c，。“”（）猫海\n1.-é\t", max_size=80) | st.text(max_size=40), st.integers(1, 30))
@settings(deadline=None, max_examples=200)
def test_wrapping_loses_nothing_and_keeps_the_width(text, width):
    lines = viz.wrap(text, width, len)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) <= width for line in lines)


def test_wrapping_breaks_english_between_words_and_chinese_between_characters():
    assert viz.wrap("a red boat at sea", 10, len) == ["a red boat", "at sea"]
    assert viz.wrap("红色的帆船在海上", 5, len) == ["红色的帆船", "在海上"]
    assert viz.wrap("a cat 猫", 20, len) == ["a cat 猫"]
    assert viz.wrap("one\ntwo", 20, len) == ["one", "two"]
    assert viz.wrap("watercolour", 4, len) == ["wate", "rcol", "our"]


@pytest.mark.parametrize("width", range(6, 20))
def test_no_line_begins_or_ends_with_the_wrong_punctuation(width):
    lines = viz.wrap(PROMPT_ZH, width, len)
    assert not any(unicodedata.category(line[0]) in ("Po", "Pe", "Pf") for line in lines)
    assert not any(unicodedata.category(line[-1]) in ("Ps", "Pi") for line in lines)


# ---- pictures ------------------------------------------------------------------------------------


def test_pictures_come_in_every_form():
    import torch

    array = colours(3)
    images = [Image.fromarray(picture) for picture in array]
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    scaled = tensor.float().div(127.5).sub(1)
    for form in (array, list(array), images, tuple(images), tensor, scaled, scaled.double(), list(scaled)):
        assert np.array_equal(np.stack([np.asarray(p) for p in viz.to_pictures(form)]), array)
    assert len(viz.to_pictures(images[0])) == len(viz.to_pictures(array[0])) == 1
    assert np.asarray(viz.to_pictures(torch.tensor([9.0, -9.0, torch.nan])[:, None, None])[0]).tolist() == [
        [[255, 0, 128]]
    ]


@pytest.mark.parametrize(
    "wrong", [[], np.zeros((2, 8, 8, 3)), np.zeros((8, 8), np.uint8), np.zeros((0, 8, 8, 3), np.uint8), None]
)
def test_other_forms_are_refused_in_one_line(wrong):
    with pytest.raises(UserError, match="Cannot show"):
        viz.to_pictures(wrong)


@pytest.mark.parametrize(("n", "cols", "pad", "zoom"), [(1, 8, 2, 1), (5, 2, 0, 3), (8, 4, 3, 2), (3, 3, 1, 1)])
def test_grid_has_its_size_and_each_picture_its_place(n, cols, pad, zoom):
    array = colours(n, 6, 9)
    page = np.asarray(viz.grid(array, cols, pad, zoom))
    across = min(cols, n)
    assert page.shape == (-(-n // across) * (6 * zoom + pad) + pad, across * (9 * zoom + pad) + pad, 3)
    y, x = (pad + (n - 1) // across * (6 * zoom + pad), pad + (n - 1) % across * (9 * zoom + pad))
    assert np.array_equal(page[y : y + 6 * zoom : zoom, x : x + 9 * zoom : zoom], array[-1])
    assert pad == 0 or page[0].min() == 255


@pytest.mark.parametrize("prompt", [PROMPT, PROMPT_ZH, PROMPT * 3, "cat"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_captioned_grid_keeps_its_text_inside(prompt, scale):
    page = viz.captioned_grid(np.zeros((4, 64, 64, 3), np.uint8), prompt, "seed 7 · 步数 24", scale)
    side = 2 * 64 * scale + 3 * 2 * scale
    assert page.width == side < page.height
    below = np.asarray(page)[side:]
    assert below.min() < 100
    assert below[:, -scale:].min() == below[:, :scale].min() == below[-scale:].min() == 255
    assert viz.captioned_grid(np.zeros((4, 64, 64, 3), np.uint8), "", scale=scale).size == (side, side)


# ---- figures -------------------------------------------------------------------------------------


def drawn(figure) -> np.ndarray:
    """Return the figure's pixels, (H, W, 3)."""
    file = io.BytesIO()
    figure.savefig(file)
    return np.asarray(Image.open(file).convert("RGB"))


def check_texts_inside(figure):
    drawn(figure)
    for text in figure.texts:
        box = text.get_window_extent()
        if text.get_text():
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 + 1
            for axes in figure.axes:
                assert not box.overlaps(axes.get_window_extent()), text.get_text()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("n", "cols", "side"), [(1, 8, 64), (5, 3, 64), (16, 8, 64), (4, 4, 8)])
def test_titles_fit_and_no_glyph_is_missing(n, cols, side):
    titles = [(PROMPT, PROMPT_ZH, "$5 < 6_7$", "")[i % 4] for i in range(n)]
    figure = viz.show_images(colours(n, side, side), titles, cols, title="Pictures · 图片 " + PROMPT)
    check_texts_inside(figure)
    shown = "".join("".join(text.get_text().split()) for text in figure.texts[1:])
    assert shown == "".join("".join(title.split()) for title in titles)


def test_pictures_in_a_figure_stay_crisp():
    array = colours(6)
    figure = viz.show_images(array, cols=3, zoom=4)
    page = drawn(figure)
    for picture, axes in zip(array, figure.axes, strict=True):
        box = axes.get_window_extent()
        assert (round(box.width), round(box.height)) == (32, 32)
        x, y = round(box.x0), page.shape[0] - round(box.y1)
        assert np.array_equal(page[y + 1 : y + 32 : 4, x + 1 : x + 32 : 4], picture)


def test_figures_close_themselves_and_print_nothing(capsys):
    import matplotlib.pyplot as plt

    figure = viz.show_images(colours(2))
    assert figure._ipython_display_() is None
    assert plt.get_fignums() == []
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match="2 pictures and 1 titles"):
        viz.show_images(colours(2), ["one"])


def test_a_notebook_shows_each_figure_once(monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND", raising=False)
    cells = [
        "import numpy as np; from mjcourse import viz",
        "viz.show_images(np.zeros((3, 8, 8, 3), np.uint8), title='图片')",
        "figure = viz.show_curves({'损失': ([1, 2], [3, 4])}, 'step', 'loss')",
        "figure",
    ]
    v4 = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120).execute()
    kinds = [[(o.output_type, "image/png" in o.get("data", {})) for o in cell.outputs] for cell in notebook.cells]
    assert kinds == [[], [("display_data", True)], [("display_data", True)], []]


@pytest.mark.filterwarnings("error")
def test_curves_are_all_drawn_and_named():
    import torch

    curves = {"损失 loss": ([1, 2, 3], [1.0, 0.1, 0.01]), "other": (torch.arange(3), torch.ones(3))}
    figure = viz.show_curves(curves, "step (步)", "loss", "训练 −1", logy=True)
    axes = figure.axes[0]
    drawn(figure)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(curves)
    assert len(axes.lines) == 2 and axes.get_yscale() == "log"
    assert not viz.show_curves({"one": ([1], [2])}, "x", "y").axes[0].get_legend().get_visible()


def test_import_is_light():
    code = "import sys, mjcourse.viz; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
