"""Lowering: an intent and the pages that it names become deltas and follow-ups, or a refusal.

Pure: pages are read through a function and scratch copies are written; what differs afterwards becomes a delta.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mmsb.processors.bundle import Bundle
from mmsb.processors.language.runs import Run, Scratch, check_stored
from mmsb.processors.programs import Program, values_of
from mmsb.schemas.deltas import DeltaKind, change
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.limits import FOLLOW_UPS_PER_INTENT_MAX
from mmsb.schemas.partitions import partition_of
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.types import Array

PageReader = Callable[[int, bytes], tuple[int, bytes] | None]
"""From type id and key to a page's epoch and body; None: no such page."""


@dataclass(frozen=True, slots=True)
class PageChange:
    """A page before and after, and the delta between. `after` is None for a deleted page."""

    layout: PageLayout
    key: bytes
    base: int
    before: bytes | None
    after: bytes | None
    kind: DeltaKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Emitted:
    """A follow-up on its way: which intent, its packed arguments, and the partition that it goes to."""

    layout: IntentLayout
    arguments: bytes
    target: int


@dataclass
class Lowered:
    """What an intent does if it applies."""

    changes: list[PageChange] = field(default_factory=list[PageChange])
    emitted: list[Emitted] = field(default_factory=list[Emitted])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lowering knows beyond the intent: where it runs, when, and how far down a chain of follow-ups."""

    bundle: Bundle
    partition: int
    partition_count: int
    now: int
    hops: int
    read: PageReader


def lower(program: Program, arguments: bytes, around: Surroundings) -> Lowered:
    """Run one intent; raises Refused if it may not happen."""
    lowered = Lowered()
    values = values_of(program.layout, arguments)
    emit = _Emitter(program.layout.type_id, around, lowered.emitted)
    run = Run(program.layout, program.layout.type_id, values, (), around.now, around.bundle.message_numbers, emit)
    named = program.keys(run)
    check_partitions(named, around)
    pages = _load(named, around.read)
    run.pages = [pages[layout.type_id, key].scratch for layout, key in named]
    program.prepare(run)
    if program.predicate and not program.predicate(run):
        raise Refused(Rejection(Code.PREDICATE, program.layout.type_id))
    run.slots.clear()  # the predicate's locals are not the delta's
    program.delta(run)
    lowered.changes = [found for page in pages.values() if (found := page.change())]
    return lowered


def keys_of(program: Program, arguments: bytes, around: Surroundings) -> list[tuple[PageLayout, bytes]]:
    """The pages that an intent names; raises Refused where a key cannot be computed."""
    values = values_of(program.layout, arguments)
    nothing = _Emitter(program.layout.type_id, around, [])
    return program.keys(Run(program.layout, program.layout.type_id, values, (), around.now, {}, nothing))


def check_partitions(named: list[tuple[PageLayout, bytes]], around: Surroundings) -> None:
    """Refuse an intent that names a page of another partition."""
    for ordinal, (layout, key) in enumerate(named):
        right = partition_of(layout.partition_parts(key), around.partition_count)
        if right != around.partition:
            first = next(at for at, (page, found) in enumerate(named) if page is layout and found == key)
            assert first == ordinal, "the first naming would have been refused"
            raise Refused(Rejection(Code.WRONG_PARTITION, layout.type_id, value=right, ordinal=ordinal))


@dataclass
class _Loaded:
    """A page that an intent names: as it is, and as the intent leaves it."""

    scratch: Scratch
    key: bytes
    base: int
    before: bytes | None

    def change(self) -> PageChange | None:
        layout = self.scratch.layout
        if self.scratch.deleted:
            if self.before is None:
                return None
            return PageChange(layout, self.key, self.base, self.before, None, DeltaKind.DELETE, b"")
        after = layout.store(self.scratch.values)
        return page_change(layout, self.key, self.base, self.before, after, self.scratch.ordinal)


def page_change(
    layout: PageLayout, key: bytes, base: int, before: bytes | None, after: bytes, ordinal: int
) -> PageChange | None:
    """The delta to a page's new body, whose values and invariants are checked; None if nothing changes."""
    if after == before:
        return None
    broken = layout.problem(after, Code.INVARIANT)
    if broken:
        raise Refused(replace(broken, ordinal=ordinal))
    kind, payload = change(before or bytes(layout.size), after)
    return PageChange(layout, key, base, before, after, kind, payload)


def _load(named: list[tuple[PageLayout, bytes]], read: PageReader) -> dict[tuple[int, bytes], _Loaded]:
    """One scratch copy for each page, in the order of first naming."""
    loaded: dict[tuple[int, bytes], _Loaded] = {}
    for ordinal, (layout, key) in enumerate(named):
        if (layout.type_id, key) not in loaded:
            found = read(layout.type_id, key)
            base, before = found or (0, None)
            values = values_of(layout, layout.default_body if before is None else before)
            scratch = Scratch(layout, ordinal, values, before is not None)
            loaded[layout.type_id, key] = _Loaded(scratch, key, base, before)
    return loaded


class _Emitter:
    """Collects the follow-ups of one intent."""

    def __init__(self, type_id: int, around: Surroundings, emitted: list[Emitted]) -> None:
        self._type_id = type_id
        self._around = around
        self._emitted = emitted

    def __call__(self, name: str, values: list[Any]) -> None:
        """Store the arguments, check the limits, and find the target (docs/language.md, 7.6)."""
        around = self._around
        target = around.bundle.program_named(name)
        arguments = store_arguments(target.layout, values)
        hops = around.hops + 1
        if hops > around.bundle.hops_max:
            raise Refused(Rejection(Code.HOPS_EXCEEDED, self._type_id, value=hops, bound=around.bundle.hops_max))
        if len(self._emitted) == FOLLOW_UPS_PER_INTENT_MAX:
            raise Refused(Rejection(Code.TOO_MANY_FOLLOW_UPS, self._type_id, bound=FOLLOW_UPS_PER_INTENT_MAX))
        self._emitted.append(aim(target, arguments, self._type_id, around))


def store_arguments(layout: IntentLayout, values: list[Any]) -> bytes:
    """Pack an emitted intent's arguments, field by field."""
    for index, (value, stored) in enumerate(zip(values, layout.fields, strict=True)):
        if not isinstance(stored.type, Array):
            check_stored(value, stored.type, layout.type_id, index + 1, 0)
    return layout.pack(values)


def aim(target: Program, arguments: bytes, cause_type: int, around: Surroundings) -> Emitted:
    """Find the partition of an emitted intent: that of the first page it names."""
    values = values_of(target.layout, arguments)
    run = Run(target.layout, cause_type, values, (), around.now, {}, lambda name, given: None)
    layout, key = target.keys(run)[0]
    return Emitted(target.layout, arguments, partition_of(layout.partition_parts(key), around.partition_count))
