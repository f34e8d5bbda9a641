"""Which deltas altered a field: one that is there only since a migration was altered by nobody before it."""

from collections.abc import Sequence

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.past.lives import Stretch, Told


def slots_of(stretches: Sequence[Stretch], field: int) -> dict[int, slice | None]:
    """Where a field of the newest layout stands in the bodies of each stretch, by the stretch's `low`."""
    layout = stretches[0].layout
    if not 0 <= field < len(layout.fields):
        raise InvalidValue(f"{layout.name}: expected a field's index below {len(layout.fields)}, found {field}")
    found: dict[int, slice | None] = {}
    slot: slice | None = slice(layout.fields[field].offset, layout.fields[field].end)
    name = layout.fields[field].name
    for stretch in stretches:
        if stretch.became is not None and slot is not None:
            slot = stretch.became.columns[name].place
            name = next((f.name for f in stretch.layout.fields if slot and f.offset == slot.start), name)
        found[stretch.low] = slot
    return found


def alters(told: Told, slot: slice | None) -> bool:
    """Whether a delta creates its page, or changes what is in a slot of it."""
    if told.after is None:
        return False
    return told.before is None or (slot is not None and told.before[slot] != told.after[slot])
