"""Executes migrate records: page types become others by declared steps, without user code.

Fields are moved as bytes and widened, never judged: a migration changes where values stand, not what they are. Pages
in flat arrays are converted all at once (mmsb.state.converting), to the same bytes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.schemas.types import Array, FieldType, Integer, Text, Value, parse_type
from mmsb.state.arrays import ArrayState
from mmsb.state.converting import convert_type
from mmsb.state.fields import Column
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
    columns = follow(old, new, migration.steps)
    if isinstance(state, ArrayState):
        convert_type(state, old, new, columns)
        return
    moved = [(key, epoch, body) for (type_id, key), epoch, body in state.pages if type_id == old.type_id]
    state.add_layout(new)
    for key, epoch, body in moved:
        state.write_page(old.type_id, key, epoch, None)
        state.write_page(new.type_id, key, epoch, convert(body, new, columns))


def follow(old: PageLayout, new: PageLayout, steps: Sequence[Step]) -> dict[str, Column]:
    """Take the steps from the old layout's fields to the new one's."""
    columns = {f.name: Column(f.type, f.type, slice(f.offset, f.end)) for f in old.fields}
    for step in steps:
        _take(step, columns, new)
    # An enum's members are no part of its type, here as in type ids.
    wanted = {field.name: field.type.spelling for field in new.fields}
    found = {name: column.type.spelling for name, column in columns.items()}
    if found != wanted:
        raise InvalidValue(f"{new.name}: the steps lead to {found}, expected {wanted}")
    return columns


def _take(step: Step, columns: dict[str, Column], new: PageLayout) -> None:
    if step.op == "add":
        _put(columns, step.field, _added(step, new), new)
        return
    if step.field not in columns:
        raise InvalidValue(f"{new.name}.{step.field}: there is no such field to {step.op}")
    column = columns[step.field]
    if step.op == "rename":
        _put(columns, str(step.argument), column, new)
    if step.op == "widen":
        columns[step.field] = replace(column, type=_wider(new, step, column.type))
    else:
        del columns[step.field]


def _put(columns: dict[str, Column], name: str, column: Column, new: PageLayout) -> None:
    if name in columns:
        raise InvalidValue(f"{new.name}.{name}: it exists already")
    columns[name] = column


def _added(step: Step, new: PageLayout) -> Column:
    if step.field not in new.index_of:
        raise InvalidValue(f"{new.name}.{step.field}: the new layout, whose default is wanted, has no such field")
    field = new.fields[new.index_of[step.field]]
    return Column(field.type, field.type, None, field.type.pack(cast(Value, field.default)))


def _wider(new: PageLayout, step: Step, kind: FieldType) -> FieldType:
    try:
        wanted = parse_type(str(step.argument))
    except InvalidValue as error:
        raise InvalidValue(f"{new.name}.{step.field}: {error}") from None
    if widens(kind, wanted):
        return wanted
    raise InvalidValue(f"{new.name}.{step.field}: {step.argument} does not hold all that it held")


def widens(kind: FieldType, wanted: FieldType) -> bool:
    """Whether every value of a type is one of the other, which is another; an array may also have more places."""
    match kind, wanted:
        case Integer(), Integer():
            return _holds(wanted, kind)
        case Text(), Text():
            return wanted.size > kind.size
        case Array(), Array():
            one, other = kind.element, wanted.element
            fits = one == other or (isinstance(one, Integer) and isinstance(other, Integer) and _holds(other, one))
            return fits and kind != wanted and wanted.count >= kind.count
        case _:
            return False


def _holds(wider: Integer, kind: Integer) -> bool:
    """A time is no integer here."""
    times = "time" in (kind.spelling, wider.spelling)
    return not times and kind != wider and wider.minimum <= kind.minimum and kind.maximum <= wider.maximum


def convert(body: bytes, new: PageLayout, columns: dict[str, Column]) -> bytes:
    """One page's body in its new layout."""
    after = bytearray(new.size)
    for field in new.fields:
        after[field.offset : field.end] = columns[field.name].read(body)
    return bytes(after)
