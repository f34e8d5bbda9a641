"""validate_delta: every status with its position, no exception whatever the bytes, and nothing moved."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.delta_validation import DeltaVerdict, rejection_of, validate_delta
from mmsb.schemas.deltas import Delta, DeltaKind, DeltaStatus, apply_change, change, unpack_delta
from mmsb.schemas.rejections import Code, Op, Rejection
from tests.schemas.mutations import mutated
from tests.schemas.pages import ACCOUNT, EVERY, EVERY_BODY, EVERY_KEY, LAYOUTS, bodies_of, keys_of

SPANS, MASK, RUNS, DELETE = DeltaKind
KEY = ACCOUNT.pack_key(1)
BODY = ACCOUNT.pack(["ann", 100, 2])
EPOCH = 17
STORED = {(ACCOUNT.type_id, KEY): (EPOCH, BODY), (EVERY.type_id, EVERY_KEY): (EPOCH, EVERY_BODY)}


def page(type_id, key):
    return STORED.get((type_id, key))


def verdict(record: bytes) -> tuple[DeltaStatus, int]:
    result = validate_delta(record, LAYOUTS, page)
    return result.status, result.position


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def table(*entries: tuple[int, int]) -> bytes:
    data = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HH", *entry) for entry in entries)
    return data.ljust(-(-len(data) // 8) * 8, b"\x00")


def account(kind=SPANS, payload=b"", base=EPOCH, key=KEY) -> bytes:
    return Delta(ACCOUNT.type_id, key, base, kind, payload).pack()


def every(body: bytes, base=EPOCH) -> bytes:
    return Delta(EVERY.type_id, EVERY_KEY, base, *change(EVERY_BODY, body)).pack()


def with_bytes(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


GOOD = account(payload=table((3, 1)) + words(90))  # balance is word 3
GAP = EVERY.gaps[0]
AT = {field.name: field.offset for field in EVERY.fields}
END = {field.name: field.end for field in EVERY.fields}


CASES = [
    (GOOD, 0, 0),
    (account(DELETE), 0, 0),
    (account(payload=table(), base=0, key=ACCOUNT.pack_key(2)), 0, 0),
    (every(EVERY.default_body), 0, 0),
    # 1 truncated
    (b"", 1, 0),
    (GOOD[:31], 1, 31),
    (GOOD[:-1], 1, len(GOOD) - 1),
    (GOOD + b"\x00", 1, len(GOOD) + 1),
    (b"XXXX" + GOOD[4:-1], 1, len(GOOD) - 1),
    # 2 magic, 3 kind, 4 zero, in this order
    (with_bytes(GOOD, 2, b"I"), 2, 0),
    (with_bytes(GOOD, 3, b"\x02\x09\x01"), 2, 0),
    (with_bytes(GOOD, 4, b"\x04\x01"), 3, 4),
    (with_bytes(GOOD, 5, b"\x01"), 4, 5),
    (with_bytes(GOOD, 28, b"\x00\x00\x00\x01"), 4, 28),
    # 5 type
    (with_bytes(GOOD, 8, bytes(8)), 5, 8),
    # 6 key
    (account(payload=table((3, 1)) + words(90), key=KEY + bytes(8)), 6, 6),
    (Delta(EVERY.type_id, with_bytes(EVERY_KEY, 1, b"\x00"), 0, SPANS, table()).pack(), 6, 32),
    (Delta(EVERY.type_id, with_bytes(EVERY_KEY, 8, b"\xff"), 0, SPANS, table()).pack(), 6, 40),
    (Delta(EVERY.type_id, with_bytes(EVERY_KEY, 17, b"x"), 0, SPANS, table()).pack(), 6, 40),
    (Delta(EVERY.type_id, with_bytes(EVERY_KEY, 28, b"x"), 0, SPANS, table()).pack(), 6, 56),
    # 7 base
    (with_bytes(GOOD, 16, b"\xff" * 8), 7, 16),
    (account(DELETE, base=0), 7, 16),
    # 8 payload
    (account(DELETE, bytes(8)), 8, 24),
    (account(payload=b""), 8, 24),
    (account(payload=table((3, 1))), 8, 24),
    (account(payload=with_bytes(table((3, 1)), 7, b"\x01") + words(90)), 8, 24),
    (account(MASK, words(0b1000)), 8, 24),
    # 9 order, 10 bounds
    (account(payload=table((3, 1), (4, 1)) + words(90, 3)), 9, 32 + 8 + 2 + 4),
    (account(payload=table((3, 1), (5, 1)) + words(90, 3)), 10, 32 + 8 + 2 + 4),
    (account(MASK, words(1 << 5, 0)), 10, 32 + 8),
    # 11 empty
    (account(payload=table()), 11, 32 + 8),
    (account(MASK, words(0), base=99), 11, 32 + 8),
    # 12 conflict
    (account(payload=table((3, 1)) + words(2**63), base=16), 12, 16),
    (account(payload=table((3, 1)) + words(90), base=0), 12, 16),
    (account(payload=table((3, 1)) + words(90), key=ACCOUNT.pack_key(2)), 12, 16),
    (account(DELETE, base=18), 12, 16),
    # 13 value
    (every(with_bytes(EVERY_BODY, AT["colour"], b"\x02\x00")), 13, AT["colour"]),
    (every(with_bytes(EVERY_BODY, AT["yes"], b"\x02")), 13, AT["yes"]),
    (every(with_bytes(EVERY_BODY, AT["ratio"], struct.pack("<d", float("nan")))), 13, AT["ratio"]),
    (every(with_bytes(EVERY_BODY, AT["name"], b"a\x00b")), 13, AT["name"]),
    (every(with_bytes(EVERY_BODY, AT["waves"] + 8, struct.pack("<d", float("inf")))), 13, AT["waves"]),
    (Delta(EVERY.type_id, EVERY.pack_key((1, "", bytes(3))), 0, SPANS, table()).pack(), 13, AT["colour"]),
    (every(with_bytes(EVERY_BODY, GAP[0], b"\x01")), 13, GAP[0]),
    (every(with_bytes(EVERY_BODY, END["small"] + 2, b"\x01")), 13, END["small"] + 2),
    # 14 invariant
    (account(payload=table((3, 1)) + words(2**64 - 1)), 14, ACCOUNT.fields[1].offset),
    (every(with_bytes(EVERY_BODY, AT["steps"] + 4, struct.pack("<i", -6))), 14, AT["steps"]),
    # values before bounds in one field, fields in order, padding last
    (every(with_bytes(with_bytes(EVERY_BODY, 0, b"\x7f"), AT["yes"], b"\x02")), 14, 0),
    (every(with_bytes(with_bytes(EVERY_BODY, GAP[0], b"\x01"), AT["yes"], b"\x02")), 13, AT["yes"]),
]


@pytest.mark.parametrize(("record", "status", "position"), CASES)
def test_a_delta_is_judged_by_the_first_thing_wrong(record, status, position):
    assert verdict(record) == (status, position)


def test_every_status_is_provoked_above():
    assert {status for _, status, _ in CASES} == set(DeltaStatus)


@st.composite
def good_records(draw):
    """Deltas to the stored pages, or to new ones, that should be accepted unless nothing changes."""
    layout = draw(st.sampled_from([ACCOUNT, EVERY]))
    known = [key for type_id, key in STORED if type_id == layout.type_id]
    key = draw(st.sampled_from(known) | keys_of(layout))
    base, before = page(layout.type_id, key) or (0, bytes(layout.size))
    after = draw(bodies_of(layout))
    return Delta(layout.type_id, key, base, *change(before, after)).pack()


@given(good_records())
def test_what_leads_to_right_values_is_accepted(record):
    delta = unpack_delta(record)
    _, before = page(delta.type_id, delta.key) or (0, bytes(LAYOUTS[delta.type_id].size))
    changes = apply_change(before, delta.kind, delta.payload) != before
    expected = DeltaStatus.OK if changes or delta.base == 0 else DeltaStatus.EMPTY
    assert verdict(record)[0] == expected


@given(mutated(good_records()) | st.binary(max_size=80))
def test_no_bytes_raise_and_accepted_ones_leave_right_values(record):
    status, position = verdict(record)
    assert position <= len(record) or status in (DeltaStatus.VALUE, DeltaStatus.INVARIANT)
    if status == DeltaStatus.OK:
        delta = unpack_delta(record)
        layout = LAYOUTS[delta.type_id]
        _, before = page(delta.type_id, delta.key) or (0, bytes(layout.size))
        if delta.kind != DELETE:
            assert layout.problem(apply_change(before, delta.kind, delta.payload), Code.INVARIANT) is None
    else:
        row = rejection_of(DeltaVerdict(status, position), record, LAYOUTS, page)
        assert row.code != Code.NONE
        assert len(row.pack()) == 32


@given(mutated(good_records()))
def test_judging_twice_gives_the_same_and_moves_nothing(record):
    stored, layouts = dict(STORED), dict(LAYOUTS)
    asked = []

    def watched(type_id, key):
        asked.append((type_id, key))
        return page(type_id, key)

    first = validate_delta(record, LAYOUTS, watched)
    assert validate_delta(record, LAYOUTS, watched) == first
    assert (stored, layouts) == (STORED, LAYOUTS)
    assert len(asked) in (0, 2)
    assert bool(asked) == (first.status in (DeltaStatus.OK, *list(DeltaStatus)[DeltaStatus.CONFLICT :]))


@given(mutated(good_records()) | st.binary(max_size=40))
def test_the_reader_of_records_refuses_nothing_that_is_accepted(record):
    readable = False
    with contextlib.suppress(Exception):
        readable = unpack_delta(record).pack() == record
    assert readable or verdict(record)[0] != DeltaStatus.OK


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (GOOD[:-1], Rejection(Code.BAD_DELTA, 0, value=len(GOOD) - 1, ordinal=1)),
        (with_bytes(GOOD, 8, bytes(8)), Rejection(Code.BAD_DELTA, 0, value=8, ordinal=5)),
        (account(payload=table()), Rejection(Code.BAD_DELTA, ACCOUNT.type_id, value=40, ordinal=11)),
        (account(DELETE, base=18), Rejection(Code.CONFLICT, ACCOUNT.type_id, value=EPOCH, bound=18)),
        (account(DELETE, key=ACCOUNT.pack_key(2)), Rejection(Code.CONFLICT, ACCOUNT.type_id, value=0, bound=EPOCH)),
        (
            every(with_bytes(EVERY_BODY, AT["colour"], b"\x02\x00")),
            Rejection(Code.BAD_ENUM, EVERY.type_id, 2, 2),
        ),
        (every(with_bytes(EVERY_BODY, AT["yes"], b"\x02")), Rejection(Code.BAD_BOOL, EVERY.type_id, 3, 2)),
        (every(with_bytes(EVERY_BODY, GAP[0], b"\x01")), Rejection(Code.BAD_PADDING, EVERY.type_id)),
        (
            account(payload=table((3, 1)) + words(2**64 - 1)),
            Rejection(Code.INVARIANT, ACCOUNT.type_id, 2, -1, 0, Op.GE),
        ),
    ],
)
def test_as_an_intent_each_verdict_is_a_rejection(record, expected):
    assert rejection_of(validate_delta(record, LAYOUTS, page), record, LAYOUTS, page) == expected
