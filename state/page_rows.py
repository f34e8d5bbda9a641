"""The durable form of one page, with a checksum over all of it (docs/formats.md, section 8).

A row is checked whenever it is read, and what is wrong is raised, never asserted: disks lie in production, too.
"""

import struct
from dataclasses import dataclass
from typing import Final

from mmsb.kernels.digest import page_checksum
from mmsb.schemas.errors import InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.limits import KEY_BYTES_MAX, PAGE_BYTES_MAX
from mmsb.schemas.types import I64_MAX, U64_MAX

# On disk.
_MAGIC: Final = b"MMP"
_VERSION: Final = 1
_HEADER = struct.Struct("<3sBHHQqIIQ")  # magic, version, key words, zero, type id, epoch, body words, zero, checksum
_KEY_WORDS_AT: Final = 4
_ZERO_AT: Final = 6
_EPOCH_AT: Final = 16
_BODY_WORDS_AT: Final = 24
_SECOND_ZERO_AT: Final = 28
_CHECKSUM_AT: Final = 32


@dataclass(frozen=True, slots=True)
class PageRow:
    """What a row says: which page, as of which epoch, with which content."""

    type_id: int
    key: bytes
    epoch: int
    body: bytes


def pack_page(type_id: int, key: bytes, epoch: int, body: bytes) -> bytes:
    """The row of an existing page."""
    if not 0 <= type_id <= U64_MAX or not 1 <= epoch <= I64_MAX:
        raise InvalidValue(f"expected a type id and an epoch of 1 or more, found {type_id} and {epoch}")
    _check_size("key", key, KEY_BYTES_MAX)
    _check_size("body", body, PAGE_BYTES_MAX)
    row = _HEADER.pack(_MAGIC, _VERSION, len(key) // 8, 0, type_id, epoch, len(body) // 8, 0, 0) + key + body
    return row[:_CHECKSUM_AT] + page_checksum(row).to_bytes(8, "little") + row[_CHECKSUM_AT + 8 :]


def _check_size(name: str, data: bytes, size_max: int) -> None:
    if len(data) % 8 or not 8 <= len(data) <= size_max:
        raise InvalidValue(f"{name}: expected 8 to {size_max} bytes in whole words, found {len(data)}")


def unpack_page(data: bytes) -> PageRow:
    """Read one row that is all of `data`."""
    if len(data) < _HEADER.size:
        raise _malformed(f"at least {_HEADER.size} bytes", len(data), len(data))
    magic, version, key_words, zero, type_id, epoch, body_words, second_zero, checksum = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise _malformed("MMP", magic, 0)
    if version != _VERSION:
        raise NewerFormat(f"page row: expected version {_VERSION}, found {version}; use the release that wrote it")
    if not 1 <= key_words <= KEY_BYTES_MAX // 8:
        raise _malformed(f"a key of 1 to {KEY_BYTES_MAX // 8} words", key_words, _KEY_WORDS_AT)
    if zero:
        raise _malformed("zero", zero, _ZERO_AT)
    if epoch < 1:
        raise _malformed("an epoch of 1 or more", epoch, _EPOCH_AT)
    if not 1 <= body_words <= PAGE_BYTES_MAX // 8:
        raise _malformed(f"a body of 1 to {PAGE_BYTES_MAX // 8} words", body_words, _BODY_WORDS_AT)
    if second_zero:
        raise _malformed("zero", second_zero, _SECOND_ZERO_AT)
    body_at = _HEADER.size + 8 * key_words
    if len(data) != body_at + 8 * body_words:
        raise _malformed(f"{body_at + 8 * body_words} bytes", len(data), min(len(data), body_at + 8 * body_words))
    if page_checksum(data) != checksum:
        raise _malformed(f"checksum {page_checksum(data):016x}", f"{checksum:016x}", _CHECKSUM_AT)
    return PageRow(type_id, data[_HEADER.size : body_at], epoch, data[body_at:])


def _malformed(expected: str, found: object, position: int) -> MalformedBytes:
    return MalformedBytes("page row", expected, found, position)
