"""The pictures that a command names: found, opened, or refused."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from mjcourse.config import UserError
from mjcourse.studio.command import parse
from mjcourse.studio.images import find_image, open_image


def test_a_named_picture_is_found_in_normal_form_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "图片（旧）"
    folder.mkdir()
    Image.new("RGB", (70, 70), "red").save(folder / "太阳（１）.png")
    for text in ("a --init 图片（旧）/太阳（１）.png", "a --init 图片(旧)/太阳(1).png"):
        assert find_image(parse(text).init).resolve() == folder / "太阳（１）.png"
    picture = open_image(parse(f"a --sref '{folder}/太阳（１）.png'").sref)
    assert picture.size == (70, 70) and picture.getpixel((0, 0)) == (255, 0, 0)


def test_a_picture_that_is_not_there_or_none(tmp_path):
    (tmp_path / "sun.png").write_bytes(b"no picture")
    (tmp_path / "é.png").write_bytes(b"")
    (tmp_path / "e\u0301.png").write_bytes(b"")
    for name, cause in {
        "sum.png": "Did you mean",
        "sun.png": "cannot use 'sun.png' as a picture: not a picture; try another file.",
        "nowhere/sun.png": "there is no file",
        "x" * 400: "cannot read",
        "Ｅ.png": "there is no file",
        "": "as a picture: not a regular file",
    }.items():
        with pytest.raises(UserError, match=re.escape(cause)) as caught:
            open_image(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"'é\.png' as a picture: empty file"):
        open_image(tmp_path / "é.png")
    (tmp_path / "（.png").write_bytes(b"")
    (tmp_path / "﹙.png").write_bytes(b"")
    with pytest.raises(UserError, match="may be any of 2 files"):
        open_image(tmp_path / "(.png")
    with pytest.raises(UserError, match=r"cannot read '~nobody-of-this-name/x\.png'"):
        open_image("~nobody-of-this-name/x.png")
