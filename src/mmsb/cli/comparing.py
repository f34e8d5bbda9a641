"""`mmsb stats --compare`: the same figures of two, side by side."""

from collections.abc import Sequence
from typing import Any, Final, cast

from mmsb.cli.screen import Screen

DIGEST_LETTERS: Final = 16

_SHARED: Final = ("app", "generation", "bundle", "durability", "running", "seconds", "settled_per_second")


def compare(screen: Screen, places: Sequence[str], found: Sequence[dict[str, Any]]) -> None:
    if screen.machine:
        for place, figures in zip(places, found, strict=True):
            screen.record({"of": place, **figures})
        return
    columns = [_column(figures) for figures in found]
    names = {name: None for column in columns for name in column}  # in the order in which they come
    screen.table(("figure", *places), [(name, *(column.get(name) for column in columns)) for name in names])


def _column(figures: dict[str, Any]) -> dict[str, object]:
    """A row's name and what stands in it."""
    column = {name: _short(figures[name]) for name in (*_SHARED, "memory_bytes")}
    for partition in figures["partitions"]:
        number = partition["partition"]
        for name, value in partition.items():
            if isinstance(value, dict):
                counts = cast("dict[str, object]", value)
                column |= {f"{number} {name} {each}": _short(count) for each, count in counts.items()}
            elif name != "partition":
                column[f"{number} {name}"] = _short(value)
    return column


def _short(value: object) -> object:
    """Hashes by their beginning, which tells them apart; and numbers as people read them."""
    if isinstance(value, bool) or value is None:
        return None if value is None else str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    text = str(value)
    return f"{text[:DIGEST_LETTERS]}…" if len(text) > DIGEST_LETTERS else text
