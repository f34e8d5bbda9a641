"""What all TLog records share: how they begin, what their key says, and the chain of hashes through them."""

import enum
from typing import Final

from blake3 import blake3

from mmsb.schemas.errors import MalformedBytes, NewerFormat

MAGIC: Final = b"MMT\x01"
ZERO_HEAD: Final = bytes(32)
REIGN_BYTES: Final = 16
_NULL_SIZE: Final = 2**64 - 1
_VERSION_AT: Final = 3
_KIND_END: Final = 6


class TlogKind(enum.IntEnum):
    """On disk; the name in lower case is the record's key."""

    GENESIS = 1
    CLAIM = 2
    BLOCK = 3
    MIGRATE = 4
    QUARANTINE = 5

    @property
    def key(self) -> bytes:
        return self.name.lower().encode()


def peek(value: bytes | None) -> TlogKind | None:
    """The kind of a record's value; None if it is not ours or too short to say.

    Ours of a version or kind not known stops the reader, however short it is: a newer writer is at work.
    """
    if value is None or not value.startswith(MAGIC[:3]):
        return None
    if len(value) > _VERSION_AT and value[_VERSION_AT] != MAGIC[_VERSION_AT]:
        found, known = value[_VERSION_AT], MAGIC[_VERSION_AT]
        raise NewerFormat(f"a TLog record of version {found}: this release knows {known}; use its writer's")
    if len(value) < _KIND_END:
        return None
    kind = int.from_bytes(value[len(MAGIC) : _KIND_END], "little")
    try:
        return TlogKind(kind)
    except ValueError:
        raise NewerFormat(f"a TLog record of kind {kind} is not known here; use the release that wrote it") from None


def chain(head: bytes, key: bytes | None, value: bytes) -> bytes:
    """The head after a record: it covers key and value, never Kafka's header."""
    size = _NULL_SIZE if key is None else len(key)
    hasher = blake3(head + size.to_bytes(8, "little") + (key or b""))
    hasher.update(value)  # by itself: blocks are large, and joining copies
    return hasher.digest()


def padding(data: bytes) -> bytes:
    return bytes(-len(data) % 8)


def padded_part(what: str, value: bytes, at: int, size: int) -> bytes:
    """`size` bytes that reach, with zero padding, to the end of a record."""
    part = value[at : at + size]
    if len(part) != size or value[at + size :] != padding(part):
        raise MalformedBytes(what, f"{size} bytes and zero padding to its end", f"{len(value) - at} bytes", at)
    return part
