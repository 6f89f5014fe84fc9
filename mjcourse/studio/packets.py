"""The texts in the file of a picture from anybody, read without trusting any of them. Chapter 11.

A PNG is a row of chunks: length, name, data, checksum. Its texts are in the chunks `tEXt`, `zTXt` (compressed) and
`iTXt` (UTF-8). They are read here and cut out before Pillow sees the file, because Pillow refuses a whole picture for
one text that unpacks to gigabytes, and keeps only the last of two texts of one name, which is a way to hide one.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import warnings
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, UnidentifiedImageError

from mjcourse.config import UserError
from mjcourse.data.pictures import MAX_PIXELS

PARAMETERS, SETTINGS, XMP, AIGC = "parameters", "mjcourse", "XML:com.adobe.xmp", "AIGC"  # names of texts
MAX_TEXT = 65_536  # bytes of one text; ours have about a thousand
MAX_FILE = 200_000_000  # bytes
MAGIC = b"\x89PNG\r\n\x1a\n"
FORMATS = ("PNG", "JPEG", "WEBP")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
HARMLESS = (b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME")  # the first three are all that an export has

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
SOURCE_TYPE, LABEL = f"{{{IPTC}}}DigitalSourceType", f"{{{TC260}}}AIGC"  # as ElementTree names them


@dataclass(frozen=True, eq=False)
class Parcel:
    """An opened picture and its texts.

    Args:
        picture: decoded, in the mode of the file.
        texts: name -> all texts of that name, in order; empty lists for absent ones.
        extras: what the file holds besides pixels and texts and that can change how the pixels look: a colour profile,
            a transparent colour, an animation.
        problems: a line for each text or part that is broken.
    """

    picture: Image.Image
    texts: defaultdict[str, list[str]]
    extras: tuple[str, ...]
    problems: tuple[str, ...]


def open_parcel(path: Path) -> Parcel:
    """Open a picture with its texts.

    Raises:
        UserError: no such file, no regular file, too large, no PNG, JPEG or WebP, or pixels that cannot be decoded.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}." if not path.exists() else f"{path} is not a regular file.")
    if (size := path.stat().st_size) > MAX_FILE:
        raise UserError(f"{path.name} has {size / 1e6:,.0f} MB; pictures of up to {MAX_FILE / 1e6:,.0f} MB are read.")
    data, texts, extras, problems = path.read_bytes(), defaultdict(list), {}, []
    if data.startswith(MAGIC):
        data = _cut_texts(data, texts, extras, problems)
    picture = _decode(data, path.name)
    if picture.format != "PNG" and (packet := picture.info.get("xmp")):
        packet = packet.encode() if isinstance(packet, str) else packet
        try:
            texts[XMP].append(_text(packet, "utf-8"))
        except ValueError as error:
            problems.append(f"{XMP}: cannot be read, {error}")
    return Parcel(picture, texts, tuple(extras), tuple(problems))


def _decode(data: bytes, name: str) -> Image.Image:
    """Return the decoded picture of a file's bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's: we have our own limit
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                size = f"{picture.width:,} × {picture.height:,} pixels"
                raise UserError(f"{name} has {size}; pictures of up to {MAX_PIXELS / 1e6:.0f} megapixels are read.")
            picture.load()
            return picture
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on malformed files
        unknown = isinstance(error, UnidentifiedImageError)
        why = "not recognised" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{name} is no PNG, JPEG or WebP picture, or a damaged one ({why}); give the file as it was exported."
        ) from error


def _cut_texts(data: bytes, texts: dict, extras: dict, problems: list[str]) -> bytes:
    """Return a PNG without its text chunks, having put down the known ones and what else is odd."""
    kept, at = [MAGIC], len(MAGIC)
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body, end = data[at + 8 : at + 8 + size], at + 12 + size
        if end > len(data):
            break
        name = kind.decode("latin-1")
        if zlib.crc32(kind + body) != int.from_bytes(data[end - 4 : end], "big"):
            problems.append(f"chunk {name!r}: its checksum is wrong")
        elif kind in TEXTS:
            _read_text(kind, body, texts, problems)
        elif kind not in HARMLESS:
            extras[f"chunk {name!r}"] = None  # a dict keeps the order and each once
        if kind not in TEXTS:
            kept.append(data[at:end])
        at = end
    if at != len(data):
        problems.append(f"file: {len(data) - at:,} bytes follow that are no whole chunk")
    return b"".join([*kept, data[at:]])


def _read_text(kind: bytes, body: bytes, texts: dict, problems: list[str]) -> None:
    """Put down the text of a chunk where its name is one of ours, or the problem with it."""
    keyword, _, rest = body.partition(b"\0")
    name = keyword.decode("latin-1")
    if name not in (PARAMETERS, SETTINGS, XMP, AIGC):
        return
    try:
        packed = kind == b"zTXt"
        if packed:
            rest = rest[1:]  # of the compression, of which there is one kind
        elif kind == b"iTXt":
            packed = rest[:1] != b"\0"
            _language, _translated, rest = rest[2:].split(b"\0", 2)
        if packed:
            rest = zlib.decompressobj().decompress(rest, MAX_TEXT + 1)
        texts[name].append(_text(rest, "utf-8" if kind == b"iTXt" else "latin-1"))
    except (ValueError, zlib.error) as error:
        problems.append(f"{name}: cannot be read, {error}")


def _text(data: bytes, encoding: str) -> str:
    """Decode a text, or raise ValueError where it is too long or wrongly encoded."""
    if len(data) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT:,} bytes")
    return data.decode(encoding)


def read_xmp(packet: str) -> dict[str, list[str]]:
    """Return the values of `SOURCE_TYPE` and `LABEL` in an XMP packet, written as elements or as attributes.

    Raises:
        ValueError: it is not well-formed, or declares entities, by which a small file unpacks to gigabytes ('billion
            laughs') or reads others; no XMP needs them.
    """
    if re.search(r"<!(DOCTYPE|ENTITY)", packet, re.IGNORECASE):
        raise ValueError("it declares XML entities")
    try:
        root = ElementTree.fromstring(packet.strip("\0\ufeff \t\r\n"))
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no well-formed XML: {error}") from None
    found: dict[str, list[str]] = {SOURCE_TYPE: [], LABEL: []}
    for element in root.iter():
        for name, values in found.items():
            told = [element.text, element.get(f"{{{RDF}}}resource")] if element.tag == name else []
            values += [text.strip() for text in (*told, element.get(name)) if text and text.strip()]
    return found


def read_json(name: str, text: str | None, problems: list[str]) -> dict | None:
    """Return a JSON object, or None and a problem where it is none; numbers are finite, so that it can be told on."""

    def finite(number: str) -> float:
        if not math.isfinite(value := float(number)):
            raise ValueError(f"{number} is no finite number")
        return value

    if text is None:
        return None
    try:
        value = json.loads(text, parse_float=finite, parse_constant=finite)
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
        json.dumps(value, indent=1)  # what is nested too deep to be told on again, Python may still have read
        return value
    except (ValueError, RecursionError) as error:
        problems.append(f"{name}: cannot be read, {error}")
        return None
