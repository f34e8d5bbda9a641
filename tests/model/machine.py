"""The machine: records in order, judged by formats.md, section 6."""

from dataclasses import dataclass, field
from typing import Any

from tests.model import doors, metadata
from tests.model.batch import Record
from tests.model.bundle import Bundle
from tests.model.compiled import Compiled
from tests.model.constants import (
    APPLIED,
    DUPLICATE,
    FOLLOW_UPS_PER_INTENT_MAX,
    NOOP,
    OUTCOME_BYTES_MAX,
    REJECTED,
    SOURCES_MAX,
    STATUS_NAMES,
    TIME_MS_MAX,
)
from tests.model.deltas import Delta, make_delta
from tests.model.intents import FOLLOW_UP, Envelope, Source, check_page, pack, read_arguments, read_envelope
from tests.model.language import Evaluator, Scratch, check_store
from tests.model.layout import MUTATE_ID, UPSERT_ID, IntentLayout, PageLayout, follow_up_source, position_id
from tests.model.rows import Rejected, Row, rejected
from tests.model.state import State

BUILT_IN = {"mmsb.Mutate": MUTATE_ID, "mmsb.Upsert": UPSERT_ID}


@dataclass(frozen=True)
class FollowUp:
    target: int
    number: int
    value: bytes  # a packed intent


@dataclass
class Outcome:
    """What became of one record."""

    offset: int
    status: int = 0
    row: Row | None = None
    first: int = -1  # of a duplicate by id
    id: bytes | None = None
    source: Source | None = None
    metadata: bytes = b""
    intent_type: int | None = None
    clock: int = 0  # after it
    deltas: list[Delta] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)  # after each delta; None: deleted
    befores: list[bytes] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    reads: list[tuple[int, bytes]] = field(default_factory=list)  # the pages that it asked for

    @property
    def status_name(self) -> str:
        return STATUS_NAMES[self.status]

    @property
    def rejection(self) -> str | None:
        return self.row.name if self.row else None


class Machine:
    """One partition. `step` moves `state` and gives an outcome for each record."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        partition: int = 0,
        partitions: int = 1,
        log_id: bytes = bytes(range(16)),
        window: int = 1_048_576,
        state: State | None = None,
    ) -> None:
        self.compiled = Compiled(bundle)
        self.partition, self.partitions, self.log_id, self.window = partition, partitions, log_id, window
        self.state = state or State()

    def step(self, records: list[Record]) -> list[Outcome]:
        return [self.judge(record) for record in records]

    def digest(self) -> tuple[int, int]:
        return self.state.digest()

    def judge(self, record: Record) -> Outcome:
        state, out = self.state, Outcome(record.offset)
        if 0 <= record.time <= TIME_MS_MAX:
            state.clock = max(state.clock, 1000 * record.time)
        out.clock = state.clock
        try:
            self._judge(record, out)
        except Rejected as rejection:
            out.status, out.row = REJECTED, rejection.row
        for follow_up in out.follow_ups:
            state.sent[follow_up.target] = follow_up.number
        state.forget(record.offset, self.window)
        return out

    def _judge(self, record: Record, out: Outcome) -> None:
        state = self.state
        if record.control:
            out.status = NOOP
            return
        if record.transactional:
            raise rejected("transactional")
        envelope = read_envelope(record.value)
        self.check_source(envelope.source)
        out.id, out.source, out.metadata = envelope.id, envelope.source, envelope.metadata
        out.intent_type = self.known_type(envelope)
        if envelope.source:
            place = (envelope.source.kind, envelope.source.source)
            mark = state.marks.get(place, 0)
            if envelope.source.number <= mark:
                out.status = DUPLICATE
                return
            if envelope.source.kind == FOLLOW_UP and envelope.source.number > mark + 1:
                out.status = NOOP
                return
            state.marks[place] = envelope.source.number
        if envelope.id is not None:
            if envelope.id in state.ids:
                out.status, out.first = DUPLICATE, state.ids[envelope.id]
                return
            state.ids[envelope.id] = record.offset
        if out.intent_type is None:
            if envelope.type_id is None:
                raise rejected("unknown_type", value=envelope.type_name)
            raise rejected("unknown_type", value=envelope.type_id, kind=2)
        if out.intent_type in (MUTATE_ID, UPSERT_ID):
            doors.lower(self, out, envelope)
        else:
            self._lower(out, self.compiled.intents_by_id[out.intent_type], envelope)
        out.status = APPLIED
        for delta, body in zip(out.deltas, out.bodies, strict=True):
            if body is None:
                del state.pages[delta.type_id, delta.key]
            else:
                state.pages[delta.type_id, delta.key] = (record.offset + 1, body)

    def check_source(self, source: Source | None) -> None:
        if source is None:
            return
        if source.kind == FOLLOW_UP:
            partition = int.from_bytes(source.source[:4], "little")
            if source.source[4:] != self.log_id[:12] or partition >= self.partitions:
                raise rejected("foreign_source")
        if (source.kind, source.source) not in self.state.marks and len(self.state.marks) >= SOURCES_MAX:
            raise rejected("too_many_sources", bound=SOURCES_MAX)

    def known_type(self, envelope: Envelope) -> int | None:
        if envelope.type_id is not None:
            known = envelope.type_id in self.compiled.intents_by_id or envelope.type_id in BUILT_IN.values()
            return envelope.type_id if known else None
        layout = self.compiled.intents.get(envelope.type_name)
        return layout.type_id if layout else BUILT_IN.get(envelope.type_name)

    # Rules 7 and 8, for intents with code

    def _lower(self, out: Outcome, layout: IntentLayout, envelope: Envelope) -> None:
        arguments = read_arguments(layout, envelope)
        follow_ups: list[FollowUp] = []
        try:
            self._run(out, layout, arguments, follow_ups)
        except Rejected:
            compensation = layout.intent.on_rejected
            if compensation and envelope.source and envelope.source.kind == FOLLOW_UP:
                out.follow_ups = self._compensate(out, self.compiled.intents[compensation], arguments)
            raise
        out.follow_ups = follow_ups

    def _run(self, out: Outcome, layout: IntentLayout, arguments: dict[str, Any], follow_ups: list[FollowUp]) -> None:
        def emit(name: str, given: list[tuple[str | None, Any]]) -> None:
            self._emit(out, layout.type_id, name, given, follow_ups)

        intent = layout.intent
        evaluator = Evaluator(self.compiled, layout, arguments, self.state.clock, emit)
        query = evaluator.query()
        pages, names = self.scratch(query), {}
        for name, (page_layout, key) in zip(intent.pages, query, strict=True):
            names[name] = pages[page_layout.type_id, key]
        self.check_partitions(query)
        out.reads = list(pages)
        if intent.predicate is not None:
            evaluator.predicate(intent.predicate, names)
        evaluator.delta(intent.delta, names)
        changes = []
        for page in pages.values():
            before = page.before if page.epoch else bytes(page.layout.size)
            if page.deleted:
                after = None
            else:
                after = page.layout.encode(page.values)
                if not page.epoch or after != before:
                    check_page(page.layout, after, page.values, page.ordinal)
            changes.append((page.layout, page.key, page.epoch, before, after))
        self.change(out, layout.type_id, changes, follow_ups)

    def scratch(self, query: list[tuple[PageLayout, bytes]]) -> dict[tuple[int, bytes], Scratch]:
        pages: dict[tuple[int, bytes], Scratch] = {}
        for ordinal, (layout, key) in enumerate(query):
            if (layout.type_id, key) not in pages:
                epoch, body = self.state.pages.get((layout.type_id, key), (0, bytes(layout.size)))
                pages[layout.type_id, key] = Scratch(layout, key, ordinal, epoch, body)
        return pages

    def check_partitions(self, query: list[tuple[PageLayout, bytes]]) -> None:
        for ordinal, (layout, key) in enumerate(query):
            right = layout.partition(key, self.partitions)
            if right != self.partition:
                ordinal = next(i for i, other in enumerate(query) if other == (layout, key))
                raise rejected("wrong_partition", type_id=layout.type_id, ordinal=ordinal, value=right)

    def change(
        self,
        out: Outcome,
        type_id: int,
        changes: list[tuple[PageLayout, bytes, int, bytes, bytes | None]],
        follow_ups: list[FollowUp],
    ) -> None:
        """The deltas of the outcome, from (layout, key, epoch, before, after) of each page."""
        deltas, bodies, befores = [], [], []
        for layout, key, epoch, before, after in changes:
            delta = make_delta(layout, key, epoch, before, after)
            if delta is not None:
                deltas.append(delta)
                bodies.append(after)
                befores.append(before)
        size = sum(24 + len(delta.key) + len(delta.payload) for delta in deltas)
        size += sum(24 + len(follow_up.value) for follow_up in follow_ups)
        if size > OUTCOME_BYTES_MAX:
            raise rejected("too_large", type_id=type_id, value=size, bound=OUTCOME_BYTES_MAX)
        out.deltas, out.bodies, out.befores = deltas, bodies, befores

    # Follow-ups

    def _emit(
        self, out: Outcome, type_id: int, name: str, given: list[tuple[str | None, Any]], follow_ups: list[FollowUp]
    ) -> None:
        other = self.compiled.intents[name]
        values = {f.name: f.default for f in other.fields}
        by_name = {field_name or other.fields[i].name: value for i, (field_name, value) in enumerate(given)}
        for f in other.fields:
            if f.name in by_name:
                check_store(f, by_name[f.name], other.type_id, field=f.index + 1, ordinal=0)
                values[f.name] = by_name[f.name]
        hops = (out.source.hops if out.source else 0) + 1
        if hops > self.compiled.bundle.hops_max:
            raise rejected("hops_exceeded", type_id=type_id, value=hops, bound=self.compiled.bundle.hops_max)
        if len(follow_ups) == FOLLOW_UPS_PER_INTENT_MAX:
            raise rejected("too_many_follow_ups", type_id=type_id, bound=FOLLOW_UPS_PER_INTENT_MAX)
        follow_ups.append(self._follow_up(out, other, values, follow_ups, type_id))

    def _compensate(self, out: Outcome, other: IntentLayout, arguments: dict[str, Any]) -> list[FollowUp]:
        values = {f.name: arguments.get(f.name, f.default) for f in other.fields}
        return [self._follow_up(out, other, values, [], other.type_id, lost=self.partition)]

    def _follow_up(
        self,
        out: Outcome,
        other: IntentLayout,
        values: dict[str, Any],
        before: list[FollowUp],
        type_id: int,
        lost: int | None = None,
    ) -> FollowUp:
        """`lost`: the target if the query is rejected."""
        evaluator = Evaluator(self.compiled, other, values)
        evaluator.type_id = type_id
        try:
            layout, key = evaluator.query()[0]
            target = layout.partition(key, self.partitions)
        except Rejected:
            if lost is None:
                raise
            target = lost
        number = self.state.sent.get(target, 0) + 1 + sum(1 for follow_up in before if follow_up.target == target)
        hops = min((out.source.hops if out.source else 0) + 1, 2**32 - 1)
        source = Source(FOLLOW_UP, follow_up_source(self.partition, self.log_id), number, hops)
        block = follow_up_metadata(out, self.partition, self.log_id)
        return FollowUp(target, number, pack(other.type_id, other.encode(values), source=source, metadata=block))


def cause_of(out: Outcome, partition: int, log_id: bytes) -> bytes:
    return out.id if out.id is not None else position_id(partition, log_id, out.offset)


def follow_up_metadata(out: Outcome, partition: int, log_id: bytes) -> bytes:
    """The cause's metadata, with causation and, if it has none, correlation set to the cause."""
    entries = metadata.decode(out.metadata) if out.metadata else {}
    cause = cause_of(out, partition, log_id)
    entries[metadata.CAUSATION] = cause
    entries.setdefault(metadata.CORRELATION, cause)
    return metadata.encode(entries)
