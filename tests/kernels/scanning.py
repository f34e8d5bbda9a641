"""What the compiled scanner makes of JSON intents, and what the exact readers would have it make of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmsb.kernels.flat_json import json_scan
from mmsb.processors.intake import bytes_of, columns_of
from mmsb.processors.json_tables import JsonTables, json_tables
from mmsb.schemas.arguments import json_arguments, packed_arguments
from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import IntentLayout, place
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.records import Record, Records
from mmsb.schemas.rejections import Refused
from mmsb.schemas.types import parse_type

SLOW = json_scan.SLOW
GUARD = 0x77


def layout_of(name: str, *fields: Any) -> IntentLayout:
    """Fields as (name, spelling), and perhaps a default, bounds and an enum's members."""
    full: list[Any] = [(*field, *(None, (), ())[len(field) - 2 :]) for field in fields]
    return IntentLayout(name, place([(f, parse_type(kind, members), d, b) for f, kind, d, b, members in full]))


def scan(tables: JsonTables, records: Records, room: int) -> list[bytes | int]:
    """Each value as it comes out; a size where that is negative. `out` is made anew whenever it is full."""
    buffer, columns = bytes_of(records.buffer), columns_of(records)
    places = np.full((2, len(records)), GUARD, np.int64)
    found: list[bytes | int] = []
    while len(found) < len(records):
        start = len(found)
        size = max(room, tables.room(max(int(records.sizes[start]), 0)))
        out = np.full(size + 16, GUARD, np.uint8)
        done, used = json_scan.transcode(buffer, columns, start, len(records), tables.words, out[:size], 0, places)
        assert start < done
        assert used <= size
        assert (out[size:] == GUARD).all()
        for at, count in places[:, start:done].T.tolist():
            assert at % 8 == 0
            found.append(bytes(out[at : at + count]) if count >= 0 else int(count))
    return found


def transcoded(layouts: Iterable[IntentLayout], values: Sequence[bytes | None], room: int = 0) -> list[bytes | int]:
    """One after another, as they would be in a batch that ends with the last one."""
    return scan(json_tables(layouts), Records.of(0, [Record(None, value) for value in values]), room)


def expected(layouts: Iterable[IntentLayout], text: bytes) -> bytes | None:
    """What the exact readers pack, whatever the bounds; None if they have to look themselves."""
    if not text.startswith(b"{") or len(text) > INTENT_BYTES_MAX:
        return text
    try:
        envelope = read_envelope(text)
        layout = {layout.name: layout for layout in layouts}[envelope.type_name or ""]
        assert isinstance(envelope.arguments, dict)
        free = replace(layout, fields=tuple(replace(field, bounds=()) for field in layout.fields))
        arguments = json_arguments(free, envelope.arguments)
    except (Refused, KeyError):
        return None
    if judged_packed(layout, arguments) != judged(layout, envelope.arguments):
        return None  # a default that breaks its own bounds
    return pack_intent(layout.type_id, arguments, id=envelope.id, source=envelope.source, metadata=envelope.metadata)


def judged(layout: IntentLayout, members: dict[str, Any]) -> object:
    try:
        return json_arguments(layout, members)
    except Refused as refused:
        return refused.rejection


def judged_packed(layout: IntentLayout, arguments: bytes) -> object:
    try:
        return packed_arguments(layout, arguments)
    except Refused as refused:
        return refused.rejection


def check(layouts: Sequence[IntentLayout], texts: Sequence[bytes], room: int = 0) -> list[bool]:
    """Which texts were taken; each that was is what the exact readers pack."""
    taken: list[bool] = []
    for text, found in zip(texts, transcoded(layouts, texts, room), strict=True):
        if found != SLOW:
            assert found == expected(layouts, text), text
        taken.append(found != SLOW)
    return taken
