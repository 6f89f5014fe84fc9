"""Files that are there whole or not at all, and the one line when they cannot be."""

from __future__ import annotations

import os

import pytest

from mjcourse.config import UserError
from mjcourse.files import write_atomically


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write a\.png in .*file/new: Not a directory; free") as caught:
        write_atomically(tmp_path / "file" / "new" / "a.png", b"data", room="MJCOURSE_CACHE")
    assert "\n" not in str(caught.value) and "point MJCOURSE_CACHE at another folder" in str(caught.value)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.name != "posix", reason="a folder is closed otherwise there")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed_is_told_in_one_line(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="Permission denied"):
            write_atomically(tmp_path / "new" / "a.png", b"data")
    finally:
        tmp_path.chmod(0o700)


def test_what_a_killed_save_left_is_taken_away_when_it_is_old(tmp_path):
    old, young = tmp_path / "a.png.1.partial", tmp_path / "a.png.2.partial"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    write_atomically(tmp_path / "a.png", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.png.2.partial"]
