"""Changes of pages, and events, over the socket; and what is asked for when events are.

Events travel as docs/formats.md, section 12, has them; a change is an event and what the TLog knows beside it.
"""

import struct
from collections.abc import Iterator
from typing import Final

from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.events import Event, EventKind, unpack_event
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.limits import FIELDS_MAX, PAGE_BYTES_MAX, PAGES_PER_INTENT_MAX
from mmsb.schemas.metadata import Metadata, unpack_metadata
from mmsb.schemas.rejections import Refused
from mmsb.schemas.sources import SOURCE_BYTES, unpack_source
from mmsb.schemas.tlog.claims import BUNDLE_BYTES
from mmsb.schemas.types import I64_MAX
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.past.changes import Change, History
from mmsb.streams.serving.bodies import Body, padded
from mmsb.streams.serving.reads import encode_stream, read_credit

_EVENT: Final = struct.Struct("<80xHHI")  # the sizes in an event's head, in words
_CHANGE: Final = struct.Struct(f"<BBHIqqQQqqqqIIHHI{BUNDLE_BYTES}s")
_TRIMMED: Final = struct.Struct("<q")
_WANTED: Final = struct.Struct("<IIqqQ")  # which parts are given, field count, offset, ordinal, page type
_KEY: Final = struct.Struct("<II")

_HAS_INTENT, _HAS_ID, _HAS_SOURCE = 1, 2, 4  # what a change may lack
_AFTER, _PAGE_TYPE, _KEYED, _FIELDS = 1, 2, 4, 8  # what a question for events may lack
_MASK_BYTES_MAX: Final = FIELDS_MAX // 8


def encode_change(change: Change) -> bytes:
    id, source = change.id or b"", b"" if change.source is None else change.source.pack()
    has = _HAS_INTENT * (change.intent_type is not None) | _HAS_ID * bool(id) | _HAS_SOURCE * bool(source)
    metadata = change.metadata.pack()
    fixed = _CHANGE.pack(
        change.kind, has, change.ordinal, change.partition, change.offset, change.tlog, change.page_type,
        change.intent_type or 0, change.epoch, change.before, change.time, change.generation, len(metadata),
        len(change.body), len(change.key), len(change.mask), 0, change.bundle,
    )  # fmt: skip
    return b"".join((fixed, change.key, change.mask, change.body, id, source, metadata))


def encode_history(history: History[Change]) -> Iterator[bytes]:
    """What may be missing, then each change."""
    yield _TRIMMED.pack(history.trimmed or 0)
    yield from map(encode_change, history)


def decode_history(body: bytes) -> History[Change]:
    """All parts of an answer, joined."""
    reader = Body("history", body)
    (trimmed,) = reader.fixed(_TRIMMED)
    reader.check(trimmed >= 0, "an intent offset, or 0 for none", trimmed)
    return History(decode_changes(body[_TRIMMED.size :]), trimmed or None)


def decode_changes(body: bytes) -> list[Change]:
    reader = Body("changes", body)
    changes: list[Change] = []
    while not reader.ended:
        changes.append(_read_change(reader))
    return changes


def _read_change(reader: Body) -> Change:
    (
        kind, has, ordinal, partition, offset, tlog, page_type, intent_type, epoch, before, time, generation,
        metadata_size, body_size, key_size, mask_size, zero, bundle,
    ) = reader.fixed(_CHANGE)  # fmt: skip
    reader.check(kind in list(EventKind) and has < 2 * _HAS_SOURCE, "a known kind and parts", f"{kind}, {has}")
    reader.check(min(offset, tlog, epoch, before, time, generation) >= 0, "no number below 0", "others")
    reader.check(ordinal < PAGES_PER_INTENT_MAX and not zero, "an ordinal, and zero", f"{ordinal}, {zero}")
    sizes = mask_size % 8 == body_size % 8 == metadata_size % 8 == 0
    within = mask_size <= _MASK_BYTES_MAX and body_size <= PAGE_BYTES_MAX
    reader.check(sizes and within, "sizes in words, within limits", f"{mask_size}, {body_size}, {metadata_size}")
    reader.check(bool(has & _HAS_INTENT) or not intent_type, "an intent's type, or zero", intent_type)
    key, mask, body = reader.key(key_size), reader.take(mask_size), reader.take(body_size)
    id = reader.take(ID_BYTES) if has & _HAS_ID else None
    source = unpack_source(reader.take(SOURCE_BYTES)) if has & _HAS_SOURCE else None
    return Change(
        kind=EventKind(kind), partition=partition, offset=offset, ordinal=ordinal, page_type=page_type, key=key,
        epoch=epoch, before=before, time=time, intent_type=intent_type if has & _HAS_INTENT else None, id=id,
        source=source, metadata=_metadata(reader.take(metadata_size)), mask=mask, body=body, tlog=tlog,
        generation=generation, bundle=bundle,
    )  # fmt: skip


def _metadata(data: bytes) -> Metadata:
    try:
        return unpack_metadata(data) if data else Metadata()
    except Refused:
        raise MalformedBytes("changes", "metadata", data[:16].hex(), 0) from None


def encode_events_wanted(partition: int, credit: int, after: Position | None, wanted: EventFilter) -> bytes:
    key, fields = wanted.key or b"", wanted.fields or ()
    if any(not 0 <= field < FIELDS_MAX for field in fields) or len(fields) > FIELDS_MAX:
        raise InvalidValue(f"fields: expected indices from 0 to {FIELDS_MAX - 1}, found {fields}")
    has = _AFTER * (after is not None) | _PAGE_TYPE * (wanted.page_type is not None)
    has |= _KEYED * (wanted.key is not None) | _FIELDS * (wanted.fields is not None)
    offset, ordinal = (0, 0) if after is None else (after.offset, after.ordinal)
    fixed = _WANTED.pack(has, len(fields), offset, ordinal, wanted.page_type or 0)
    indices = padded(struct.pack(f"<{len(fields)}H", *fields))
    return b"".join((encode_stream(partition, credit), fixed, _KEY.pack(len(key), 0), key, indices))


def decode_events_wanted(body: bytes) -> tuple[int, int, Position | None, EventFilter]:
    """Partition, credit, position, filter."""
    reader = Body("events wanted", body)
    partition, credit = read_credit(reader)
    has, count, offset, ordinal, page_type = reader.fixed(_WANTED)
    key_size, zero = reader.fixed(_KEY)
    reader.check(has < 2 * _FIELDS and not zero and count <= FIELDS_MAX, "known parts, and zero", f"{has}, {zero}")
    placed = -1 <= offset <= I64_MAX - 1 and 0 <= ordinal <= I64_MAX if has & _AFTER else not offset and not ordinal
    reader.check(placed, "a position, or zeros", f"{offset}, {ordinal}")
    given = bool(has & _PAGE_TYPE) or not page_type, bool(has & _FIELDS) or not count
    keyed = bool(has & _KEYED) == bool(key_size)
    reader.check(all(given) and keyed, "zero for what is not there", f"{page_type}, {key_size}, {count}")
    key = reader.key(key_size) if key_size else None
    fields = struct.unpack(f"<{count}H", reader.take(2 * count))
    reader.end()
    reader.check(max(fields, default=0) < FIELDS_MAX, f"fields below {FIELDS_MAX}", max(fields, default=0))
    wanted = EventFilter(page_type if has & _PAGE_TYPE else None, key, fields if has & _FIELDS else None)
    return partition, credit, Position(offset, ordinal) if has & _AFTER else None, wanted


def decode_events(body: bytes) -> list[Event]:
    """Packed events, one after another."""
    events: list[Event] = []
    at = 0
    while at < len(body):
        if len(body) - at < _EVENT.size:
            raise MalformedBytes("events", f"{_EVENT.size} bytes more", len(body) - at, at)
        key_words, mask_words, body_words = _EVENT.unpack_from(body, at)
        end = at + _EVENT.size + 8 * (key_words + mask_words + body_words)
        events.append(unpack_event(body[at:end]))
        at = end
    return events
