"""Events: what became of a page, for whoever listens (docs/formats.md, section 12).

An event is made from an applied delta and the page around it, and says nothing that the TLog does not; its partition,
offset and ordinal name it for ever. Here are only its two forms, packed and JSON.
"""

import enum
import json
import struct
from dataclasses import dataclass
from typing import Final, NoReturn

from mmsb.schemas.errors import InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.ids import ID_BYTES, id_text
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.json_values import json_key, json_value
from mmsb.schemas.layouts import Layout, PageLayout
from mmsb.schemas.limits import FIELDS_MAX, KEY_BYTES_MAX, PAGE_BYTES_MAX, PAGES_PER_INTENT_MAX, PARTITIONS_MAX
from mmsb.schemas.types import I64_MAX, U64_MAX


class EventKind(enum.IntEnum):
    """On the wire; the name in lower case is what JSON says."""

    CREATED = 1
    CHANGED = 2
    DELETED = 3


_CREATED: Final = EventKind.CREATED
_DELETED: Final = EventKind.DELETED
_KINDS: Final = {int(kind): kind for kind in EventKind}

# On the wire.
_MAGIC: Final = b"MME"
_VERSION: Final = 1
MAGIC: Final = _MAGIC + bytes([_VERSION])
_HEADER = struct.Struct("<3sBHHIIqQqqqQ16sHHI")
_SIZES_AT: Final = 80
_MASK_BYTES_MAX: Final = FIELDS_MAX // 8
_MASK_BITS: Final = 64
HOPS_MAX: Final = 2**16 - 1  # what the format carries
HEADER_BYTES: Final = _HEADER.size

assert HEADER_BYTES == 88

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Event:
    """One page's change. `epoch` and `body` are those after it, `before` is the epoch before it, 0 for no page."""

    kind: EventKind
    partition: int
    offset: int
    ordinal: int
    page_type: int
    key: bytes
    epoch: int
    before: int
    time: int
    intent_type: int
    cause: bytes
    hops: int
    mask: bytes
    body: bytes

    def __post_init__(self) -> None:
        if not self._fits():
            self._refuse()

    def _fits(self) -> bool:
        """Whether all is well, asked in one go: there are millions of events, and hardly ever a wrong one."""
        kind, offset, mask, body_size = self.kind, self.offset, self.mask, len(self.body)
        return (
            0 <= offset < I64_MAX
            and (self.epoch == offset + 1 if kind != _DELETED else self.epoch == 0)
            and (0 < self.before <= offset if kind != _CREATED else self.before == 0)
            and 0 <= self.hops <= HOPS_MAX
            and 0 <= self.partition < PARTITIONS_MAX
            and 0 <= self.ordinal < PAGES_PER_INTENT_MAX
            and 0 <= self.page_type <= U64_MAX
            and 0 <= self.time <= I64_MAX
            and 0 <= self.intent_type <= U64_MAX
            and len(self.cause) == ID_BYTES
            and 8 <= len(self.key) <= KEY_BYTES_MAX
            and 8 <= len(mask) <= _MASK_BYTES_MAX
            and (8 <= body_size <= PAGE_BYTES_MAX if kind != _DELETED else body_size == 0)
            and (len(self.key) | len(mask) | body_size) % 8 == 0
            and self._has_its_mask()
        )

    def _refuse(self) -> NoReturn:
        """Say what is wrong."""
        for name, value, lowest, highest in self._ranges():
            if not lowest <= value <= highest:
                expected = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
                raise InvalidValue(f"{name} of a {self.kind.name.lower()} event: expected {expected}, found {value}")
        if len(self.cause) != ID_BYTES:
            raise InvalidValue(f"cause: expected an id of {ID_BYTES} bytes, found {len(self.cause)}")
        body_min, body_max = (0, 0) if self.kind == EventKind.DELETED else (8, PAGE_BYTES_MAX)
        _check_size("key", self.key, 8, KEY_BYTES_MAX)
        _check_size("mask", self.mask, 8, _MASK_BYTES_MAX)
        _check_size("body", self.body, body_min, body_max)
        raise InvalidValue(f"mask: expected one of a {self.kind.name.lower()} event, found {self.mask.hex()}")

    def _ranges(self) -> tuple[tuple[str, int, int, int], ...]:
        """Each number with its lowest and highest value; epochs follow from the offsets (section 10)."""
        exists = self.kind != EventKind.DELETED
        existed = self.kind != EventKind.CREATED
        return (
            ("hops", self.hops, 0, HOPS_MAX),
            ("partition", self.partition, 0, PARTITIONS_MAX - 1),
            ("ordinal", self.ordinal, 0, PAGES_PER_INTENT_MAX - 1),
            ("offset", self.offset, 0, I64_MAX - 1),
            ("page type", self.page_type, 0, U64_MAX),
            ("epoch", self.epoch, (self.offset + 1) * exists, (self.offset + 1) * exists),
            ("epoch before", self.before, int(existed), self.offset * existed),
            ("time", self.time, 0, I64_MAX),
            ("intent type", self.intent_type, 0, U64_MAX),
        )

    def _has_its_mask(self) -> bool:
        """Nothing for a deletion, something for a change, and all fields up to the last one for a creation."""
        bits = int.from_bytes(self.mask, "little")
        if self.kind == _CREATED:
            return bits & (bits + 1) == 0 and bits.bit_length() > 8 * len(self.mask) - _MASK_BITS
        return (bits == 0) == (self.kind == _DELETED)

    @property
    def fields(self) -> tuple[int, ...]:
        """The indices of the fields that changed."""
        bits = int.from_bytes(self.mask, "little")
        return tuple(index for index in range(bits.bit_length()) if bits >> index & 1)

    def pack(self) -> bytes:
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            self.kind,
            self.hops,
            self.partition,
            self.ordinal,
            self.offset,
            self.page_type,
            self.epoch,
            self.before,
            self.time,
            self.intent_type,
            self.cause,
            len(self.key) // 8,
            len(self.mask) // 8,
            len(self.body) // 8,
        )
        return header + self.key + self.mask + self.body


def _check_size(name: str, data: bytes, size_min: int, size_max: int) -> None:
    if len(data) % 8 or not size_min <= len(data) <= size_max:
        raise InvalidValue(f"{name}: expected {size_min} to {size_max} bytes in whole words, found {len(data)}")


def field_mask(layout: Layout, before: bytes | None, after: bytes | None) -> bytes:
    """Which fields a change from one body to the other touches; None is no page."""
    changed = (
        1 << index
        for index, field in enumerate(layout.fields)
        if after is not None and (before is None or before[field.offset : field.end] != after[field.offset : field.end])
    )
    return sum(changed).to_bytes(_mask_size(layout), "little")


def _mask_size(layout: Layout) -> int:
    return 8 * -(-len(layout.fields) // _MASK_BITS)


def unpack_event(data: bytes) -> Event:
    """Read one event that is all of `data`."""
    if len(data) < _HEADER.size:
        raise _malformed(f"at least {_HEADER.size} bytes", len(data), len(data))
    magic, version, kind, hops, partition, ordinal, offset, page_type, *rest = _HEADER.unpack_from(data)
    epoch, before, time, intent_type, cause, key_words, mask_words, body_words = rest
    if magic != _MAGIC:
        raise _malformed("MME", magic, 0)
    if version != _VERSION:
        raise NewerFormat(f"event: expected version {_VERSION}, found {version}; use the release that wrote it")
    mask_at = _HEADER.size + 8 * key_words
    body_at = mask_at + 8 * mask_words
    if len(data) != body_at + 8 * body_words:
        raise _malformed(f"{body_at + 8 * body_words} bytes", len(data), _SIZES_AT)
    try:
        return Event(
            _KINDS.get(kind) or EventKind(kind),
            partition,
            offset,
            ordinal,
            page_type,
            data[HEADER_BYTES:mask_at],
            epoch,
            before,
            time,
            intent_type,
            cause,
            hops,
            data[mask_at:body_at],
            data[body_at:],
        )
    except ValueError as error:  # InvalidValue is one, too
        raise _malformed("an event", error, 0) from None


def _malformed(expected: str, found: object, position: int) -> MalformedBytes:
    return MalformedBytes("event", expected, found, position)


def event_json(event: Event, layout: PageLayout, intent_name: str) -> bytes:
    """The event as one JSON object, members in the documented order. `layout` is that of the event's page."""
    _check_fit(event, layout)
    members: dict[str, JsonValue] = {
        "@event": event.kind.name.lower(),
        "@page": layout.name,
        "@key": json_key(layout, event.key),
        "@partition": event.partition,
        "@offset": event.offset,
        "@ordinal": event.ordinal,
        "@epoch": event.epoch,
        "@before": event.before,
        "@time": event.time,
        "@intent": intent_name,
        "@cause": id_text(event.cause),
        "@hops": event.hops,
        "@fields": [layout.fields[index].name for index in event.fields],
    }
    if event.kind != EventKind.DELETED:
        values = zip(layout.fields, layout.unpack(event.body), strict=True)
        members.update((field.name, json_value(field.type, value)) for field, value in values)
    return _ENCODER.encode(members).encode()


def _check_fit(event: Event, layout: PageLayout) -> None:
    """Whether an event from elsewhere is one of this layout. Bounds may have changed since, so they do not count."""
    fits = (
        event.page_type == layout.type_id
        and len(event.key) == layout.key_size
        and layout.key_problem(event.key) is None
        and len(event.mask) == _mask_size(layout)
        and int.from_bytes(event.mask, "little") < 1 << len(layout.fields)
        and len(event.body) == (0 if event.kind == EventKind.DELETED else layout.size)
        and not (event.body and any(layout.value_problem(event.body, index) for index in range(len(layout.fields))))
    )
    if not fits:
        raise InvalidValue(f"expected an event of a page {layout.name}, found other bytes in {event!r}")
