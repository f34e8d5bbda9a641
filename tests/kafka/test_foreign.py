"""Batches of topics that are not ours: gaps, aborted transactions, all codecs, and what nobody can read."""

import struct
from collections.abc import Sequence

import pytest
from crc32c import crc32c

from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import CorruptState
from mmsb.streams.kafka.batches.foreign import read_foreign
from mmsb.streams.kafka.cluster.broker import Aborted, Fetched, Span
from tests.kafka.compressing import compressed

SPAN = Span(0, 1_000)
COMMIT, ABORT = 1, 0


def records(*values: bytes | None) -> list[Record]:
    return [Record(b"k", value, 5, (("h", b"1"),)) for value in values]


def changed(batch: bytes, at: int, form: str, *values: int) -> bytes:
    """With other numbers in its header, and the checksum that belongs to them."""
    data = bytearray(batch)
    struct.pack_into(form, data, at, *values)
    struct.pack_into(">I", data, 17, crc32c(memoryview(data)[21:]))
    return bytes(data)


def of_producer(batch: bytes, producer: int) -> bytes:
    return changed(batch, 43, ">q", producer)


def marker(offset: int, producer: int, kind: int) -> bytes:
    batch = encode_batch(offset, [Record(struct.pack(">hh", 0, kind), b"end", 5)], transactional=True, control=True)
    return of_producer(batch, producer)


def in_transaction(offset: int, producer: int, *values: bytes) -> bytes:
    return of_producer(encode_batch(offset, records(*values), transactional=True), producer)


def read(batches: Sequence[bytes], offset: int, *aborted: Aborted) -> list[tuple[int, bytes | None]]:
    found: list[tuple[int, bytes | None]] = []
    for rows in read_foreign(Fetched(b"".join(batches), SPAN, aborted), offset):
        assert rows.records is not None
        found += [(int(at), rows.records.value(row)) for row, at in enumerate(rows.offsets)]
        assert all(at < rows.next for at, _ in found)
    return found


def test_dense_batches_from_an_offset_on():
    batches = [encode_batch(0, records(b"a", None, b"c")), encode_batch(3, records(b"d"))]
    assert read(batches, 1) == [(1, None), (2, b"c"), (3, b"d")]


def test_gaps_between_batches_and_within_them():
    """Compaction leaves records out and keeps the offsets of the others, and a batch's last offset."""
    second = changed(encode_batch(20, records(b"x", b"y")), 23, ">i", 9)  # its last delta; the records keep 0 and 1
    empty = changed(encode_batch(40, records(b"gone"))[:61], 8, ">i", 49)
    empty = changed(empty, 57, ">i", 0)
    batches = [encode_batch(3, records(b"a")), second, empty, encode_batch(50, records(b"b"))]
    assert read(batches, 0) == [(3, b"a"), (20, b"x"), (21, b"y"), (50, b"b")]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed(codec):
    batch = compressed(encode_batch(7, records(b"a" * 100, b"b")), codec)
    assert read([batch], 0) == [(7, b"a" * 100), (8, b"b")]


def test_only_what_was_committed_counts():
    batches = [
        in_transaction(0, 1, b"lost"),
        in_transaction(1, 2, b"kept"),
        encode_batch(2, records(b"plain")),
        in_transaction(3, 1, b"lost too"),
        marker(4, 1, ABORT),
        in_transaction(5, 1, b"of the next transaction"),
        marker(6, 2, COMMIT),
        marker(7, 1, COMMIT),
    ]
    assert read(batches, 0, Aborted(1, 0)) == [(1, b"kept"), (2, b"plain"), (5, b"of the next transaction")]
    assert read(batches[3:], 3, Aborted(1, 0)) == [(5, b"of the next transaction")]


def test_places_without_messages_are_passed():
    (rows,) = read_foreign(Fetched(marker(6, 2, COMMIT), SPAN), 0)
    assert (len(rows.offsets), rows.next) == (0, 7)


def test_what_nobody_can_read_is_said_with_its_offsets():
    batch = encode_batch(7, records(b"a", b"b"))
    broken = changed(batch, 61, ">b", 127)  # the first record claims to be longer than the batch
    (rows,) = read_foreign(Fetched(broken, SPAN), 0)
    assert (rows.records, rows.offsets.tolist(), rows.next) == (None, [7, 8], 9)
    unknown = changed(batch, 21, ">h", 7)
    (rows,) = read_foreign(Fetched(unknown, SPAN), 0)
    assert (rows.records, rows.next) == (None, 9)


def test_damage_is_refused():
    batch = bytearray(encode_batch(7, records(b"a")))
    batch[-3] ^= 1
    with pytest.raises(CorruptState, match="batch at offset 7"):
        list(read_foreign(Fetched(bytes(batch), SPAN), 0))


def test_the_brokers_time_is_that_of_each_record():
    batch = encode_batch(7, records(b"a", b"b"), append_time=99)
    for sent in (batch, changed(batch, 23, ">i", 5)):
        (rows,) = read_foreign(Fetched(sent, SPAN), 0)
        assert rows.records is not None
        assert [rows.records.time(row) for row in range(2)] == [99, 99]
