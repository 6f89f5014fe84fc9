"""The emoji art: complete, unchanged, licensed, and split without leaks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from mjcourse.config import DATA, UserError
from mjcourse.data import emoji
from mjcourse.data.emoji import HOME, SPLITS, STYLES, EmojiDataset, caption, load_concepts, load_image, split


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """All pictures, (styles, concepts, 12288) in [0, 1]."""
    concepts = load_concepts()
    stack = np.stack([[np.asarray(load_image(c.hex, style)) for c in concepts] for style in STYLES])
    return stack.reshape(len(STYLES), len(concepts), -1).astype(np.float32) / 255


# ---- files ---------------------------------------------------------------------------------------


def test_manifest_fits_and_finds_what_is_wrong(tmp_path):
    assert emoji.verify() == []
    home = tmp_path / "emoji"
    shutil.copytree(HOME, home)
    (home / "noto/1f98a.png").unlink()
    (home / "fluent/LICENSE").unlink()
    (home / "twemoji/1f98a.png").write_bytes((home / "openmoji/1f98a.png").read_bytes())
    (home / "noto/extra.png").write_bytes(b"x")
    problems = emoji.verify(home)
    assert [problem.split(":")[0] for problem in problems] == [
        "twemoji/1f98a.png has changed",
        "noto/1f98a.png is missing",
        "fluent/LICENSE is missing",
        "noto/extra.png is not in SHA256SUMS",
    ]
    (home / "SHA256SUMS").unlink()
    assert "SHA256SUMS is missing" in emoji.verify(home)[0]
    with pytest.raises(UserError, match=r"1f98a.png is missing: restore"):
        load_image("1f98a", "noto", home)
    (home / "noto/1f98b.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(UserError, match="is damaged"):
        load_image("1f98b", "noto", home)
    (tmp_path / "concepts.json").write_text("[{]", "utf-8")
    with pytest.raises(UserError, match=r"concepts.json cannot be read"):
        load_concepts(tmp_path)


def test_manifest_lists_everything():
    listed = {line.split("  ")[1] for line in (HOME / "SHA256SUMS").read_text("utf-8").splitlines()}
    wanted = {f"{style}/{c.hex}.png" for style in STYLES for c in load_concepts()}
    wanted |= {f"{style}/LICENSE" for style in STYLES} | {"concepts.json", "LICENSE-UNICODE"}
    assert listed == wanted


def test_every_png_is_a_64_pixel_palette_picture_on_white():
    for style in STYLES:
        for concept in load_concepts():
            with Image.open(HOME / style / f"{concept.hex}.png") as picture:
                assert picture.format == "PNG" and picture.mode == "P" and picture.size == (64, 64)
                assert len(picture.getcolors()) <= 64 and "transparency" not in picture.info
                assert len(picture.getpalette()) <= 3 * 64


def test_drawings_are_centred_and_fill_the_square(pictures):
    ink = (pictures.reshape(4, -1, 64, 64, 3) < 0.96).any(-1)  # (4, concepts, 64, 64)
    for style, drawn in zip(STYLES, ink, strict=True):
        for concept, mask in zip(load_concepts(), drawn, strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert max(np.ptp(rows), np.ptp(columns)) + 1 >= 52, (style, concept.en)
            assert min(rows[0], columns[0], 63 - rows[-1], 63 - columns[-1]) >= 1, (style, concept.en)
    corners = pictures.reshape(4, -1, 64, 64, 3)[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners > 0.97).all()


def test_licences_and_attribution_are_there():
    says = {
        "openmoji": "Attribution-ShareAlike 4.0 International",
        "twemoji": "Attribution 4.0 International",
        "noto": "Apache License",
        "fluent": "Copyright (c) Microsoft Corporation",
    }
    for style, words in says.items():
        assert words in (HOME / style / "LICENSE").read_text("utf-8")
    assert "UNICODE LICENSE V3" in (HOME / "LICENSE-UNICODE").read_text("utf-8")
    table = (DATA / "ATTRIBUTION.md").read_text("utf-8")
    for words in (
        *("`openmoji` 17.0.0", "`@discordapp/twemoji` 16.0.1", "`@iconify-json/noto` 1.2.9"),
        *("`@iconify-json/fluent-emoji-flat` 1.2.6", "48.2.0", "CC BY-SA 4.0", "Unicode-3.0"),
        *("rendered", "cropped", "flattened", "resized", "palette"),
    ):
        assert words in table, words


# ---- names and splits ----------------------------------------------------------------------------


def test_names_are_there_and_differ():
    concepts = load_concepts()
    assert len(concepts) == 1140
    for field in ("hex", "emoji", "en", "zh"):
        values = [getattr(concept, field) for concept in concepts]
        assert all(values) and len(set(values)) == 1140
    for concept in concepts:
        assert "-".join(f"{ord(c):x}" for c in concept.emoji if c != "\ufe0f") == concept.hex
    fox = next(c for c in concepts if c.hex == "1f98a")
    assert (fox.en, fox.zh, fox.group) == ("fox", "狐狸", "animals-nature")
    assert caption(fox) == "fox" and caption(fox, "noto") == "fox, noto style"
    assert caption(fox, "noto", "zh") == "狐狸，noto 风格"


def test_splits_part_the_pairs():
    parts = {name: {(c.hex, style) for c, style in split(name)} for name in SPLITS}
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 1140 * 4
    assert {name: len(pairs) for name, pairs in parts.items()} == emoji.info()["by_split"]
    trained = defaultdict(set)
    for code, style in parts["train"]:
        trained[code].add(style)
    for name in ("val", "test"):
        assert len({code for code, _ in parts[name]}) == len(parts[name]) >= 150
        for code, style in parts[name]:
            assert trained[code] == set(STYLES) - {style}  # seen in three, asked for in the fourth
    assert not {code for code, _ in parts["unseen"]} & set(trained)


def test_no_cluster_crosses_splits():
    fate = defaultdict(set)
    for concept in load_concepts():
        fate[concept.cluster].add((concept.role, concept.held_out_style))
        assert (concept.held_out_style in STYLES) == concept.role.endswith("_pair")
    assert all(len(fates) == 1 for fates in fate.values())
    codes = {concept.hex: concept.cluster for concept in load_concepts()}
    assert all(codes[cluster] == cluster for cluster in codes.values())


def test_namesakes_share_a_cluster():
    cluster = {concept.en: concept.cluster for concept in load_concepts()}
    for names in (
        *(("man", "woman", "person", "boy", "girl"), ("old man", "old woman", "older person")),
        *(("prince", "princess", "person with crown"), ("man dancing", "woman dancing")),
        *(("pregnant man", "pregnant woman", "pregnant person"), ("Santa Claus", "Mrs. Claus")),
    ):
        assert len({cluster[name] for name in names}) == 1, names


def test_no_held_out_picture_has_a_twin_in_the_same_style(pictures):
    """Ink distance below 0.2 of the lesser ink: the same drawing with a detail changed."""
    concepts = load_concepts()
    for style, picture in zip(STYLES, 1 - pictures, strict=True):
        fate = np.array([SPLITS.index(emoji.part(concept, style)) for concept in concepts])
        norm, out = (picture**2).sum(1), np.flatnonzero(fate != SPLITS.index("train"))
        square = norm[out, None] + norm - 2 * picture[out] @ picture.T
        alike = square < 0.2**2 * np.minimum(norm[out, None], norm)
        i, j = np.nonzero(alike & (fate[out, None] != fate))
        assert [(concepts[out[a]].en, concepts[b].en) for a, b in zip(i, j, strict=True)] == [], style


# ---- the data set --------------------------------------------------------------------------------


def test_dataset_gives_pictures_captions_and_meta():
    import torch
    from torch.utils.data import DataLoader

    data = EmojiDataset("test")
    assert len(data) == len(split("test")) == len(data.captions)
    picture, words, meta = data[0]
    concept, style = data.pairs[0]
    assert picture.shape == (3, 64, 64) and picture.dtype == torch.float32
    assert picture.min() >= -1 and picture.max() == 1 and words == f"{concept.en}, {style} style"
    assert meta["hex"] == concept.hex and STYLES[meta["style_index"]] == meta["style"] == style
    same = np.asarray(load_image(concept.hex, style))
    assert np.array_equal(((picture.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy(), same)
    batch, captions, metas = next(iter(DataLoader(data, batch_size=5)))
    assert batch.shape == (5, 3, 64, 64) and len(captions) == 5
    assert metas["style_index"].shape == (5,) and len(metas["cluster"]) == 5
    only = EmojiDataset("train", "zh", styles=("noto",), captioner=lambda concept, style: concept.zh)
    assert {style for _, style in only.pairs} == {"noto"} and "狐狸" in only.captions


def test_mistakes_are_user_errors():
    for call, words in (
        (lambda: split("dev"), "no split 'dev'"),
        (lambda: load_image("1f98a", "apple"), "no emoji style 'apple'"),
        (lambda: load_image("ffff", "noto"), "no emoji 'ffff'"),
        (lambda: EmojiDataset("train", "fr"), "no captions in 'fr'"),
        (lambda: EmojiDataset("train", styles=("apple",)), "no emoji style 'apple'"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert words in str(caught.value) and "\n" not in str(caught.value)


def test_import_leaves_torch_and_numpy_alone():
    code = (
        "import sys, mjcourse.data.emoji as e, mjcourse.data.folder; e.load_image('1f98a', 'noto');"
        "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_card_quotes_what_is_measured():
    card = (HOME / "CARD.md").read_text("utf-8")
    for style, row in emoji.baselines().items():
        line = next(line for line in card.splitlines() if line.startswith(f"| {style} | ."))
        cells = [cell.strip() for cell in line.strip("|").split("|")][1:4]
        measured = f"{row['rmse_average_of_three']:.3f}", f"{row['rmse_style_mean']:.3f}"
        assert cells[:2] == [number.lstrip("0") for number in measured]
        assert cells[2] == f"{100 * row['retrieval']:.0f} %"
    info = emoji.info()
    for number in (info["concepts"], info["clusters"], *info["by_split"].values()):
        assert f"{number:,}" in card, number


def test_examples_are_the_emoji_and_no_cluster_crosses():
    by_bytes = {(HOME / "noto" / f"{c.hex}.png").read_bytes(): c for c in load_concepts()}
    clusters = {
        part: {by_bytes[file.read_bytes()].cluster for file in (DATA / part).glob("*/*.png")}
        for part in ("train", "test")
    }
    assert len(clusters["test"]) >= 25 and not clusters["train"] & clusters["test"]
    for part in ("train", "test"):
        assert "Apache License 2.0" in (DATA / part / "README.txt").read_text("utf-8")
