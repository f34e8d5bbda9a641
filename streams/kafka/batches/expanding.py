"""The records of compressed batches, expanded within a limit: a few bytes may claim to be gigabytes.

All four codecs are cramjam's, because it writes into a buffer of ours and stops where that ends
(docs/decisions/0016-compressed-batches.md).
"""

from collections.abc import Callable
from typing import Any, Final

import cramjam
import numpy as np
from numpy.typing import NDArray

from mmsb.schemas.limits import BATCH_BYTES_MAX

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""By the number that a batch's attributes have."""

# Blocks of snappy as its Java library frames them: a magic of 8 bytes, two versions, then a length before each block.
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_BYTES: Final = 16
_LENGTH_BYTES: Final = 4

Room = NDArray[np.uint8]
_Expand = Callable[[memoryview, Room], int]
_modules: Any = cramjam  # its modules are written in Rust, and say nothing of what they take


class _Malformed(Exception):
    """It is not framed as it says."""


def expand(codec: int, data: memoryview, limit: int = BATCH_BYTES_MAX) -> memoryview | None:
    """What was compressed; None if it is not whole, or more than `limit` bytes: then at most those were written."""
    if codec >= len(CODECS):
        return None
    room = np.empty(limit, np.uint8)  # takes memory only as far as it is written to
    try:
        size = _EXPAND[CODECS[codec]](data, room)
    except (cramjam.DecompressionError, _Malformed):
        return None
    return room.data[:size]


def _snappy(data: memoryview, room: Room) -> int:
    """One block (librdkafka), or many behind a header (Java), which may be there again when streams were joined."""
    if not _begins_stream(data, 0):
        return _block(data, room)
    at = size = 0
    while at < len(data):
        if _begins_stream(data, at):
            at += _XERIAL_BYTES
            continue
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if not start < at <= len(data):
            raise _Malformed
        size += _block(data[start:at], room[size:])
    return size


def _begins_stream(data: memoryview, at: int) -> bool:
    return bytes(data[at : at + len(_XERIAL)]) == _XERIAL


def _block(data: memoryview, room: Room) -> int:
    return int(_modules.snappy.decompress_raw_into(data, room))


def _gzip(data: memoryview, room: Room) -> int:
    return int(_modules.gzip.decompress_into(data, room))


def _lz4(data: memoryview, room: Room) -> int:
    return int(_modules.lz4.decompress_into(data, room))


def _zstd(data: memoryview, room: Room) -> int:
    return int(_modules.zstd.decompress_into(data, room))


_EXPAND: Final[dict[str, _Expand]] = {"gzip": _gzip, "snappy": _snappy, "lz4": _lz4, "zstd": _zstd}
