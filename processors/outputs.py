"""Records of the events and rejects topics: packed, from columns; or JSON, which is for people and takes its time.

docs/formats.md, section 23. Each record has a mark, by which a consumer knows what it has seen: 16 bytes that name the
partition's log, then the place in it, in an order that comparing bytes shows.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels import record_writer as writer
from mmsb.processors.batching import BATCH_HEADER_BYTES, MESSAGE_BYTES, seal
from mmsb.processors.intake import bytes_of
from mmsb.processors.packed_events import PackedEvents
from mmsb.processors.packed_rejects import PackedRejects
from mmsb.schemas.events import HEADER_BYTES, Event, event_json
from mmsb.schemas.ids import ID_BYTES, id_text, source_of_follow_up
from mmsb.schemas.json_values import json_key
from mmsb.schemas.layouts import Layout, PageLayout
from mmsb.schemas.records import Records, encode_headers
from mmsb.schemas.rejects import REJECT_BYTES, reject_json, unpack_reject
from mmsb.schemas.tlog.claims import Claim
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.upserts import MUTATE, UPSERT

MARK: Final = "mmsb"
"""The name of the header."""

_MARK: Final = np.dtype([("source", f"V{ID_BYTES}"), ("offset", ">i8"), ("ordinal", ">u4")])
MARK_BYTES: Final = _MARK.itemsize

_HEADER: Final = bytes_of(encode_headers(((MARK, bytes(MARK_BYTES)),))[:-MARK_BYTES])
_PAGE_TYPE_AT: Final = 24  # in an event
_CAUSE_AT: Final = 32  # in a reject
_BUILT_IN: Final = {layout.type_id: layout.name for layout in (MUTATE, UPSERT)}

assert MARK_BYTES == 28


class Place(NamedTuple):
    """Where in its partition's log an event or reject comes from; a reject's ordinal is 0."""

    offset: int
    ordinal: int


@dataclass(frozen=True, eq=False)
class Output:
    """Records that are to be appended, over one buffer."""

    columns: NDArray[np.int64]
    buffer: NDArray[np.uint8]
    marks: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.marks) // MARK_BYTES

    def batches(self, time_ms: int, max_bytes: int = MESSAGE_BYTES) -> Iterator[bytes]:
        """As few as `max_bytes` allows; a broker sets their base offsets."""
        room, first = np.empty(max_bytes, np.uint8), 0
        while first < len(self):
            count, end = writer.write_records(
                room, BATCH_HEADER_BYTES, self.columns, first, self.buffer, _HEADER, self.marks, MARK_BYTES
            )
            assert count, "the largest event fits"
            batch: Any = room[:end].copy()
            seal(memoryview(batch), 0, count, time_ms)
            yield batch.tobytes()
            first += count


def _output(columns: Any, buffer: Any, genesis: Genesis, offsets: Any, ordinals: Any) -> Output:
    marks = np.empty(len(offsets), _MARK)
    marks["source"] = np.void(source_of_follow_up(genesis.log_id, genesis.partition))
    marks["offset"], marks["ordinal"] = offsets, ordinals
    return Output(columns, bytes_of(buffer), bytes_of(marks.tobytes()))


def read_mark(records: Records, index: int, genesis: Genesis) -> Place | None:
    """The place of a record of this partition's log; None if it is another's."""
    source = source_of_follow_up(genesis.log_id, genesis.partition)
    for name, value in records.headers(index):
        if name == MARK and value is not None and len(value) == MARK_BYTES and value[:ID_BYTES] == source:
            return Place(int.from_bytes(value[16:24], "big"), int.from_bytes(value[24:], "big"))
    return None


# Packed


def packed_events(pieces: Sequence[PackedEvents], genesis: Genesis, after: int) -> Output:
    """The events behind a place (mmsb.processors.packed_events.place_of)."""
    words = np.concatenate([piece.words for piece in pieces]) if len(pieces) > 1 else pieces[0].words
    shifts = np.cumsum([0, *(len(piece.words) for piece in pieces)])
    starts = np.concatenate([piece.starts[:-1] + shift for piece, shift in zip(pieces, shifts, strict=False)])
    all_of_them = PackedEvents(words, np.append(starts, len(words)))
    first = int(np.searchsorted(all_of_them.places, after, side="right"))
    at = 8 * all_of_them.starts[first:]
    columns = np.empty((writer.ROWS, len(at) - 1), np.int64)
    columns[writer.VALUE_AT], columns[writer.VALUE_SIZE] = at[:-1], np.diff(at)
    columns[writer.KEY_AT], columns[writer.KEY_SIZE] = at[:-1] + HEADER_BYTES, all_of_them.key_bytes[first:]
    columns[writer.PREFIX_AT] = at[:-1] + _PAGE_TYPE_AT
    marks = all_of_them.offsets[first:], all_of_them.ordinals[first:]
    content: Any = words
    return _output(columns, memoryview(content).cast("B"), genesis, *marks)


def packed_rejects(rejects: PackedRejects, genesis: Genesis, after: int) -> Output:
    """The rejects behind an offset."""
    some = rejects[np.searchsorted(rejects["offset"], after, side="right") :]
    at = REJECT_BYTES * np.arange(len(some))
    columns = np.empty((writer.ROWS, len(some)), np.int64)
    columns[writer.VALUE_AT], columns[writer.VALUE_SIZE] = at, REJECT_BYTES
    columns[writer.KEY_AT], columns[writer.KEY_SIZE] = at + _CAUSE_AT, ID_BYTES
    columns[writer.PREFIX_AT] = writer.NO_PREFIX
    return _output(columns, some.tobytes(), genesis, some["offset"], 0)


# JSON


@dataclass
class _Texts:
    """Keys and values while they grow."""

    buffer: bytearray
    columns: list[tuple[int, int, int, int, int]]
    places: list[Place]

    def add(self, key: bytes, value: bytes, place: Place) -> None:
        at = len(self.buffer)
        self.buffer += key + value
        self.columns.append((at + len(key), len(value), at, len(key), writer.NO_PREFIX))
        self.places.append(place)

    def output(self, genesis: Genesis) -> Output:
        columns = np.array(self.columns, np.int64).reshape(-1, writer.ROWS).T.copy()
        offsets, ordinals = np.array(self.places, np.int64).reshape(-1, 2).T
        return _output(columns, bytes(self.buffer), genesis, offsets, ordinals)


def json_events(pieces: Sequence[PackedEvents], genesis: Genesis, after: int) -> Output:
    texts = _Texts(bytearray(), [], [])
    for piece in pieces:
        assert piece.claim is not None, "a block that counts was written under a claim"
        layouts = piece.claim.descriptor.layouts_by_type
        for event in piece.events(piece.find(after).tolist()):
            texts.add(*_event_texts(event, layouts), Place(event.offset, event.ordinal))
    return texts.output(genesis)


def _event_texts(event: Event, layouts: Mapping[int, Layout]) -> tuple[bytes, bytes]:
    layout = layouts[event.page_type]
    assert isinstance(layout, PageLayout), "an event is of a page"
    key = json.dumps([layout.name, json_key(layout, event.key)], ensure_ascii=False, separators=(",", ":"))
    name = intent_name(event.intent_type, layouts)
    assert name is not None, "what was applied was known"
    return key.encode(), event_json(event, layout, name)


def json_rejects(rejects: PackedRejects, claim: Claim, genesis: Genesis, after: int) -> Output:
    texts = _Texts(bytearray(), [], [])
    layouts, messages = claim.descriptor.layouts_by_type, claim.descriptor.messages
    for row in rejects[np.searchsorted(rejects["offset"], after, side="right") :]:
        reject = unpack_reject(row.tobytes())
        name = intent_name(reject.intent_type, layouts)
        texts.add(id_text(reject.cause).encode(), reject_json(reject, name, layouts, messages), Place(reject.offset, 0))
    return texts.output(genesis)


def intent_name(type_id: int, layouts: Mapping[int, Layout]) -> str | None:
    """None where it was not even known what was asked for."""
    layout = layouts.get(type_id)
    return layout.name if layout is not None else _BUILT_IN.get(type_id)
