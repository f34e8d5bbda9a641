"""Envelopes over columns: rules 2 and 3 as mmsb.processors.judging has them, to the byte of a rejection's row."""

from collections import Counter
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmsb.kernels.intake import envelopes as rows
from mmsb.kernels.intake.envelopes import read_envelopes
from mmsb.processors.intake import bytes_of, columns_of
from mmsb.processors.judging import _read as read_exactly
from mmsb.schemas.batches import Record, Records, concat
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.records import CONTROL
from mmsb.schemas.rejections import Code, Refused, unpack_rejection
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source
from tests.generator import hostile, wire
from tests.proof.decoders import mutated

LOG_ID = bytes(range(0xA0, 0xB0))
PARTITIONS = 7
TYPES = (3, 0x1234_5678_9ABC_DEF0, 2**63, 2**64 - 1)
STATE: Any = SimpleNamespace(
    genesis=SimpleNamespace(log_id=LOG_ID, partition_count=PARTITIONS), mark=lambda kind, source: 1, source_count=1
)
GUARD = 0x7777


def read_all(records: Records, start: int = 0, types: tuple[int, ...] = TYPES) -> tuple[Any, Any]:
    """The arrays that the kernel fills, with a column more at either end of what it was asked for."""
    envelopes = np.full((rows.ROWS, len(records) + 1), GUARD, np.int64)
    rejections = np.full(4 * (len(records) + 1), GUARD, np.uint64)
    log = np.frombuffer(LOG_ID, np.uint64).copy()
    known = np.array(types, np.uint64)
    buffer, columns = bytes_of(records.buffer), columns_of(records)
    read_envelopes(buffer, columns, start, len(records), known, log, PARTITIONS, envelopes, rejections)
    assert (envelopes[:, :start] == GUARD).all()
    assert (envelopes[:, len(records) :] == GUARD).all()
    return envelopes, rejections.reshape(-1, 4)


def cut(records: Records, at: int, size: int) -> bytes | None:
    return None if at == rows.ABSENT else bytes(records.buffer[at : at + size])


def found_at(records: Records, envelopes: Any, rejections: Any, index: int) -> tuple[Any, ...]:
    """What the arrays say of one record, as values."""
    e = [int(number) for number in envelopes[:, index]]
    row = rejections[index].tobytes() if e[rows.VERDICT] == rows.REJECTED else b""
    if not row:
        assert (rejections[index] == GUARD).all()
    return (
        e[rows.VERDICT],
        row,
        e[rows.TYPE],
        cut(records, e[rows.ID_AT], 16),
        e[rows.SOURCE_KIND],
        cut(records, e[rows.SOURCE_AT], 32),
        cut(records, e[rows.ARGUMENTS_AT], e[rows.ARGUMENTS_SIZE]),
        cut(records, e[rows.METADATA_AT], e[rows.METADATA_SIZE]),
    )


def nothing(verdict: int, row: bytes = b"") -> tuple[Any, ...]:
    return verdict, row, rows.ABSENT, None, 0, None, None, None


def expected(flags: int, value: bytes | None) -> tuple[Any, ...]:
    """The same, by the exact rules."""
    if flags & CONTROL:
        return nothing(rows.NOOP)
    if not flags and value and value[:1] == b"{" and len(value) <= INTENT_BYTES_MAX:
        return nothing(rows.SLOW)
    try:
        e = read_exactly(STATE, flags, value)
    except Refused as refused:
        return nothing(rows.REJECTED, refused.rejection.pack())
    type_index = TYPES.index(e.type_id) if e.type_id in TYPES else rows.ABSENT
    kind, source = (e.source.kind, e.source.pack_part()) if e.source else (0, None)
    return rows.GO_ON, b"", type_index, e.id, kind, source, e.arguments, e.metadata or None


def verdict_of(found: tuple[Any, ...]) -> str:
    names = {rows.GO_ON: "goes on", rows.NOOP: "noop", rows.SLOW: "slow"}
    return names.get(found[0]) or unpack_rejection(found[1]).code.name


def check(records: Records, start: int = 0) -> Counter[str]:
    """Every record is read as it should be; gives how often each verdict came."""
    seen = Counter[str]()
    envelopes, rejections = read_all(records, start)
    for index in range(start, len(records)):
        found = found_at(records, envelopes, rejections, index)
        assert found == expected(records.flags[index], records.value(index)), records.value(index)
        seen[verdict_of(found)] += 1
    return seen


def only(value: bytes | None, **flags: bool) -> str:
    return next(iter(check(Records.of(0, [Record(b"key", value)], **flags))))


def random_source(rng: Random) -> Source | None:
    chance = rng.random()
    if chance < 0.3:
        return None
    if chance < 0.6:
        return Source(OUTSIDE, rng.randbytes(16), rng.choice([1, 2**63 - 1]), 0)
    partition = rng.choice([0, PARTITIONS - 1, PARTITIONS, 2**31, 2**32 - 1])
    source = source_of_follow_up(LOG_ID, partition)
    if rng.random() < 0.2:
        at = rng.randrange(16)
        source = source[:at] + bytes([source[at] ^ 1]) + source[at + 1 :]
    return Source(FOLLOW_UP, source, rng.randint(1, 9), rng.choice([1, 255, 2**32 - 1]))


def random_metadata(rng: Random) -> bytes:
    return wire.random_content(rng, []).metadata()


def random_intent(rng: Random) -> bytes:
    arguments = rng.randbytes(8 * rng.choice([0, 1, 5, 300]))
    identity = rng.randbytes(16) if rng.random() < 0.5 else None
    type_id = rng.choice([*TYPES, 0, 5, 2**62])
    return pack_intent(type_id, arguments, id=identity, source=random_source(rng), metadata=random_metadata(rng))


def bad_intent(rng: Random) -> bytes | None:
    """Mostly damaged where it hurts: in the header, the source or the metadata."""
    value = random_intent(rng)
    chance = rng.random()
    if chance < 0.2:
        return hostile.garbage(rng)
    if chance < 0.4:
        return mutated(rng, value)
    if chance < 0.6:
        at = rng.randrange(min(len(value), 64))
        return value[:at] + bytes([value[at] ^ 1 << rng.randrange(8)]) + value[at + 1 :]
    if chance < 0.7:
        return value[: rng.randrange(len(value))]
    block = random_metadata(rng) or wire.Content(actor="ä", trace="t").metadata()
    bare = pack_intent(5, bytes(8), metadata=block)
    return bare[: -len(block)] + mutated(rng, block)


VERDICTS = {"goes on", "noop", "slow"} | {
    code.name
    for code in (
        Code.NOT_AN_INTENT,
        Code.INTENT_TOO_LARGE,
        Code.MALFORMED,
        Code.UNKNOWN_VERSION,
        Code.METADATA_VERSION,
        Code.MALFORMED_METADATA,
        Code.TRANSACTIONAL,
        Code.FOREIGN_SOURCE,
    )
}


def test_damaged_intents_get_the_verdict_of_the_exact_rules():
    rng, seen = Random(1), Counter[str]()
    for number in range(400):
        values = [random_intent(rng) if rng.random() < 0.3 else bad_intent(rng) for _ in range(12)]
        flags = {"control": number % 40 == 0, "transactional": number % 25 == 0}
        seen += check(Records.of(number, [Record(b"k", value) for value in values], **flags), start=rng.randrange(3))
    assert {verdict for verdict in VERDICTS if seen[verdict] < 20} == set(), seen
    assert set(seen) == VERDICTS


def test_records_of_several_batches_keep_their_flags():
    items = [Record(None, pack_intent(3, bytes(8)))]
    records = concat(
        [Records.of(0, items, control=True), Records.of(1, items), Records.of(2, items, transactional=True)]
    )
    assert check(records) == {"noop": 1, "goes on": 1, "TRANSACTIONAL": 1}


def test_control_goes_before_transactional_and_both_before_the_value():
    assert only(b"x", control=True, transactional=True) == "noop"
    assert only(b"x", transactional=True) == "TRANSACTIONAL"
    assert only(None, control=True) == "noop"


@pytest.mark.parametrize("first", [b"{", b"M", b"x"])
def test_the_size_is_looked_at_before_the_first_byte(first):
    assert only(first * (INTENT_BYTES_MAX + 1)) == "INTENT_TOO_LARGE"
    assert only(first * INTENT_BYTES_MAX) == {b"{": "slow", b"M": "MALFORMED", b"x": "NOT_AN_INTENT"}[first]


@pytest.mark.parametrize("count", range(6))
def test_types_are_found_among_however_many(count):
    types = tuple(sorted(TYPES[:count] if count < 5 else (*TYPES, 7)))
    asked = [*TYPES, 0, 4, 7, 2**63 - 1, 2**63 + 1]
    records = Records.of(0, [Record(None, pack_intent(type_id, b"")) for type_id in asked])
    envelopes, _ = read_all(records, types=types)
    assert envelopes[rows.TYPE, :-1].tolist() == [types.index(t) if t in types else rows.ABSENT for t in asked]


def test_every_bit_of_a_header_and_source_counts():
    source = Source(FOLLOW_UP, source_of_follow_up(LOG_ID, 1), 1, 1)
    value = pack_intent(TYPES[1], bytes(16), id=bytes(16), source=source, metadata=wire.Content(actor="x").metadata())
    seen = Counter[str]()
    for bit in range(8 * len(value)):
        flipped = (int.from_bytes(value, "little") ^ 1 << bit).to_bytes(len(value), "little")
        seen[only(flipped)] += 1
    expected = {"NOT_AN_INTENT", "MALFORMED", "UNKNOWN_VERSION", "METADATA_VERSION", "MALFORMED_METADATA"}
    assert set(seen) == {"goes on", "FOREIGN_SOURCE"} | expected


def test_every_truncation_is_refused():
    rng = Random(3)
    for _ in range(20):
        value = random_intent(rng)[:600]
        assert "goes on" not in check(Records.of(0, [Record(None, value[:end]) for end in range(len(value))]))


def test_a_value_that_ends_with_its_buffer_is_read_no_further():
    value = pack_intent(3, bytes(8), id=bytes(16), metadata=wire.Content(actor="ann", reason="é" * 9).metadata())
    for end in range(1, len(value) + 1):
        records = replace(Records.of(0, [Record(None, value[:end])]), buffer=value[:end])
        check(records)
