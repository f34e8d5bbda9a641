"""Batches to columns: what the compiled reader says is what mmsb.schemas.batches says, refusals included."""

import struct
from collections import Counter
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.intake import record_batches as rows
from mmsb.processors.intake import bytes_of, read_batches
from mmsb.schemas.batches import Record, concat, decode_batches, encode_batch
from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.records import encode_headers
from mmsb.schemas.varints import encode_varint
from tests.proof.decoders import bad_batch
from tests.schemas.mutations import mutated
from tests.schemas.test_batches import lists, sealed, valid

NUMBERS = (0, 1, -1, -2, 5, 63, 64, -64, -65, 300, 8191, 8192, 2**20, 2**31 - 1, -(2**31), 2**31, 2**62, -(2**63))


def refusal(read: Callable[[bytes], object], data: bytes) -> str:
    with pytest.raises(MalformedBytes) as caught:
        read(data)
    return str(caught.value)


def check(data: bytes) -> str:
    """Whether it is accepted, or else why not; the exact reader says the same."""
    try:
        expected = concat(decode_batches(data))
    except MalformedBytes:
        why = refusal(decode_batches, data)
        assert refusal(read_batches, data) == why
        return why
    found = read_batches(data)
    assert found == expected
    for column in ("times", "key_starts", "key_sizes", "starts", "sizes", "header_starts"):
        assert list(getattr(found, column)) == list(getattr(expected, column)), column
    return "accepted"


@given(lists, st.booleans(), st.booleans(), st.none() | st.integers(-(2**62), 2**62 - 1))
def test_a_batch_reads_as_it_should(items, control, transactional, append_time):
    data = encode_batch(7, items, control=control, transactional=transactional, append_time=append_time)
    assert check(data) == "accepted"


@given(mutated(valid), st.booleans())
def test_a_mutated_batch_is_read_or_refused_alike(data, mended):
    if data:
        check(sealed(data) if mended and len(data) > 61 else data)


@pytest.mark.parametrize("size", [0, 1, 62, 63, 64, 65, 8190, 8191, 8192, 2**20, 2**20 + 1, 2**23])
def test_a_length_of_any_width_is_read(size):
    items = [Record(bytes(size // 3), bytes(size // 2), 5), Record(None, bytes(size // 4), 9)]
    assert check(encode_batch(0, items)) == "accepted"
    assert check(encode_batch(0, [Record(None, bytes(size), 5, (("h", bytes(3)),))])) == "accepted"


def test_an_index_of_any_width_is_read():
    assert check(encode_batch(2**40, [Record(None, bytes([i % 251]), 10 * i) for i in range(20_000)])) == "accepted"


def bent(rng: Random, content: bytes) -> bytes:
    """A varint, or what begins with one, with something else in its place."""
    content = content or b"\0"
    rest = content[1:]
    kind = rng.randrange(6)
    if kind == 0:
        return encode_varint(rng.choice(NUMBERS)) + rest
    if kind == 1:
        return bytes([content[0] | 0x80, rng.choice([0, 1, 0x80])]) + rest
    if kind == 2:
        return (
            bytes([0x80 | content[0]]) * rng.choice([2, 3, 4, 5, 9, 10]) + bytes([rng.choice([0, 1, 2, 15, 16])]) + rest
        )
    if kind == 3:
        return content + rng.choice([b"\0", b"\x01", b"\x80"])
    if kind == 4:
        return rest
    return bytes([content[0] ^ 1 << rng.randrange(8)]) + rest


def random_batch(rng: Random, faults: int) -> bytes:
    """One batch, right in everything around its records, some of whose fields are bent."""
    count = rng.randint(1, 6)
    parts: list[list[bytes]] = []
    for index in range(count):
        key, value = (rng.choice([None, b"", rng.randbytes(rng.choice([1, 70, 200]))]) for _ in range(2))
        headers = tuple(("n" * rng.randrange(3), rng.choice([None, b"x"])) for _ in range(rng.choice([0, 0, 1, 2])))
        nameless = faults and rng.random() < 0.03
        parts.append([
            b"\0",
            encode_varint(rng.choice([0, 1, 100, -100, 2**40, -(2**40), 2**62])),
            encode_varint(index),
            b"\x01" if key is None else encode_varint(len(key)) + key,
            b"\x01" if value is None else encode_varint(len(value)) + value,
            b"\x02\x01\x01" if nameless else encode_headers(headers),
        ])  # fmt: skip
    for _ in range(faults):
        record = rng.choice(parts)
        at = rng.randrange(1, len(record))
        cut = rng.randrange(len(record[at]) or 1) if rng.random() < 0.3 else 0
        record[at] = record[at][:cut] + bent(rng, record[at][cut:])
    records = [b"".join(record) for record in parts]
    lengths = [encode_varint(len(record)) for record in records]
    if faults and rng.random() < 0.3:
        lengths[-1] = bent(rng, lengths[-1])
    content = b"".join(map(bytes.__add__, lengths, records)) + rng.choice([b"", b"", b"", bytes(faults)])
    base_time = rng.choice([0, 0, 0, 1_700_000_000_000, 2**62, 2**63 - 1, -(2**63)])
    checked = struct.pack(">hiqqqhii", rng.choice([0, 8, 16, 48]), count - 1, base_time, 9, -1, -1, -1, count) + content
    return struct.pack(">qiibI", 5, 9 + len(checked), 0, 2, crc32c(checked)) + checked


REASONS = {
    "accepted",
    "the shortest varint of at most 32 bits",
    "the shortest varint of at most 64 bits",
    "a record length that fits the batch",
    "a time within 64 bits",
    "offset delta",
    "a length that fits the record, or -1",
    "a header count that fits the record",
    "a header name",
    "the end of the record",
    "the end of the batch",
}


def test_every_way_to_bend_a_record_is_refused_alike():
    rng, found = Random(1), Counter[str]()
    for number in range(6_000):
        why = check(random_batch(rng, number % 3))
        found[next((reason for reason in REASONS if reason in why), why)] += 1
    assert {reason for reason in REASONS if found[reason] < 20} == set(), found


def test_flipped_bits_under_a_mended_checksum_are_read_or_refused_alike():
    rng, found = Random(2), Counter[bool]()
    for _ in range(3_000):
        good = random_batch(rng, 0)
        found[check(bad_batch(rng, good) or good) == "accepted"] += 1
    assert min(found[True], found[False]) > 500, found


def test_columns_beyond_the_batches_are_left_alone():
    data = encode_batch(0, [Record(b"k", b"v", 3), Record(None, None, 4)], control=True)
    columns = np.full((rows.ROWS, 9), 77, np.int64)
    batches = np.array([[61], [len(data)], [2], [3], [1]], np.int64)
    assert rows.decode_batches(bytes_of(data + b"\xff" * 9), batches, columns) == 2
    assert (columns[:, 2:] == 77).all()
    assert columns[:, :2].T.tolist() == [[3, 1, 66, 1, 68, 1, 69], [4, 1, 75, -1, 76, -1, 76]]
