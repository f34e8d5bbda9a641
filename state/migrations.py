"""Executes migrate records: page types become others by declared steps, without user code."""

from collections.abc import Sequence
from typing import Any

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.schemas.types import FieldType, Integer, Text
from mmsb.state.partition import PartitionState


def migrate(state: PartitionState, migrations: Sequence[Migration], pending: dict[str, PageLayout]) -> None:
    """Convert all pages of the pending types; raises InvalidValue where the steps do not lead to the new layouts."""
    if [migration.page for migration in migrations] != sorted(pending):
        raise InvalidValue(f"steps for {[m.page for m in migrations]}, expected for {sorted(pending)}")
    for migration in migrations:
        _migrate_type(state, migration, state.layouts[migration.page], pending[migration.page])


def _migrate_type(state: PartitionState, migration: Migration, old: PageLayout, new: PageLayout) -> None:
    if (migration.from_type, migration.to_type) != (old.type_id, new.type_id):
        raise InvalidValue(f"{old.name}: steps between other layouts than {old.type_id:016x} and {new.type_id:016x}")
    if old.key != new.key:
        raise InvalidValue(f"{old.name}: a migration cannot change the key")
    fields = follow(old, new, migration.steps)
    moved = [(key, epoch, body) for (type_id, key), epoch, body in state.pages if type_id == old.type_id]
    state.add_layout(new)
    for key, epoch, body in moved:
        converted = convert(body, old, new, fields)
        state.write_page(old.type_id, key, epoch, None)
        state.write_page(new.type_id, key, epoch, converted)


def follow(old: PageLayout, new: PageLayout, steps: Sequence[Step]) -> dict[str, str | None]:
    """Where each new field's value comes from: an old field, or None for the new default."""
    types: dict[str, FieldType | None] = {field.name: field.type for field in old.fields}
    origin: dict[str, str | None] = {field.name: field.name for field in old.fields}
    for step in steps:
        _take(step, types, origin, new)
    for field in new.fields:
        found = types.get(field.name)
        if field.name not in types or (found is not None and found != field.type):
            raise InvalidValue(f"{new.name}.{field.name}: the steps do not lead to its type {field.type.spelling}")
    if len(types) != len(new.fields):
        raise InvalidValue(f"{new.name}: the steps leave fields that it does not have: {sorted(types)}")
    return origin


def _take(step: Step, types: dict[str, FieldType | None], origin: dict[str, str | None], new: PageLayout) -> None:
    if (step.op == "add") == (step.field in types):
        raise InvalidValue(f"{new.name}.{step.field}: it {'exists already' if step.op == 'add' else 'is not there'}")
    if step.op == "add":
        types[step.field], origin[step.field] = None, None
        return
    kind, came_from = types.pop(step.field), origin.pop(step.field)
    if step.op == "rename":
        name = str(step.argument)
        if name in types:
            raise InvalidValue(f"{new.name}.{name}: it exists already")
        types[name], origin[name] = kind, came_from
    elif step.op == "widen":
        types[step.field], origin[step.field] = _wider(new, step, kind), came_from


def _wider(new: PageLayout, step: Step, kind: FieldType | None) -> FieldType:
    wanted = next((field.type for field in new.fields if field.type.spelling == step.argument), None)
    if isinstance(kind, Integer) and isinstance(wanted, Integer) and _holds(wanted, kind):
        return wanted
    if isinstance(kind, Text) and isinstance(wanted, Text) and wanted.size > kind.size:
        return wanted
    raise InvalidValue(f"{new.name}.{step.field}: {step.argument} does not hold all that it held")


def _holds(wider: Integer, kind: Integer) -> bool:
    """Whether every value of a type is one of the other, which is another."""
    times = "time" in (kind.spelling, wider.spelling)
    return not times and kind != wider and wider.minimum <= kind.minimum and kind.maximum <= wider.maximum


def convert(body: bytes, old: PageLayout, new: PageLayout, origin: dict[str, str | None]) -> bytes:
    """One page's body in its new layout."""
    values: dict[str, Any] = dict(zip(old.index_of, old.unpack(body), strict=True))
    return new.pack([field.default if (name := origin[field.name]) is None else values[name] for field in new.fields])
