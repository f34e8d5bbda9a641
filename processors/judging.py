"""How one record of the intents log is judged: the rules of docs/formats.md, section 6, in their order.

Judging reads the state and changes nothing; the machine applies a judgement only once it fits into the block.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmsb.processors.bundle import Bundle
from mmsb.processors.doors import open_door, pass_door
from mmsb.processors.lowering import Emitted, PageChange, Surroundings, aim, keys_of, lower
from mmsb.processors.programs import Program
from mmsb.schemas.arguments import json_arguments, packed_arguments
from mmsb.schemas.envelopes import Envelope, read_envelope
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.limits import OUTCOME_BYTES_MAX, SOURCES_MAX, TIME_MS_MAX
from mmsb.schemas.records import CONTROL, TRANSACTIONAL
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.sources import FOLLOW_UP, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import DELTA_ROW, FOLLOW_UP_ROW
from mmsb.schemas.upserts import BUILT_IN
from mmsb.state.follow_ups import follow_up_metadata, follow_up_source
from mmsb.state.partition import PartitionState


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A follow-up as the block records it: where to, its number among those, and the packed intent."""

    target: int
    number: int
    intent: bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of one record, before anything has happened."""

    status: Status
    clock: int
    rejection: Rejection | None = None
    first_offset: int | None = None
    id: bytes | None = None
    source: Source | None = None
    metadata: bytes = b""
    type_id: int | None = None
    changes: list[PageChange] = field(default_factory=list[PageChange])
    follow_ups: list[FollowUp] = field(default_factory=list[FollowUp])


def judge(bundle: Bundle, state: PartitionState, offset: int, time: int, flags: int, value: bytes | None) -> Judgement:
    """Decide about one record; reads the state, changes nothing."""
    clock = clock_after(state.clock, time)
    if flags & CONTROL:
        return Judgement(Status.NOOP, clock)
    try:
        envelope = _read(state, flags, value)
    except Refused as refused:
        return Judgement(Status.REJECTED, clock, refused.rejection)
    layout = find_layout(bundle, envelope)
    seen = _seen(Status.APPLIED, clock, envelope, layout)
    return _repeated(seen, state) or _execute(seen, layout, envelope, bundle, state, offset)


def judge_quarantined(bundle: Bundle, state: PartitionState, time: int, flags: int, value: bytes | None) -> Judgement:
    """Settle a record without executing it; its envelope counts as always."""
    clock = clock_after(state.clock, time)
    try:
        envelope = _read(state, flags, value)
    except Refused:
        return Judgement(Status.QUARANTINED, clock)
    return _seen(Status.QUARANTINED, clock, envelope, find_layout(bundle, envelope))


def _read(state: PartitionState, flags: int, value: bytes | None) -> Envelope:
    """Rules 2 and 3."""
    if flags & (CONTROL | TRANSACTIONAL):
        raise Refused(Rejection(Code.TRANSACTIONAL))
    envelope = read_envelope(value)
    _check_source(state, envelope.source)
    return envelope


def _seen(status: Status, clock: int, envelope: Envelope, layout: IntentLayout | None) -> Judgement:
    return Judgement(
        status,
        clock,
        id=envelope.id,
        source=envelope.source,
        metadata=envelope.metadata,
        type_id=layout.type_id if layout else None,
    )


def clock_after(clock: int, time_ms: int) -> int:
    """Rule 1: the partition clock never goes back, and times that no calendar has leave it alone."""
    return max(clock, 1000 * time_ms) if 0 <= time_ms <= TIME_MS_MAX else clock


def _check_source(state: PartitionState, source: Source | None) -> None:
    if source is None:
        return
    if source.kind == FOLLOW_UP:
        partition = int.from_bytes(source.source[:4], "little")
        known = partition < state.genesis.partition_count
        if not known or source.source != source_of_follow_up(state.genesis.log_id, partition):
            raise Refused(Rejection(Code.FOREIGN_SOURCE))
    if state.mark(source.kind, source.source) == 0 and state.source_count >= SOURCES_MAX:
        raise Refused(Rejection(Code.TOO_MANY_SOURCES, bound=SOURCES_MAX))


def find_layout(bundle: Bundle, envelope: Envelope) -> IntentLayout | None:
    """The intent's layout, user-declared or built in."""
    program = bundle.find_program(envelope.type_id, envelope.type_name)
    if program:
        return program.layout
    if envelope.type_name is not None:
        return BUILT_IN.get(envelope.type_name)
    return next((layout for layout in BUILT_IN.values() if layout.type_id == envelope.type_id), None)


def _repeated(seen: Judgement, state: PartitionState) -> Judgement | None:
    """Rules 4 and 5: what was counted or remembered already is a duplicate, a gap among follow-ups a noop."""
    if seen.source:
        mark = state.mark(seen.source.kind, seen.source.source)
        if seen.source.number <= mark:
            return replace(seen, status=Status.DUPLICATE, first_offset=-1)
        if seen.source.kind == FOLLOW_UP and seen.source.number > mark + 1:
            return replace(seen, status=Status.NOOP)
    first = state.first_offset(seen.id) if seen.id is not None else None
    return None if first is None else replace(seen, status=Status.DUPLICATE, first_offset=first)


def _execute(
    seen: Judgement, layout: IntentLayout | None, envelope: Envelope, bundle: Bundle, state: PartitionState, offset: int
) -> Judgement:
    """Rules 6 to 9."""
    if layout is None:
        return _rejected(seen, _unknown_type(envelope))
    around = surroundings(bundle, state, seen.clock, envelope.source.hops if envelope.source else 0)
    sender = _Sender(state, envelope, offset)
    program = None if layout.name in BUILT_IN else bundle.program_named(layout.name)
    try:
        arguments = read_arguments(layout, envelope) if program else b""
    except Refused as refused:
        return _rejected(seen, refused.rejection)
    try:
        lowered = lower(program, arguments, around) if program else pass_door(layout, envelope.arguments, around)
        follow_ups = sender.send(lowered.emitted)
        _check_size(layout, lowered.changes, follow_ups)
    except Refused as refused:
        makes_up = program is not None and envelope.source is not None and envelope.source.kind == FOLLOW_UP
        emitted = _compensation(program, arguments, around) if program and makes_up else []
        return replace(_rejected(seen, refused.rejection), follow_ups=sender.send(emitted))
    return replace(seen, changes=lowered.changes, follow_ups=follow_ups)


def surroundings(bundle: Bundle, state: PartitionState, now: int, hops: int) -> Surroundings:
    genesis = state.genesis
    return Surroundings(bundle, genesis.partition, genesis.partition_count, now, hops, state.read_page)


def _rejected(seen: Judgement, rejection: Rejection) -> Judgement:
    return replace(seen, status=Status.REJECTED, rejection=rejection)


def _unknown_type(envelope: Envelope) -> Rejection:
    name = envelope.type_name
    return Rejection(Code.UNKNOWN_TYPE, value=envelope.type_id if name is None else name.encode())


def read_arguments(layout: IntentLayout, envelope: Envelope) -> bytes:
    """Rule 7: the arguments, packed and known to be right."""
    if isinstance(envelope.arguments, bytes):
        return packed_arguments(layout, envelope.arguments)
    return json_arguments(layout, envelope.arguments)


def _check_size(layout: IntentLayout, changes: Sequence[PageChange], follow_ups: Sequence[FollowUp]) -> None:
    size = sum(DELTA_ROW.size + len(change.key) + len(change.payload) for change in changes)
    size += sum(FOLLOW_UP_ROW.size + len(follow_up.intent) for follow_up in follow_ups)
    if size > OUTCOME_BYTES_MAX:
        raise Refused(Rejection(Code.TOO_LARGE, layout.type_id, value=size, bound=OUTCOME_BYTES_MAX))


def _compensation(program: Program, arguments: bytes, around: Surroundings) -> list[Emitted]:
    """The intent that makes up for a rejected follow-up. It is never lost: without a target it stays here."""
    if program.layout.on_rejected is None:
        return []
    other = around.bundle.program_named(program.layout.on_rejected)
    given = dict(zip(program.layout.index_of, program.layout.unpack(arguments), strict=True))
    packed = other.layout.pack([given.get(field.name, field.default) for field in other.layout.fields])
    try:
        return [aim(other, packed, program.layout.type_id, around)]
    except Refused:
        return [Emitted(other.layout, packed, around.partition)]


@dataclass(frozen=True, slots=True)
class _Sender:
    """Makes packed intents of what one intent emits, numbered on from what the partition has sent."""

    state: PartitionState
    envelope: Envelope
    offset: int

    def send(self, emitted: Sequence[Emitted]) -> list[FollowUp]:
        if not emitted:
            return []
        genesis, cause = self.state.genesis, self.envelope
        metadata = follow_up_metadata(genesis, self.offset, cause.id, cause.metadata)
        sent: Counter[int] = Counter()
        follow_ups: list[FollowUp] = []
        for intent in emitted:
            sent[intent.target] += 1
            number = self.state.sent(intent.target) + sent[intent.target]
            source = follow_up_source(genesis, cause.source, number)
            packed = pack_intent(intent.layout.type_id, intent.arguments, source=source, metadata=metadata)
            follow_ups.append(FollowUp(intent.target, number, packed))
        return follow_ups


def named_pages(
    bundle: Bundle, state: PartitionState, clock: int, value: bytes | None
) -> list[tuple[PageLayout, bytes]]:
    """The pages that a record names, if it gets as far as naming any."""
    return pages_named(surroundings(bundle, state, clock, 0), value)


def pages_named(around: Surroundings, value: bytes | None) -> list[tuple[PageLayout, bytes]]:
    """The same of a record that is not here yet."""
    bundle = around.bundle
    try:
        envelope = read_envelope(value)
        layout = find_layout(bundle, envelope)
        if layout is None:
            return []
        if layout.name in BUILT_IN:
            return open_door(layout, envelope.arguments, around)[0]
        return keys_of(bundle.program_named(layout.name), read_arguments(layout, envelope), around)
    except Refused:
        return []
