"""A bundle's layouts at hand, by name and by type id, and its descriptor: formats.md, section 11."""

from typing import Any

from tests.model.bundle import Bundle
from tests.model.jsontext import canonical
from tests.model.layout import FieldLayout, IntentLayout, Layout, PageLayout


class Compiled:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.pages = {page.name: PageLayout(page) for page in bundle.pages}
        self.intents = {intent.name: IntentLayout(intent) for intent in bundle.intents}
        self.pages_by_id = {layout.type_id: layout for layout in self.pages.values()}
        self.intents_by_id = {layout.type_id: layout for layout in self.intents.values()}
        self.helpers = {helper.name: helper for helper in bundle.helpers}
        self.messages = bundle.messages()

    def descriptor(self) -> dict[str, Any]:
        bundle = self.bundle
        return {
            "app": bundle.app,
            "hops_max": bundle.hops_max,
            "intents": [
                {
                    "fields": describe_fields(self.intents[intent.name]),
                    "name": intent.name,
                    "on_rejected": intent.on_rejected,
                    "type": f"{self.intents[intent.name].type_id:016x}",
                }
                for intent in sorted(bundle.intents, key=lambda intent: intent.name)
            ],
            "messages": list(self.messages),
            "pages": [
                {
                    "fields": describe_fields(self.pages[page.name]),
                    "key": list(page.key),
                    "name": page.name,
                    "partition_by": list(self.pages[page.name].partition_by),
                    "type": f"{self.pages[page.name].type_id:016x}",
                }
                for page in sorted(bundle.pages, key=lambda page: page.name)
            ],
        }

    def descriptor_bytes(self) -> bytes:
        return canonical(self.descriptor()).encode()


def describe_fields(layout: Layout) -> list[dict[str, Any]]:
    out = []
    for f in layout.fields:
        float_or_not = float if f.base == "f64" else (lambda number: number)
        entry: dict[str, Any] = {
            "bounds": [[op, float_or_not(bound)] for op, bound in f.bounds],
            "default": None if isinstance_intent_required(layout, f) else json_value(f, f.default),
            "name": f.name,
            "type": f.type,
        }
        if f.base == "enum":
            entry["members"] = dict(f.members)
        out.append(entry)
    return out


def isinstance_intent_required(layout: Layout, f: FieldLayout) -> bool:
    return isinstance(layout, IntentLayout) and f.required


def json_value(f: FieldLayout, value: Any) -> Any:
    """A value as JSON intents and descriptors write it."""
    if f.length:
        return list(value)
    if f.base == "enum":
        return f.member_names[value]
    if f.base == "blob":
        return value.hex()
    return value
