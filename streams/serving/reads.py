"""Questions about pages, and answers to them in parts of bounded size.

An answer's items stand one after another, each with its own size; an item never spans parts.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import PAGE_BYTES_MAX
from mmsb.schemas.types import I64_MAX
from mmsb.state.pages import PageId
from mmsb.streams.door import StoredPage
from mmsb.streams.serving.bodies import Body
from mmsb.streams.serving.frames import FRAME_BYTES_MAX

PART_BYTES: Final = 131_072  # what a part of an answer has at most, unless a single item is larger
CREDIT_MAX: Final = 64  # parts that a client may have granted at a time
LIMIT_MAX: Final = 2**32 - 1

_STREAM: Final = struct.Struct("<II")  # partition, credit: what all questions with answers in parts begin with
_COUNT: Final = struct.Struct("<Q")
_MOMENT: Final = struct.Struct("<q")
_PAGE: Final = struct.Struct("<QII")  # type, size of the key, zero
_SCAN: Final = struct.Struct("<Q")
_FIELD: Final = struct.Struct("<II")  # field, zero
_FOUND: Final = struct.Struct("<qII")  # epoch, size of the body, zero
_STORED: Final = struct.Struct("<qII")  # epoch, size of the key, size of the body
_CREDIT: Final = struct.Struct("<II")
_NOW: Final = -2
_NO_FIELD: Final = 2**32 - 1

Found = tuple[int, bytes] | None


def parts_of(items: Iterable[bytes]) -> Iterator[bytes]:
    """Join items to parts, each as large as PART_BYTES lets it be."""
    held: list[bytes] = []
    size = 0
    for item in items:
        if held and size + len(item) > PART_BYTES:
            yield b"".join(held)
            held, size = [], 0
        held.append(item)
        size += len(item)
    if held:
        yield b"".join(held)


def read_credit(reader: Body) -> tuple[int, int]:
    """Partition and first credit."""
    partition, credit = reader.fixed(_STREAM)
    reader.check(1 <= credit <= CREDIT_MAX, f"a credit of 1 to CREDIT_MAX = {CREDIT_MAX} parts", credit)
    return partition, credit


def encode_stream(partition: int, credit: int) -> bytes:
    return _STREAM.pack(partition, credit)


def decode_stream(body: bytes) -> tuple[int, int]:
    """A question that says no more; it is not about a partition."""
    reader = Body("question", body)
    zero, credit = read_credit(reader)
    reader.check(not zero, "zero", zero)
    reader.end()
    return zero, credit


def encode_credit(count: int) -> bytes:
    return _CREDIT.pack(count, 0)


def decode_credit(body: bytes) -> int:
    reader = Body("credit", body)
    count, zero = reader.fixed(_CREDIT)
    reader.check(1 <= count <= CREDIT_MAX and not zero, f"1 to CREDIT_MAX = {CREDIT_MAX}, and zero", f"{count}, {zero}")
    reader.end()
    return int(count)


def _page(page: PageId) -> bytes:
    type_id, key = page
    return _PAGE.pack(type_id, len(key), 0) + key


def _read_page(reader: Body) -> PageId:
    type_id, size, zero = reader.fixed(_PAGE)
    reader.check(not zero, "zero", zero)
    return type_id, reader.key(size)


def _moment(at: int | None) -> bytes:
    """Now, or right after an intent offset has settled; -1 is before the first."""
    if at is not None and not -1 <= at <= I64_MAX:
        raise InvalidValue(f"at: expected an intent offset, or -1 for before the first, found {at}")
    return _MOMENT.pack(_NOW if at is None else at)


def _read_moment(reader: Body) -> int | None:
    (at,) = reader.fixed(_MOMENT)
    reader.check(at >= _NOW, "an intent offset, -1 or -2", at)
    return None if at == _NOW else int(at)


# Pages by their keys


def encode_get(partition: int, credit: int, pages: Sequence[PageId], at: int | None = None) -> bytes:
    body = b"".join((encode_stream(partition, credit), _moment(at), _COUNT.pack(len(pages)), *map(_page, pages)))
    if len(body) > FRAME_BYTES_MAX:
        raise InvalidValue(
            f"{len(pages)} pages at once: their names take {len(body)} bytes, more than FRAME_BYTES_MAX = "
            f"{FRAME_BYTES_MAX} that go through the socket together; ask for fewer"
        )
    return body


def decode_get(body: bytes) -> tuple[int, int, list[PageId], int | None]:
    """Partition, credit, pages, moment."""
    reader = Body("get", body)
    partition, credit = read_credit(reader)
    at = _read_moment(reader)
    (count,) = reader.fixed(_COUNT)
    reader.check(count <= len(body) // (_PAGE.size + 8), "a count of pages that are there", count)
    pages = [_read_page(reader) for _ in range(count)]
    reader.end()
    return partition, credit, pages, at


def encode_found(found: Found) -> bytes:
    return _FOUND.pack(0, 0, 0) if found is None else _FOUND.pack(found[0], len(found[1]), 0) + found[1]


def decode_found(body: bytes) -> list[Found]:
    reader = Body("pages", body)
    pages: list[Found] = []
    while not reader.ended:
        epoch, size, zero = reader.fixed(_FOUND)
        reader.check(not zero and size % 8 == 0 and size <= PAGE_BYTES_MAX, "a body in words, and zero", size)
        reader.check(1 <= epoch <= I64_MAX if size else not epoch, "an epoch exactly if there is a page", epoch)
        pages.append((epoch, reader.take(size)) if size else None)
    return pages


# All pages of a type


def encode_scan(partition: int, credit: int, type_id: int, at: int | None = None) -> bytes:
    return encode_stream(partition, credit) + _moment(at) + _SCAN.pack(type_id)


def decode_scan(body: bytes) -> tuple[int, int, int, int | None]:
    """Partition, credit, type, moment."""
    reader = Body("scan", body)
    partition, credit = read_credit(reader)
    at = _read_moment(reader)
    (type_id,) = reader.fixed(_SCAN)
    reader.end()
    return partition, credit, type_id, at


def encode_stored(stored: StoredPage) -> bytes:
    key, epoch, body = stored
    return _STORED.pack(epoch, len(key), len(body)) + key + body


def decode_stored(body: bytes) -> list[StoredPage]:
    reader = Body("stored pages", body)
    pages: list[StoredPage] = []
    while not reader.ended:
        epoch, key_size, size = reader.fixed(_STORED)
        reader.check(size % 8 == 0 and 8 <= size <= PAGE_BYTES_MAX and epoch >= 1, "a body in words, an epoch", size)
        key = reader.key(key_size)
        pages.append((key, epoch, reader.take(size)))
    return pages


# The past of a page


def encode_history(partition: int, credit: int, page: PageId, limit: int) -> bytes:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidValue(f"limit: expected 1 to {LIMIT_MAX} changes, found {limit}")
    return encode_stream(partition, credit) + _COUNT.pack(limit) + _page(page)


def decode_history(body: bytes) -> tuple[int, int, PageId, int]:
    """Partition, credit, page, limit."""
    reader = Body("history", body)
    partition, credit = read_credit(reader)
    (limit,) = reader.fixed(_COUNT)
    reader.check(1 <= limit <= LIMIT_MAX, f"a limit of 1 to {LIMIT_MAX}", limit)
    page = _read_page(reader)
    reader.end()
    return partition, credit, page, limit


def encode_blame(partition: int, credit: int, page: PageId, field: int | None, byte: int | None = None) -> bytes:
    part = _FIELD.pack(_NO_FIELD if field is None else field, 0 if byte is None else byte + 1)
    return encode_stream(partition, credit) + part + _page(page)


def decode_blame(body: bytes) -> tuple[int, int, PageId, int | None, int | None]:
    """Partition, credit, page, field, byte of it."""
    reader = Body("blame", body)
    partition, credit = read_credit(reader)
    field, byte = reader.fixed(_FIELD)
    reader.check(not byte or field != _NO_FIELD, "no byte of no field", byte)
    page = _read_page(reader)
    reader.end()
    return partition, credit, page, None if field == _NO_FIELD else field, byte - 1 if byte else None
