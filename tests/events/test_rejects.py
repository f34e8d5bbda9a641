"""Packed rejects are what the block's rows say, one by one."""

from itertools import accumulate

import pytest

from mmsb.processors.packed_rejects import rejects_of_block
from mmsb.schemas.ids import position_id
from mmsb.schemas.rejects import Reject, unpack_reject
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, unpack_block_header
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from tests.events.logs import random_tlog

SEEDS = 60


def rejects_of(block: Block, genesis: Genesis, clock: int) -> list[Reject]:
    """The definition."""
    rises, count = dict(block.rises), len(block.outcomes)
    clocks = list(accumulate((rises.get(index, 0) for index in range(count)), max, initial=clock))[1:]
    return [
        Reject(
            genesis.partition,
            block.header.first + index,
            clocks[index],
            row.type_id or 0,
            row.id or position_id(genesis.log_id, genesis.partition, block.header.first + index),
            row.source.hops if row.source else 0,
            row.rejection,
        )
        for index, row in enumerate(block.outcomes)
        if row.rejection is not None
    ]


def blocks_of(seed: int) -> tuple[Genesis, list[bytes]]:
    entries = random_tlog(seed).entries
    return unpack_genesis(entries[0][1]), [value for key, value in entries if key == b"block"]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_block_s_rejects_are_those_of_its_rows(seed: int) -> None:
    genesis, blocks = blocks_of(seed)
    clock = 0
    for value in blocks:
        block, header = unpack_block(value), unpack_block_header(value)
        assert header is not None
        found = [unpack_reject(row.tobytes()) for row in rejects_of_block(value, header, genesis, clock)]
        assert found == rejects_of(block, genesis, clock)
        assert len(found) == sum(row.status == Status.REJECTED for row in block.outcomes)
        clock = header.clock


def test_the_logs_above_have_all_that_rejects_are_made_of() -> None:
    kinds = set[tuple[bool, bool, bool]]()
    rises = types = False
    for seed in range(SEEDS):
        for value in blocks_of(seed)[1]:
            block = unpack_block(value)
            rejected = [row for row in block.outcomes if row.rejection is not None]
            kinds |= {(row.id is not None, row.source is not None, row.type_id is not None) for row in rejected}
            rises |= bool(rejected) and bool(block.rises)
            types |= len({row.type_id for row in rejected}) > 1
    assert rises
    assert types
    assert {(True, False, True), (False, False, True), (False, True, True), (False, False, False)} <= kinds
