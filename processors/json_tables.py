"""What the compiled scanner of JSON intents has to know of a bundle, as one array (mmsb.kernels.flat_json.json_table).

A default that breaks its own bounds is not put in by the scanner: JSON intents may leave the field out, and get what no
packed intent may have.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.flat_json import json_table as table
from mmsb.kernels.flat_json.json_envelope import BODY, METADATA_MAX
from mmsb.schemas.layouts import Field, IntentLayout
from mmsb.schemas.limits import ACTOR_BYTES_MAX, ID_TEXT_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from mmsb.schemas.metadata import VERSION
from mmsb.schemas.types import I64_MAX, Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text, padded

Words = NDArray[np.uint64]

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # what no text writes in two ways but by an escape
_SLACK: Final = 16  # what is written behind an intent, and then written over

Row = dict[Any, int]
"""What a member's row says, by the number of the word."""


def _envelope_rows() -> dict[str, Row]:
    identity = {table.KIND: table.IDENTITY, table.HIGH: ID_TEXT_BYTES_MAX, table.LOW: 1}

    def note(size_max: int) -> Row:
        return {table.KIND: table.NOTE, table.HIGH: size_max, table.LOW: 1}

    def positive(maximum: int) -> Row:
        return {table.KIND: table.POSITIVE, table.HIGH: maximum}

    def member(kind: Row, offset: Any, part: int) -> Row:
        return {**kind, table.OFFSET: int(offset), table.PART: part}

    return {
        "@type": {table.KIND: table.TYPE, table.NEEDED: 1},
        "@version": member(positive(VERSION), table.VERSION, 0),
        "@id": member(identity, table.ID, table.HAS_ID),
        "@actor": member(note(ACTOR_BYTES_MAX), table.ACTOR, table.HAS_ACTOR),
        "@reason": member(note(REASON_BYTES_MAX), table.REASON, table.HAS_REASON),
        "@correlation": member(identity, table.CORRELATION, table.HAS_CORRELATION),
        "@causation": member(identity, table.CAUSATION, table.HAS_CAUSATION),
        "@trace": member(note(TRACE_BYTES_MAX), table.TRACE, table.HAS_TRACE),
        "@source": member(identity, table.SOURCE, table.HAS_SOURCE),
        "@number": member(positive(I64_MAX), table.NUMBER, table.HAS_NUMBER),
    }


@dataclass(frozen=True)
class JsonTables:
    """The scanner writes in it, so every thread that scans has one of its own."""

    words: Words

    def room(self, size: int) -> int:
        """How much room the next record needs whose value has so many bytes; less may do."""
        return max(int(self.words[table.ROOM]), padded(size) + 8)


def json_tables(layouts: Iterable[IntentLayout]) -> JsonTables:
    """Tables of intents that a bundle declares, in any order."""
    return _Builder().build([layout for layout in layouts if _is_plain(layout)])


def _is_plain(layout: IntentLayout) -> bool:
    return all(_PLAIN.fullmatch(name) for name in (layout.name, *layout.index_of))


class _Builder:
    """Grows the array; positions are those of words."""

    def __init__(self) -> None:
        self._words: list[int] = [0] * table.HEAD_WORDS

    def build(self, layouts: Sequence[IntentLayout]) -> JsonTables:
        places = {layout.name: self._add_layout(layout) for layout in layouts}
        self._words[table.GUESS] = next(iter(places.values())) if places else self._add_nothing()
        for guess in range(int(table.GUESSES), int(table.WORK)):
            self._words[guess] = self._words[table.GUESS]
        self._words[table.TYPES] = self._add_names(places)
        size_max = max((layout.size for layout in layouts), default=0)
        self._words[table.ROOM] = BODY + size_max + METADATA_MAX + _SLACK
        return JsonTables(np.array(self._words, np.uint64))

    def _add_layout(self, layout: IntentLayout) -> int:
        rows = _envelope_rows() | {field.name: self._field_row(field) for field in layout.fields}
        defaults = self._add_bytes(_default_body(layout))
        at = self._add_rows(layout.name, rows)
        places = {name: at + table.MEMBERS_AT + table.ROW_WORDS * index for index, name in enumerate(rows)}
        self._put(
            at,
            {
                table.TYPE_ID: layout.type_id,
                table.ARGUMENT_WORDS: layout.size // 8,
                table.NEEDED_COUNT: sum(row.get(table.NEEDED, 0) for row in rows.values()),
                table.DEFAULTS: defaults,
                table.NAMES: self._add_names(places),
            },
        )
        return at

    def _add_nothing(self) -> int:
        """What stands for a type where there is none: its name is nobody's, and it needs what no object has."""
        at = self._add_rows("", _envelope_rows())
        self._put(at, {table.NEEDED_COUNT: 2, table.NAMES: self._add_names({})})
        return at

    def _add_rows(self, name: str, rows: dict[str, Row]) -> int:
        """A type's place with a row for its name and for each member; each is expected where it is declared."""
        order = [*rows][len(_envelope_rows()) :] or ["@type"]
        patterns = [f'"{name}"', *(f'"{member}":' for member in rows)]
        texts = [self._add_bytes(pattern.encode()) for pattern in patterns]
        at = self._allot(int(table.NAME_ROW) + table.ROW_WORDS * len(patterns))
        first = at + table.MEMBERS_AT
        after = {member: first + table.ROW_WORDS * index for index, member in enumerate(rows)}
        for index, (pattern, text) in enumerate(zip(patterns, texts, strict=True)):
            self._put(at + int(table.NAME_ROW) + table.ROW_WORDS * index, _pattern_row(pattern.encode(), text))
        followers = dict(zip(["@type", *order], [*order, "@type"], strict=True))
        self._put(at + int(table.NAME_ROW), {table.NEXT: first})
        for member, row in rows.items():
            self._put(after[member], {**row, table.NEXT: after[followers.get(member, order[0])]})
        return at

    def _field_row(self, field: Field) -> Row:
        kind = field.type
        element = kind.element if isinstance(kind, Array) else kind
        row: Row = {table.OFFSET: field.offset, table.SIZE: element.size, table.NEEDED: int(_is_needed(field))}
        row[table.KIND] = _kind_of(kind)
        if isinstance(element, Integer):
            row |= {table.HIGH: element.maximum, table.LOW: -element.minimum}
        if isinstance(kind, Array):
            row[table.COUNT] = kind.count
        if isinstance(kind, Text):
            row[table.HIGH] = kind.size
        if isinstance(kind, Enumeration):
            row[table.COUNT] = self._add_names(dict(kind.members))
        return row

    def _add_names(self, values: dict[str, int]) -> int:
        """A dictionary that is at most half full."""
        slots = 1 << (2 * len(values)).bit_length()
        entries = [(name.encode(), value, self._add_bytes(name.encode())) for name, value in values.items()]
        at = self._allot(1 + table.ENTRY_WORDS * slots)
        self._words[at] = slots - 1
        for name, value, text in entries:
            first, last = _ends(name)
            slot = table.slot_of(first, last, len(name)) & (slots - 1)
            while self._words[at + 1 + table.ENTRY_WORDS * slot]:
                slot = (slot + 1) & (slots - 1)
            self._put(
                at + 1 + table.ENTRY_WORDS * slot,
                {
                    table.ENTRY_SIZE: len(name) + 1,
                    table.ENTRY_FIRST: first,
                    table.ENTRY_LAST: last,
                    table.ENTRY_AT: text,
                    table.ENTRY_VALUE: value,
                },
            )
        return at

    def _allot(self, count: int) -> int:
        """Room for so many words, from a multiple of a row's on: rows lie in as few cache lines as they can."""
        at = padded(len(self._words), table.ROW_WORDS)
        self._words += [0] * (at + count - len(self._words))
        return at

    def _add_bytes(self, data: bytes) -> int:
        """Bytes at the array's end, and zeros to the next word."""
        size = padded(len(data)) // 8
        at = self._allot(size)
        self._words[at : at + size] = np.frombuffer(data.ljust(8 * size, b"\0"), np.uint64).tolist()
        return at

    def _put(self, at: int, values: Row) -> None:
        for word, value in values.items():
            self._words[at + int(word)] = value


def _ends(data: bytes) -> tuple[int, int]:
    """The first and the last eight bytes as words; twice all of it, and zeros, if it is shorter."""
    return int.from_bytes(data[:8], "little"), int.from_bytes(data[-8:], "little")


def _pattern_row(pattern: bytes, at: int) -> Row:
    first, last = _ends(pattern)
    return {
        table.FIRST: first,
        table.LAST: last,
        table.MASK: 2 ** (8 * min(len(pattern), 8)) - 1,
        table.LAST_AT: max(len(pattern) - 8, 0),
        table.PATTERN_SIZE: len(pattern),
        table.PATTERN_AT: at,
    }


def _kind_of(kind: FieldType) -> int:
    if isinstance(kind, Array):
        return table.INTEGERS if isinstance(kind.element, Integer) else table.FLOATS
    kinds = {
        Integer: table.INTEGER,
        Float: table.FLOAT,
        Boolean: table.BOOLEAN,
        Enumeration: table.ENUMERATION,
        Text: table.TEXT,
        Blob: table.BLOB,
    }
    return kinds[type(kind)]


def _is_needed(field: Field) -> bool:
    """Whether an object that leaves the field out is not the scanner's."""
    return field.default is None or field.broken_bound(field.default) is not None


def _default_body(layout: IntentLayout) -> bytes:
    body = bytearray(layout.size)
    for field in layout.fields:
        if field.default is not None:
            body[field.offset : field.end] = field.type.pack(field.default)
    return bytes(body)
