"""Events as a projection of accepted blocks: nothing that the TLog does not say, whoever derives it, whenever."""

from collections.abc import Callable, Mapping
from itertools import accumulate

from mmsb.schemas.deltas import DeltaKind, apply_change
from mmsb.schemas.events import HOPS_MAX, Event, EventKind, field_mask
from mmsb.schemas.ids import position_id
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.blocks import Block, DeltaRow
from mmsb.schemas.tlog.genesis import Genesis

BodyBefore = Callable[[int, bytes], "tuple[int, bytes] | None"]
"""From type id and key to the page's epoch and body before the block."""


def events_of(
    block: Block, genesis: Genesis, layouts: Mapping[int, PageLayout], before: BodyBefore, clock: int
) -> list[Event]:
    """The events of an accepted block, in order; `before` and `clock` are the partition's as they were before it."""
    bodies: dict[tuple[int, bytes], bytes | None] = {}
    clocks = _clocks(block, clock)
    events: list[Event] = []
    index, ordinal = -1, 0
    for delta in block.deltas:
        ordinal = ordinal + 1 if delta.index == index else 0
        index = delta.index
        page = (delta.type_id, delta.key)
        if page not in bodies:
            bodies[page] = (before(*page) or (0, None))[1]
        old, layout = bodies[page], layouts[delta.type_id]
        bodies[page] = _after(delta, layout, old)
        events.append(_event(block, genesis, delta, ordinal, clocks[index], layout, old, bodies[page]))
    return events


def _clocks(block: Block, clock: int) -> list[int]:
    """The partition clock at each offset of the block."""
    rises = dict(block.rises)
    return list(accumulate((rises.get(index, 0) for index in range(len(block.outcomes))), max, initial=clock))[1:]


def _after(delta: DeltaRow, layout: PageLayout, old: bytes | None) -> bytes | None:
    if delta.kind == DeltaKind.DELETE:
        return None
    return apply_change(old or bytes(layout.size), DeltaKind(delta.kind), delta.payload)


def _event(
    block: Block,
    genesis: Genesis,
    delta: DeltaRow,
    ordinal: int,
    clock: int,
    layout: PageLayout,
    old: bytes | None,
    new: bytes | None,
) -> Event:
    offset = block.header.first + delta.index
    outcome = block.outcomes[delta.index]
    kind = EventKind.DELETED if new is None else EventKind.CHANGED if delta.base else EventKind.CREATED
    return Event(
        kind=kind,
        partition=genesis.partition,
        offset=offset,
        ordinal=ordinal,
        page_type=delta.type_id,
        key=delta.key,
        epoch=0 if new is None else offset + 1,
        before=delta.base,
        time=clock,
        intent_type=outcome.type_id or 0,
        cause=outcome.id or position_id(genesis.log_id, genesis.partition, offset),
        hops=min(outcome.source.hops if outcome.source else 0, HOPS_MAX),
        mask=field_mask(layout, old, new),
        body=new or b"",
    )
