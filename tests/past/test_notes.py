"""What is noted of each delta finds it again in bytes that lie anywhere, and nothing else in its place."""

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest

from mmsb.kernels.past import outcomes, sections, steps
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block
from mmsb.state.pages import PageId
from mmsb.streams.past.columns import hash_page
from mmsb.streams.past.growing import BlockPlace
from mmsb.streams.past.scanning import Noted, note_block
from tests.past.test_columns import blocks_of

IN_FRONT = b"xyz"


def read_deltas(data: bytes, noted: Noted, page: PageId) -> Any:
    notes = noted.notes
    found = np.zeros((steps.ROWS, len(notes)), np.int64)
    named: Any = np.frombuffer(page[0].to_bytes(8, "little") + page[1], np.uint64)
    starts, plan = np.full(len(notes), len(IN_FRONT)), np.zeros(sections.WORDS, np.int64)
    place = BlockPlace(noted.last, 0, 0, 0, len(data) - len(IN_FRONT), 0, noted.offsets, noted.deltas, noted.metadata)
    blocks = np.repeat(np.array([place]).T, len(notes), axis=1)
    steps.read_deltas(np.frombuffer(data, np.uint8), starts, blocks, notes, named, plan, found)
    return found


def read_outcome(data: bytes, clock: int, metadata: int, row: int, note: Any) -> list[int]:
    found = np.zeros((outcomes.ROWS, 1), np.int64)
    plan, seen = np.zeros(sections.WORDS, np.int64), np.zeros(outcomes.SEEN, np.int64)
    place, before, size, number = (np.array([each]) for each in (len(IN_FRONT), clock, metadata, row))
    check = np.array([note]) >> np.uint64(48)
    outcomes.read_outcomes(np.frombuffer(data, np.uint8), place, before, size, number, check, plan, seen, found)
    told: list[int] = found[:, 0].tolist()
    return told


def all_noted(seed: int) -> Iterator[tuple[Block, bytes, int, Noted]]:
    clock = 0
    for value in blocks_of(seed, 30):
        noted = note_block(value, clock)
        block = unpack_block(value)
        assert (noted.last, noted.offsets) == (block.header.last, len(block.outcomes))
        assert noted.hashes.tolist() == [hash_page(delta.type_id, delta.key) for delta in block.deltas]
        yield block, IN_FRONT + value + b"!", clock, noted
        clock = block.header.clock


@pytest.mark.parametrize("seed", range(8))
def test_each_delta_is_found_again_and_told_from_those_of_other_pages(seed: int) -> None:
    for block, data, _, noted in all_noted(seed):
        for delta in block.deltas:
            found = read_deltas(data, noted, (delta.type_id, delta.key))
            same = [(other.type_id, other.key) == (delta.type_id, delta.key) for other in block.deltas]
            assert found[steps.STATUS].tolist() == [steps.READ if each else steps.OTHER for each in same]
            for column, other in zip(found.T.tolist(), block.deltas, strict=True):
                if column[steps.STATUS] == steps.OTHER:
                    continue
                assert column[1:4] == [block.header.first + other.index, other.base, other.kind]
                at, words = column[steps.AT], column[steps.SIZE]
                assert data[at : at + 8 * words] == other.payload


@pytest.mark.parametrize("seed", range(8))
def test_who_asked_is_found_again_at_one_step_or_at_many(seed: int) -> None:
    for block, data, before, noted in all_noted(seed):
        notes, metadata = noted.notes, noted.metadata
        clock, rises, first = (
            before,
            dict(block.rises),
            {d.index: row for row, d in reversed([*enumerate(block.deltas)])},
        )
        for index, outcome in enumerate(block.outcomes):
            clock = rises.get(index, clock)
            for row in [row for row, delta in enumerate(block.deltas) if delta.index == index]:
                for size in {metadata, 0}:
                    status, flags, intent, time, id_at, source_at, at, length, ordinal = read_outcome(
                        data, before, size, row, notes[row]
                    )
                    assert (status, time, ordinal) == (outcomes.READ, clock, row - first[index])
                    assert (intent % 2**64 if flags & outcomes.KNOWN else None) == outcome.type_id
                    assert data[at : at + length] == outcome.metadata
                    assert outcome.id in (None, data[id_at : id_at + 16])
                    assert outcome.source is None or data[source_at : source_at + 32] == outcome.source.pack()


def test_flipped_bits_are_noticed_and_never_lead_out_of_the_bytes() -> None:
    """16 bits of check miss one in 65,536."""
    rng, damaged, told = Random(1), 0, 0
    for block, data, before, noted in all_noted(1):
        pages = {(delta.type_id, delta.key) for delta in block.deltas}
        whole = {page: read_deltas(data, noted, page).T.tolist() for page in pages}
        who = [read_outcome(data, before, noted.metadata, row, note) for row, note in enumerate(noted.notes)]
        for _ in range(200):
            other = bytearray(data)
            other[rng.randrange(len(IN_FRONT), len(data) - 1)] ^= 1 << rng.randrange(8)
            wrong = bytes(other)
            for page, columns in whole.items():
                damaged += check_deltas(wrong, read_deltas(wrong, noted, page).T.tolist(), columns, block)
            for row, (note, was) in enumerate(zip(noted.notes, who, strict=True)):
                for size in {noted.metadata, 0}:
                    found = read_outcome(wrong, before, size, row, note)
                    if found[outcomes.STATUS] == outcomes.READ:
                        assert found == was
                        told += 1
    assert damaged > 30
    assert told > 1000


def check_deltas(wrong: bytes, found: list[list[int]], whole: list[list[int]], block: Block) -> int:
    """That they are what they were, or are known to be damaged; gives how many of these there are."""
    damaged = 0
    for was, column, delta in zip(whole, found, block.deltas, strict=True):
        if column[steps.STATUS] == steps.DAMAGED:
            damaged += 1
        else:
            assert column[steps.STATUS] == was[steps.STATUS]
        if column[steps.STATUS] == steps.READ:
            start, size = column[steps.AT], 8 * column[steps.SIZE]
            assert (column, wrong[start : start + size]) == (was, delta.payload)
    return damaged
