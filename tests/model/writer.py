"""What a writer does with a machine's outcomes: claims, blocks, quarantines and migrations as bytes."""

from collections.abc import Sequence
from typing import Any

from tests.model import digest
from tests.model.batch import Record
from tests.model.blocks import Block, Entry, encode_block, entries_of
from tests.model.compiled import Compiled
from tests.model.constants import QUARANTINED, TIME_MS_MAX
from tests.model.intents import read_envelope
from tests.model.jsontext import canonical
from tests.model.machine import Machine, Outcome
from tests.model.rows import Rejected
from tests.model.state import State
from tests.model.tlog import BLOCK, QUARANTINE, Claim, Header, Migrate


def intents_checksum(records: Sequence[Record]) -> int:
    terms = (digest.intent_term(r.offset, r.time, r.control, r.transactional, r.value) for r in records)
    return sum(terms) & digest.MASK


def make_claim(
    compiled: Compiled, after: bytes, nonce: bytes, generation: int, bundle: bytes, durability: int = 0
) -> bytes:
    return Claim(after, nonce, generation, bundle, compiled.descriptor_bytes(), durability).encode()


def make_block(
    reign: bytes, prev: bytes, records: Sequence[Record], outcomes: list[Outcome], clock_before: int, after: State
) -> bytes:
    """The block of these outcomes; `after` is the machine's state after the last of them."""
    header = Header(
        reign, prev, records[0].offset, records[-1].offset, after.clock, after.digest(), intents_checksum(records)
    )
    return encode_block(Block(header, entries_of(outcomes, clock_before), BLOCK))


def make_quarantine(reign: bytes, prev: bytes, record: Record, machine: Machine) -> bytes:
    """Settles one record without judging it; moves the machine's state as the fold will."""
    state = machine.state
    clock = max(state.clock, 1000 * record.time) if 0 <= record.time <= TIME_MS_MAX else state.clock
    entry = Entry(QUARANTINED, clock=clock if clock > state.clock else None)
    if not record.control and not record.transactional:
        try:
            envelope = read_envelope(record.value)
            machine.check_source(envelope.source)
        except Rejected:
            pass
        else:
            entry.id, entry.source, entry.metadata = envelope.id, envelope.source, envelope.metadata
            entry.type_id = machine.known_type(envelope)
    state.clock = clock
    settle_envelope(state, entry, record.offset, machine.window)
    header = Header(reign, prev, record.offset, record.offset, clock, state.digest(), intents_checksum([record]))
    return encode_block(Block(header, [entry], QUARANTINE))


def settle_envelope(state: State, entry: Entry, offset: int, window: int) -> None:
    """What the columns of one offset do to marks and ids: formats.md, the end of section 13."""
    if entry.source and entry.status != 4:
        place = (entry.source.kind, entry.source.source)
        state.marks[place] = max(entry.source.number, state.marks.get(place, 0))
    if entry.id is not None and entry.status in (1, 2, QUARANTINED):
        state.ids.setdefault(entry.id, offset)
    state.forget(offset, window)


def make_migrate(
    reign: bytes, prev: bytes, settled: int, clock: int, digest_after: tuple[int, int], steps: list[dict[str, Any]]
) -> bytes:
    header = Header(reign, prev, settled + 1, settled, clock, digest_after, 0)
    return Migrate(header, canonical(steps).encode()).encode()
