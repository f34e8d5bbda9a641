"""Record batches: what is written reads back, and nothing else is read."""

import struct
import tracemalloc

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.batches import Record, Records, concat, decode_batch, decode_batches, encode_batch
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.varints import encode_varint, read_varint
from tests.schemas.mutations import mutated

names = st.text(max_size=5) | st.binary(max_size=5).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
blobs = st.none() | st.binary(max_size=200)
records_ = st.builds(
    Record,
    blobs,
    blobs,
    st.integers(-(2**62), 2**62 - 1),
    st.lists(st.tuples(names, blobs), max_size=3).map(tuple),
)
lists = st.lists(records_, min_size=1, max_size=8)
offsets = st.integers(0, 2**62)
valid = st.builds(encode_batch, offsets, lists, transactional=st.booleans(), control=st.booleans())


def sealed(batch: bytes) -> bytes:
    """The batch with the checksum that its content needs."""
    return batch[:17] + struct.pack(">I", crc32c(batch[21:])) + batch[21:]


def patched(batch: bytes, at: int, form: str, value: int) -> bytes:
    return sealed(batch[:at] + struct.pack(form, value) + batch[at + struct.calcsize(form) :])


def with_records(count: int, content: bytes) -> bytes:
    """A batch of that content, right in everything around it."""
    batch = bytearray(encode_batch(0, [Record(None, None, 0)])[:61] + content)
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    struct.pack_into(">i", batch, 23, count - 1)
    struct.pack_into(">i", batch, 57, count)
    return sealed(bytes(batch))


def record(content: bytes) -> bytes:
    return encode_varint(len(content)) + content


ONE = encode_batch(5, [Record(b"key", b"value", 1000)])


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_varint_reads_back(value):
    data = encode_varint(value)
    assert read_varint(data, 0, len(data), 64) == (value, len(data))


@pytest.mark.parametrize("data", ["8000", "808000", "ffffffff1f", "808080808000", "80", ""])
def test_a_varint_that_is_long_wide_or_cut_is_refused(data):
    raw = bytes.fromhex(data)
    with pytest.raises(MalformedBytes, match="shortest varint"):
        read_varint(raw, 0, len(raw))


@given(offsets, lists, st.booleans(), st.booleans())
def test_a_batch_reads_back(first, items, control, transactional):
    data = encode_batch(first, items, control=control, transactional=transactional)
    records, end = decode_batch(data)
    assert end == len(data)
    assert list(records) == items
    assert (records.first, records.last, len(records)) == (first, first + len(items) - 1, len(items))
    assert records.flags == bytes([control + 2 * transactional]) * len(items)
    assert records == Records.of(first, items, control=control, transactional=transactional)


@given(lists, st.integers(-(2**62), 2**62))
def test_append_time_replaces_every_time(items, time):
    records, _ = decode_batch(encode_batch(0, items, append_time=time))
    assert list(records.times) == [time] * len(items)


@given(lists, st.binary(max_size=9), st.booleans())
def test_a_batch_is_read_where_it_stands(items, before, viewed):
    batch = encode_batch(3, items)
    data = before + batch + encode_batch(3 + len(items), items)
    records, end = decode_batch(memoryview(data) if viewed else data, len(before))
    assert list(records) == items
    assert end == len(before) + len(batch)


@given(lists, lists)
def test_consecutive_batches_become_one(left, right):
    parts = decode_batches(encode_batch(0, left) + encode_batch(len(left), right))
    assert list(concat(parts)) == left + right
    apart = [Records.of(0, left), Records.of(len(left), right)]
    assert concat(apart) == concat(parts) == Records.of(0, left + right)


@given(lists, st.data())
def test_a_slice_holds_the_records_between(items, data):
    stop = data.draw(st.integers(0, len(items)))
    start = data.draw(st.integers(0, stop))
    part = Records.of(10, items).slice(start, stop)
    assert list(part) == items[start:stop]
    assert (part.first, part.last) == (10 + start, 10 + stop - 1)


def test_a_gap_between_batches_is_refused():
    with pytest.raises(MalformedBytes, match="base offset 6, found 7") as caught:
        decode_batches(ONE + encode_batch(7, [Record(None, b"", 0)]))
    assert caught.value.position == len(ONE)


@pytest.mark.parametrize(
    ("at", "form", "value", "position", "message"),
    [
        (0, ">q", -1, 0, "base offset of 0 or more"),
        (8, ">i", 48, 8, "a length up to"),
        (8, ">i", -1, 8, "a length up to"),
        (8, ">i", 2**24 - 11, 8, "a length up to"),
        (8, ">i", 2**24 - 12, 8, "a length within"),
        (16, ">b", 1, 16, "magic 2"),
        (21, ">h", 1, 21, "found gzip"),
        (21, ">h", 4, 21, "found zstd"),
        (21, ">h", 7, 21, "found codec 7"),
        (23, ">i", 1, 23, "last offset delta of 0"),
        (57, ">i", 0, 57, "record count"),
        (57, ">i", -1, 57, "record count"),
        (57, ">i", 2**31 - 1, 57, "record count"),
    ],
)
def test_a_wrong_field_is_refused_where_it_stands(at, form, value, position, message):
    with pytest.raises(MalformedBytes, match=message) as caught:
        decode_batch(bytes(3) + patched(ONE, at, form, value), 3)
    assert caught.value.position == position + 3


@pytest.mark.parametrize(
    ("at", "form", "value"), [(12, ">i", 77), (21, ">h", -64), (43, ">q", 9), (51, ">h", 9), (53, ">i", 9)]
)
def test_what_brokers_and_other_producers_may_set_is_let_be(at, form, value):
    assert decode_batch(patched(ONE, at, form, value))[0] == decode_batch(ONE)[0]


def test_a_flipped_bit_breaks_the_checksum():
    for at in range(21, len(ONE)):
        with pytest.raises(MalformedBytes, match="checksum"):
            decode_batch(ONE[:at] + bytes([ONE[at] ^ 4]) + ONE[at + 1 :])


def test_offsets_end_at_63_bits():
    last = encode_batch(2**63 - 1, [Record(None, b"", 0)])
    assert decode_batch(last)[0].last == 2**63 - 1
    two = encode_batch(0, [Record(None, b"", 0)] * 2)
    with pytest.raises(MalformedBytes, match="offsets below"):
        decode_batch(patched(two, 0, ">q", 2**63 - 1))


GOOD = bytes([0, 0, 0, 1, 1, 0])  # attributes, time, offset, null key, null value, no headers


@pytest.mark.parametrize(
    ("count", "content", "message"),
    [
        (1, record(GOOD) + b"\x00", "the end of the batch"),
        (1, record(GOOD + b"\x00"), "the end of the record"),
        (2, record(GOOD) + record(GOOD), "offset delta 1"),
        (1, record(b"\x00\x00\x02\x01\x01\x00"), "offset delta 0"),
        (1, b"\x0e" + GOOD, "record length"),
        (1, b"\x0a" + GOOD, "record length"),
        (1, b"\x01" + GOOD, "record length"),
        (1, record(b"\x00\x00\x00\x03\x01\x00"), "a length that fits"),
        (1, record(b"\x00\x00\x00\x08\x01\x00"), "a length that fits"),
        (1, record(b"\x00\x00\x00\x01\x08\x00"), "a length that fits"),
        (1, record(b"\x00\x00\x00\x01\x01\x01"), "a header count"),
        (1, record(b"\x00\x00\x00\x01\x01\x04\x00\x01"), "a header count"),
        (1, record(b"\x00\x00\x00\x01\x01" + encode_varint(2**31 - 1)), "a header count"),
        (1, record(b"\x00\x00\x00\x01\x01\x02\x01\x01"), "a header name"),
        (1, record(b"\x00" + encode_varint(0) + b"\x80\x00\x01\x01\x00"), "shortest varint"),
    ],
)
def test_a_record_that_is_not_as_written_is_refused(count, content, message):
    assert decode_batch(with_records(1, record(GOOD)))[0].record(0) == Record(None, None, 0)
    with pytest.raises(MalformedBytes, match=message):
        decode_batch(with_records(count, content))


def test_a_time_beyond_64_bits_is_refused():
    batch = encode_batch(0, [Record(None, None, 2**63 - 2), Record(None, None, 2**63 - 1)])
    with pytest.raises(MalformedBytes, match="time within 64 bits"):
        decode_batch(patched(batch, 27, ">q", 2**63 - 1))


@given(mutated(valid))
def test_mutated_batches_only_raise_what_is_documented(data):
    for attempt in (data, sealed(data) if len(data) > 61 else data):
        try:
            records, end = decode_batch(attempt)
        except MalformedBytes:
            continue
        assert end <= len(attempt)
        assert len(list(records)) == len(records)


@given(valid)
def test_every_truncation_is_refused(data):
    for end in range(len(data)):
        with pytest.raises(MalformedBytes):
            decode_batch(data[:end])


def test_a_lying_count_or_length_costs_no_memory():
    lies = [
        patched(ONE, 57, ">i", 2**20),
        patched(ONE, 8, ">i", 2**24 - 12),
        with_records(1, record(b"\x00\x00\x00" + encode_varint(2**31 - 1) + b"\x01\x00")),
        with_records(1, record(b"\x00\x00\x00\x01\x01" + encode_varint(2**31 - 1))),
    ]
    tracemalloc.start()
    for lie in lies:
        with pytest.raises(MalformedBytes):
            decode_batch(lie)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    ("first", "items"),
    [
        (-1, [Record(None, b"", 0)]),
        (2**63 - 1, [Record(None, b"", 0)] * 2),
        (0, []),
        (0, [Record(None, b"", 2**63)]),
        (0, [Record(None, b"", -1), Record(None, b"", 2**63 - 1)]),
        (0, [Record(None, bytes(2**24 - 61), 0)]),
    ],
)
def test_a_batch_that_could_not_be_read_is_not_written(first, items):
    with pytest.raises(InvalidValue):
        encode_batch(first, items)


def test_the_largest_batch_can_be_written_and_read():
    room = 2**24 - 61 - 13  # lengths of four bytes each, five other fields of one
    data = encode_batch(0, [Record(None, bytes(room), 0)])
    assert len(data) == 2**24
    assert decode_batch(data)[0].sizes[0] == room
