"""The fast way in: several batches as one, columns that are made once, and the error that the exact reader gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.intake import record_batches as rows
from mmsb.processors.intake import bytes_of, columns_of, find_columns, read_batches
from mmsb.schemas.batches import Record, Records, concat, decode_batches, encode_batch
from mmsb.schemas.errors import MalformedBytes
from tests.schemas.test_batches import lists, patched

FIELDS = ("times", "key_starts", "key_sizes", "starts", "sizes", "header_starts")
PLACES = (rows.TIME, rows.KEY_AT, rows.KEY_SIZE, rows.VALUE_AT, rows.VALUE_SIZE, rows.HEADERS_AT)


def three_batches(left, middle, right) -> bytes:
    parts = [
        encode_batch(4, left, control=True),
        encode_batch(4 + len(left), middle, append_time=-5),
        encode_batch(4 + len(left) + len(middle), right, transactional=True),
    ]
    return b"".join(parts)


@given(lists, lists, lists, st.sampled_from([bytes, bytearray, memoryview]))
def test_batches_that_follow_each_other_are_read_as_one(left, middle, right, kind):
    data = three_batches(left, middle, right)
    found = read_batches(kind(data))
    assert found == concat(decode_batches(data))
    assert found.flags == b"\x01" * len(left) + b"\x00" * len(middle) + b"\x02" * len(right)
    assert (found.first, found.last) == (4, 3 + len(left) + len(middle) + len(right))


def test_records_over_arrays_give_plain_values():
    records = read_batches(encode_batch(3, [Record(b"key", b"value", 17, (("name", b"x"),)), Record(None, None, 18)]))
    assert type(records.time(0)) is int
    assert type(records.record(1).time) is int
    assert records.record(0) == Record(b"key", b"value", 17, (("name", b"x"),))
    assert (records.key(1), records.value(1), records.headers(1)) == (None, None, ())
    assert concat([records.slice(0, 1), records.slice(1, 2)]) == records
    assert all(type(time) is int for time in concat([records]).times)


def check_columns(records: Records) -> None:
    found, start = find_columns(records)
    stop = start + len(records)
    again = columns_of(records)
    assert found.flags.c_contiguous
    assert again.flags.c_contiguous
    assert again.shape == (rows.ROWS, len(records))
    assert (found[:, start:stop] == again).all()
    assert again[rows.FLAGS].tolist() == list(records.flags)
    for name, place in zip(FIELDS, PLACES, strict=True):
        assert again[place].tolist() == list(getattr(records, name)), name


@given(lists, lists, st.data())
def test_records_from_anywhere_have_the_same_columns(left, right, data):
    raw = encode_batch(0, left, control=True) + encode_batch(len(left), right)
    fast, slow = read_batches(raw), concat(decode_batches(raw))
    stop = data.draw(st.integers(0, len(fast)))
    start = data.draw(st.integers(0, stop))
    for records in (
        fast,
        slow,
        Records.of(0, left),
        Records.of(0, []),
        fast.slice(start, stop),
        slow.slice(start, stop),
    ):
        check_columns(records)
    check_columns(fast.slice(start, stop).slice(0, stop - start))


def test_the_columns_of_a_slice_are_where_they_were():
    records = read_batches(encode_batch(0, [Record(None, bytes(n), n) for n in range(9)]))
    whole, start = find_columns(records)
    part, behind = find_columns(records.slice(4, 7))
    assert columns_of(records) is part is whole
    assert (start, behind) == (0, 4)


@pytest.mark.parametrize("buffer", [b"abc", bytearray(b"abc"), memoryview(b"abc"), b""])
def test_kernels_see_every_buffer_as_the_same_type(buffer):
    data = bytes_of(buffer)
    assert data.dtype == np.uint8
    assert not data.flags.writeable
    assert bytes(data) == bytes(buffer)


GOOD = encode_batch(0, [Record(None, b"x", 1)])
NEXT = encode_batch(1, [Record(None, b"y", 2)])
BENT = patched(GOOD, 61, ">b", 0)  # the record's length


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD + GOOD, "base offset 1, found 0"),
        (GOOD + patched(NEXT, 0, ">q", 2), "base offset 1, found 2"),
        (GOOD + NEXT[:-1], "a length within"),
        (GOOD + NEXT[:60], "61 bytes of header"),
        (BENT + NEXT, "a record length that fits"),
        (GOOD + patched(NEXT, 61, ">b", 0), "a record length that fits"),
        (BENT + NEXT[:-1], "a record length that fits"),
        (BENT + GOOD, "a record length that fits"),
        (GOOD + patched(NEXT, 21, ">h", 1), "found gzip"),
        (GOOD[:17] + b"\0\0\0\0" + GOOD[21:], "checksum"),
    ],
)
def test_of_several_errors_the_first_is_raised(data, message):
    with pytest.raises(MalformedBytes, match=message) as caught:
        read_batches(data)
    with pytest.raises(MalformedBytes) as exact:
        decode_batches(data)
    assert str(caught.value) == str(exact.value)
    assert caught.value.position == exact.value.position
    assert caught.value.__context__ is None
