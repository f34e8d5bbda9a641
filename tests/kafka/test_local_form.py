"""From the broker's bytes to ours: the exact decoder (schemas/batches.py) says what the records are."""

import struct
import tracemalloc
from collections.abc import Callable

import pytest
from crc32c import crc32c
from hypothesis import example, given
from hypothesis import strategies as st

from mmsb.schemas.batches import Record, concat, decode_batch, encode_batch
from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.limits import BATCH_BYTES_MAX
from mmsb.schemas.rejections import Code, Refused
from mmsb.schemas.varints import encode_varint
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.batches.rewriting import MALFORMED
from tests.kafka.compressing import FRAMINGS, compressed, sealed, with_content, xerial
from tests.schemas.test_batches import lists, offsets

RECORDS = [Record(b"k", b"v" * 40, 1_000), Record(None, None, 900, (("h", b"1"), ("h", None))), Record(b"", b"", 2_000)]


def fetched(epochs: tuple[int, ...], first: int = 7) -> bytes:
    batches = [
        encode_batch(first + 3 * index, RECORDS, leader_epoch=epoch, append_time=5_000 if index % 2 else None)
        for index, epoch in enumerate(epochs)
    ]
    return b"".join(batches)


@pytest.mark.parametrize("epochs", [(0, 0, 0), (0, 3, 0), (5, 6, 2**31 - 1), (-1,)])
def test_batches_of_any_leader_are_what_our_own_logs_hold(epochs):
    found = local_form(fetched(epochs))
    assert [(batch.first, batch.count) for batch in found] == [(7 + 3 * index, 3) for index in range(len(epochs))]
    assert b"".join(batch.data for batch in found) == fetched((0,) * len(epochs))
    assert list(decode_batch(bytes(found[0].data))[0]) == RECORDS


def test_batches_of_no_leader_are_not_copied():
    data = fetched((0, 0))
    assert all(memoryview(batch.data).obj is data for batch in local_form(data))


def test_what_is_given_cannot_be_written_to():
    assert all(memoryview(batch.data).readonly for batch in local_form(fetched((0, 1))))


def test_markers_of_transactions_stay_what_they_are():
    marker = encode_batch(3, [Record(b"\0\0\0\1", bytes(6), 1)], control=True, transactional=True)
    assert local_form(marker)[0].data == marker


def test_every_changed_bit_is_found_but_for_the_first_offset_and_the_leader():
    data = fetched((0,))
    for bit in range(8 * 8, 8 * len(data)):
        if bit // 8 in range(12, 16):
            continue
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptState):
            local_form(bytes(changed))


@pytest.mark.parametrize("size", [1, 60, 61, 100])
def test_a_batch_that_is_cut_is_found(size):
    with pytest.raises(CorruptState, match="found"):
        local_form(fetched((0, 0))[:size])


def test_a_gap_between_batches_is_found():
    with pytest.raises(CorruptState, match=r"offset 10 on without a gap.*compacted"):
        local_form(fetched((0,)) + fetched((0,), 11))


def test_the_format_of_old_brokers_is_named():
    data = bytearray(fetched((0,)))
    data[16] = 1
    with pytest.raises(CorruptState, match="format 1, which brokers before 0"):
        local_form(bytes(data))


def test_a_batch_that_was_compacted_is_found():
    data = bytearray(fetched((0,)))
    struct.pack_into(">i", data, 57, 2)  # two records are left of three
    struct.pack_into(">I", data, 17, crc32c(data[21:]))
    with pytest.raises(CorruptState, match="found 2 for the offsets 7 to 9"):
        local_form(bytes(data))


# Compressed


@pytest.mark.parametrize("framing", FRAMINGS)
@given(offsets, lists, st.none() | st.integers(0, 2**50), st.booleans(), st.booleans(), st.integers(-1, 9))
def test_what_a_producer_compressed_is_what_it_would_have_been(
    framing, first, records, append_time, transactional, control, epoch
):
    plain = encode_batch(first, records, append_time=append_time, transactional=transactional, control=control)
    data = compressed(plain[:12] + epoch.to_bytes(4, "big", signed=True) + plain[16:], framing)
    found = local_form(data)
    assert [(batch.first, batch.count, bytes(batch.data)) for batch in found] == [(first, len(records), plain)]


@given(st.lists(st.tuples(lists, st.sampled_from(["none", *FRAMINGS]), st.integers(0, 3)), min_size=1, max_size=5))
def test_a_fetch_holds_batches_of_all_kinds(batches):
    plain, fetched, first = list[bytes](), bytearray(), 5
    for records, framing, epoch in batches:
        plain.append(encode_batch(first, records))
        data = bytearray(plain[-1] if framing == "none" else compressed(plain[-1], framing))
        struct.pack_into(">i", data, 12, epoch)
        fetched += data
        first += len(records)
    assert [bytes(batch.data) for batch in local_form(bytes(fetched))] == plain


@pytest.mark.parametrize("framing", FRAMINGS)
def test_large_batches_come_in_many_blocks(framing):
    plain = encode_batch(0, [Record(str(index).encode(), bytes(range(256)) * 300, index) for index in range(200)])
    assert len(plain) > 14 << 20
    assert [bytes(batch.data) for batch in local_form(compressed(plain, framing))] == [plain]


def test_streams_of_snappy_may_follow_each_other():
    plain = encode_batch(0, RECORDS)
    data = with_content(plain, 2, xerial(plain[61:70]) + xerial(plain[70:]))
    assert bytes(local_form(data)[0].data) == plain


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_bomb_takes_no_more_memory_than_a_batch_may(framing):
    """Its records settle all the same, as malformed."""
    records = [Record(None, bytes(1 << 20), 77)] * 64
    header = encode_batch(9, records[:1])[:61]
    header = header[:23] + struct.pack(">i", 63) + header[27:57] + struct.pack(">i", 64)
    data = with_content(header, FRAMINGS[framing][0], FRAMINGS[framing][1](bytes(64 << 20)))
    tracemalloc.start()
    found = local_form(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * BATCH_BYTES_MAX
    assert [(batch.first, batch.count) for batch in found] == [(9, 64)]
    assert list(decode_batch(bytes(found[0].data))[0]) == [Record(None, MALFORMED, 77)] * 64


# What brokers store and we would not write: each of these was sent to Kafka 4 and stored


def long_varint(value: int, size: int) -> bytes:
    rest, data = value << 1 if value >= 0 else (-value << 1) - 1, bytearray()
    for _ in range(size - 1):
        data.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes(data) + bytes([rest & 0x7F])


def record(
    *,
    time: bytes = b"\0",
    delta: int = 0,
    key: bytes = b"\1",
    value: bytes = b"\2v",
    headers: bytes = b"\0",
    size: int = 1,
) -> bytes:
    content = b"\0" + time + encode_varint(delta) + key + value + headers
    return long_varint(len(content), size) + content


def second(**parts: bytes | int) -> bytes:
    """One with the offset delta of a batch's second."""
    return record(delta=1, **parts)  # type: ignore[arg-type]


LOOSE = {
    "a longer size than needed": (second(size=3), Record(None, b"v", 1_000)),
    "a longer null than needed": (second(key=long_varint(-1, 5)), Record(None, b"v", 1_000)),
    "a longer time than needed": (second(time=long_varint(5, 10)), Record(None, b"v", 1_005)),
    "more than 32 bits": (second(value=b"\x82\x80\x80\x80\x70v"), Record(None, b"v", 1_000)),
    "a key of -5 bytes": (second(key=encode_varint(-5)), Record(None, b"v", 1_000)),
    "a value of -5 bytes": (second(value=encode_varint(-5)), Record(None, None, 1_000)),
    "a header of -7 bytes": (second(headers=b"\2\2a" + encode_varint(-7)), Record(None, b"v", 1_000, (("a", None),))),
    "another offset": (record(delta=-3), Record(None, b"v", 1_000)),
    "a time beyond 64 bits": (second(time=encode_varint(2**63 - 1)), Record(None, b"v", 999 - 2**63)),
}


def with_records(first: int, *records: bytes) -> bytes:
    header = bytearray(encode_batch(first, [Record(None, None, 1_000)])[:61])
    struct.pack_into(">i", header, 23, len(records) - 1)
    struct.pack_into(">i", header, 57, len(records))
    return sealed(bytes(header) + b"".join(records))


@pytest.mark.parametrize("framing", ["none", *FRAMINGS])
@pytest.mark.parametrize("what", LOOSE)
def test_records_are_read_as_loosely_as_kafkas_client_reads_them(what, framing):
    loose, expected = LOOSE[what]
    data = with_records(4, record(), loose)
    found = local_form(data if framing == "none" else compressed(data, framing))
    read = [each for batch in found for each in decode_batch(bytes(batch.data))[0]]
    assert read == [Record(None, b"v", 1_000), expected]
    assert (found[0].first, sum(batch.count for batch in found)) == (4, 2)


def test_one_loose_batch_leaves_the_others_as_they_are():
    plain = encode_batch(0, RECORDS)
    found = local_form(plain + with_records(3, LOOSE["another offset"][0]) + encode_batch(4, RECORDS))
    assert [bytes(found[0].data), bytes(found[2].data)] == [plain, encode_batch(4, RECORDS)]
    assert decode_batch(bytes(found[1].data))[0].first == 3


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "bytes behind it": lambda data: data + b"abcdefgh",
    "cut": lambda data: data[:-9],
    "something else": lambda _: b"junk" * 9,
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_expand_settles_as_malformed(framing, damage):
    """Kafka 4 stores bytes behind a gzip stream or an lz4 frame."""
    plain = encode_batch(6, RECORDS, append_time=4_000)
    data = compressed(plain, framing)
    found = local_form(with_content(plain, FRAMINGS[framing][0], DAMAGES[damage](data[61:])))
    assert [(batch.first, batch.count) for batch in found] == [(6, 3)]
    assert list(decode_batch(bytes(found[0].data))[0]) == [Record(None, MALFORMED, 4_000)] * 3


times = st.integers(-(2**63), 2**63 - 1)
loose_records = st.lists(st.sampled_from([record(), *(loose for loose, _ in LOOSE.values())]), max_size=5)


@given(st.binary(max_size=80) | loose_records.map(b"".join), st.integers(1, 6), times, times, st.booleans())
@example(LOOSE["a time beyond 64 bits"][0], 1, 1_000, 1_795_294_750_039, True)
def test_any_content_is_something_that_our_logs_hold(content, count, base, newest, append_time):
    """All records and offsets are there, whatever a producer sent."""
    data = bytearray(with_records(2, *[b""] * count) + content)
    struct.pack_into(">h", data, 21, 8 * append_time)
    struct.pack_into(">qq", data, 27, base, newest)
    found = local_form(sealed(bytes(data)))
    records = concat([decode_batch(bytes(batch.data))[0] for batch in found])
    assert (records.first, len(records)) == (2, count)


def test_more_records_than_a_batch_may_have_become_several_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmsb.streams.kafka.batches.rewriting.BATCH_RECORDS_MAX", 1_000)
    data = bytearray(with_records(8, record()))
    struct.pack_into(">i", data, 23, 2_000)
    struct.pack_into(">i", data, 57, 2_001)
    found = local_form(sealed(bytes(data)))
    assert [(batch.first, batch.count) for batch in found] == [(8, 1_000), (1_008, 1_000), (2_008, 1)]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 8_191, 8_192, 8_193, 20_000])
@pytest.mark.parametrize("append_time", [False, True])
def test_stand_ins_are_what_would_have_been_encoded_one_by_one(count: int, append_time: bool):
    data = bytearray(with_records(8, record()))
    struct.pack_into(">h", data, 21, 8 * append_time)
    struct.pack_into(">i", data, 23, count - 1)
    struct.pack_into(">i", data, 57, count)
    data += b"?"
    (found,) = local_form(sealed(bytes(data)))
    expected = encode_batch(8, [Record(None, MALFORMED, 1_000)] * count, append_time=1_000 if append_time else None)
    assert (found.first, found.count, found.data) == (8, count, expected)


def test_a_batch_that_is_larger_than_ours_becomes_several():
    large = encode_varint(9 << 20)
    contents = [b"\0\0" + encode_varint(index) + b"\1" + large + bytes(9 << 20) + b"\0" for index in range(2)]
    data = with_records(0, *[encode_varint(len(content)) + content for content in contents])
    found = local_form(data)
    assert [(batch.first, batch.count) for batch in found] == [(0, 1), (1, 1)]
    assert all(decode_batch(bytes(batch.data))[0].value(0) == bytes(9 << 20) for batch in found)


def test_times_that_lie_too_far_from_each_other_part_a_batch():
    early, late = (record(time=encode_varint(delta), delta=index) for index, delta in enumerate((-(2**63), 2**62)))
    found = local_form(with_records(0, early, late, LOOSE["a key of -5 bytes"][0]))
    times = [decode_batch(bytes(batch.data))[0].time(0) for batch in found]
    assert times[:2] == [1_000 - 2**63, 1_000 + 2**62]


def test_a_stand_in_settles_as_malformed():
    with pytest.raises(Refused) as refused:
        read_envelope(MALFORMED)
    assert refused.value.rejection.code == Code.MALFORMED
