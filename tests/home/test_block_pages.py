"""What blocks of random applications change is marked, bucket by bucket, as their rows say."""

from itertools import groupby

import numpy as np
import pytest

from mmsb.kernels.pages.buckets import DIRTY, RESIDENT, USED
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import FIXED, DeltaRow
from mmsb.state.array_pages import ArrayPageType, hash_key
from mmsb.state.home.block_pages import find_deltas, mark_changed, pages_changed
from mmsb.state.home.bucket_rows import buckets_of
from tests.proof.agreement import loaded, make_case
from tests.proof.test_folding import entries_of

SALT = np.uint64(0x1234_5678_9ABC_DEF1)


def blocks(seed: int) -> list[bytes]:
    case = make_case(seed, 60)
    with loaded(case.description) as bundle:
        return [entry.value for entry in entries_of(case, bundle, 30) if entry.key == b"block"]


def by_type(value: bytes) -> dict[int, list[DeltaRow]]:
    rows = sorted(unpack_block(value).deltas, key=lambda row: row.type_id)
    return {type_id: list(some) for type_id, some in groupby(rows, key=lambda row: row.type_id)}


def pages_of(rows: list[DeltaRow]) -> ArrayPageType:
    """In so many buckets that few keys share one."""
    pages = ArrayPageType(len(rows[0].key) // 8, 1, SALT)
    pages.buckets.deepen(1 << 20, 1 << 10)
    return pages


def mark(pages: ArrayPageType, type_id: int, value: bytes) -> None:
    sections, count = memoryview(value)[FIXED.size :], len(unpack_block(value).outcomes)
    deltas = find_deltas(sections, count)
    mark_changed(pages, deltas.type_ids.index(type_id), sections, deltas, DIRTY | USED)


@pytest.mark.parametrize("seed", range(8))
def test_the_buckets_of_all_pages_that_a_block_changes_are_marked_and_no_others(seed: int) -> None:
    for value in blocks(seed):
        found = {type_id: (words, places) for type_id, words, places in
                 pages_changed(memoryview(value)[FIXED.size :], len(unpack_block(value).outcomes))}  # fmt: skip
        assert found.keys() == by_type(value).keys()
        for type_id, rows in by_type(value).items():
            pages = pages_of(rows)
            expected = {int(pages.buckets.numbers_of(hash_key(row.key, SALT))[0]) for row in rows}
            assert set(buckets_of(pages, *found[type_id]).tolist()) == expected
            mark(pages, type_id, value)
            flags = pages.buckets.flags
            assert set(np.flatnonzero(flags == RESIDENT | DIRTY | USED).tolist()) == expected
            assert np.count_nonzero(flags != RESIDENT) == len(expected) == pages.buckets.dirty


def test_what_a_block_changes_has_to_be_in_memory() -> None:
    value = max(blocks(1), key=len)
    type_id, rows = next(iter(by_type(value).items()))
    pages = pages_of(rows)
    pages.buckets.flags[pages.buckets.numbers_of(hash_key(rows[-1].key, SALT))] = 0
    with pytest.raises(AssertionError, match="in memory"):
        mark(pages, type_id, value)
