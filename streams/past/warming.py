"""Compiles what reads the past of a page, for whoever asks first."""

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.past import outcomes, sections, steps
from mmsb.processors.intake import bytes_of
from mmsb.streams.past.growing import BlockPlace
from mmsb.streams.past.scanning import note_block


def warm_past(block: bytes, page: bytes, words: int) -> None:
    """By a block whose only delta creates a page of so many words, named by type id and key."""
    noted, value8 = note_block(block, 0), bytes_of(block)
    plan, seen = np.empty(sections.WORDS, np.int64), np.empty(outcomes.SEEN, np.int64)
    place = BlockPlace(noted.last, 0, 0, 0, len(block), 0, noted.offsets, noted.deltas, noted.metadata)
    blocks, zero = np.array([place], np.int64).T.copy(), np.zeros(1, np.int64)
    found, known = np.empty((steps.ROWS, 1), np.int64), np.empty((outcomes.ROWS, 1), np.int64)
    steps.read_deltas(value8, zero, blocks, noted.notes, np.frombuffer(page, np.uint64), plan, found)
    body: Words = np.zeros(words, np.uint64)
    assert steps.follow_deltas(value8, found, 0, 1, body, 0, np.empty(words, np.uint64), 0) == 1
    checks = noted.notes >> np.uint64(48)
    outcomes.read_outcomes(value8, zero, zero, zero, zero, checks, plan, seen, known)
    assert known[outcomes.STATUS, 0] == outcomes.READ
