"""Batches of packed intents are, to the byte, those of mmsb.schemas.batches, wherever an index or a length grows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.intake.batch_builder import HEADER_BYTES, count_within, size_of, write_batch
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.limits import BATCH_RECORDS_MAX

HEAD = bytes(range(101, 117))
GUARD = 0xA5


def words(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 2**64, shape, np.uint64)


def check(count: int, id_words: int, words_n: int, metadata_words: int, *, row: int = 0, at: int = 0) -> None:
    rng = np.random.default_rng(count + id_words + words_n)
    ids, arguments = words(rng, row + count + 1, id_words), words(rng, row + count + 1, words_n)
    metadata = words(rng, metadata_words)
    rows = range(row, row + count)
    values = [HEAD + ids[r].tobytes() + arguments[r].tobytes() + metadata.tobytes() for r in rows]
    expected = encode_batch(0, [Record(None, value, 5) for value in values])
    assert size_of(count, len(values[0])) == len(expected)
    target = np.full(at + len(expected) + 9, GUARD, np.uint8)
    write_batch(target, at, count, HEAD, row, ids, arguments, metadata)
    assert target[at + HEADER_BYTES : -9].tobytes() == expected[HEADER_BYTES:]
    assert (target[: at + HEADER_BYTES] == GUARD).all(), "the header is the caller's"
    assert (target[-9:] == GUARD).all(), "nothing is written behind the last record"


@pytest.mark.parametrize("count", [1, 63, 64, 65, 100])
@pytest.mark.parametrize(("id_words", "words_n", "metadata_words"), [(0, 0, 0), (2, 3, 0), (0, 1, 4), (2, 5, 2)])
def test_records_are_those_of_the_exact_encoder(count, id_words, words_n, metadata_words):
    check(count, id_words, words_n, metadata_words)


@pytest.mark.parametrize("count", [8191, 8192, 8193])
def test_an_index_may_take_three_bytes(count):
    check(count, 0, 1, 0)


@pytest.mark.parametrize("words_n", [*range(4, 8), *range(1019, 1024), *range(32_000, 32_003)])
def test_lengths_take_as_many_bytes_as_they_need(words_n):
    check(3, 0, words_n, 0)


def test_rows_and_bytes_may_begin_anywhere():
    check(70, 2, 3, 2, row=11, at=77)


@given(st.integers(HEADER_BYTES, 2**24), st.integers(2, 40_000))
def test_a_batch_is_as_large_as_it_may_be(limit, value_words):
    size = 8 * value_words
    count = count_within(limit, size)
    assert size_of(count, size) <= limit < size_of(count + 1, size)


@pytest.mark.parametrize("limit", [-1, 0, HEADER_BYTES, HEADER_BYTES + 22])
def test_no_value_fits_into_too_little(limit):
    assert count_within(limit, 16) == 0
    assert count_within(HEADER_BYTES + 23, 16) == 1


def test_a_batch_never_has_more_records_than_it_may():
    assert count_within(2**40, 16) == BATCH_RECORDS_MAX
