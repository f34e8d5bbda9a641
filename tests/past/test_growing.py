"""A growing index finds every delta of a page, in the order of the log, however often it was asked meanwhile."""

import numpy as np
import pytest

from mmsb.streams.past import growing
from mmsb.streams.past.growing import BlockPlace, GrowingIndex, Standing, word_of

PAGES = 5
BLOCKS = 400

Rows = list[tuple[int, int]]


def add(index: GrowingIndex, rng: np.random.Generator, hashes: list[int], note: int) -> Rows:
    """One more block of some deltas; gives their entries in the order of the log."""
    number = index.block_count
    pages = rng.integers(0, PAGES, rng.integers(0, 6))
    notes = np.arange(note, note + len(pages), dtype=np.uint64)
    index.add(BlockPlace(number, 0, number, 0, 0, 0, 1, 0, 0), np.array(hashes, np.uint64)[pages], notes)
    return [(word_of(hashes[page], number), each) for page, each in zip(pages.tolist(), notes.tolist(), strict=True)]


def rows(found: np.ndarray) -> Rows:
    return [(int(word), int(note)) for word, note in found]


@pytest.mark.parametrize("asked", [1.0, 0.1, 0.0])
@pytest.mark.parametrize("wide", [False, True])
def test_all_deltas_are_found_in_order(asked: float, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if wide:
        monkeypatch.setattr(growing, "PLACES", 7)  # more entries than places in a word
    rng = np.random.default_rng(1)
    index, said = GrowingIndex(0, Standing()), Rows()
    hashes = [int(each) for each in rng.integers(0, 2**64, PAGES, np.uint64)]
    for _ in range(BLOCKS):
        said += add(index, rng, hashes, len(said))
        if rng.random() < asked:
            start, stop = sorted(rng.integers(0, index.block_count + 1, 2).tolist())
            for each in hashes:
                expected = [row for row in said if word_of(each, start) <= row[0] < word_of(each, stop)]
                found = index.deltas_of(each, start, stop)
                assert rows(found.rows(0, len(found))) == expected
    assert rows(index.entries) == sorted(said)
