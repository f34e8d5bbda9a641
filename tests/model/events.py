"""Events, and buckets of pages: formats.md, sections 8 and 12."""

import json
import struct
import uuid
from collections.abc import Iterable
from typing import Any

from tests.model import digest
from tests.model.compiled import Compiled, json_value
from tests.model.layout import PageLayout
from tests.model.machine import BUILT_IN, Outcome, cause_of

CREATED, CHANGED, DELETED = 1, 2, 3
KIND_NAMES = {CREATED: "created", CHANGED: "changed", DELETED: "deleted"}


def changed_fields(layout: PageLayout, base: int, before: bytes, after: bytes | None) -> list[int]:
    if after is None:
        return []
    places = [(f.index, slice(f.offset, f.offset + f.size)) for f in layout.fields]
    return [index for index, place in places if base == 0 or before[place] != after[place]]


def encode_events(compiled: Compiled, out: Outcome, partition: int, log_id: bytes) -> list[bytes]:
    """The events of one applied outcome."""
    events = []
    for ordinal, (delta, before, after) in enumerate(zip(out.deltas, out.befores, out.bodies, strict=True)):
        layout = compiled.pages_by_id[delta.type_id]
        kind = DELETED if after is None else CHANGED if delta.base else CREATED
        mask = sum(1 << i for i in changed_fields(layout, delta.base, before, after))
        mask_words = -(-len(layout.fields) // 64)
        hops = min(out.source.hops, 65535) if out.source else 0
        epoch = 0 if after is None else out.offset + 1
        head = struct.pack("<4sHHIIqQqqqQ", b"MME\x01", kind, hops, partition, ordinal, out.offset, delta.type_id,
                           epoch, delta.base, out.clock, out.intent_type or 0)  # fmt: skip
        head += cause_of(out, partition, log_id)
        head += struct.pack("<HHI", len(delta.key) // 8, mask_words, len(after or b"") // 8)
        events.append(head + delta.key + mask.to_bytes(8 * mask_words, "little") + (after or b""))
    return events


def event_json(compiled: Compiled, event: bytes) -> str:
    magic, kind, hops, partition, ordinal, offset, type_id, epoch, base, time, intent = struct.unpack_from(
        "<4sHHIIqQqqqQ", event
    )
    assert magic == b"MME\x01"
    key_words, mask_words, body_words = struct.unpack_from("<HHI", event, 80)
    key = event[88 : 88 + 8 * key_words]
    at = 88 + 8 * key_words
    mask = int.from_bytes(event[at : at + 8 * mask_words], "little")
    body = event[at + 8 * mask_words :]
    assert len(body) == 8 * body_words
    layout = compiled.pages_by_id[type_id]
    components = [json_value(f, value) for f, value in zip(layout.key_fields, layout.decode_key(key), strict=True)]
    names = {type_id: name for name, type_id in BUILT_IN.items()}
    names |= {type_id: layout.name for type_id, layout in compiled.intents_by_id.items()}
    out: dict[str, Any] = {
        "@event": KIND_NAMES[kind],
        "@page": layout.name,
        "@key": components if len(components) > 1 else components[0],
        "@partition": partition,
        "@offset": offset,
        "@ordinal": ordinal,
        "@epoch": epoch,
        "@before": base,
        "@time": time,
        "@intent": names[intent],
        "@cause": str(uuid.UUID(bytes=event[64:80])),
        "@hops": hops,
        "@fields": [f.name for f in layout.fields if mask >> f.index & 1],
    }
    if kind != DELETED:
        out |= {
            f.name: json_value(f, value) for f, value in zip(layout.fields, layout.decode(body).values(), strict=True)
        }
    return json.dumps(out, ensure_ascii=False, separators=(",", ":"))


def encode_bucket(layout: PageLayout, pages: Iterable[tuple[bytes, int, bytes]]) -> bytes:
    """Section 8: key, epoch and body of each page, in their order."""
    found = list(pages)
    key_words, body_words = len(found[0][0]) // 8, len(found[0][2]) // 8
    head = struct.pack("<4sIQII", b"MMB\x01", key_words, layout.type_id, len(found), body_words)
    content = b"".join(epoch.to_bytes(8, "little") + key + body for key, epoch, body in found)
    return head + digest.row_checksum(head + bytes(8) + content).to_bytes(8, "little") + content


def decode_bucket(data: bytes, type_id: int, key_words: int, body_words: int) -> list[tuple[bytes, int, bytes]]:
    if len(data) < 32 or len(data) % 8:
        raise ValueError("shorter than a bucket's header")
    magic, keys, found, count, bodies, checksum = struct.unpack_from("<4sIQIIQ", data)
    page = 8 + 8 * key_words + 8 * body_words
    if (magic, keys, found, bodies) != (b"MMB\x01", key_words, type_id, body_words):
        raise ValueError("a bucket of something else")
    if count < 1 or len(data) != 32 + count * page or digest.row_checksum(data) != checksum:
        raise ValueError("a bucket's size or checksum")
    pages: list[tuple[bytes, int, bytes]] = []
    for at in range(32, len(data), page):
        epoch, split = int.from_bytes(data[at : at + 8], "little"), at + 8 + 8 * key_words
        if not epoch:
            raise ValueError("a page without an epoch")
        pages.append((data[at + 8 : split], epoch, data[split : at + page]))
    return pages
