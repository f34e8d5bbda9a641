"""The dedupe window against its plain definition: windows that are tiny, gaps, and generations that nobody entered."""

from collections.abc import Iterable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.pages import spec
from mmsb.kernels.tables import id_window
from mmsb.state.arrays import ArrayIds

SALT = np.uint64(77)
WINDOWS = (1, 2, 3, 50)

few_ids = st.integers(0, 9).map(lambda number: number.to_bytes(16, "little"))
gaps = st.sampled_from([1, 1, 1, 2, 3, 49, 50, 51, 101, 300])
first_offsets = st.sampled_from([0, 1, 49, 10**12]) | st.integers(0, 2**31 - 100_000)


def settled(window: int, ids: Iterable[tuple[int, bytes]]) -> list[int]:
    """What spec.settle_ids gives, by the kernels."""
    remembered = ArrayIds(window, SALT)
    found: list[int] = []
    for offset, id in ids:
        remembered.forget_to(offset - 1 - window)
        first = remembered.first_offset(id)
        found.append(spec.ABSENT if first is None else first)
        if first is None:
            remembered.remember(id, offset)
    return found


@st.composite
def streams(draw):
    offset = draw(first_offsets)
    stream = []
    for gap, id in draw(st.lists(st.tuples(gaps, few_ids), max_size=60)):
        stream.append((offset, id))
        offset += gap
    return stream


@given(st.sampled_from(WINDOWS), streams())
def test_ids_are_remembered_for_exactly_the_window(window, ids):
    assert settled(window, ids) == spec.settle_ids(window, ids)


@pytest.mark.parametrize("window", WINDOWS)
def test_an_id_is_a_duplicate_in_the_last_offset_of_its_window_and_new_in_the_next(window):
    one = b"\x01" * 16
    for first in (0, window - 1, window, 2 * window + 1):
        assert settled(window, [(first, one), (first + window, one)]) == [spec.ABSENT, first]
        assert settled(window, [(first, one), (first + window + 1, one)]) == [spec.ABSENT, spec.ABSENT]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_duplicate_does_not_make_its_id_live_longer(window):
    one = b"\x01" * 16
    stream = [(0, one), (window, one), (window + 1, one), (window + 2, one)]
    assert settled(window, stream) == spec.settle_ids(window, stream) == [-1, 0, -1, window + 1]


@pytest.mark.parametrize("window", WINDOWS)
def test_many_generations_of_ids_leave_no_trace_of_old_ones(window):
    rng = Random(window)
    stream = [(offset, rng.randrange(2 * window + 1).to_bytes(16, "little")) for offset in range(12 * window + 20)]
    found = settled(window, stream)
    assert found == spec.settle_ids(window, stream)
    assert 0.1 < found.count(spec.ABSENT) / len(found) < 0.9, "both new ids and duplicates"


def test_the_ring_wraps_around():
    window = 3
    ring = id_window.ring_size(window)
    stream = [(ring - 4 + step, (step % 4).to_bytes(16, "little")) for step in range(20)]
    assert settled(window, stream) == spec.settle_ids(window, stream)


def test_ids_that_differ_in_one_half_only_are_told_apart():
    low, high = b"\x01" + bytes(15), bytes(8) + b"\x01" + bytes(7)
    assert settled(50, [(0, low), (1, high), (2, bytes(16)), (3, high)]) == [-1, -1, -1, 1]
