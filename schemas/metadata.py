"""Who asked for an intent and why: a block of tagged entries that travels with it (docs/formats.md, section 3).

No metadata is no block: `pack` gives b"" and `unpack_metadata` is never asked about that. The machine carries blocks
from intents to the TLog without looking inside; only this module reads them.
"""

import struct
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.limits import ACTOR_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.types import encode_text, padded

VERSION: Final = 1

_HEADER = struct.Struct("<HHI")
_ENTRY = struct.Struct("<HH")

# On disk: tags keep their numbers, and a new one needs a new version, since unknown tags are refused.
_TEXTS: Final = {"actor": (1, ACTOR_BYTES_MAX), "reason": (2, REASON_BYTES_MAX), "trace": (5, TRACE_BYTES_MAX)}
_IDS: Final = {"correlation": 3, "causation": 4}
_NAMES: Final = {tag: name for name, (tag, _) in _TEXTS.items()} | {tag: name for name, tag in _IDS.items()}


@dataclass(frozen=True, slots=True)
class Metadata:
    """All optional. `correlation` and `causation` are ids of 16 bytes (mmsb.schemas.ids.make_id)."""

    actor: str | None = None
    reason: str | None = None
    correlation: bytes | None = None
    causation: bytes | None = None
    trace: str | None = None

    def __post_init__(self) -> None:
        for name, (_, size_max) in _TEXTS.items():
            _check_text(name, getattr(self, name), size_max)
        for name in _IDS:
            _check_id(name, getattr(self, name))

    def pack(self) -> bytes:
        """The block; b"" if there is nothing to say."""
        contents = {tag: content for tag, name in _NAMES.items() if (content := self._content(name)) is not None}
        if not contents:
            return b""
        entries = b"".join(_entry(tag, contents[tag]) for tag in sorted(contents))
        return _HEADER.pack(VERSION, len(contents), _HEADER.size + len(entries)) + entries

    def _content(self, name: str) -> bytes | None:
        value: str | bytes | None = getattr(self, name)
        return value.encode() if isinstance(value, str) else value


def _check_text(name: str, value: object, size_max: int) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value:
        raise InvalidValue(f"{name}: expected text of 1 to {size_max} bytes, found {value!r}")
    try:
        encode_text(value, size_max)
    except InvalidValue as error:
        raise InvalidValue(f"{name}: {error}") from None


def _check_id(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise InvalidValue(f"{name}: expected an id of {ID_BYTES} bytes (make_id gives one), found {value!r}")


def _entry(tag: int, content: bytes) -> bytes:
    data = _ENTRY.pack(tag, len(content)) + content
    return data.ljust(padded(len(data)), b"\x00")


def unpack_metadata(data: bytes) -> Metadata:
    """Read a block that is all of `data`; refused unless `pack` would write exactly this."""
    if len(data) < 2:
        raise _malformed()
    version = int.from_bytes(data[:2], "little")
    if version != VERSION:
        raise Refused(Rejection(Code.METADATA_VERSION, value=version))
    metadata = _read_entries(data)
    if metadata.pack() != data:  # order, repetitions, counts, sizes and padding in one comparison
        raise _malformed()
    return metadata


def _read_entries(data: bytes) -> Metadata:
    values: dict[str, bytes | str] = {}
    at = _HEADER.size
    try:
        while at < len(data):
            tag, size = _ENTRY.unpack_from(data, at)
            content = data[at + _ENTRY.size : at + _ENTRY.size + size]
            name = _NAMES[tag]
            values[name] = content.decode() if name in _TEXTS else content
            at += padded(_ENTRY.size + size)
        return Metadata(**values)  # type: ignore[arg-type]
    except (struct.error, KeyError, UnicodeDecodeError, InvalidValue):
        raise _malformed() from None


def _malformed() -> Refused:
    return Refused(Rejection(Code.MALFORMED_METADATA))
