"""The dedupe window: ids of the last W offsets and where each was first seen."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.state.window import IdWindow

IDS = st.integers(0, 5).map(lambda number: bytes([number]) * 16)


@given(st.integers(1, 6), st.lists(st.none() | IDS, max_size=40))
def test_an_id_is_known_for_as_many_offsets_as_the_window_has(size, ids):
    window = IdWindow(size)
    expected: OrderedDict[bytes, int] = OrderedDict()
    for offset, one in enumerate(ids):
        for known in {bytes([number]) * 16 for number in range(6)}:
            assert window.first_offset(known) == expected.get(known)
        if one is not None and one not in expected:
            window.remember(one, offset)
            expected[one] = offset
        window.forget_to(offset - size)
        expected = OrderedDict((known, first) for known, first in expected.items() if first > offset - size)
        assert list(window) == [(first, known) for known, first in expected.items()]
        assert len(window) <= size


def test_a_forgotten_id_can_be_remembered_anew():
    window = IdWindow(2)
    window.remember(b"a" * 16, 0)
    assert window.forget_to(0) == [(0, b"a" * 16)]
    assert window.first_offset(b"a" * 16) is None
    window.remember(b"a" * 16, 2)
    assert window.first_offset(b"a" * 16) == 2


def test_an_id_is_not_entered_twice_and_offsets_rise():
    window = IdWindow(9)
    window.remember(b"a" * 16, 3)
    with pytest.raises(AssertionError, match="duplicate"):
        window.remember(b"a" * 16, 4)
    with pytest.raises(AssertionError, match="rise"):
        window.remember(b"b" * 16, 3)


@given(st.integers(0, 6), st.integers(-1, 8))
def test_what_was_forgotten_or_remembered_can_be_taken_back(count, to):
    window = IdWindow(9)
    for offset in range(count):
        window.remember(bytes([offset]) * 16, offset)
    before = list(window)
    forgotten = window.forget_to(to)
    window.remember(b"x" * 16, 9)
    window.forget_last()
    window.recall(forgotten)
    assert list(window) == before
    assert all(window.first_offset(id) == offset for offset, id in before)
