"""Descriptors read back, and migrations of pages: formats.md, sections 10 and 11."""

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tests.model.bundle import Field, Intent, Page
from tests.model.constants import FIELDS_MAX, HOPS_MAX, INTEGER_RANGES, KEY_BYTES_MAX, PAGE_BYTES_MAX
from tests.model.jsontext import canonical
from tests.model.layout import FieldLayout, IntentLayout, PageLayout
from tests.model.tlog import Invalid, require

BOUND_ORDER = ["ge", "gt", "le", "lt"]
TYPE = re.compile(r"(i8|i16|i32|i64|u8|u16|u32|u64|f64)(\[[1-9]\d*\])?|time|bool|enum|(text|blob)\([1-9]\d*\)", re.A)
KEY_TYPE = re.compile(r"(i8|i16|i32|i64|u8|u16|u32|u64)|(text|blob)\([1-9]\d*\)", re.A)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read_canonical(data: bytes) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Invalid("not JSON") from None
    require(canonical(value).encode() == data, "not canonical JSON")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Invalid("a lone surrogate") from None
    return value


def members(value: Any, *names: str) -> list[Any]:
    require(isinstance(value, dict) and sorted(value) == sorted(names), f"not an object of {names}")
    return [value[name] for name in names]


def is_list(value: Any, kind: type = object) -> bool:
    return isinstance(value, list) and all(isinstance(element, kind) for element in value)


def is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


@lru_cache(maxsize=64)
def read_descriptor(data: bytes) -> dict[str, Any]:
    """To be left as it is: logs are read again and again, and who reads a claim again gets the same one."""
    descriptor = read_canonical(data)
    app, hops_max, intents, messages, pages = members(descriptor, "app", "hops_max", "intents", "messages", "pages")
    require(isinstance(app, str), "app")
    require(is_integer(hops_max, 1, HOPS_MAX), "hops_max")
    require(is_list(messages, str) and messages == sorted(set(messages)), "messages")
    require(all(is_text(message) for message in messages), "a message")
    require(is_list(intents) and is_list(pages), "intents or pages")
    layouts: list[PageLayout | IntentLayout] = []
    following: dict[str, str | None] = {}
    for intent in intents:
        fields, name, on_rejected, type_id = members(intent, "fields", "name", "on_rejected", "type")
        require(is_name(name) and (on_rejected is None or isinstance(on_rejected, str)), "an intent")
        layouts.append(IntentLayout(Intent(name, read_fields(fields), (), (), ())))
        require(type_id == f"{layouts[-1].type_id:016x}", "an intent's type id")
        following[name] = on_rejected
    layouts += page_layouts(descriptor).values()
    for group in (intents, pages):
        names = [entry["name"] for entry in group]
        require(names == sorted(set(names)), "not sorted by name")
    require(len({layout.name for layout in layouts}) == len(layouts), "a name twice")
    require(len({layout.type_id for layout in layouts}) == len(layouts), "a type id twice")
    require(all(layout.size <= PAGE_BYTES_MAX for layout in layouts), "too large")
    check_following(following)
    return descriptor


def check_following(following: dict[str, str | None]) -> None:
    for name in following:
        at: str | None = name
        for _ in range(len(following) + 1):
            if at is None:
                break
            require(at in following, "on_rejected names no intent")
            at = following[at]
        require(at is None, "on_rejected leads in a circle")


def page_layouts(descriptor: dict[str, Any]) -> dict[str, PageLayout]:
    layouts = {}
    for page in descriptor["pages"]:
        fields, key, name, partition_by, type_id = members(page, "fields", "key", "name", "partition_by", "type")
        require(is_name(name) and is_list(key, str) and key != [], "a page")
        require(all(KEY_TYPE.fullmatch(kind) for kind in key), "a key")
        require(is_list(partition_by) and partition_by != [], "partition_by")
        require(all(is_integer(i, 0, len(key) - 1) for i in partition_by), "a component of partition_by")
        require(len(set(partition_by)) == len(partition_by), "a component of partition_by twice")
        read = read_fields(fields)
        require(read != () and all(f["default"] is not None for f in fields), "a page without fields or defaults")
        layout = PageLayout(Page(name, tuple(key), read, tuple(partition_by)))
        require(layout.key_size <= KEY_BYTES_MAX, "a key's size")
        require(type_id == f"{layout.type_id:016x}", "a page's type id")
        layouts[name] = layout
    return layouts


def read_fields(fields: Any) -> tuple[Field, ...]:
    require(is_list(fields, dict) and len(fields) <= FIELDS_MAX, "fields")
    out = []
    for field in fields:
        enum = field.get("type") == "enum"
        bounds, default, name, kind, *rest = members(
            field, "bounds", "default", "name", "type", *(["members"] if enum else [])
        )
        require(isinstance(kind, str) and TYPE.fullmatch(kind) is not None, "a field's type")
        require(is_name(name), "a field's name")
        if enum:
            require(isinstance(rest[0], dict) and rest[0] != {}, "members")
            require(all(is_integer(value, 0, 65535) for value in rest[0].values()), "a member's value")
            require(len(set(rest[0].values())) == len(rest[0]), "a value of two members")
        enum_members = tuple(rest[0].items()) if enum else ()
        bare = FieldLayout(Field(name, kind, members=enum_members), 0, 0)
        require(bare.length != 1, "an array of one")
        require(is_list(bounds, list) and all(len(bound) == 2 for bound in bounds), "bounds")
        ops = [op for op, _ in bounds]
        require(ops == [op for op in BOUND_ORDER if op in ops], "bounds in order")
        require(not bounds or bare.base in (*INTEGER_RANGES, "f64"), "bounds of what is no number")
        for _, bound in bounds:
            _read_scalar(bare, bound)
        value = None if default is None else read_default(bare, default)
        out.append(Field(name, kind, tuple((op, bound) for op, bound in bounds), value, "", enum_members))
    require(len({f.name for f in out}) == len(out), "a field's name twice")
    return tuple(out)


def read_default(f: FieldLayout, value: Any) -> Any:
    if f.length:
        require(is_list(value) and len(value) == f.length, "a default's length")
        return tuple(_read_scalar(f, element) for element in value)
    return _read_scalar(f, value)


def _read_scalar(f: FieldLayout, value: Any) -> Any:
    good = {
        "f64": lambda: isinstance(value, float) and math.isfinite(value),
        "bool": lambda: isinstance(value, bool),
        "enum": lambda: isinstance(value, str) and value in f.members,
        "text": lambda: isinstance(value, str) and "\0" not in value and len(value.encode()) <= f.width,
        "blob": lambda: isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{2 * f.width}}}", value) is not None,
    }.get(f.base, lambda: isinstance(value, int) and not isinstance(value, bool) and not f.integer_problem(value))
    require(bool(good()), "a default")
    if f.base == "enum":
        return f.members[value]
    return bytes.fromhex(value) if f.base == "blob" else value


# Migrations


def read_steps(data: bytes) -> list[dict[str, Any]]:
    steps = read_canonical(data)
    require(is_list(steps, dict), "steps")
    for entry in steps:
        _, _, page_steps, _ = members(entry, "from", "page", "steps", "to")
        require(is_list(page_steps, dict), "steps of a page")
    return steps


def migrate_page(old: PageLayout, new: PageLayout, steps: list[dict[str, Any]]) -> Callable[[bytes], bytes]:
    """What turns an old body into a new one. Fields are followed by name: (the old field or None, type)."""
    require(old.page.key == new.page.key, "the key stays")
    fields: dict[str, tuple[str | None, str]] = {f.name: (f.name, f.type) for f in old.fields}
    for step in steps:
        name, op = str(step.get("field")), step.get("op")
        require(name == step.get("field"), "a step without a field")
        if op == "add":
            members(step, "field", "op")
            require(name not in fields and name in new.by_name, "add")
            fields[name] = (None, new.by_name[name].type)
            continue
        require(name in fields, "a step for a field that is not there")
        if op == "drop":
            members(step, "field", "op")
            del fields[name]
        elif op == "rename":
            to = members(step, "field", "op", "to")[2]
            require(isinstance(to, str) and to not in fields, "rename")
            fields[to] = fields.pop(name)
        elif op == "widen":
            to = members(step, "field", "op", "type")[2]
            require(widens(fields[name][1], to), "widen")
            fields[name] = (fields[name][0], to)
        else:
            raise Invalid("an unknown step")
    require({n: kind for n, (_, kind) in fields.items()} == {f.name: f.type for f in new.fields}, "another layout")

    def convert(body: bytes) -> bytes:
        values = old.decode(body)
        found = {n: values[before] for n, (before, _) in fields.items() if before is not None}
        return new.encode({f.name: longer(found[f.name], f) if f.name in found else f.default for f in new.fields})

    return convert


def longer(value: Any, field: FieldLayout) -> Any:
    return value + (0,) * (field.length - len(value)) if field.length else value


def widens(old: Any, new: Any) -> bool:
    if not isinstance(new, str) or old == new:
        return False
    arrays = re.fullmatch(r"(\w+)\[(\d+)\]", old), re.fullmatch(r"(\w+)\[([1-9]\d*)\]", new)
    if arrays[0] and arrays[1]:
        one, other = arrays[0][1], arrays[1][1]
        return (one == other or widens(one, other)) and int(arrays[1][2]) >= int(arrays[0][2])
    texts = re.fullmatch(r"text\((\d+)\)", old), re.fullmatch(r"text\((\d+)\)", new)
    if texts[0] and texts[1]:
        return int(texts[1][1]) > int(texts[0][1])
    integers = [kind for kind in INTEGER_RANGES if kind != "time"]
    if old not in integers or new not in integers:
        return False
    return INTEGER_RANGES[new][0] <= INTEGER_RANGES[old][0] and INTEGER_RANGES[new][1] >= INTEGER_RANGES[old][1]
