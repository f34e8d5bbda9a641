"""The header of a batch (docs/formats.md, section 2): where it has what, for those who read some of it or change it."""

import struct
from typing import Final

from crc32c import crc32c

HEADER_BYTES: Final = 61
LENGTH_FROM: Final = 12  # the length counts the bytes after itself
EPOCH: Final = slice(12, 16)
NO_EPOCH: Final = bytes(4)

CODEC: Final = 0x07
APPEND_TIME: Final = 0x08
TRANSACTIONAL: Final = 0x10
CONTROL: Final = 0x20
"""These four are bits of its attributes."""

_LENGTH_AT: Final = 8
_CHECKSUM_AT: Final = 17
_CHECKED_FROM: Final = 21
_ATTRIBUTES_AT: Final = 21
_NUMBER: Final = struct.Struct(">i")
_CHECKSUM: Final = struct.Struct(">I")
_ATTRIBUTES: Final = struct.Struct(">h")


def checksum_of(batch: memoryview | bytearray) -> int:
    """The one that its header should have."""
    return crc32c(memoryview(batch)[_CHECKED_FROM:])


def seal(batch: bytearray) -> bytearray:
    """Write the length and the checksum that it has by now."""
    _NUMBER.pack_into(batch, _LENGTH_AT, len(batch) - LENGTH_FROM)
    _CHECKSUM.pack_into(batch, _CHECKSUM_AT, checksum_of(batch))
    return batch


def with_content(header: memoryview, content: memoryview) -> bytearray:
    """The batch as our own logs would hold it: not compressed, and without the broker's note of who led."""
    batch = bytearray(header[:HEADER_BYTES])
    batch += content
    batch[EPOCH] = NO_EPOCH
    (attributes,) = _ATTRIBUTES.unpack_from(batch, _ATTRIBUTES_AT)
    _ATTRIBUTES.pack_into(batch, _ATTRIBUTES_AT, attributes & ~CODEC)
    return seal(batch)
