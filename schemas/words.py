"""Words: 8 bytes read as one u64, the unit of bodies, keys and digests (docs/formats.md, conventions)."""

import struct
from collections.abc import Sequence


def words_of(data: bytes) -> tuple[int, ...]:
    """The words of bytes whose size is a multiple of 8."""
    return struct.unpack(f"<{len(data) // 8}Q", data)


def bytes_of(words: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(words)}Q", *words)
