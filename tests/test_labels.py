"""Where a picture is from: labels, signature, watermark; what survives what, and what hostile files can do."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import tracemalloc
import zlib
from functools import cache
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from mjcourse import cli
from mjcourse.config import UserError
from mjcourse.data.draw import render
from mjcourse.data.scenes import sample_scene
from mjcourse.studio import packets, signature, watermark
from mjcourse.studio.labels import FIELDS, KINDS, export_png, read_labels
from mjcourse.studio.signature import ALTERED, FOREIGN, SIGNED, UNSIGNED
from mjcourse.studio.verify import describe, examine, plain
from mjcourse.viz import font

COMMAND = "太阳沙滩大海 --seed 3"
SETTINGS = {"prompt": "太阳沙滩大海", "seed": 3, "guidance": 4.0, "model": "flow"}
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@cache
def scene(index: int, size: int = 64, aspect: str = "1:1") -> np.ndarray:
    """A plain scene, (H, W, 3) uint8."""
    return render(sample_scene("val", index), size, aspect)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, own_folders) -> Path:
    """A 256 px export; never changed."""
    path = tmp_path_factory.mktemp("exported") / "sea.png"
    export_png(scene(0, 256), path, COMMAND, SETTINGS)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Split a PNG by other means than the package: ``[(kind, body), …]``."""
    file, found = io.BytesIO(data[8:]), []
    while head := file.read(8):
        found.append((head[4:], file.read(int.from_bytes(head[:4], "big"))))
        file.read(4)
    return found


def rebuilt(path: Path, out: Path, change=lambda kind, body: body, extra: bytes = b"", last: bytes = b"") -> Path:
    """Write a PNG anew with changed chunks (None drops one), extra ones before the pixels or bytes at the end."""
    data, done = packets.MAGIC, False
    for kind, body in chunks(path.read_bytes()):
        if kind == b"IDAT" and not done:
            data, done = data + extra, True
        if (body := change(kind, body)) is not None:
            data += chunk(kind, body)
    out.write_bytes(data + last)
    return out


def with_text(name: bytes, change) -> object:
    """Return a ``change`` for `rebuilt` that edits one iTXt's text."""

    def edit(kind: bytes, body: bytes) -> bytes | None:
        if kind != b"iTXt" or not body.startswith(name + b"\0"):
            return body
        head, text = body[: len(name) + 5], body[len(name) + 5 :]
        return head + change(text)

    return edit


def png(out: Path, *extra: bytes, size: int = 32) -> Path:
    """Write a small PNG with extra chunks in front of its pixels."""
    buffer = io.BytesIO()
    Image.fromarray(scene(1)[:size, :size]).save(buffer, "PNG")
    data = buffer.getvalue()
    at = data.index(b"IDAT") - 4
    out.write_bytes(data[:at] + b"".join(extra) + data[at:])
    return out


def itxt(name: str, text: str | bytes) -> bytes:
    return chunk(b"iTXt", name.encode() + b"\0\0\0\0\0" + (text.encode() if isinstance(text, str) else text))


# ---- round trip ----------------------------------------------------------------------------------


def test_an_export_says_all_and_is_read_back(exported):
    found = read_labels(exported)
    assert (found.format, found.pixels.shape, found.problems) == ("PNG", (256, 256, 3), ())
    assert (found.parameters, found.settings) == (COMMAND, SETTINGS)
    assert found.source == IPTC + "trainedAlgorithmicMedia"
    assert found.signature == SIGNED
    with Image.open(exported) as image:  # Pillow reads the two fields that `imagine` has always written
        assert image.text["parameters"] == COMMAND
        assert json.loads(image.text["mjcourse"]) == SETTINGS
        assert np.array_equal(np.asarray(image), found.pixels)


def test_the_packet_has_the_names_of_the_standards(exported):
    with Image.open(exported) as image:
        document = minidom.parseString(image.text["XML:com.adobe.xmp"].strip("\ufeff").encode())  # another parser
    (source,) = document.getElementsByTagNameNS("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "DigitalSourceType")
    (label,) = document.getElementsByTagNameNS("http://www.tc260.org.cn/ns/AIGC/1.0/", "AIGC")
    assert source.firstChild.data == IPTC + "trainedAlgorithmicMedia"
    told = json.loads("".join(node.data for node in label.childNodes))
    wanted = "Label ContentProducer ProduceID ReservedCode1 ContentPropagator PropagateID ReservedCode2"
    assert list(told) == wanted.split() == list(FIELDS)
    assert (told["Label"], told["ContentProducer"]) == ("1", "mjcourse")
    assert (told["ContentPropagator"], told["PropagateID"]) == (told["ContentProducer"], told["ProduceID"])
    allowed = set(range(0x23, 0x7F)) - {0x5C} | {0x21}  # annex E, j
    assert all(set(map(ord, value)) <= allowed for value in told.values())
    names = [body.split(b"\0")[0] for kind, body in chunks(exported.read_bytes()) if kind == b"iTXt"]
    assert names == [b"parameters", b"mjcourse", b"XML:com.adobe.xmp"]


@pytest.mark.parametrize(
    "kind, term",
    [
        ("generated", "trainedAlgorithmicMedia"),
        ("filtered", "trainedAlgorithmicMedia"),
        ("upscaled", "trainedAlgorithmicMedia"),
        ("edited", "compositeWithTrainedAlgorithmicMedia"),
        ("composited", "compositeSynthetic"),
    ],
)
def test_each_kind_has_its_source_type(tmp_path, kind, term):
    export_png(scene(1), tmp_path / "x.png", "a", {}, kind=kind)
    found = examine(tmp_path / "x.png")
    assert found["source_type"] == IPTC + term and found["consistent"]
    assert set(KINDS) == {"generated", "filtered", "upscaled", "edited", "composited"}


def test_the_same_call_gives_the_same_bytes_in_a_new_process_too(tmp_path):
    for name in ("a.png", "b.png"):
        export_png(scene(1), tmp_path / name, COMMAND, SETTINGS)
    code = (
        "import sys, numpy as np; from mjcourse.studio.labels import export_png;"
        "export_png(np.load(sys.argv[1]), sys.argv[2], sys.argv[3], eval(sys.argv[4]))"
    )
    np.save(tmp_path / "x.npy", scene(1))
    words = [str(tmp_path / "x.npy"), str(tmp_path / "c.png"), COMMAND, repr(SETTINGS)]
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=60)
    export_png(scene(1), tmp_path / "d.png", COMMAND + "0", SETTINGS)
    a, b, c, d = ((tmp_path / f"{name}.png").read_bytes() for name in "abcd")
    assert a == b == c != d
    numbers = {read_labels(tmp_path / f"{name}.png").aigc["ProduceID"] for name in "abd"}
    assert len(numbers) == 2


def test_metadata_that_comes_with_a_picture_stays_behind(tmp_path):
    picture = Image.fromarray(scene(1))
    picture.info |= {"icc_profile": b"\0" * 128, "transparency": (1, 2, 3), "comment": "mine"}
    export_png(picture, tmp_path / "x.png", "a", {})
    assert {kind for kind, _ in chunks((tmp_path / "x.png").read_bytes())} == {b"IHDR", b"iTXt", b"IDAT", b"IEND"}


@settings(max_examples=80)
@given(st.text(max_size=500), st.dictionaries(st.text(max_size=20), st.text(max_size=50) | st.integers(), max_size=3))
def test_any_text_comes_back_or_is_refused(tmp_path_factory, text, more):
    path = tmp_path_factory.getbasetemp() / "any.png"
    told = {"prompt": text, **more}
    broken = [c for c in json.dumps(told, ensure_ascii=False) + text if "\ud800" <= c <= "\udfff"]
    if broken:
        with pytest.raises(UserError, match=r"broken character U\+D"):
            export_png(scene(1)[:16, :16], path, text, told)
        return
    export_png(scene(1)[:16, :16], path, text, told)
    found = read_labels(path)
    assert (found.parameters, found.settings, found.signature, found.problems) == (text, told, SIGNED, ())


@pytest.mark.parametrize(
    "change, cause",
    [
        ({"kind": "generate"}, "no kind 'generate' of picture; allowed are generated, .* Did you mean generated?"),
        ({"path": "x.jpg"}, "cannot write x.jpg: the file's name must end in .png."),
        ({"picture": np.zeros((2, 64, 64, 3), np.uint8)}, "2 pictures cannot go into one file"),
        ({"picture": np.zeros((4, 4), np.uint8)}, "Cannot show this ndarray"),
        ({"mark": True}, "64 × 64 pixels is too small for a readable mark; the shorter side must have 192"),
        ({"command_text": "x" * 65_537}, "the text 'parameters' has 65,537 bytes; allowed are 65,536"),
        ({"settings": {"a": "\ud800"}}, r"the text 'mjcourse' holds the broken character U\+D800"),
    ],
)  # fmt: skip
def test_an_export_that_cannot_be_is_refused_in_one_line(tmp_path, change, cause):
    words = {"picture": scene(1), "path": "x.png", "command_text": "a", "settings": {}} | change
    words["path"] = tmp_path / words["path"]
    with pytest.raises(UserError, match=cause) as caught:
        export_png(**words)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")
def test_a_disk_that_is_full_amid_a_picture_leaves_the_old_one(tmp_path):
    path = tmp_path / "x.png"
    export_png(scene(1), path, "a", {})
    code = (
        "import resource, signal, sys, numpy as np; from mjcourse.studio.labels import export_png;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "export_png(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), sys.argv[1], 'b', {})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert "UserError: cannot write x.png" in done.stderr and "File too large" in done.stderr
    assert examine(path)["parameters"] == "a" and examine(path)["consistent"] and os.listdir(tmp_path) == ["x.png"]


# ---- what a re-save does -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_a_plain_resave_drops_every_label_but_not_the_watermark(exported, tmp_path, name, capsys):
    with Image.open(exported) as image:
        image.save(tmp_path / name, quality=90)
    found = examine(tmp_path / name)
    assert [found[label] for label in ("parameters", "settings", "source_type", "aigc")] == [None] * 4
    assert found["signature"] == UNSIGNED and found["watermark"]["found"] and not found["consistent"]
    assert cli.main(["verify", str(tmp_path / name)]) == 1
    shown = capsys.readouterr().out
    assert "the watermark says that mjcourse made the picture: a re-save by most programs drops every label" in shown
    assert shown.count("missing") == 4


def test_xmp_survives_in_jpeg_and_webp_where_it_is_copied(exported, tmp_path):
    with Image.open(exported) as image:
        packet = image.info["XML:com.adobe.xmp"].encode()
        for name in ("x.jpg", "x.webp"):
            image.save(tmp_path / name, quality=90, xmp=packet)
            found = read_labels(tmp_path / name)
            assert found.source == IPTC + "trainedAlgorithmicMedia" and found.aigc["Label"] == "1"
            assert (found.parameters, found.signature) == (None, ALTERED)


def test_a_resave_that_keeps_texts_and_pixels_keeps_the_signature(exported, tmp_path):
    with Image.open(exported) as image:
        info = PngImagePlugin.PngInfo()
        for name, text in image.text.items():
            info.add_itxt(name, text, zip=True)
        image.save(tmp_path / "x.png", pnginfo=info, compress_level=1)
    assert (tmp_path / "x.png").read_bytes() != exported.read_bytes()
    assert examine(tmp_path / "x.png")["consistent"]


# ---- the signature -------------------------------------------------------------------------------


def test_one_changed_pixel_is_found(exported, tmp_path):
    with Image.open(exported) as image:
        info = PngImagePlugin.PngInfo()
        for name, text in image.text.items():
            info.add_itxt(name, text)
        r, g, b = image.getpixel((200, 17))
        image.putpixel((200, 17), (r, g, b ^ 1))
        image.save(tmp_path / "x.png", pnginfo=info)
    found = examine(tmp_path / "x.png")
    assert found["signature"] == ALTERED and found["problems"] == ["signature: altered"]
    assert found["parameters"] == COMMAND and found["watermark"]["found"]


EDITS = {
    "parameters": with_text(b"parameters", lambda text: text.replace(b"3", b"4")),
    "settings": with_text(b"mjcourse", lambda text: text.replace(b"4.0", b"5.0")),
    "settings' spelling": with_text(b"mjcourse", lambda text: text.replace(b": ", b":")),
    "source type": with_text(b"XML:com.adobe.xmp", lambda text: text.replace(b"trained", b"compositeWithTrained")),
    "label": with_text(b"XML:com.adobe.xmp", lambda text: text.replace(b'"Label":"1"', b'"Label":"2"')),
    "producer": with_text(b"XML:com.adobe.xmp", lambda text: text.replace(b'er":"mjcourse"', b'er":"somebody"', 1)),
    "no parameters": lambda kind, body: None if body.startswith(b"parameters\0") else body,
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_changed_text_is_found(exported, tmp_path, edit):
    changed = rebuilt(exported, tmp_path / "x.png", EDITS[edit])
    assert changed.read_bytes() != exported.read_bytes()
    found = examine(changed)
    assert found["signature"] == ALTERED and not found["consistent"]


ADDED = {
    "a transparent colour": chunk(b"tRNS", b"\0\x10\0\x20\0\x30"),
    "another gamma": chunk(b"gAMA", struct.pack(">I", 220_000)),
    "a turn": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"),
    "an animation": chunk(b"acTL", struct.pack(">II", 2, 0)),
    "a second command": itxt("parameters", "a cat"),
    "a second packet": itxt("XML:com.adobe.xmp", "<a xmlns:t='http://www.tc260.org.cn/ns/AIGC/1.0/' t:AIGC='{}'/>"),
    "the label of annex B": chunk(b"tEXt", b'AIGC\0{"AIGC":{"Label":"3","ContentProducer":"b","ProduceID":"c"}}'),
}


@pytest.mark.parametrize("added", ADDED)
def test_what_is_added_to_change_what_is_seen_or_read_is_found(exported, tmp_path, added):
    found = examine(rebuilt(exported, tmp_path / "x.png", extra=ADDED[added]))
    assert found["signature"] == ALTERED and len(found["problems"]) >= 2


def test_what_is_added_beside_alters_nothing(exported, tmp_path):
    extra = chunk(b"tEXt", b"Comment\0my favourite") + chunk(b"tIME", b"\x07\xea\1\1\0\0\0")
    extra += itxt("parameters", COMMAND)
    assert examine(rebuilt(exported, tmp_path / "x.png", extra=extra))["consistent"]

    def passed_on(text: bytes) -> bytes:
        return text.replace(b'"ContentPropagator":"mjcourse"', b'"ContentPropagator":"platform"')

    platform = rebuilt(exported, tmp_path / "y.png", with_text(b"XML:com.adobe.xmp", passed_on))
    assert read_labels(platform).aigc["ContentPropagator"] == "platform" and examine(platform)["consistent"]


def test_bytes_after_the_end_are_found(exported, tmp_path):
    found = examine(rebuilt(exported, tmp_path / "x.png", last=b"<html>"))
    assert found["problems"][0] == "file: 6 bytes follow that are no whole chunk" and found["signature"] == ALTERED


def test_another_key_cannot_be_told_from_a_forgery(exported, runs, capsys):
    assert read_labels(exported).signature == FOREIGN
    assert not signature.key_file().exists(), "reading makes no key"
    signature.own_key()
    assert read_labels(exported).signature == FOREIGN
    assert cli.main(["verify", str(exported)]) == 1
    assert "! signature: signed by another key, which cannot be checked here\n" in capsys.readouterr().out


def test_the_key_is_the_learners_own(runs):
    key = signature.own_key()
    assert len(key) == 32 and signature.own_key() == key
    assert os.listdir(runs) == ["signing.key"]
    if os.name == "posix":
        assert stat.S_IMODE(signature.key_file().stat().st_mode) == 0o600
    assert signature.key_name(key) not in key.hex() and len(signature.key_name(key)) == 16


def test_processes_that_sign_first_at_once_share_one_key(tmp_path):
    code = "from mjcourse.studio.signature import own_key; input(); print(own_key().hex())"
    command, env = [sys.executable, "-c", code], {**os.environ, "MJCOURSE_RUNS": str(tmp_path / "runs")}
    many = [subprocess.Popen(command, env=env, text=True, stdin=-1, stdout=-1) for _ in range(6)]
    for process in many:  # all of them are ready, or soon
        process.stdin.write("go\n")
        process.stdin.flush()
    assert len({process.communicate(timeout=60)[0] for process in many}) == 1
    assert os.listdir(tmp_path / "runs") == ["signing.key"]


def test_a_disk_without_hard_links_holds_a_key_too(runs, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(signature.os, "link", refuse)
    assert signature.own_key() == signature.read_key() and os.listdir(runs) == ["signing.key"]


@pytest.mark.parametrize("damage", ["", "abc\n", "g" * 64, "ab" * 32 + "\nmore", "é" * 64])
def test_a_damaged_key_is_told_and_not_replaced(runs, tmp_path, exported, damage):
    runs.mkdir()
    signature.key_file().write_text(damage, "utf-8")
    for use in (lambda: export_png(scene(1), tmp_path / "x.png", "a", {}), lambda: read_labels(exported)):
        with pytest.raises(UserError, match=r"signing\.key"):
            use()
    assert signature.key_file().read_text("utf-8") == damage and not (tmp_path / "x.png").exists()


def test_a_key_that_cannot_be_kept_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("mjcourse.config.RUNS", tmp_path / "file" / "runs")
    with pytest.raises(UserError, match="signing key"):
        export_png(scene(1), tmp_path / "x.png", "a", {})


def test_parts_of_a_message_cannot_be_moved_into_each_other():
    codes = {signature._code(b"k", "p", texts) for texts in ({"a": "b", "c": "d"}, {"a": "bc", "c": "d"}, {"a": "b"})}
    assert len(codes | {signature._code(b"k", "p", {"a": None}), signature._code(b"k", "p", {"a": "None"})}) == 5


# ---- hostile files -------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
)
BOMB = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"\0" * 100_000_000, 1))
XMP = "XML:com.adobe.xmp"
OPEN = '<x xmlns:t="http://www.tc260.org.cn/ns/AIGC/1.0/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
HOSTILE = {
    "a text that unpacks to 100 megabytes": (
        BOMB,
        "parameters: cannot be read, it is longer than 65,536 bytes",
    ),
    "a packet that unpacks to 10 megabytes": (
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 10_000_000, 1)),
        "XML:com.adobe.xmp: cannot be read, it is longer",
    ),
    "a long text": (chunk(b"tEXt", b"mjcourse\0" + b"x" * 5_000_000), "mjcourse: cannot be read, it is longer"),
    "broken compression": (chunk(b"zTXt", b"parameters\0\0nonsense"), "parameters: cannot be read"),
    "no UTF-8": (itxt("parameters", b"\xff\xfe"), "parameters: cannot be read, 'utf-8'"),
    "an iTXt cut short": (chunk(b"iTXt", b"parameters\0\0\0en"), "parameters: cannot be read"),
    "settings that are no JSON": (itxt("mjcourse", "{'a': 1}"), "mjcourse: cannot be read"),
    "settings that are a list": (itxt("mjcourse", "[1]"), "mjcourse: cannot be read, it is no JSON object"),
    "settings nested deep": (itxt("mjcourse", '{"a":' * 9000 + "1" + "}" * 9000), "mjcourse: cannot be read"),
    "settings with a number too long": (itxt("mjcourse", '{"a":' + "9" * 5000 + "}"), "mjcourse: cannot be read"),
    "settings that are not finite": (itxt("mjcourse", '{"a": NaN}'), "mjcourse: cannot be read, NaN is no finite"),
    "settings that overflow": (itxt("mjcourse", '{"a": 1e999}'), "mjcourse: cannot be read, 1e999 is no finite"),
    "an entity bomb": (itxt(XMP, f"{LAUGHS}]><x>&j;</x>"), "XMP: cannot be read, it declares XML entities"),
    "a file of the machine": (
        itxt(XMP, '<?xml version="1.0"?><!doctype x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'),
        "XMP: cannot be read, it declares XML entities",
    ),
    "a packet in disguise": (
        itxt(XMP, '<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>'),
        "XMP: cannot be read, it is no well-formed XML",
    ),
    "a packet cut short": (itxt(XMP, OPEN + "<t:AIGC>{"), "XMP: cannot be read, it is no well-formed XML"),
    "a packet nested deep": (itxt(XMP, "<a>" * 9000 + "</a>" * 8000), "XMP: cannot be read"),
    "another source": (
        itxt(XMP, OPEN + f"<i:DigitalSourceType>{IPTC}digitalCapture</i:DigitalSourceType></x>"),
        "source type: 'http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture' does not say",
    ),
    "two sources": (
        itxt(XMP, OPEN + "<i:DigitalSourceType>a</i:DigitalSourceType><y i:DigitalSourceType='b'/></x>"),
        "source type: there are 2, and they differ",
    ),
    "a label that is no JSON": (itxt(XMP, OPEN + "<t:AIGC>yes</t:AIGC></x>"), "AIGC label: cannot be read"),
    "a label of nothing": (itxt(XMP, OPEN + "<t:AIGC>{}</t:AIGC></x>"), "AIGC label: Label is missing or no text"),
    "a label with a number": (
        itxt(XMP, OPEN + '<t:AIGC>{"Label": 1}</t:AIGC></x>'), "AIGC label: Label is missing or no text",
    ),
    "a label with another value": (
        itxt(XMP, OPEN + '<t:AIGC>{"Label": "7"}</t:AIGC></x>'), "AIGC label: Label is not 1, 2 or 3",
    ),
    "a label with a name": (
        itxt(XMP, OPEN + '<t:AIGC>{"ContentProducer": "某 某"}</t:AIGC></x>'),
        "AIGC label: ContentProducer holds a character that the standard does not allow",
    ),
    "a checksum": (chunk(b"tEXt", b"parameters\0a")[:-1] + b"!", "chunk 'tEXt': its checksum is wrong"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_metadata_is_a_problem_and_no_crash(tmp_path, capsys, what):
    extra, problem = HOSTILE[what]
    path = png(tmp_path / "x.png", extra)
    found = examine(path)
    assert any(line.startswith(problem) for line in found["problems"]), found["problems"]
    assert found["signature"] == UNSIGNED and not found["consistent"]
    assert (found["width"], found["height"]) == (32, 32)
    assert cli.main(["verify", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found))
    assert cli.main(["verify", str(path)]) == 1
    assert max(map(len, capsys.readouterr().out.splitlines())) < 250


def test_a_bomb_is_not_unpacked(tmp_path):
    path = png(tmp_path / "x.png", BOMB)
    tracemalloc.start()
    read_labels(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("depth", [10, 300, 600, 800, 900, 950, 1000, 3000])
def test_settings_of_any_depth_are_told_or_refused(tmp_path, capsys, depth):
    path = png(tmp_path / "x.png", itxt("mjcourse", '{"a":' * depth + "1" + "}" * depth))
    for words in ([path], [path, "--json"]):
        assert cli.main(["verify", *map(str, words)]) == 1
        assert capsys.readouterr().err == ""


def test_labels_of_others_are_read(tmp_path):
    label = dict.fromkeys(FIELDS, "x") | {"Label": "1"}
    for text in (json.dumps(label), json.dumps({"AIGC": label})):
        found = read_labels(png(tmp_path / "x.png", chunk(b"tEXt", b"AIGC\0" + text.encode())))
        assert (found.aigc, found.signature, found.problems) == (label, FOREIGN, ())
    attributes = f"<x xmlns:i='{packets.IPTC}' i:DigitalSourceType='{IPTC}compositeSynthetic'/>"
    resource = f"<x xmlns:i='{packets.IPTC}' xmlns:r='{packets.RDF}'><i:DigitalSourceType r:resource='%s'/></x>"
    for packet in (attributes, resource % f"{IPTC}compositeSynthetic"):
        found = read_labels(png(tmp_path / "x.png", itxt(XMP, packet)))
        assert found.source == IPTC + "compositeSynthetic"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_pictures_of_any_mode_are_read(tmp_path, mode):
    grey = Image.fromarray(scene(1)).convert("L")
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    picture.save(tmp_path / "x.png", "JPEG" if mode == "CMYK" else "PNG")
    found = read_labels(tmp_path / "x.png")
    assert found.pixels.shape == (64, 64, 3) and found.signature == UNSIGNED and found.problems == ()


def test_many_texts_cost_little(tmp_path):
    extra = chunk(b"tEXt", b"Comment\0a") * 50_000 + itxt("parameters", "a") * 2_000
    assert read_labels(png(tmp_path / "x.png", extra)).parameters == "a"


@pytest.mark.parametrize(
    "make, cause",
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (lambda path: path.write_bytes(b""), "is no PNG, JPEG or WebP picture, or a damaged one (not recognised)"),
        (lambda path: path.write_text("a cat"), "is no PNG, JPEG or WebP picture"),
        (lambda path: path.write_bytes(packets.MAGIC), "is no PNG, JPEG or WebP picture"),
        (lambda path: Image.fromarray(scene(1)).save(path, "GIF"), "is no PNG, JPEG or WebP picture"),
        (lambda path: png(path).write_bytes(png(path, size=64).read_bytes()[:600]), "truncated"),
        (
            lambda path: path.write_bytes(
                packets.MAGIC
                + chunk(b"IHDR", struct.pack(">IIBBBBB", 9_000, 9_000, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(b""))
                + chunk(b"IEND", b"")
            ),
            "has 9,000 × 9,000 pixels; pictures of up to 50 megapixels are read",
        ),
        (
            lambda path: path.write_bytes(
                packets.MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0))
            ),
            "x.png",
        ),
        (lambda path: path.touch() or os.truncate(path, 10**9), "has 1,000 MB; pictures of up to 200"),
    ],
    ids=["missing", "folder", "empty", "text", "magic", "gif", "truncated", "pixels", "more pixels", "huge"],
)  # fmt: skip
def test_what_is_no_picture_is_a_users_mistake(tmp_path, capsys, make, cause):
    make(tmp_path / "x.png")
    assert cli.main(["verify", str(tmp_path / "x.png")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and cause in err and err.count("\n") == 1 and "0x" not in err


@pytest.fixture(scope="module")
def small(tmp_path_factory, own_folders) -> bytes:
    """The bytes of a 32 px export."""
    path = tmp_path_factory.mktemp("small") / "x.png"
    export_png(scene(1)[:32, :32], path, COMMAND, SETTINGS)
    return path.read_bytes()


@settings(max_examples=300)
@given(st.data())
def test_a_flipped_bit_is_never_called_consistent(small, tmp_path_factory, data):
    content = bytearray(small)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "flipped.png"
    path.write_bytes(content)
    try:
        found = examine(path)
    except UserError:
        return
    assert not found["consistent"], at
    describe(found)


@settings(max_examples=100)
@given(st.binary(max_size=300), st.sampled_from([b"", packets.MAGIC, b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8X"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, start):
    path = tmp_path_factory.getbasetemp() / "bytes.png"
    path.write_bytes(start + content)
    with pytest.raises(UserError):
        examine(path)


# ---- an independent reader -----------------------------------------------------------------------

needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="no exiftool here: Debian and Ubuntu have it as libimage-exiftool-perl"
)


def exiftool(*words: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(["exiftool", *map(str, words)], capture_output=True, text=True, timeout=60)


@needs_exiftool
@pytest.mark.parametrize("side", [64, 256])
def test_exiftool_reads_every_label(tmp_path, side):
    path = tmp_path / "x.png"
    export_png(scene(1, side), path, COMMAND, SETTINGS)
    (told,) = json.loads(exiftool("-j", "-a", "-G1", path).stdout)
    assert told["PNG:Parameters"] == COMMAND
    assert json.loads(told["PNG:Mjcourse"]) == SETTINGS
    assert told["XMP-iptcExt:DigitalSourceType"] == IPTC + "trainedAlgorithmicMedia"
    (label,) = (value for name, value in told.items() if name.lower() == "xmp-tc260:aigc")  # older ones write Aigc
    assert json.loads(label) == read_labels(path).aigc
    checked = exiftool("-validate", "-warning", "-error", "-a", path).stdout
    assert "Validate                        : OK" in checked, checked


@needs_exiftool
def test_what_exiftool_adds_alters_nothing_and_what_it_changes_is_found(exported, tmp_path):
    path = tmp_path / "x.png"
    shutil.copy(exported, path)
    assert exiftool("-overwrite_original", "-XMP-dc:Title=Sea", "-XMP-dc:Creator=me", path).returncode == 0
    assert path.read_bytes() != exported.read_bytes() and examine(path)["consistent"]
    new = f"-XMP-iptcExt:DigitalSourceType={IPTC}digitalCapture"
    assert exiftool("-overwrite_original", new, path).returncode == 0
    assert examine(path)["signature"] == ALTERED
    assert exiftool("-overwrite_original", "-all=", path).returncode == 0
    assert examine(path)["signature"] == UNSIGNED


# ---- the mark to be seen -------------------------------------------------------------------------


def inked(pixels: np.ndarray) -> np.ndarray:
    """Where the letters of the mark are: pure white on its plate."""
    return (pixels.astype(int).min(axis=2) > 250) & (np.indices(pixels.shape[:2])[0] > pixels.shape[0] // 2)


ALL_ASPECTS = [(256, 256), (192, 288), (288, 192), (192, 384), (384, 192), (1024, 1024)]  # once upscaled, and large


@pytest.mark.parametrize("high, wide", ALL_ASPECTS)
def test_the_mark_is_as_high_as_the_law_asks_and_inside(high, wide):
    black = np.zeros((high, wide, 3), np.uint8)
    rows, columns = np.nonzero(inked(watermark.add_mark(black)))
    assert rows.max() < high - 2 and columns.min() > 2 and columns.max() < wide - 2
    face = watermark.mark_font(min(high, wide))
    for letter in "A生g":
        _, top, _, bottom = face.getbbox(letter)
        if letter != "g":
            assert bottom - top >= 0.05 * min(high, wide)
    assert rows.max() - rows.min() + 1 >= 0.05 * min(high, wide)
    assert columns.max() - columns.min() > 0.5 * min(high, wide), "all of the words are there"


def luminance(level: np.ndarray) -> np.ndarray:
    linear = level / 255
    return np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("back", ["white", "black", "grey", "yellow", "noise"])
def test_the_mark_reads_on_light_and_dark(back):
    plain_ones = {"white": (255,) * 3, "black": (0,) * 3, "grey": (128,) * 3, "yellow": (255, 240, 0)}
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    under = noise if back == "noise" else np.full((256, 256, 3), plain_ones[back], np.uint8)
    marked = watermark.add_mark(under)
    on_black = watermark.add_mark(np.zeros((256, 256, 3), np.uint8))
    on_white = watermark.add_mark(np.full((256, 256, 3), 255, np.uint8))
    letters = (on_black == 255).all(axis=2)
    plate = (on_black.max(axis=2) < 20) & (on_black.max(axis=2) > 0) & (on_white.max(axis=2) < 130)
    assert letters.sum() > 200 and plate.sum() > 1000
    contrast = (luminance(marked[letters]).min() + 0.05) / (luminance(marked[plate]).max() + 0.05)
    assert contrast >= 4.5  # WCAG 2, AA


def test_the_font_can_write_the_mark():
    def look(letter: str) -> tuple:
        mask = font(24).getmask(letter)
        return mask.size, bytes(mask)

    box = look("\ue000")
    assert box == look("\ue001") and all(look(letter) != box for letter in watermark.MARK_TEXT if letter != " ")


def test_large_exports_are_marked_and_small_ones_are_not(tmp_path):
    path = tmp_path / "x.png"
    for side, wanted in ((64, False), (128, False), (192, True), (256, True)):
        flat = np.full((side, side, 3), 90, np.uint8)
        export_png(flat, path, "a", {})
        pixels = read_labels(path).pixels
        assert (inked(pixels).sum() > 50) == wanted and watermark.is_marked(pixels) == wanted
        assert wanted or np.array_equal(pixels, flat)
    export_png(flat, path, "a", {}, mark=False)
    assert not inked(read_labels(path).pixels).any() and watermark.is_marked(read_labels(path).pixels)
    export_png(flat, path, "a", {}, mark=False, watermark=False)
    assert np.array_equal(read_labels(path).pixels, flat)
    export_png(flat[:64], path, "a", {}, watermark=True)
    assert watermark.is_marked(read_labels(path).pixels)


# ---- the mark to be found ------------------------------------------------------------------------


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean()))


def resized(pixels: np.ndarray, factor: float, how=Image.Resampling.LANCZOS) -> np.ndarray:
    high, wide = (round(side * factor) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((wide, high), how))


def jpeg(pixels: np.ndarray, quality: int = 90) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


FATES = {
    "nothing": lambda p: p,
    "JPEG 90": jpeg,
    "×0.75": lambda p: resized(p, 0.75),
    "×0.75 bilinear": lambda p: resized(p, 0.75, Image.Resampling.BILINEAR),
    "×0.75, then JPEG 90": lambda p: jpeg(resized(p, 0.75)),
    "×0.75 and back": lambda p: resized(resized(p, 0.75), 4 / 3),
    "×1.5": lambda p: resized(p, 1.5),
    "darker": lambda p: (p * 0.8).astype(np.uint8),
    "the visible mark": watermark.add_mark,
}


@pytest.mark.parametrize("fate", FATES)
def test_the_watermark_survives(fate):
    scores = [watermark.score(FATES[fate](watermark.embed(scene(i, 256)))) for i in range(12)]
    assert min(scores) > 2 * watermark.THRESHOLD, scores


@pytest.mark.parametrize("aspect", ["3:2", "2:3", "2:1", "1:2"])
def test_the_watermark_fits_every_aspect(aspect):
    marked = watermark.embed(scene(3, 256, aspect))
    assert marked.shape == scene(3, 256, aspect).shape and watermark.is_marked(jpeg(resized(marked, 0.75)))


def test_the_watermark_is_not_seen():
    for i in range(12):
        assert psnr(watermark.embed(scene(i, 256)), scene(i, 256)) >= 38


def test_what_removes_the_watermark():
    marked = watermark.embed(scene(0, 256))
    assert watermark.score(marked, seed=1) < watermark.THRESHOLD < watermark.score(marked)  # another seed
    assert not watermark.is_marked(marked[20:, 20:])  # a crop
    assert not watermark.is_marked(np.rot90(marked).copy())
    removed = watermark.embed(marked, strength=-watermark.STRENGTH)  # whoever knows the seed
    assert not watermark.is_marked(removed) and psnr(removed, scene(0, 256)) > 45


def test_the_matrices_enlarge_and_average():
    for side in (48, 64, 100, 192, 256):
        gather, spread = watermark.gather(side), watermark.spread(side)
        assert gather.shape == (64, side) and spread.shape == (side, 64)
        assert np.allclose(gather.sum(axis=1), 1) and np.allclose(spread.sum(axis=1), 1)
    row = np.random.default_rng(0).random((1, 256)).astype(np.float32)
    box = np.asarray(Image.fromarray(row).resize((64, 1), Image.Resampling.BOX))  # Pillow's average as a reference
    assert np.allclose(watermark.gather(256) @ row[0], box[0], atol=1e-6)
    line = np.asarray(Image.fromarray(box).resize((256, 1), Image.Resampling.BILINEAR))
    assert np.allclose(watermark.spread(256) @ box[0], line[0], atol=1e-3)


def false_alarms(scenes: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return z of plain scenes under many seeds, (scenes, seeds), and under the course's own, (scenes,)."""
    rests = np.stack([watermark.residue(scene.__wrapped__(i)).ravel() for i in range(scenes)])
    signs = np.stack([watermark.pattern(seed).ravel() for seed in range(seeds)])
    lengths = np.sqrt((rests**2).sum(axis=1))
    own = rests @ watermark.pattern().ravel() / lengths
    assert own[0] == pytest.approx(watermark.score(scene(0)))
    return rests @ signs.T / lengths[:, None], own


def test_plain_scenes_are_not_taken_for_marked():
    many, own = false_alarms(scenes=100, seeds=200)
    assert abs(many.mean()) < 0.1 and 0.9 < many.std() < 1.1  # as the threshold supposes
    assert (many > watermark.THRESHOLD).mean() <= 1e-3 and (own > watermark.THRESHOLD).sum() == 0


@pytest.mark.slow
def test_two_thousand_plain_scenes_are_not_taken_for_marked():
    many, own = false_alarms(scenes=2000, seeds=200)
    assert (many > watermark.THRESHOLD).mean() <= 1e-3 and (own > watermark.THRESHOLD).sum() <= 2


def test_a_picture_of_one_colour_has_no_score():
    for level in (0, 128, 255):
        assert watermark.score(np.full((256, 256, 3), level, np.uint8)) == 0


# ---- the command ---------------------------------------------------------------------------------


def test_verify_tells_a_sound_picture(exported, capsys):
    assert cli.main(["verify", str(exported)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{exported}: PNG, 256 × 256 pixels"
    assert lines[1].split(maxsplit=1) == ["parameters", COMMAND]
    assert lines[3].split() == ["source", "type", "trainedAlgorithmicMedia"]
    assert "generated by AI; producer 'mjcourse', number '" in lines[4]
    assert lines[5].split(maxsplit=1) == ["signature", SIGNED]
    assert lines[6].split(maxsplit=1)[1].startswith("found (z = ")
    assert lines[7:] == ["all labels are there and consistent"]


def test_verify_gives_json(exported, capsys):
    assert cli.main(["verify", "--json", str(exported)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["consistent"] and told["settings"] == SETTINGS and told["problems"] == []
    assert set(told["aigc"]) == set(FIELDS) and told["watermark"]["z"] > watermark.THRESHOLD


@pytest.mark.parametrize(
    "words, cause",
    [
        ((), "the picture is missing: mjcourse verify out.png"),
        (("a.png", "b.png"), "verify has no use for 'b.png'"),
        (("a.png", "--jsno"), "Did you mean --json?"),
    ],
)
def test_verify_tells_a_mistake_in_one_line(words, cause, capsys):
    assert cli.main(["verify", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and cause in err and err.count("\n") == 1


def test_a_strangers_text_cannot_move_the_cursor(tmp_path, capsys):
    evil = "a\x1b[2J\x9b1A\rall labels are there and consistent\n\u202e" + "x" * 500
    export_png(scene(1), tmp_path / "x.png", evil, {"evil": evil})
    assert cli.main(["verify", str(tmp_path / "x.png")]) == 0
    shown = capsys.readouterr().out
    assert all(c.isprintable() for line in shown.splitlines() for c in line) and shown.count("\n") == 8
    assert "a\\u001b[2J\\u009b1A\\u000dall" in shown and "characters)" in shown
    assert plain("太阳 · sea") == "太阳 · sea"
