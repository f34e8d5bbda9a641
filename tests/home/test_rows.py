"""Rows of a home: what is written reads back, and a single wrong bit is reported."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from mmsb.kernels.tables import id_window, source_marks
from mmsb.schemas.errors import CorruptState, NewerFormat
from mmsb.schemas.limits import KEY_BYTES_MAX, PAGE_BYTES_MAX
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.home.bucket_rows import copy_rows, rows_of, take_rows
from mmsb.state.home.meta import unpack_meta
from mmsb.state.home.table_rows import unpack_table
from mmsb.state.store import IDS, MARKS
from tests.golden.make import FORMATS
from tests.home.buckets import ALL, SALT, TYPE_ID, bucket, page

FILES = FORMATS["homes"].FILES
MOST = {"meta.bin"}  # so long that only some bits are tried


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_reported(name: str) -> None:
    row = FILES[name]()
    bits = Random(name).sample(range(8 * len(row)), 2_000) if name in MOST else range(8 * len(row))
    read = reader_of(row)
    for bit in bits:
        flipped = (int.from_bytes(row, "little") ^ 1 << bit).to_bytes(len(row), "little")
        with pytest.raises(CorruptState):
            read(flipped)


@pytest.mark.parametrize("name", FILES)
def test_a_row_cut_or_continued_is_reported(name: str) -> None:
    row = FILES[name]()
    read = reader_of(row)
    for size in (*range(1, len(row), 7), len(row) - 8):
        with pytest.raises(CorruptState):
            read(row[:size])
    for more in (1, 8, 16):
        with pytest.raises(CorruptState):
            read(row + bytes(more))


def reader_of(row: bytes) -> Callable[[bytes], object]:
    """Reads a row where such a one is expected."""
    if row[:3] != b"MMB":
        return unpack_meta if row[:3] == b"MMH" else lambda data: table_at(row, data)
    words = np.frombuffer(row, np.uint64)
    type_id, key_words, body_words = int(words[1]), int(words[0]) >> 32, int(words[2]) >> 32
    return lambda data: take_rows(ArrayPageType(key_words, body_words, SALT), type_id, rows_of([data]), [(0, 0)])


def table_at(row: bytes, data: bytes) -> object:
    kind, width = (IDS, id_window.ROW) if row[:3] == b"MMR" else (MARKS, source_marks.ROW)
    return unpack_table(kind, int.from_bytes(row[8:16], "little"), data, width)


def test_a_meta_row_of_a_later_version_is_told_as_such() -> None:
    row = bytearray(FILES["meta.bin"]())
    row[3] = 2
    with pytest.raises(NewerFormat, match="expected version 1 of its meta row, found 2"):
        unpack_meta(bytes(row))


def test_pages_of_another_bucket_are_refused() -> None:
    row = bucket(TYPE_ID, 2, 3, [page(number, 2, 3) for number in range(7)])
    found = ArrayPageType(2, 3, SALT)
    with pytest.raises(CorruptState, match="expected pages whose keys belong there for page type 0123456789abcdef"):
        take_rows(found, TYPE_ID, rows_of([row]), [(20, 7)])
    assert found.resident == 0


@pytest.mark.parametrize(("key_words", "body_words"), [(1, 1), (KEY_BYTES_MAX // 8, PAGE_BYTES_MAX // 8)])
def test_keys_and_pages_of_any_size_come_back(key_words: int, body_words: int) -> None:
    random = Random(1)
    there = {random.randbytes(8 * key_words): (n + 1, random.randbytes(8 * body_words)) for n in range(20)}
    first, second = ArrayPageType(key_words, body_words, SALT), ArrayPageType(key_words, body_words, SALT)
    for key, (epoch, body) in there.items():
        first.put(key, epoch, body)
    rows = copy_rows(first, TYPE_ID, ALL)
    assert take_rows(second, TYPE_ID, rows, [(0, 0)]) == [20]
    assert {key: (epoch, body) for key, epoch, body in second} == there
    assert copy_rows(second, TYPE_ID, ALL).row(0) == rows.row(0), "a row does not depend on the order of writing"
