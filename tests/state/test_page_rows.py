"""Durable page rows: what is written reads back, and a single wrong bit is reported."""

import contextlib
import ctypes
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.digest import page_checksum
from mmsb.schemas.errors import CorruptState, InvalidValue, MalformedBytes, NewerFormat
from mmsb.state.page_rows import PageRow, pack_page, unpack_page
from tests.schemas.mutations import mutated


def whole_words(least, most):
    return st.integers(least, most).flatmap(lambda count: st.binary(min_size=8 * count, max_size=8 * count))


rows = st.builds(PageRow, st.integers(0, 2**64 - 1), whole_words(1, 32), st.integers(1, 2**63 - 1), whole_words(1, 20))


def packed(row: PageRow) -> bytes:
    return pack_page(row.type_id, row.key, row.epoch, row.body)


def sealed(row: bytes) -> bytes:
    """The row with the checksum that its content needs."""
    row = row.ljust(-(-len(row) // 8) * 8, b"\x00")
    return row[:32] + struct.pack("<Q", page_checksum(row)) + row[40:]


ONE = pack_page(7, bytes(range(8)), 42, bytes(range(16)))


@given(rows)
def test_a_row_reads_back(row):
    data = packed(row)
    assert len(data) == 40 + len(row.key) + len(row.body)
    assert unpack_page(data) == row


@pytest.mark.parametrize("row", [ONE, pack_page(2**64 - 1, b"\xff" * 24, 2**63 - 1, bytes(64))])
def test_every_flipped_bit_is_reported(row):
    for bit in range(8 * len(row)):
        flipped = (int.from_bytes(row, "little") ^ 1 << bit).to_bytes(len(row), "little")
        with pytest.raises(CorruptState):
            unpack_page(flipped)


def test_a_row_cut_or_continued_anywhere_is_reported():
    for size in range(len(ONE)):
        with pytest.raises(MalformedBytes):
            unpack_page(ONE[:size])
    for more in range(1, 17):
        with pytest.raises(MalformedBytes):
            unpack_page(ONE + bytes(more))


@given(mutated(rows.map(packed)) | mutated(rows.map(packed)).filter(lambda data: len(data) >= 40).map(sealed))
def test_a_row_that_reads_is_the_one_that_is_written(data):
    with contextlib.suppress(CorruptState):
        assert packed(unpack_page(data)) == data


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(CorruptState):
        unpack_page(data)


@pytest.mark.parametrize(
    ("at", "value", "position", "message"),
    [
        (0, b"MMI", 0, "expected MMP"),
        (4, b"\x00", 4, "a key of 1 to 32 words, found 0"),
        (4, b"\x21", 4, "a key of 1 to 32 words, found 33"),
        (6, b"\x01", 6, "expected zero"),
        (16, bytes(8), 16, "an epoch of 1 or more, found 0"),
        (16, b"\xff" * 8, 16, "an epoch of 1 or more, found -1"),
        (24, b"\x00", 24, "a body of 1 to 8192 words, found 0"),
        (24, b"\x01\x20", 24, "a body of 1 to 8192 words, found 8193"),
        (24, b"\x03", 64, "expected 72 bytes, found 64"),
        (24, b"\x01", 56, "expected 56 bytes, found 64"),
        (28, b"\x01", 28, "expected zero"),
    ],
)
def test_a_wrong_field_is_refused_where_it_stands_even_with_its_checksum(at, value, position, message):
    with pytest.raises(MalformedBytes, match=message) as caught:
        unpack_page(sealed(ONE[:at] + value + ONE[at + len(value) :]))
    assert caught.value.position == position


def test_a_wrong_checksum_is_named():
    with pytest.raises(MalformedBytes, match="expected checksum") as caught:
        unpack_page(ONE[:-1] + b"\x00")
    assert caught.value.position == 32


def test_another_version_is_refused_by_number():
    with pytest.raises(NewerFormat, match="expected version 1, found 2"):
        unpack_page(sealed(ONE[:3] + b"\x02" + ONE[4:]))


@pytest.mark.parametrize(
    ("type_id", "key", "epoch", "body"),
    [
        (-1, bytes(8), 1, bytes(8)),
        (2**64, bytes(8), 1, bytes(8)),
        (1, b"", 1, bytes(8)),
        (1, bytes(9), 1, bytes(8)),
        (1, bytes(264), 1, bytes(8)),
        (1, bytes(8), 0, bytes(8)),
        (1, bytes(8), 2**63, bytes(8)),
        (1, bytes(8), 1, b""),
        (1, bytes(8), 1, bytes(12)),
        (1, bytes(8), 1, bytes(65_544)),
    ],
)
def test_a_row_that_could_not_be_read_is_not_written(type_id, key, epoch, body):
    with pytest.raises(InvalidValue, match="expected"):
        pack_page(type_id, key, epoch, body)


def test_the_largest_page_fits():
    row = PageRow(1, bytes(256), 1, bytes(65_536))
    assert unpack_page(packed(row)) == row


def test_a_c_compiler_would_lay_out_the_header_the_same():
    class Header(ctypes.LittleEndianStructure):
        _fields_ = (
            ("magic", ctypes.c_char * 4),
            ("key_words", ctypes.c_uint16),
            ("zero", ctypes.c_uint16),
            ("type_id", ctypes.c_uint64),
            ("epoch", ctypes.c_int64),
            ("body_words", ctypes.c_uint32),
            ("second_zero", ctypes.c_uint32),
            ("checksum", ctypes.c_uint64),
        )

    assert ctypes.sizeof(Header) == 40
    read = Header.from_buffer_copy(ONE)
    assert (read.magic, read.key_words, read.type_id, read.epoch, read.body_words) == (b"MMP\x01", 1, 7, 42, 2)
    assert read.checksum == page_checksum(ONE)
