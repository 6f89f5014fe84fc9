"""Signatures: are pixels and settings still those that were exported here? Chapter 11.

A signature here is an HMAC (RFC 2104): a SHA-256 over message and secret key that only a holder of the key can make.
The learner's key is a file of their own. So the answer is one of four: signed here and unaltered, altered, signed by
another key (which cannot be checked without it), not signed.

The weakness is the lesson: with an HMAC whoever can check can also forge, so the key can be given to nobody and nobody
else can check. A real product signs with a private key and hands out the public half in a certificate that an authority
vouches for: then all can check and one can sign. C2PA's Content Credentials (https://spec.c2pa.org) do that, with the
history of edits and a time stamp in the manifest; Chinese services put public-key signatures into the same
`ReservedCode1` (TC260-PG-202511A). And no signature proves that a picture without one is genuine.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from mjcourse import config
from mjcourse.config import UserError

SIGNED, ALTERED = "signed here and unaltered", "altered"
FOREIGN, UNSIGNED = "signed by another key", "not signed"
SCHEME = "HMAC-SHA256"
KEY_BYTES = 32


def key_file() -> Path:
    """Return where the learner's own key is, or will be after the first export."""
    return config.RUNS / "signing.key"


def read_key() -> bytes | None:
    """Return the learner's own key, or None where there is none yet.

    Raises:
        UserError: the file is not a key, or cannot be read.
    """
    path = key_file()
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the signing key {path}: {error}; mend it or move it away.") from error
    if not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise UserError(
            f"{path} is damaged: a key is {2 * KEY_BYTES} hexadecimal digits; restore it, or move it away "
            "for a new one, with which nothing signed before can be checked."
        )
    return bytes.fromhex(text)


def own_key() -> bytes:
    """Return the learner's own key; the first call draws it and keeps it where only the learner may read it.

    Raises:
        UserError: it cannot be kept, or `read_key` refuses it.
    """
    path = key_file()
    if (key := read_key()) is not None:
        return key
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # its rights are 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(partial, path)  # unlike a rename, never lands on the key of a process that was first
            except FileExistsError:
                pass
            except OSError:  # a disk without hard links
                os.replace(partial, path)
        finally:
            Path(partial).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot keep a signing key in {path.parent}: {error.strerror or error}; free some disk space "
            "or point MJCOURSE_RUNS at another folder."
        ) from error
    return read_key()


def key_name(key: bytes) -> str:
    """Return a public name of a key, 16 hexadecimal digits, from which the key cannot be found."""
    return hashlib.sha256(b"mjcourse signing key\0" + key).hexdigest()[:16]


def digest_pixels(picture: Image.Image) -> str:
    """Return the SHA-256 of a picture's mode, size and pixels, whatever file they are in."""
    head = f"{picture.mode} {picture.width} {picture.height}\0".encode()
    return hashlib.sha256(head + picture.tobytes()).hexdigest()


def _code(key: bytes, pixels: str, texts: Mapping[str, str | None]) -> str:
    """Return the HMAC of all that is signed, in hexadecimal; JSON keeps the parts apart, whatever is in them."""
    message = json.dumps({"pixels": pixels, "texts": dict(texts)}, sort_keys=True)
    return hmac.new(key, message.encode("ascii"), hashlib.sha256).hexdigest()


def sign(pixels: str, texts: Mapping[str, str | None]) -> str:
    """Return the signature ``HMAC-SHA256:<name of the key>:<code>`` of a picture and its texts.

    Args:
        pixels: their hash, by `digest_pixels`.
        texts: name -> text, all that must not change.

    Raises:
        UserError: there is no key and none can be made.
    """
    key = own_key()
    return f"{SCHEME}:{key_name(key)}:{_code(key, pixels, texts)}"


def check(signature: str, pixels: str, texts: Mapping[str, str | None]) -> str:
    """Return `SIGNED`, `ALTERED`, `FOREIGN` or `UNSIGNED`; never makes a key.

    Args:
        signature: as `sign` gave it; of anybody else it is `FOREIGN`.
        pixels, texts: as they are now.
    """
    if not signature:
        return UNSIGNED
    key = read_key()
    scheme, _, rest = signature.partition(":")
    name, _, code = rest.partition(":")
    if key is None or scheme != SCHEME or name != key_name(key):
        return FOREIGN
    return SIGNED if hmac.compare_digest(code.encode(), _code(key, pixels, texts).encode()) else ALTERED
