"""Records of the output topics: what a consumer finds in them is what the log says, under marks that only rise."""

import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from mmsb.processors.intake import read_batches
from mmsb.processors.outputs import MARK, Output, json_events, json_rejects, packed_events, packed_rejects, read_mark
from mmsb.processors.packed_events import PackedEvents, place_of
from mmsb.processors.packed_rejects import rejects_of_block
from mmsb.processors.projector import Projector
from mmsb.schemas.batches import Record, decode_batch, encode_batch
from mmsb.schemas.events import Event, event_json, unpack_event
from mmsb.schemas.rejects import reject_json, unpack_reject
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.schemas.tlog.claims import Claim
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from mmsb.schemas.upserts import MUTATE, UPSERT
from mmsb.state.page_fold import PageFold
from tests.events.logs import random_tlog

SEEDS = range(25)
TIME_MS = 1_700_000_000_000


class Told:
    """What a log comes to."""

    def __init__(self, seed: int) -> None:
        entries = random_tlog(seed).entries
        self.genesis: Genesis = unpack_genesis(entries[0][1])
        self.pieces: list[PackedEvents] = []
        self.rejects: list[tuple[Any, Claim]] = []
        fold = PageFold(entries[0][1])
        projector = Projector(fold.pages)
        for key, value in entries[1:]:
            if fold.read(fold.next, key, value).settles:
                header, clock = unpack_block_header(value), fold.pages.clock
                assert header is not None
                assert fold.claim is not None
                self.pieces += projector.project(fold.claim, header, value)
                self.rejects.append((rejects_of_block(value, header, self.genesis, clock), fold.claim))


def records_of(output: Output, max_bytes: int) -> list[Record]:
    found: list[Record] = []
    for data in output.batches(TIME_MS, max_bytes):
        assert len(data) <= max_bytes
        records, end = decode_batch(data)
        assert end == len(data)
        assert encode_batch(0, list(records)) == data, "to the byte what the exact encoder writes"
        assert all(record.time == TIME_MS for record in records)
        found += records
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_packed_events_are_the_events_behind_a_place(seed: int) -> None:
    told, rng = Told(seed), Random(seed)
    events = random_tlog(seed).events
    after = rng.choice([-1, *(place_of(event.offset, event.ordinal) for event in events)])
    expected = [event for event in events if place_of(event.offset, event.ordinal) > after]
    records = records_of(packed_events(told.pieces, told.genesis, after), rng.choice((150_000, 1 << 20)))
    assert [unpack_event(record.value or b"") for record in records] == expected
    assert [record.key for record in records] == [e.page_type.to_bytes(8, "little") + e.key for e in expected]
    check_marks(told.genesis, records, [(event.offset, event.ordinal) for event in expected])


@pytest.mark.parametrize("seed", SEEDS)
def test_packed_rejects_are_the_rejects_behind_an_offset(seed: int) -> None:
    told = Told(seed)
    offsets = [int(offset) for rows, _ in told.rejects for offset in rows["offset"]]
    after = Random(seed).choice([-1, *offsets])
    records: list[Record] = []
    for rows, _ in told.rejects:
        records += records_of(packed_rejects(rows, told.genesis, after), 1 << 20)
    rejects = [unpack_reject(record.value or b"") for record in records]
    assert [reject.offset for reject in rejects] == [offset for offset in offsets if offset > after]
    assert [record.key for record in records] == [reject.cause for reject in rejects]
    check_marks(told.genesis, records, [(reject.offset, 0) for reject in rejects])


@pytest.mark.parametrize("seed", SEEDS)
def test_as_json_they_say_the_same(seed: int) -> None:
    told, events = Told(seed), random_tlog(seed).events
    claim = told.rejects[0][1]
    layouts: Any = claim.descriptor.layouts_by_type
    records = records_of(json_events(told.pieces, told.genesis, -1), 1 << 20)
    names = [json.loads(record.value or b"")["@intent"] for record in records]
    assert [record.value for record in records] == [
        event_json(event, layouts[event.page_type], name) for event, name in zip(events, names, strict=True)
    ]
    for event, record, name in zip(events, records, names, strict=True):
        told_event = json.loads(record.value or b"")
        assert json.loads(record.key or b"") == [told_event["@page"], told_event["@key"]]
        assert name == known_name(event, layouts)
    check_marks(told.genesis, records, [(event.offset, event.ordinal) for event in events])
    for rows, block_claim in told.rejects:
        rejects = [unpack_reject(row.tobytes()) for row in rows]
        found = records_of(json_rejects(rows, block_claim, told.genesis, -1), 1 << 20)
        assert [json.loads(record.value or b"")["@offset"] for record in found] == [each.offset for each in rejects]
        for reject, record in zip(rejects, found, strict=True):
            said = json.loads(record.value or b"")
            assert record.value == reject_json(reject, said["@intent"], layouts, claim.descriptor.messages)
            assert (said["@intent"] is None) == (reject.intent_type == 0)


def known_name(event: Event, layouts: Any) -> Any:
    layout = layouts.get(event.intent_type)
    return layout.name if layout else {MUTATE.type_id: MUTATE.name, UPSERT.type_id: UPSERT.name}[event.intent_type]


def check_marks(genesis: Genesis, records: list[Record], places: list[tuple[int, int]]) -> None:
    """They name the places, and bytes rise as these do, however large an offset is."""
    marks = [dict(record.headers)[MARK] or b"" for record in records]
    assert [(int.from_bytes(mark[16:24], "big"), int.from_bytes(mark[24:], "big")) for mark in marks] == places
    assert len({mark[:16] for mark in marks}) <= 1
    assert all(before < after for before, after in pairwise(marks))
    batch = read_batches(encode_batch(0, records)) if records else None
    for index, place in enumerate(places):
        assert batch is not None
        assert read_mark(batch, index, genesis) == place
        assert read_mark(batch, index, Genesis(b"some other log..", "other")) is None
