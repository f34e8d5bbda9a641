"""One intent's content, and its two forms on the wire: packed and JSON."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.generator import values
from tests.model import metadata
from tests.model.bundle import Field
from tests.model.compiled import json_value
from tests.model.intents import OUTSIDE, Source, pack
from tests.model.layout import IntentLayout, blake3_16, id_of_text


@dataclass
class Content:
    """An envelope as texts. Sources of follow-ups exist packed only."""

    id: str | None = None
    actor: str | None = None
    reason: str | None = None
    correlation: str | None = None
    causation: str | None = None
    trace: str | None = None
    source: str | None = None
    number: int = 0
    follow_up: Source | None = None

    def metadata(self) -> bytes:
        entries: metadata.Entries = {}
        for tag, text in ((metadata.ACTOR, self.actor), (metadata.REASON, self.reason), (metadata.TRACE, self.trace)):
            if text is not None:
                entries[tag] = text.encode()
        for tag, text in ((metadata.CORRELATION, self.correlation), (metadata.CAUSATION, self.causation)):
            if text is not None:
                entries[tag] = id_of_text(text)
        return metadata.encode(entries)

    def packed(self, type_id: int, arguments: bytes) -> bytes:
        source = self.follow_up
        if self.source is not None:
            source = Source(OUTSIDE, blake3_16(self.source.encode()), self.number)
        id16 = None if self.id is None else id_of_text(self.id)
        return pack(type_id, arguments, id=id16, source=source, metadata=self.metadata())

    def members(self, type_name: str) -> dict[str, Any]:
        out: dict[str, Any] = {"@type": type_name}
        for name in ("id", "actor", "reason", "correlation", "causation", "trace", "source"):
            if getattr(self, name) is not None:
                out["@" + name] = getattr(self, name)
        if self.source is not None:
            out["@number"] = self.number
        return out


def packed_arguments(layout: IntentLayout, arguments: dict[str, Any]) -> bytes:
    return layout.encode(arguments)


def json_arguments(rng: Random, layout: IntentLayout, arguments: dict[str, Any]) -> dict[str, Any]:
    """Fields at their default are sometimes left out; whole floats sometimes written as integers."""
    out: dict[str, Any] = {}
    for f in layout.fields:
        value = arguments[f.name]
        if not f.required and f.encode(value) == f.encode(f.default) and rng.random() < 0.5:
            continue
        out[f.name] = json_form(rng, json_value(f, value), f.base)
    return out


def json_form(rng: Random, value: Any, base: str) -> Any:
    if isinstance(value, list):
        return [json_form(rng, element, base) for element in value]
    if base == "f64" and value.is_integer() and 0 < abs(value) < 2**53 and rng.random() < 0.3:
        return int(value)
    if base == "blob" and rng.random() < 0.3:
        return value.upper()
    return value


def json_text(rng: Random, members: dict[str, Any]) -> bytes:
    items = list(members.items())
    if rng.random() < 0.4:
        rng.shuffle(items)
    style = rng.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")])
    text = json.dumps(dict(items), ensure_ascii=rng.random() < 0.5, separators=style)
    return text.encode() + rng.choice([b"", b"", b" \n"])


def random_arguments(rng: Random, fields: tuple[Field, ...], *, obey: bool = True) -> dict[str, Any]:
    """By field name; within the bounds if `obey`."""
    use_default = rng.random() < 0.3
    return {
        f.name: f.default if f.default is not None and use_default else values.value(rng, f, obey=obey) for f in fields
    }


def random_content(rng: Random, ids: list[str]) -> Content:
    """An envelope without source; its id is new, or one of `ids`."""
    content = Content()
    chance = rng.random()
    if ids and chance < 0.12:
        content.id = rng.choice(ids[-12:])
    elif chance < 0.4:
        content.id = rng.choice([f"order-{len(ids)}", f"{rng.getrandbits(128):032x}", "é" * rng.randint(1, 9)])
        if rng.random() < 0.3:
            digits = f"{rng.getrandbits(128):032x}"
            content.id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    if content.id:
        ids.append(content.id)
    if rng.random() < 0.25:
        content.actor = rng.choice(["alice", "bob", "ä" * 128, "x" * 256])
    if rng.random() < 0.1:
        content.reason = rng.choice(["rent", "r" * 1024, '"\\\n'])
    if rng.random() < 0.1:
        content.correlation = f"c{rng.randint(0, 9)}"
    if rng.random() < 0.05:
        content.causation = f"c{rng.randint(0, 9)}"
    if rng.random() < 0.05:
        content.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return content
