"""From the broker's bytes to ours: the exact decoder (schemas/batches.py) says what the records are."""

import struct

import pytest
from crc32c import crc32c

from mmsb.schemas.batches import Record, decode_batch, encode_batch
from mmsb.schemas.errors import CorruptState
from mmsb.streams.kafka.local_form import local_form

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
