"""Row 22: a bad delta has one verdict, whichever way it comes, and moves no byte."""

import pytest

import mmsb
from examples.bank import Deposit
from tests.rows.bank import Log, rich


def good(log: Log) -> bytes:
    """A delta that Account[1] would take: its last change, moved on to its epoch now."""
    [row] = log.applied(mmsb.pack(Deposit(1, 1))).deltas
    epoch = log.machine.settled + 1
    return mmsb.Delta(row.type_id, row.key, epoch, mmsb.DeltaKind(row.kind), row.payload).pack()


def damaged(record: bytes, at: int, value: bytes) -> bytes:
    return record[:at] + value + record[at + len(value) :]


# What is written where, and the status and code that follow.
BAD = {
    "magic": (0, b"XXX\x01", mmsb.DeltaStatus.MAGIC, mmsb.Code.BAD_DELTA),
    "kind": (4, b"\x09", mmsb.DeltaStatus.KIND, mmsb.Code.BAD_DELTA),
    "zero": (5, b"\x01", mmsb.DeltaStatus.ZERO, mmsb.Code.BAD_DELTA),
    "type": (8, b"\x01", mmsb.DeltaStatus.TYPE, mmsb.Code.BAD_DELTA),
    "base": (23, b"\xff", mmsb.DeltaStatus.BASE, mmsb.Code.BAD_DELTA),
    "conflict": (16, b"\x01\x00", mmsb.DeltaStatus.CONFLICT, mmsb.Code.CONFLICT),
    "bounds": (42, b"\xff\x00", mmsb.DeltaStatus.BOUNDS, mmsb.Code.BAD_DELTA),
    "payload": (40, b"\x7f\x00", mmsb.DeltaStatus.PAYLOAD, mmsb.Code.BAD_DELTA),
    "invariant": (55, b"\xff", mmsb.DeltaStatus.INVARIANT, mmsb.Code.INVARIANT),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_delta_has_the_same_code_packed_and_as_json(name):
    at, value, status, code = BAD[name]
    log = rich()
    delta = good(log)
    empty = mmsb.pack(mmsb.Mutate(mmsb.unpack_delta(delta)))
    record = damaged(delta, at, value)
    state = log.machine.state

    verdict = mmsb.validate_delta(record, log.machine.bundle.pages_by_type, state.read_page)
    packed, in_words = log.rejection(empty.replace(delta, record))
    text, also = log.rejection(b'{"@type": "mmsb.Mutate", "delta": "%s"}' % record.hex().encode())

    assert verdict.status is status
    assert packed.code is code
    assert (packed, in_words) == (text, also)


def test_the_undamaged_delta_is_taken():
    log = rich()
    delta = good(log)

    assert mmsb.validate_delta(
        delta, log.machine.bundle.pages_by_type, log.machine.state.read_page
    ) == mmsb.DeltaVerdict(mmsb.DeltaStatus.OK)
    log.send(mmsb.pack(mmsb.Mutate(mmsb.unpack_delta(delta))))
