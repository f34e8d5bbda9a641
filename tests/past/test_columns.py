"""Columns over a block say what its exact reader says, row by row, for blocks of random applications."""

from typing import Any

import numpy as np
import pytest

from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.outcomes import OutcomeColumns
from tests.proof.agreement import loaded, make_case
from tests.proof.test_folding import entries_of


def blocks_of(seed: int, cut: int = 30) -> list[bytes]:
    case = make_case(seed, 60)
    with loaded(case.description) as bundle:
        return [entry.value for entry in entries_of(case, bundle, cut) if entry.key == b"block"]


def rows_of(columns: BlockColumns, outcomes: OutcomeColumns, index: int) -> list[Any]:
    deltas = [(*columns.page(row), int(columns.deltas["base"][row]), int(columns.deltas["kind"][row]),
               columns.payload(row)) for row in columns.rows_at(index)]  # fmt: skip
    return [outcomes.outcome(index), deltas, outcomes.follow_ups(index)]


def said_of(block: Block, index: int) -> list[Any]:
    deltas = [(d.type_id, d.key, d.base, d.kind, d.payload) for d in block.deltas if d.index == index]
    return [block.outcomes[index], deltas, [sent for sent in block.follow_ups if sent.index == index]]


@pytest.mark.parametrize("start", range(0, 20, 5))
def test_columns_say_what_the_exact_reader_says(start: int) -> None:
    for seed in range(start, start + 5):
        for value in blocks_of(seed):
            block, columns = unpack_block(value), BlockColumns(value)
            outcomes = OutcomeColumns(columns)
            order = [*range(columns.count), *np.random.default_rng(seed).permutation(columns.count).tolist()]
            for index in order:
                assert rows_of(columns, outcomes, index) == said_of(block, index), (seed, index)
            rises = dict(block.rises)
            clock = 0
            for index in range(columns.count):
                clock = max(clock, rises.get(index, 0))
                assert outcomes.clock(index, 0) == clock


def test_what_is_no_block_is_refused_and_never_read_beyond() -> None:
    value = max(blocks_of(3, 60), key=len)
    for size in range(0, len(value), 8):
        with pytest.raises(MalformedBytes):
            BlockColumns(value[:size])
    for at in range(104, 148, 4):
        with pytest.raises(MalformedBytes):
            BlockColumns(value[:at] + b"\xff\xff\xff\x7f" + value[at + 4 :])
