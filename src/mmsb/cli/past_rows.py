"""Changes and log entries as commands show them: JSON with stable names, and rows for people."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mmsb.cli.values import fields_json, shown
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.envelopes import HEADER
from mmsb.schemas.ids import id_text
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.json_values import json_key
from mmsb.schemas.layouts import Layout, PageLayout
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.sentences import repeats, sentence
from mmsb.schemas.sources import Source
from mmsb.schemas.upserts import MUTATE, UPSERT
from mmsb.streams.past.changes import Change
from mmsb.streams.past.entries import Entry

BUILT_IN: dict[int, Layout] = {layout.type_id: layout for layout in (MUTATE, UPSERT)}


def time_text(microseconds: int) -> str:
    """UTC, as ISO 8601 writes it."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + (
        f".{microseconds % 1_000_000 // 1000:03}Z"
    )


def type_name(layouts: Mapping[int, Layout], type_id: int | None) -> str | None:
    if type_id is None:
        return None
    known = layouts.get(type_id) or BUILT_IN.get(type_id)
    return known.name if known else f"{type_id:016x}"


def intent_type(intent: bytes) -> int:
    """The type id of a packed intent."""
    type_id: int = HEADER.unpack_from(intent)[-1]
    return type_id


def id_json(id: bytes | None) -> str | None:
    return None if id is None else id_text(id)


def about_json(id: bytes | None, source: Source | None, metadata: Metadata) -> dict[str, Any]:
    """Who asked, and why."""
    return {
        "id": id_json(id),
        "actor": metadata.actor,
        "reason": metadata.reason,
        "correlation": id_json(metadata.correlation),
        "causation": id_json(metadata.causation),
        "trace": metadata.trace,
        "source": None if source is None else source.source.hex(),
        "number": None if source is None else source.number,
    }


def changed_fields(layout: Layout, mask: bytes) -> list[str]:
    bits = int.from_bytes(mask, "little")
    return [field.name for index, field in enumerate(layout.fields) if bits >> index & 1]


def change_json(layout: PageLayout, layouts: Mapping[int, Layout], change: Change) -> dict[str, Any]:
    return {
        "page": layout.name,
        "key": json_key(layout, change.key),
        "kind": change.kind.name.lower(),
        "partition": change.partition,
        "offset": change.offset,
        "epoch": change.epoch,
        "before": change.before,
        "time": time_text(change.time),
        "intent": type_name(layouts, change.intent_type),
        **about_json(change.id, change.source, change.metadata),
        "changed": changed_fields(layout, change.mask),
        "fields": fields_json(layout, change.body) if change.body else None,
        "tlog": change.tlog,
        "generation": change.generation,
        "bundle": change.bundle.hex(),
    }


CHANGE_HEAD = ("offset", "time", "what", "intent", "actor", "reason", "fields")


def change_row(found: Mapping[str, Any]) -> tuple[object, ...]:
    """A row for people: the fields that changed, with what they became."""
    fields: dict[str, Any] = found["fields"] or {}
    what = " ".join(f"{name}={shown(fields[name])}" for name in found["changed"] if name in fields)
    return (
        found["offset"], found["time"], found["kind"], found["intent"], found["actor"], found["reason"], what,
    )  # fmt: skip


def entry_json(descriptor: Descriptor, entry: Entry) -> dict[str, Any]:
    layouts, messages = descriptor.layouts_by_type, descriptor.messages
    rejection = entry.rejection
    return {
        "partition": entry.partition,
        "offset": entry.offset,
        "status": str(entry.status),
        "time": time_text(entry.time),
        "intent": type_name(layouts, entry.intent_type),
        **about_json(entry.id, entry.source, entry.metadata),
        "first_offset": entry.first_offset,
        "rejection": None if rejection is None else rejection.code.name.lower(),
        "why": None if rejection is None else sentence(rejection, layouts, messages),
        "pages": [
            {"page": type_name(layouts, page[0]), "key": _key_json(layouts, *page), "kind": kind, "before": before}
            for page, kind, before in ((each.page, each.kind.name.lower(), each.before) for each in entry.pages)
        ],
        "follow_ups": [type_name(layouts, intent_type(each.intent)) for each in entry.follow_ups],
        "tlog": entry.tlog,
        "generation": entry.generation,
        "bundle": entry.bundle.hex(),
    }


def _key_json(layouts: Mapping[int, Layout], type_id: int, key: bytes) -> Any:
    layout = layouts.get(type_id)
    return json_key(layout, key) if isinstance(layout, PageLayout) else key.hex()


ENTRY_HEAD = ("offset", "time", "status", "intent", "actor", "reason", "what")


def entry_row(found: Mapping[str, Any]) -> tuple[object, ...]:
    what = found["why"] or repeats(found["first_offset"]) or shown_pages(found)
    return (
        found["offset"], found["time"], found["status"], found["intent"], found["actor"], found["reason"], what,
    )  # fmt: skip


def shown_pages(found: Mapping[str, Any]) -> str:
    """Which pages an intent changed, and what it emitted."""
    pages = " ".join(f"{page['page']}[{_inside(page['key'])}]" for page in found["pages"])
    return pages + "".join(f" → {name}" for name in found["follow_ups"])


def _inside(key: JsonValue) -> str:
    return ",".join(map(shown, key)) if isinstance(key, list) else shown(key)
