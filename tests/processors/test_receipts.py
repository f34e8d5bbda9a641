"""Receipts as columns say what the rows of an outcome say, whichever block they come from."""

from collections import Counter
from dataclasses import replace

import pytest

from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts, concat_receipts, receipts_of, receipts_of_block
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import HEADER_BYTES, OutcomeRow
from tests.proof.agreement import NONCE, Case, loaded, make_case
from tests.proof.ways import INTERPRETED

SEEDS = (5, 12, 16, 149, 223, 241, 913, 1156)
CUT = 7


def settled(case: Case, cut: int = CUT) -> list[tuple[bytes, Outcome]]:
    """The blocks of a random application's log, and the outcomes that they say."""
    blocks: list[tuple[bytes, Outcome]] = []
    with loaded(case.description) as bundle:
        fold = INTERPRETED.fold(case.genesis.pack())
        writer = INTERPRETED.writer(bundle, fold, NONCE)
        claim = writer.claim()
        writer.read(1, claim.key, claim.value)
        for start in range(0, len(case.records), cut):
            entry, outcome = writer.step(case.records.slice(start, min(start + cut, len(case.records))))
            writer.read(len(blocks) + 2, entry.key, entry.value)
            blocks.append((entry.value, outcome))
    return blocks


def rows_of(receipts: Receipts) -> list[tuple[int, OutcomeRow]]:
    """Receipts as rows, which know nothing of ids, sources, types and metadata."""
    columns = zip(receipts.offsets, receipts.statuses, receipts.first_offsets, strict=True)
    return [
        (
            int(offset),
            OutcomeRow(
                Status(status),
                first_offset=int(first) if status == Status.DUPLICATE else None,
                rejection=receipts.rejection(index),
            ),
        )
        for index, (offset, status, first) in enumerate(columns)
    ]


def expected(outcome: Outcome) -> list[tuple[int, OutcomeRow]]:
    rows = (OutcomeRow(o.status, first_offset=o.first_offset, rejection=o.rejection) for o in outcome.outcomes)
    return list(enumerate(rows, outcome.first))


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_say_what_the_rows_say(seed):
    parts, rows = [], []
    for value, outcome in settled(make_case(seed, 60)):
        found = receipts_of_block(value)
        assert rows_of(found) == rows_of(receipts_of(outcome)) == expected(outcome)
        viewed = replace(outcome, sections=memoryview(outcome.sections))  # as compiled code gives them
        assert rows_of(receipts_of(viewed)) == rows_of(receipts_of_block(memoryview(value))) == rows_of(found)
        assert (found.first, len(found)) == (outcome.first, outcome.last - outcome.first + 1)
        assert (found.first_offsets[found.statuses != Status.DUPLICATE] == -1).all()
        parts.append(found)
        rows += expected(outcome)
    joined = concat_receipts(parts)
    assert rows_of(joined) == rows
    assert joined.counts == Counter(row.status for _, row in rows)
    for first in range(-2, len(rows) + 2, 5):
        for last in range(first - 2, len(rows) + 2, 9):
            part = joined.part(first, last)
            assert rows_of(part) == [row for row in rows if first <= row[0] <= last]


def test_every_status_is_met():
    found = Counter[Status]()
    for seed in SEEDS:
        found += Counter(row.status for _, out in settled(make_case(seed, 60)) for row in out.outcomes)
    assert set(found) >= {Status.APPLIED, Status.REJECTED, Status.DUPLICATE, Status.NOOP}


@pytest.fixture(scope="module")
def blocks() -> list[bytes]:
    return [value for value, _ in settled(make_case(5, 60))]


def test_parts_of_blocks_that_do_not_touch_can_be_joined(blocks):
    left, right = receipts_of_block(blocks[0]), receipts_of_block(blocks[3])
    joined = concat_receipts([left.part(1, 2), right])
    assert joined.offsets.tolist() == [1, 2, *range(3 * CUT, 4 * CUT)]
    assert rows_of(joined.part(2, 21)) == [*rows_of(left)[2:3], *rows_of(right)[:1]]


def test_parts_out_of_order_are_refused(blocks):
    left, right = receipts_of_block(blocks[0]), receipts_of_block(blocks[1])
    with pytest.raises(InvalidValue, match="offsets rise"):
        concat_receipts([right, left])
    with pytest.raises(InvalidValue, match="offsets rise"):
        concat_receipts([left, left])


def test_no_receipts_are_receipts_too(blocks):
    for empty in (concat_receipts([]), receipts_of_block(blocks[0]).part(5, 3)):
        assert (len(empty), empty.first, empty.counts, repr(empty)) == (0, -1, {}, "Receipts(none)")
        with pytest.raises(IndexError, match="0 receipts"):
            empty.rejection(0)


def test_a_quarantine_has_one_receipt():
    case = make_case(5, 3)
    with loaded(case.description) as bundle:
        fold = INTERPRETED.fold(case.genesis.pack())
        for nonce in (NONCE, b"the-second-reign"):
            writer = INTERPRETED.writer(bundle, fold, nonce)
            claim = writer.claim()
            writer.read(fold.next, claim.key, claim.value)
        entry, _ = writer.quarantine(case.records.slice(0, 1))
    found = receipts_of_block(entry.value)
    assert (found.offsets.tolist(), found.counts, found.rejection(0)) == ([0], {Status.QUARANTINED: 1}, None)


def test_what_is_no_block_is_malformed(blocks):
    case = make_case(5, 1)
    value = blocks[0]
    status_at = HEADER_BYTES + 8 * int.from_bytes(value[104:108], "little")
    bent = bytearray(value)
    bent[status_at] ^= Status.DUPLICATE ^ (bent[status_at] & 7)
    wrong = [case.genesis.pack(), value[:100], value[:HEADER_BYTES], bytes(bent)]
    for data in wrong:
        with pytest.raises(MalformedBytes, match="block"):
            receipts_of_block(data)


def test_receipts_show_their_counts(blocks):
    found = receipts_of_block(blocks[0])
    assert repr(found).startswith("Receipts(offsets 0 to 6: ")
