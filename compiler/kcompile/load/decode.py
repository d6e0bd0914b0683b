"""Bytes become text, or a problem that says why they are none."""

import codecs
import re

from kcompile.load.limits import Limits
from kcompile.load.lines import position_in
from kcompile.problems import Code, Problem
from kcompile.source import Position, Text

# The marks of UTF-32 begin with those of UTF-16, so the longer ones come first.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_COMPRESSED = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)
_ASCII_CONTROLS = bytes(c for c in (*range(0x20), 0x7F) if c not in b"\t\n\r")
# YAML allows U+0085 (next line) raw; no manifest needs it, and it hides lines from readers.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


def decode(name: str, content: bytes | str, limits: Limits) -> Text | Problem:
    """The text of an input, without its byte order mark."""
    if len(content) > limits.input_bytes:
        message = f"the input is larger than {limits.input_bytes:,} bytes"
        return Problem(Code.LIMIT, Position(name, 1, 1), message, "split it into several files")
    if isinstance(content, bytes):
        decoded = _decode_bytes(name, content)
        if isinstance(decoded, Problem):
            return decoded
        content = decoded
    content = content.removeprefix("\ufeff")
    if _may_hold_controls(content) and (found := _NOT_TEXT.search(content)):
        return _not_text(name, content, found.start())
    return Text(name, content)


def _decode_bytes(name: str, content: bytes) -> str | Problem:
    for magic, archive in _COMPRESSED:
        if content.startswith(magic):
            message = f"this is a {archive} file, expected YAML or JSON text"
            return Problem(Code.ENCODING, Position(name, 1, 1), message, "decompress it first")
    mark, codec, encoding = next(
        (entry for entry in _BYTE_ORDER_MARKS if content.startswith(entry[0])),
        (b"", "utf-8", "UTF-8"),
    )
    body = content[len(mark) :]
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(codec)
        shown = " ".join(f"0x{byte:02x}" for byte in body[error.start : error.start + 4][:4])
        message = f"invalid {encoding} at bytes {shown}"
        return Problem(
            Code.ENCODING,
            position_in(name, before, len(before)),
            message,
            "save the file as UTF-8; binary files are no manifests",
        )


def _may_hold_controls(content: str) -> bool:
    """Cheap for ASCII, which has no test of its own for controls."""
    if not content.isascii():
        return True
    octets = content.encode("ascii")
    return len(octets.translate(None, _ASCII_CONTROLS)) != len(octets)


def _not_text(name: str, content: str, offset: int) -> Problem:
    code_point = ord(content[offset])
    hint = "remove it, or write it as an escape in a double-quoted string"
    match code_point:
        case 0:
            kind, hint = "a NUL", "is this a binary file, or UTF-16 without a byte order mark?"
        case 0xFEFF:
            kind, hint = "a byte order mark inside the text", "remove it"
        case _ if 0xD800 <= code_point <= 0xDFFF:
            kind = "half of a surrogate pair"
        case _ if code_point >= 0xFFFE:
            kind = "a code point that is no character"
        case _:
            kind = "a control character"
    message = f"found {kind} (U+{code_point:04X}), expected text"
    return Problem(Code.ENCODING, position_in(name, content, offset), message, hint)
