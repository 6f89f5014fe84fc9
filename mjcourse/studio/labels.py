"""Labels in a picture's file: what to type again, that a model drew it, and who says so. Chapter 11.

Each exported PNG carries three `iTXt` chunks:

``parameters``         the command that draws the picture again
``mjcourse``           its settings, JSON
``XML:com.adobe.xmp``  an XMP packet (ISO 16684) of two properties
    ``Iptc4xmpExt:DigitalSourceType``  a term of http://cv.iptc.org/newscodes/digitalsourcetype/ (`KINDS`)
    ``TC260:AIGC``                     the label of GB 45438-2025, annex E: a JSON string of the seven `FIELDS`

The Chinese standard's practice guide for pictures (TC260-PG-20259A, clause 6, https://www.tc260.org.cn) puts the label
of a PNG into XMP; its annex B also knows a `tEXt` chunk `AIGC`, which is read here but not written, as a file shall
carry one label (GB 45438, 6.1 c). Annex E of the standard: `Label` is 1 (generated), 2 (possibly) or 3 (suspected);
values are printable ASCII without space, quote and backslash (j), so a producer has a code and no Chinese name; a first
writer repeats producer and number as propagator and number (note 1); `ReservedCode1` is for the producer's own
protection: here the signature. (Read in several open implementations that quote it, not in the standard's own pages.)
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import uuid
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, PngImagePlugin

from mjcourse.config import UserError
from mjcourse.files import write_atomically
from mjcourse.studio import packets
from mjcourse.studio.packets import AIGC, PARAMETERS, SETTINGS, XMP
from mjcourse.studio.signature import ALTERED, SIGNED, check, digest_pixels, sign
from mjcourse.studio.watermark import MIN_SIDE, add_mark, embed
from mjcourse.viz import to_pictures

PRODUCER = "mjcourse"
FIELDS = (
    *("Label", "ContentProducer", "ProduceID", "ReservedCode1"),
    *("ContentPropagator", "PropagateID", "ReservedCode2"),
)
PRODUCED = FIELDS[:3]  # signed; the propagator's fields are for those who pass the picture on

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = f"{SOURCE}trainedAlgorithmicMedia"  # IPTC: 'Created using Generative AI'
KINDS = {
    "generated": GENERATED,  # one picture, or several of them side by side
    "filtered": GENERATED,  # algorithmicallyEnhanced would be true too, but hide that a model drew what was filtered
    "upscaled": GENERATED,  # by a trained model at that
    "edited": f"{SOURCE}compositeWithTrainedAlgorithmicMedia",  # IPTC: 'Edited using Generative AI'
    "composited": f"{SOURCE}compositeSynthetic",  # IPTC: 'Composite including generative AI elements'
}

_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{packets.RDF}">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{packets.IPTC}" xmlns:TC260="{packets.TC260}">
   <Iptc4xmpExt:DigitalSourceType>%s</Iptc4xmpExt:DigitalSourceType>
   <TC260:AIGC>%s</TC260:AIGC>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True, eq=False)
class Labels:
    """What a picture's file says of itself; None is what it does not say.

    Args:
        format: PNG, JPEG or WEBP.
        pixels: (H, W, 3) uint8.
        parameters: the command to type again.
        settings: what the picture was made with.
        source: the IPTC term, a whole address.
        aigc: the label of GB 45438-2025, those of its `FIELDS` that are there.
        signature: one of the four answers of `signature.check`.
        problems: a line for all that is broken, doubled or hostile.
    """

    format: str
    pixels: np.ndarray = field(repr=False)
    parameters: str | None
    settings: dict | None
    source: str | None
    aigc: dict[str, str] | None
    signature: str
    problems: tuple[str, ...]


def export_png(
    picture,
    path: Path | str,
    command_text: str,
    settings: dict,
    *,
    kind: str = "generated",
    mark: bool | None = None,
    watermark: bool | None = None,
) -> None:
    """Write a picture to a PNG with its labels, signed, whole or not at all; the same call gives the same bytes.

    Args:
        picture: one, as `viz.to_pictures` takes it.
        path: of the file; its name ends in .png.
        command_text: what to type for the same picture again.
        settings: what it was made with; anything that JSON can say.
        kind: one of `KINDS`: what was done. A generated picture that is filtered, upscaled or painted over by the model
            is still generated; ``edited`` is a human's picture that the model changed (inpainting, outpainting,
            ``--init``), ``composited`` one set together from parts by humans and by the model.
        mark: whether to write the visible mark; by default from `MIN_SIDE` pixels on (shorter side), so on 256 px
            exports and not on 64 px ones, where text of legal height would be 3 pixels high and read by nobody.
        watermark: whether to add the invisible one; by default likewise.

    Raises:
        UserError: an unknown kind, another suffix, several pictures, a mark on too small a picture, texts that no file
            can hold, or a file or key that cannot be written.
    """
    path = Path(path)
    if kind not in KINDS:
        near = "".join(f" Did you mean {word}?" for word in get_close_matches(str(kind), KINDS, 1))
        raise UserError(f"there is no kind {kind!r} of picture; allowed are {', '.join(KINDS)}.{near}")
    if path.suffix.lower() != ".png":
        raise UserError(f"cannot write {path.name}: the file's name must end in .png.")
    pictures = to_pictures(picture)
    if len(pictures) != 1:
        raise UserError(f"{len(pictures)} pictures cannot go into one file; export each, or a grid of them.")
    pixels = np.asarray(pictures[0])
    large = min(pixels.shape[:2]) >= MIN_SIDE
    if mark and not large:
        size = f"{pixels.shape[1]} × {pixels.shape[0]}"
        raise UserError(
            f"a picture of {size} pixels is too small for a readable mark; the shorter side must have {MIN_SIDE} or "
            "more: upscale it first, or leave mark out."
        )
    if large if watermark is None else watermark:
        pixels = embed(pixels)
    if large if mark is None else mark:
        pixels = add_mark(pixels)  # after the other, so that it stays as clear as it was drawn
    image = Image.fromarray(pixels)  # anew: whatever metadata came with the picture stays behind
    texts = {PARAMETERS: command_text, SETTINGS: json.dumps(settings, ensure_ascii=False, allow_nan=False)}
    digest = digest_pixels(image)
    texts[XMP] = _packet(digest, texts, KINDS[kind])
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, _encoded(name, text))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    write_atomically(path, buffer.getvalue())


def _packet(digest: str, texts: dict[str, str], source: str) -> str:
    """Return the XMP packet of a picture, signed; the number is a function of pixels and texts, so it repeats."""
    content = json.dumps([digest, texts[PARAMETERS], texts[SETTINGS]])
    number = str(uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(content.encode()).hexdigest()))
    label = dict.fromkeys(FIELDS, "") | {"Label": "1", "ContentProducer": PRODUCER, "ProduceID": number}
    label |= {"ContentPropagator": PRODUCER, "PropagateID": number}
    label["ReservedCode1"] = sign(digest, _signed(texts[PARAMETERS], texts[SETTINGS], source, label))
    return _PACKET % (source, escape(json.dumps(label, separators=(",", ":"))))


def _signed(parameters: str | None, settings: str | None, source: str | None, label: dict) -> dict[str, str | None]:
    """Return the texts that a signature vouches for."""
    texts = {PARAMETERS: parameters, SETTINGS: settings, "source": source}
    return texts | {name: label.get(name) for name in PRODUCED}


def _encoded(name: str, text: str) -> bytes:
    """Return a text as it is kept, or say why no reader would take it."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        bad = ord(text[error.start])
        raise UserError(f"the text {name!r} holds the broken character U+{bad:04X}; delete it and try again.") from None
    if len(data) > packets.MAX_TEXT:
        raise UserError(f"the text {name!r} has {len(data):,} bytes; allowed are {packets.MAX_TEXT:,}: shorten it.")
    return data


def read_labels(path: Path | str) -> Labels:
    """Read the labels of a PNG, JPEG or WebP picture of anybody; what is hostile in them becomes a problem, no crash.

    Args:
        path: of the picture. Only a PNG can hold the command and the settings; XMP is read from all three.

    Raises:
        UserError: there is no such file, it is too large, no picture, or one that cannot be decoded.
    """
    parcel = packets.open_parcel(Path(path))
    problems = list(parcel.problems)

    def only(name: str, values: list):
        if any(value != values[0] for value in values):
            problems.append(f"{name}: there are {len(values)}, and they differ; the first one is told here")
        return values[0] if values else None

    parameters, settings_text = (only(name, parcel.texts[name]) for name in (PARAMETERS, SETTINGS))
    settings = packets.read_json(SETTINGS, settings_text, problems)
    sources, told = [], []
    for packet in parcel.texts[XMP]:
        try:
            found = packets.read_xmp(packet)
        except ValueError as error:
            problems.append(f"XMP: cannot be read, {error}")
        else:
            sources += found[packets.SOURCE_TYPE]
            told += found[packets.LABEL]
    source = only("source type", sources)
    labels = [packets.read_json("AIGC label", text, problems) for text in told + parcel.texts[AIGC]]
    inner = [found["AIGC"] if isinstance(found.get("AIGC"), dict) else found for found in labels if found is not None]
    label = only("AIGC label", inner)  # annexes wrap it in {"AIGC": …}, XMP does not
    if label is not None:
        problems += label_faults(label)
        label = {name: label[name] for name in FIELDS if isinstance(label.get(name), str)}
    if source is not None and source not in KINDS.values():
        problems.append(f"source type: {source!r} does not say that a model drew the picture")
    texts = _signed(parameters, settings_text, source, label or {})
    signature = check((label or {}).get("ReservedCode1", ""), digest_pixels(parcel.picture), texts)
    if signature == SIGNED and (problems or parcel.extras):
        signature = ALTERED
        problems += [f"{name}: added after signing, and can change what is seen" for name in parcel.extras]
    pixels = np.asarray(parcel.picture.convert("RGB"))
    return Labels(parcel.picture.format, pixels, parameters, settings, source, label, signature, tuple(problems))


def label_faults(label: dict) -> list[str]:
    """Return in what a label departs from annex E of GB 45438-2025, a line for each."""
    faults = []
    for name in FIELDS:
        value = label.get(name)
        if not isinstance(value, str):
            faults.append(f"AIGC label: {name} is missing or no text")
        elif not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]*", value):
            faults.append(f"AIGC label: {name} holds a character that the standard does not allow")
        elif name in PRODUCED and not value:
            faults.append(f"AIGC label: {name} is empty")
    if label.get("Label") not in (None, "", "1", "2", "3"):
        faults.append("AIGC label: Label is not 1, 2 or 3")
    return faults
