"""Where two states of one application differ: page by page, in the order of types' names and then of keys' bytes.

A state is the pages of each type as rows of words, wherever they come from: a fold, a running process, a checkpoint.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.types import Value
from mmsb.state.array_fold import ArrayFold
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.arrays import ArrayState

_NO_ROWS: Final = np.empty((0, 1), np.uint64)


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field's values; None where the page or the field is not there."""

    name: str
    a: Value | None
    b: Value | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One page that differs. Epoch 0 is no page; no fields differ if only the epochs do."""

    layout: PageLayout
    key: bytes
    epoch_a: int
    epoch_b: int
    fields: tuple[FieldDifference, ...]


class PageRows:
    """The pages of one type, a row for each: epoch, key, body."""

    def __init__(self, layout: PageLayout | None, rows: Words = _NO_ROWS) -> None:
        self.layout = layout
        self.rows = rows
        self._split = 1 + (layout.key_size // 8 if layout else 0)
        self.keys: Words = rows[:, 1 : self._split].byteswap()  # these sort as the keys' bytes do

    def __len__(self) -> int:
        return len(self.rows)

    def page(self, row: int) -> tuple[bytes, int, bytes]:
        """Key, epoch and body."""
        words = self.rows[row]
        return words[1 : self._split].tobytes(), int(words[0]), words[self._split :].tobytes()


_NO_PAGES: Final = PageRows(None)

State = Mapping[str, PageRows]
"""By the name of the type."""


def state_of(fold: ArrayFold) -> State:
    """A fold's pages, which may not change while they are looked at."""
    state = fold.state
    assert isinstance(state, ArrayState), "an ArrayFold has one"
    types = state.array_pages.types
    return {layout.name: _rows_of(layout, types.get(layout.type_id)) for layout in state.layouts.values()}


def _rows_of(layout: PageLayout, table: ArrayPageType | None) -> PageRows:
    if table is None:
        return PageRows(layout)
    assert not table.buckets.absent, "all pages are in memory"
    slots = table.arena[: table.used * table.stride].reshape(-1, table.stride)
    return PageRows(layout, slots[np.flatnonzero(slots[:, 0])])


def rows_of(layout: PageLayout, pages: Iterable[tuple[bytes, int, bytes]]) -> PageRows:
    """Pages that were read one by one: key, epoch, body of each."""
    content = b"".join(epoch.to_bytes(8, "little") + key + body for key, epoch, body in pages)
    width = 1 + (layout.key_size + layout.size) // 8
    return PageRows(layout, np.frombuffer(content, np.uint64).reshape(-1, width))


def diff(a: State, b: State) -> Iterator[Difference]:
    for name in sorted(a.keys() | b.keys()):
        yield from _diff_type(a.get(name, _NO_PAGES), b.get(name, _NO_PAGES))


def _diff_type(a: PageRows, b: PageRows) -> Iterator[Difference]:
    """Rows of both sorted by key, so that those of one page meet; of most only that they are equal is looked at."""
    layout = b.layout or a.layout
    assert layout is not None, "one of them has it"
    if not len(a) or not len(b):
        pairs = [(row, -1) for row in _sorted(a.keys)] + [(-1, row) for row in _sorted(b.keys)]
    elif a.keys.shape[1] != b.keys.shape[1]:
        raise AssertionError("a page type keeps its key")
    else:
        pairs = _pairs(a, b)
    for row_a, row_b in pairs:
        yield _difference(layout, a, row_a, b, row_b)


def _sorted(keys: Words) -> list[int]:
    order: Any = np.lexsort(keys.T[::-1]) if len(keys) else np.empty(0, np.int64)
    found: list[int] = order.tolist()
    return found


def _pairs(a: PageRows, b: PageRows) -> list[tuple[int, int]]:
    """Rows that belong together and differ, -1 for none, by key."""
    keys = np.concatenate([a.keys, b.keys])
    order = np.array(_sorted(keys), np.int64)  # of equal keys, that of `a` comes first: the sort is stable
    ordered = keys[order]
    meets = np.append((ordered[1:] == ordered[:-1]).all(axis=1), False)
    second = np.insert(meets[:-1], 0, False)
    rows_a = np.where(order < len(a), order, -1)
    rows_b = np.where(order >= len(a), order - len(a), -1)
    rows_b[:-1] = np.where(meets[:-1], order[1:] - len(a), rows_b[:-1])
    differs = ~second
    if a.rows.shape[1] == b.rows.shape[1] and a.layout is not None and b.layout is not None:
        both = np.flatnonzero(meets)
        if a.layout.type_id == b.layout.type_id:
            differs[both] = (a.rows[rows_a[both]] != b.rows[rows_b[both]]).any(axis=1)
    return list(zip(rows_a[differs].tolist(), rows_b[differs].tolist(), strict=True))


def _difference(layout: PageLayout, a: PageRows, row_a: int, b: PageRows, row_b: int) -> Difference:
    key_a, epoch_a, values_a = _values(a, row_a)
    key_b, epoch_b, values_b = _values(b, row_b)
    fields = (
        FieldDifference(name, values_a.get(name), values_b.get(name))
        for name in {**values_a, **values_b}
        if values_a.get(name) != values_b.get(name)
    )
    return Difference(layout, key_a or key_b, epoch_a, epoch_b, tuple(fields))


def _values(pages: PageRows, row: int) -> tuple[bytes, int, dict[str, Value]]:
    if row < 0 or pages.layout is None:
        return b"", 0, {}
    key, epoch, body = pages.page(row)
    names = (field.name for field in pages.layout.fields)
    return key, epoch, dict(zip(names, pages.layout.unpack(body), strict=True))
