"""The learner's own folder: every kind of broken file is mended or named, and no epoch stops."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mjcourse.config import DATA, UserError
from mjcourse.data import pictures as p
from mjcourse.data.folder import PictureFolder, scan
from mjcourse.data.pictures import BadPicture, open_picture


def photo(seed: int = 0, size=(40, 30)) -> Image.Image:
    """A smooth colourful picture that JPEG keeps nearly as it is."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def put(root: Path, name: str, content: bytes | Image.Image) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Image.Image):
        content = encoded(content, "PNG")
    file.write_bytes(content)
    return file


def reason(file: Path) -> str:
    with pytest.raises(BadPicture) as caught:
        open_picture(file)
    return str(caught.value)


# ---- files that are refused ----------------------------------------------------------------------

JPEG = encoded(photo(size=(200, 150)), "JPEG")
PNG = encoded(Image.effect_noise((80, 80), 60), "PNG")
WEBP = encoded(photo(size=(200, 150)), "WEBP")

REFUSED = {
    "zero.png": (b"", p.EMPTY),
    "text.png": (b"This is not a picture, whatever its name says.", p.NOT_PICTURE),
    "page.jpg": (b"<!doctype html><title>404</title>", p.NOT_PICTURE),
    "sound.webp": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), p.NOT_PICTURE),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", p.NOT_PICTURE),
    "cut.jpg": (JPEG[: len(JPEG) // 2], p.TRUNCATED),
    "cut.png": (PNG[: len(PNG) // 2], p.TRUNCATED),
    "stub.jpg": (JPEG[:20], p.DAMAGED),
    "stub.png": (PNG[:12], p.DAMAGED),
    "stub.webp": (WEBP[:20], p.DAMAGED),
    "bomb.png": (png_header(30_000, 30_000), p.HUGE),
    "large.png": (png_header(8_000, 8_000), p.HUGE),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_file_is_refused_for_its_reason(tmp_path, name):
    content, expected = REFUSED[name]
    assert reason(put(tmp_path, name, content)) == expected


def test_every_cut_and_many_flips_are_a_bad_picture_or_a_picture(tmp_path):
    """Whatever a decoder raises, it comes out as BadPicture."""
    rng = np.random.default_rng(0)
    gif = encoded(photo().quantize(16), "GIF")
    tiff = encoded(photo(), "TIFF", compression="tiff_lzw")
    for number, whole in enumerate((JPEG, PNG[:3000], WEBP, gif, tiff)):
        for _ in range(25):
            broken = bytearray(whole[: int(rng.integers(1, len(whole) + 1))])
            for place in rng.integers(0, len(broken), 4):
                broken[place] = int(rng.integers(256))
            file = put(tmp_path, f"{number}.bin", bytes(broken))
            try:
                picture, _ = open_picture(file)
                assert picture.mode == "RGB"
            except BadPicture as error:
                assert str(error)


def test_no_permission_and_read_errors_are_named(tmp_path, monkeypatch):
    file = put(tmp_path, "a.png", photo())
    real = Path.open
    for error, expected in ((PermissionError(13, "no"), p.NO_PERMISSION), (OSError(5, "I/O"), p.UNREADABLE)):

        def refuse(self, *args, error=error, **kwargs):
            if self == file:
                raise error
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
        assert reason(file) == expected


def test_missing_broken_link_and_pipe(tmp_path):
    assert reason(tmp_path / "gone.png") == p.MISSING
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    assert reason(tmp_path / "link.png") == p.BROKEN_LINK
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    assert reason(tmp_path / "self.png") == p.BROKEN_LINK
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert reason(tmp_path / "pipe.png") == p.SPECIAL  # reading it would wait for ever


# ---- files that are mended -----------------------------------------------------------------------


def near(picture: Image.Image, wanted: Image.Image, tolerance: float = 3) -> bool:
    assert picture.mode == "RGB" and picture.size == wanted.size
    difference = np.asarray(picture, float) - np.asarray(wanted.convert("RGB"), float)
    return float(np.abs(difference).mean()) < tolerance


def test_plain_picture_has_no_notes(tmp_path):
    picture, notes = open_picture(put(tmp_path, "a.png", photo()))
    assert near(picture, photo(), 0.01) and notes == []


def test_cmyk_jpeg(tmp_path):
    cmyk = photo().convert("CMYK")
    picture, notes = open_picture(put(tmp_path, "a.jpg", encoded(cmyk, "JPEG", quality=95)))
    assert near(picture, cmyk, 4) and notes == [p.CMYK]


def test_16_bit_png_keeps_its_greys(tmp_path):
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    picture, notes = open_picture(put(tmp_path, "a.png", encoded(Image.fromarray(ramp), "PNG")))
    wanted = Image.fromarray((ramp / 257).round().astype(np.uint8))
    assert near(picture, wanted, 0.6) and notes == [p.DEEP, p.GREY]


def test_float_tiff_keeps_its_greys(tmp_path):
    ramp = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    picture, notes = open_picture(put(tmp_path, "a.tif", encoded(Image.fromarray(ramp), "TIFF")))
    assert near(picture, Image.fromarray((ramp * 255).astype(np.uint8)), 1) and notes == [p.DEEP, p.GREY]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animation_gives_its_first_frame(tmp_path, format):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=50, **options)
    picture, notes = open_picture(put(tmp_path, f"a.{format.lower()}", data))
    assert near(picture, frames[0], 2) and notes == [p.FIRST_FRAME]


def test_transparency_is_laid_on_white(tmp_path):
    glass = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    glass.paste((255, 0, 0, 255), (8, 8, 24, 24))
    wanted = Image.new("RGB", (32, 32), "white")
    wanted.paste((255, 0, 0), (8, 8, 24, 24))
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.paste(1, (8, 8, 24, 24))
    for name, data in {
        "rgba.png": encoded(glass, "PNG"),
        "la.png": encoded(glass.convert("LA"), "PNG"),
        "palette.png": encoded(palette, "PNG", transparency=0),
        "palette.gif": encoded(palette, "GIF", transparency=0),
    }.items():
        picture, notes = open_picture(put(tmp_path, name, data))
        assert near(picture, wanted.convert("L") if name == "la.png" else wanted, 0.1), name
        assert picture.getpixel((0, 0)) == (255, 255, 255) and notes == [p.TRANSPARENT], name


def test_grey_palette_and_bitmap(tmp_path):
    grey = photo().convert("L")
    picture, notes = open_picture(put(tmp_path, "l.png", grey))
    assert near(picture, grey, 0.01) and notes == [p.GREY]
    picture, notes = open_picture(put(tmp_path, "1.png", grey.convert("1")))
    assert set(np.unique(picture)) <= {0, 255} and notes == [p.GREY]
    palette = photo().quantize(32)
    picture, notes = open_picture(put(tmp_path, "p.png", palette))
    assert near(picture, palette, 0.01) and notes == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    """Store the picture as a turned camera would; reading must undo it."""
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste("red", (0, 0, 24, 16))
    upright.paste("blue", (24, 0, 48, 16))
    upright.paste("lime", (0, 16, 24, 32))
    T = Image.Transpose
    undo = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE}
    undo |= {6: T.ROTATE_90, 7: T.TRANSVERSE, 8: T.ROTATE_270}
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, "JPEG", quality=95, subsampling=0, exif=exif)
    picture, notes = open_picture(put(tmp_path, "a.jpg", data))
    assert near(picture, upright, 4)
    for corner, colour in (((6, 6), (255, 0, 0)), ((40, 6), (0, 0, 255)), ((6, 26), (0, 255, 0))):
        assert np.allclose(picture.getpixel(corner), colour, atol=25)
    assert notes == ([p.ROTATED] if orientation > 1 else [])


def test_damaged_exif_does_not_lose_the_picture(tmp_path):
    data = encoded(photo(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    picture, notes = open_picture(put(tmp_path, "a.jpg", data))
    assert near(picture, photo(), 5) and notes == []


def test_huge_jpeg_is_decoded_smaller(tmp_path):
    data = encoded(Image.new("L", (7_200, 7_200), 200), "JPEG")
    picture, notes = open_picture(put(tmp_path, "a.jpg", data))
    assert picture.size == (900, 900) and notes == [p.SHRUNK, p.GREY]


def test_wrong_suffix_is_read_by_content(tmp_path):
    picture, notes = open_picture(put(tmp_path, "a.jpg", photo()))
    assert near(picture, photo(), 0.01) and notes == [p.SUFFIX]


# ---- folders -------------------------------------------------------------------------------------


def test_scan_names_and_counts(tmp_path):
    put(tmp_path, "my_dogs/a.png", photo(1))
    put(tmp_path, "my_dogs/deeper/b.jpg", encoded(photo(2), "JPEG"))
    put(tmp_path, "cats/grey.png", photo(3).convert("L"))
    put(tmp_path, "cats/cut.jpg", JPEG[:-500])
    put(tmp_path, "cats/cut2.jpg", JPEG[:-600])
    put(tmp_path, "cats/.DS_Store", b"\0\0\0\1Bud1")
    put(tmp_path, "cats/Thumbs.db", b"\xd0\xcf")
    put(tmp_path, ".ipynb_checkpoints/a.png", photo(1))
    put(tmp_path, "notes.txt", b"hello")
    (tmp_path / "cats" / "round").symlink_to(tmp_path, target_is_directory=True)
    report = scan(tmp_path)
    assert [(e.path.name, e.text) for e in report.usable] == [
        ("grey.png", "cats"),
        ("a.png", "my dogs"),
        ("b.jpg", "my dogs"),
    ]
    assert report.counts() == {p.HIDDEN: 3, p.TRUNCATED: 2, p.LINK_LOOP: 1, p.NO_CLASS: 1}
    assert report.handled == [(tmp_path / "cats/grey.png", p.GREY)]
    text = str(report)
    assert "3 usable pictures, 7 files skipped" in text
    assert "skipped: 2 × truncated, such as cats/cut.jpg" in text
    assert "mended: 1 × grey made RGB, such as cats/grey.png" in text


def test_scan_finds_what_is_in_train_and_in_test(tmp_path):
    put(tmp_path, "train/a/one.png", photo(1))
    put(tmp_path, "train/a/again.bmp", encoded(photo(1), "BMP"))  # the same pixels in another format
    put(tmp_path, "train/a/two.png", photo(2))
    put(tmp_path, "test/b/leak.png", photo(2))
    put(tmp_path, "test/b/three.png", photo(3))
    report = scan(tmp_path)
    names = [(one.path.name, other.path.name) for one, other in report.duplicates]
    assert names == [("again.bmp", "one.png"), ("two.png", "leak.png")]
    assert [(one.part, other.part) for one, other in report.crossing] == [("train", "test")]
    assert "the same picture in train and in test: train/a/two.png = test/b/leak.png" in str(report)
    with pytest.raises(UserError, match="by itself"):
        PictureFolder(tmp_path)


def test_items_are_tensors_in_range_and_captions(tmp_path):
    import torch

    put(tmp_path, "wide/a.png", Image.new("RGB", (90, 30), "white"))
    put(tmp_path, "tall_ships/b.png", Image.new("RGB", (3, 300), "black"))
    data = PictureFolder(tmp_path, size=32, caption=lambda text: f"a picture of {text}")
    assert len(data) == 2 and data.classes == ["tall ships", "wide"]
    picture, caption = data[0]
    assert picture.shape == (3, 32, 32) and picture.dtype == torch.float32
    assert picture.unique().tolist() == [-1] and caption == "a picture of tall ships"
    assert data[-1][0].unique().tolist() == [1] and data[1][1] == "a picture of wide"
    with pytest.raises(IndexError):
        data[2]
    assert len(list(data)) == 2


def test_file_that_turns_bad_after_the_scan_is_replaced(tmp_path):
    from torch.utils.data import DataLoader

    files = [put(tmp_path, f"a/{i}.png", Image.new("RGB", (8, 8), (i, 0, 0))) for i in range(4)]
    data = PictureFolder(tmp_path, size=8)
    files[1].unlink()
    files[3].write_bytes(files[3].read_bytes()[:30])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            batch, captions = next(iter(DataLoader(data, batch_size=4)))
    reds = ((batch[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
    assert reds == [0, 2, 2, 0] and len(captions) == 4  # 1 -> 2, and 3 -> round to 0
    assert data.replaced == {files[1]: 2, files[3]: 2}
    said = sorted(str(w.message) for w in caught if "left out" in str(w.message))
    assert [s.split("left out: ")[1] for s in said] == [p.MISSING, p.DAMAGED]  # once each
    for i in (0, 2):
        files[i].unlink()
    with warnings.catch_warnings(), pytest.raises(UserError, match="can be read any more"):
        warnings.simplefilter("ignore")
        data[0]


def test_user_errors_are_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        PictureFolder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="No usable picture"):
        PictureFolder(tmp_path)
    put(tmp_path, "a/bad.png", b"")
    put(tmp_path, "loose.png", photo())
    with pytest.raises(UserError, match=f"1 × {p.EMPTY}") as caught:
        PictureFolder(tmp_path)
    assert f"1 × {p.NO_CLASS}" in str(caught.value) and "\n" not in str(caught.value)
    for size in (0, -3, 1.5, 10**6):
        with pytest.raises(UserError, match="size is"):
            PictureFolder(DATA / "train", size=size)


# ---- captions.csv --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_captions_csv(tmp_path, encoding):
    for name in ("a.png", "sub/b.png", "c.png", "extra.png"):
        put(tmp_path, name, photo(len(name)))
    table = (
        "Caption, file ,note\r\n"
        '"a red sun, low over the sea",a.png,x\r\n'
        "太阳沙滩大海,sub\\b.png,\r\n"
        "a second caption,a.png,\r\n"
        ",c.png,\r\n"
        "lost,gone.png,\r\n"
        "outside,../secret.png,\r\n"
        "\r\n"
    )
    put(tmp_path, "captions.csv", table.encode(encoding))
    data = PictureFolder(tmp_path)
    assert [(e.path.relative_to(tmp_path).as_posix(), e.text) for e in data.entries] == [
        ("a.png", "a red sun, low over the sea"),
        ("sub/b.png", "太阳沙滩大海"),
        ("a.png", "a second caption"),
    ]
    assert data[1][1] == "太阳沙滩大海" and data.report.duplicates == []
    assert data.report.counts() == {p.NO_CAPTION: 1, p.MISSING: 1, p.OUTSIDE: 1, p.NOT_LISTED: 1}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"file,text\na.png,hello\n", "has the columns file, text; it needs file,caption"),
        (b"file;caption\na.png;hello\n", "has the columns file;caption; it needs"),
        (b"", "has the columns none"),
        ("file,caption\na.png,太阳".encode("gb18030"), "is not UTF-8"),
        (b"file,caption\na.png," + b"x" * 200_000, "cannot be read"),
        (b"file,caption\na.png\n", "No usable picture"),
    ],
)
def test_bad_captions_csv_is_a_user_error(tmp_path, content, message):
    put(tmp_path, "a.png", photo())
    put(tmp_path, "captions.csv", content)
    with pytest.raises(UserError) as caught:
        PictureFolder(tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


# ---- the example folder of a fresh clone ---------------------------------------------------------


def test_example_folder_as_it_is():
    from torchvision.datasets import ImageFolder

    report = scan(DATA)
    assert report.duplicates == [] and report.handled == []
    assert report.counts() == {p.NO_CLASS: 2}  # the two README.txt
    for part, count in (("train", 20), ("test", 5)):
        theirs, ours = ImageFolder(DATA / part), PictureFolder(DATA / part)
        assert theirs.classes == ours.classes == ["animals", "faces", "food", "plants", "vehicles", "weather"]
        assert [Path(path) for path, _ in theirs.samples] == [entry.path for entry in ours.entries]
        assert len(ours) == 6 * count
        assert theirs[0][0].size == (64, 64) and ours[0][0].shape == (3, 64, 64)
        mine = ((ours[7][0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        assert np.array_equal(mine, np.asarray(theirs[7][0]))
