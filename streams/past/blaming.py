"""Which deltas altered a field: one that is there only since a migration was altered by nobody before it."""

from collections.abc import Sequence

import numpy as np

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.past.lives import Life, Told
from mmsb.streams.past.walking import Stretch

Slots = dict[int, slice | None]


def slots_of(stretches: Sequence[Stretch], field: int, byte: int | None) -> Slots:
    """Where a field of the newest layout, or one byte of it, stands in the bodies of each stretch, by its `low`.

    A byte that a field got when it was widened was altered by nobody before that.
    """
    layout = stretches[0].layout
    if not 0 <= field < len(layout.fields):
        raise InvalidValue(f"{layout.name}: expected a field's index below {len(layout.fields)}, found {field}")
    size = layout.fields[field].end - layout.fields[field].offset
    if byte is not None and not 0 <= byte < size:
        raise InvalidValue(f"{layout.name}.{layout.fields[field].name}: expected a byte below {size}, found {byte}")
    found: Slots = {}
    slot: slice | None = slice(layout.fields[field].offset, layout.fields[field].end)
    name = layout.fields[field].name
    for stretch in stretches:
        if stretch.became is not None and slot is not None:
            slot = stretch.became.columns[name].place
            name = next((f.name for f in stretch.layout.fields if slot and f.offset == slot.start), name)
        found[stretch.low] = slot if slot is None or byte is None else _byte_of(slot, byte)
    return found


def _byte_of(slot: slice, byte: int) -> slice | None:
    at = slot.start + byte
    return slice(at, at + 1) if at < slot.stop else None


def last_alteration(life: Life, slots: Slots) -> Told | None:
    """The last delta that creates the page, or changes what is in a slot of it."""
    found: Told | None = None
    for told in life.tell():
        at = _last(told, slots.get(told.steps.stretch.low))
        found = found if at < 0 else told.one(at)
    return found


def _last(told: Told, slot: slice | None) -> int:
    """-1: none does."""
    alters = told.steps.bases == 0
    if slot is not None:
        alters |= (told.bodies[1:, slot] != told.bodies[:-1, slot]).any(axis=1)
    rows = np.flatnonzero(alters & ~told.deletes)
    return int(rows[-1]) if len(rows) else -1
