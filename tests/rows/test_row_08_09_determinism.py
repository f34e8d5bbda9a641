"""Rows 8 and 9: reasoning never mutates, every change is a delta, and replay is deterministic."""

import random

import pytest

import mmsb
from examples.bank import Deposit, Open, Transfer
from tests.rows.bank import Log, records, rich


def traffic(count: int) -> list[bytes]:
    rng = random.Random(9)
    values = [mmsb.pack(Open(n, f"owner {n}")) for n in range(20)]
    while len(values) < count:
        intent = rng.choice(
            [
                Deposit(rng.randrange(20), rng.randint(0, 50)),
                Transfer(rng.randrange(20), rng.randrange(20), rng.randint(0, 60)),
            ]
        )
        values.append(mmsb.pack(intent, id=f"id-{rng.randrange(count)}"))
    return values


@pytest.mark.guards(2)
def test_what_reasoning_reads_cannot_be_written():
    log = rich()

    for _, body in log.pages().values():
        assert type(body) is bytes
    assert isinstance(log.machine.needs(records(4, [mmsb.pack(Transfer(1, 2, 3))])), list)
    assert log.machine.state.recompute_digest() == log.machine.state.digest == log.writer.fold.digest


@pytest.mark.guards(5)
def test_one_digest_at_every_batch_size():
    values = traffic(600)
    digests: set[bytes] = set()
    statuses: set[tuple[mmsb.Status, ...]] = set()
    for size in (1, 7, 8192):
        log = Log()
        rows = [
            row for start in range(0, len(values), size) for row in log.send(*values[start : start + size]).outcomes
        ]
        assert log.replay().digest.pack() == log.digest
        digests.add(log.digest)
        statuses.add(tuple(row.status for row in rows))

    assert len(digests) == len(statuses) == 1
    assert {mmsb.Status.APPLIED, mmsb.Status.REJECTED, mmsb.Status.DUPLICATE} == set(*statuses)


@pytest.mark.guards(3)
def test_a_page_that_changes_without_a_delta_is_found():
    log = rich()
    [page, *_] = log.pages()
    epoch, body = log.pages()[page]
    damaged = body[:24] + bytes([body[24] ^ 1]) + body[25:]

    log.machine.state.check()
    log.machine.state.pages.put(page, epoch, damaged)

    with pytest.raises(AssertionError, match="the incremental digest equals one from nothing"):
        log.machine.state.check()


@pytest.mark.guards(3)
def test_a_block_over_a_damaged_page_stops_the_fold():
    log = rich()
    [(type_id, key), *_] = log.pages()
    epoch, body = log.pages()[type_id, key]
    log.applied(mmsb.pack(Deposit(1, 1)))
    offset = len(log.tlog) - 1
    damaged = mmsb.Fold(log.tlog[0][1])
    for at, record in enumerate(log.tlog[1:-1], start=1):
        damaged.read(at, *record)
    damaged.state.write_page(type_id, key, epoch, bytes([body[0] ^ 1]) + body[1:])

    with pytest.raises(mmsb.CorruptState, match="state and log disagree"):
        damaged.read(offset, *log.tlog[-1])
