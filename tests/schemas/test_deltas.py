"""Deltas: the smallest payload that changes exactly what differs, and nothing else is accepted."""

import contextlib
import ctypes
import struct
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsb.schemas.deltas import (
    Delta,
    DeltaKind,
    DeltaStatus,
    apply_change,
    change,
    check_change,
    is_canonical_change,
    unpack_delta,
)
from mmsb.schemas.errors import InvalidDelta, InvalidValue
from tests.schemas.mutations import mutated

SPANS, MASK, RUNS, DELETE = DeltaKind


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def table(*entries: tuple[int, int], count: int | None = None, padding: bytes = b"\x00") -> bytes:
    data = struct.pack("<H", len(entries) if count is None else count)
    data += b"".join(struct.pack("<HH", *entry) for entry in entries)
    return data.ljust(-(-len(data) // 8) * 8, padding)


@st.composite
def pairs(draw):
    """Two bodies of the same size, alike in stretches: what is between two cuts is kept, filled or made new."""
    count = draw(st.integers(1, 12) | st.sampled_from([63, 64, 65, 130]))
    before = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    cuts = sorted({0, count, *draw(st.lists(st.integers(0, count), max_size=6))})
    after = list(before)
    for start, end in pairwise(cuts):
        kind = draw(st.sampled_from(["keep", "fill", "new"]))
        if kind == "fill":
            after[start:end] = [draw(st.integers(0, 2))] * (end - start)
        elif kind == "new":
            after[start:end] = [2**64 - 1 - i for i in range(start, end)]
    return words(*before), words(*after)


payloads = pairs().map(lambda pair: change(*pair))


def sizes(before: bytes, after: bytes) -> dict[DeltaKind, int]:
    """What each kind would take, counted from the table of section 7 alone."""
    count = len(before) // 8
    old = [before[8 * i : 8 * i + 8] for i in range(count)]
    new = [after[8 * i : 8 * i + 8] for i in range(count)]
    differs = [i for i in range(count) if old[i] != new[i]]
    spans = sum(1 for i in differs if i - 1 not in differs)
    runs = sum(1 for i in differs if i - 1 not in differs or new[i] != new[i - 1])
    changed = len(differs)
    return {
        SPANS: 8 * ((2 + 4 * spans + 7) // 8) + 8 * changed,
        MASK: 8 * ((count + 63) // 64) + 8 * changed,
        RUNS: 8 * ((2 + 4 * runs + 7) // 8) + 8 * runs,
    }


@given(pairs())
@example((words(0), words(0)))
@example((words(*range(130)), words(*range(130, 260))))
def test_a_change_applied_to_before_gives_after(pair):
    before, after = pair
    assert apply_change(before, *change(before, after)) == after


@given(pairs())
def test_the_smallest_candidate_wins_and_the_lowest_kind_on_a_tie(pair):
    kind, payload = change(*pair)
    candidates = sizes(*pair)
    assert len(payload) == min(candidates.values())
    assert kind == min(candidates, key=lambda name: (candidates[name], name))


@given(pairs())
def test_what_change_writes_is_accepted_and_canonical(pair):
    before, after = pair
    kind, payload = change(before, after)
    expected = (DeltaStatus.EMPTY, 0) if before == after else (DeltaStatus.OK, 0)
    assert check_change(len(before) // 8, kind, payload, 0) == (DeltaStatus.OK, 0)
    assert check_change(len(before) // 8, kind, payload, 1) == expected
    assert is_canonical_change(before, after, kind, payload)


def test_each_kind_is_written_as_the_table_says():
    assert change(bytes(64), words(0, 0, 5, 6, 0, 0, 0, 0)) == (SPANS, table((2, 2)) + words(5, 6))
    assert change(bytes(64), words(5, 0, 6, 0, 7, 0, 0, 8)) == (MASK, words(0b1001_0101) + words(5, 6, 7, 8))
    assert change(bytes(64), words(0, 7, 7, 7, 7, 9, 9, 9)) == (RUNS, table((1, 4), (5, 3)) + words(7, 9))
    assert change(bytes(64), bytes(64)) == (SPANS, table())


def test_the_largest_body_can_change_as_a_whole_or_in_every_other_word():
    count = 8192
    before = bytes(8 * count)
    for after in (words(*[7] * count), words(*range(1, count + 1)), words(*(i % 2 for i in range(count)))):
        kind, payload = change(before, after)
        assert apply_change(before, kind, payload) == after


@given(pairs(), payloads)
def test_only_what_change_writes_is_canonical(pair, other):
    before, after = pair
    assert is_canonical_change(before, after, *other) == (other == change(before, after))


def test_a_larger_or_idle_form_of_the_same_change_is_not_canonical():
    before, after = words(1, 2, 3), words(1, 9, 3)
    for kind, payload in [
        (MASK, words(0b010, 9)),
        (SPANS, table((0, 2)) + words(1, 9)),
        (RUNS, table((1, 1)) + words(9)),
    ]:
        assert check_change(3, kind, payload, 1) == (DeltaStatus.OK, 0)
        assert apply_change(before, kind, payload) == after
        assert not is_canonical_change(before, after, kind, payload)
    assert is_canonical_change(before, after, SPANS, table((1, 1)) + words(9))
    assert is_canonical_change(before, None, DELETE, b"")
    assert not is_canonical_change(before, None, DELETE, bytes(8))
    assert not is_canonical_change(before, None, SPANS, table())


OK, PAYLOAD, ORDER = DeltaStatus.OK, DeltaStatus.PAYLOAD, DeltaStatus.ORDER
BOUNDS, EMPTY, BASE, KIND = DeltaStatus.BOUNDS, DeltaStatus.EMPTY, DeltaStatus.BASE, DeltaStatus.KIND


@pytest.mark.parametrize(
    ("kind", "payload", "base", "expected"),
    [
        (4, b"", 1, (KIND, 0)),
        (SPANS, table(), -1, (BASE, 0)),
        (DELETE, b"", 0, (BASE, 0)),
        (DELETE, b"", 1, (OK, 0)),
        (DELETE, bytes(8), 1, (PAYLOAD, 0)),
        # spans over a body of 10 words
        (SPANS, b"", 1, (PAYLOAD, 0)),
        (SPANS, b"\x00", 0, (PAYLOAD, 0)),
        (SPANS, table(count=65_535), 0, (PAYLOAD, 0)),
        (SPANS, table((0, 1)), 1, (PAYLOAD, 0)),
        (SPANS, table((0, 1)) + words(1, 2), 1, (PAYLOAD, 0)),
        (SPANS, table((0, 1)) + words(1)[:-1], 1, (PAYLOAD, 0)),
        (SPANS, table((0, 1), padding=b"\x01") + words(1), 1, (PAYLOAD, 0)),
        (SPANS, table((0, 1), (2, 8)) + words(*range(9)), 1, (OK, 0)),
        (SPANS, table((0, 0)), 1, (ORDER, 2)),
        (SPANS, table((10, 0)), 1, (ORDER, 2)),
        (SPANS, table((0, 1), (1, 1)) + words(1, 2), 1, (ORDER, 6)),
        (SPANS, table((0, 3), (2, 1)) + words(*range(4)), 1, (ORDER, 6)),
        (SPANS, table((5, 1), (2, 1)) + words(1, 2), 1, (ORDER, 6)),
        (SPANS, table((0, 11)), 1, (BOUNDS, 2)),
        (SPANS, table((65_535, 65_535)), 1, (BOUNDS, 2)),
        (SPANS, table((0, 1), (10, 1)) + words(1, 2), 1, (BOUNDS, 6)),
        (SPANS, table((0, 1), (9, 2), (3, 0)), 1, (BOUNDS, 6)),
        (SPANS, table((0, 1), (3, 0), (9, 2)), 1, (ORDER, 6)),
        (SPANS, table(), 1, (EMPTY, 0)),
        (SPANS, table(), 0, (OK, 0)),
        # a mask over a body of 10 words
        (MASK, b"", 1, (PAYLOAD, 0)),
        (MASK, words(1), 1, (PAYLOAD, 0)),
        (MASK, words(1, 2, 3), 1, (PAYLOAD, 0)),
        (MASK, words(1 << 10, 2), 1, (BOUNDS, 0)),
        (MASK, words(1 << 63), 1, (BOUNDS, 0)),
        (MASK, words(1 << 9, 2), 1, (OK, 0)),
        (MASK, words(0), 1, (EMPTY, 0)),
        # runs over a body of 10 words
        (RUNS, table((0, 5), (5, 5)) + words(1, 2), 1, (OK, 0)),
        (RUNS, table((0, 5), (5, 5)) + words(1, 1), 1, (ORDER, 6)),
        (RUNS, table((0, 5), (6, 4)) + words(1, 1), 1, (OK, 0)),
        (RUNS, table((0, 5), (4, 5)) + words(1, 2), 1, (ORDER, 6)),
        (RUNS, table((0, 5), (5, 6)) + words(1, 2), 1, (BOUNDS, 6)),
        (RUNS, table((0, 5), (5, 6)) + words(1, 1), 1, (ORDER, 6)),
        (RUNS, table((0, 5), (5, 5)) + words(1), 1, (PAYLOAD, 0)),
        (RUNS, table((0, 5), (5, 5)) + words(1, 2, 3), 1, (PAYLOAD, 0)),
        (RUNS, table((0, 5), padding=b"\x80") + words(1), 1, (PAYLOAD, 0)),
        (RUNS, table(), 1, (EMPTY, 0)),
    ],
)
def test_a_payload_is_judged_by_the_first_thing_wrong(kind, payload, base, expected):
    assert check_change(10, kind, payload, base) == expected


def test_a_stray_bit_is_found_in_the_last_word_of_the_mask():
    assert check_change(65, MASK, words(0, 0b10, 7), 1) == (BOUNDS, 8)
    assert check_change(64, MASK, words(1 << 63, 7), 1) == (OK, 0)


@given(st.integers(1, 70), st.integers(0, 4), mutated(payloads.map(lambda item: item[1])), st.integers(0, 1))
def test_any_payload_is_judged_and_what_is_accepted_can_be_applied(count, kind, payload, base):
    status, position = check_change(count, kind, payload, base)
    assert 0 <= position <= len(payload)
    if status == OK and kind != DELETE:
        assert len(apply_change(bytes(8 * count), kind, payload)) == 8 * count


deltas = st.builds(
    lambda type_id, key, base, item: Delta(type_id, key, base, *item),
    st.integers(0, 2**64 - 1),
    st.integers(1, 4).flatmap(lambda count: st.binary(min_size=8 * count, max_size=8 * count)),
    st.integers(0, 2**63 - 1),
    payloads,
)


@given(deltas)
def test_a_record_reads_back(delta):
    record = delta.pack()
    assert len(record) == 32 + len(delta.key) + len(delta.payload)
    assert unpack_delta(record) == delta


@given(mutated(deltas.map(Delta.pack)) | st.binary(max_size=60))
def test_a_record_that_reads_is_the_one_that_is_written(record):
    with contextlib.suppress(InvalidDelta):
        assert unpack_delta(record).pack() == record


@pytest.mark.parametrize(
    ("at", "value", "status", "position"),
    [
        (0, b"X", DeltaStatus.MAGIC, 0),
        (3, b"\x02", DeltaStatus.MAGIC, 0),
        (4, b"\x04", DeltaStatus.KIND, 4),
        (5, b"\x01", DeltaStatus.ZERO, 5),
        (6, b"\x02", DeltaStatus.TRUNCATED, 56),
        (23, b"\x80", DeltaStatus.BASE, 16),
        (28, b"\x01", DeltaStatus.ZERO, 28),
    ],
)
def test_a_record_that_cannot_be_read_says_what_and_where(at, value, status, position):
    record = Delta(7, bytes(8), 1, SPANS, table((0, 1)) + words(9)).pack()
    with pytest.raises(InvalidDelta, match=status.name.lower()) as caught:
        unpack_delta(record[:at] + value + record[at + 1 :])
    assert (caught.value.status, caught.value.position) == (status, position)


@pytest.mark.parametrize(
    "parts", [(-1, bytes(8), 1, b""), (0, bytes(7), 1, b""), (0, bytes(8), -1, b""), (0, bytes(8), 1, bytes(9))]
)
def test_a_record_that_could_not_be_read_is_not_made(parts):
    type_id, key, base, payload = parts
    with pytest.raises(InvalidValue, match="expected a"):
        Delta(type_id, key, base, SPANS, payload)


def test_a_c_compiler_would_lay_out_the_header_the_same():
    class Header(ctypes.LittleEndianStructure):
        _fields_ = (
            ("magic", ctypes.c_char * 4),
            ("kind", ctypes.c_uint8),
            ("zero", ctypes.c_uint8),
            ("key_words", ctypes.c_uint16),
            ("type_id", ctypes.c_uint64),
            ("base", ctypes.c_int64),
            ("payload_size", ctypes.c_uint32),
            ("second_zero", ctypes.c_uint32),
        )

    assert ctypes.sizeof(Header) == 32
    delta = Delta(7, bytes(16), 2**40, MASK, words(1, 2))
    read = Header.from_buffer_copy(delta.pack())
    assert (read.magic, read.kind, read.key_words) == (b"MMD\x01", 1, 2)
    assert (read.type_id, read.base, read.payload_size) == (7, 2**40, 16)
