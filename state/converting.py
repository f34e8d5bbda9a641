"""Converts all pages of a type that lie in an arena, one field of many pages at a time.

Slots stay where they are, so the index of their keys stays as it is. mmsb.state.migrations says the same for one page.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mmsb.kernels.digest import Digest
from mmsb.kernels.memory import Words
from mmsb.kernels.tables import page_index
from mmsb.schemas.layouts import Field, PageLayout
from mmsb.schemas.types import Array, FieldType, Float, Integer
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.arrays import ArrayState
from mmsb.state.fields import Column
from mmsb.state.terms import add_terms

ROWS_AT_ONCE: Final = 1 << 12  # their words stay in the cache between one field and the next


def convert_type(state: ArrayState, old: PageLayout, new: PageLayout, columns: Mapping[str, Column]) -> None:
    """Put pages of the new type in the place of those of the old one; the old ones stay whole, for going back."""
    before = state.array_pages.of(old)
    assert not before.buckets.absent, "what is converted is in memory"
    after = _empty_twin(before, new)
    change = Digest()
    for start in range(0, before.used, ROWS_AT_ONCE):
        rows, converted = _rows(before, start), _rows(after, start)
        _convert(rows, converted, before.key_words, new, columns)
        change += add_terms(new.type_id, converted, after.key_words) - add_terms(old.type_id, rows, before.key_words)
    types = state.array_pages.types
    state.add_layout(new)
    state.exchange_pages(
        change,
        lambda: _exchange(types, old.type_id, new.type_id, after),
        lambda: _exchange(types, new.type_id, old.type_id, before),
    )


def _exchange(types: dict[int, ArrayPageType], gone: int, come: int, pages: ArrayPageType) -> None:
    del types[gone]
    types[come] = pages


def _empty_twin(pages: ArrayPageType, new: PageLayout) -> ArrayPageType:
    """Room for the same keys in the same slots."""
    twin = ArrayPageType(pages.key_words, new.word_count, pages.index[page_index.SALT])
    twin.reserve(pages.used)
    twin.index = pages.index.copy()
    return twin


def _rows(pages: ArrayPageType, start: int) -> Words:
    stop = min(start + ROWS_AT_ONCE, pages.used)
    return pages.arena[start * pages.stride : stop * pages.stride].reshape(stop - start, pages.stride)


def _convert(rows: Words, converted: Words, key_words: int, new: PageLayout, columns: Mapping[str, Column]) -> None:
    """Fill rows with the epochs, keys and bodies of others. A free slot is treated as any other: nobody reads it."""
    body_at = 1 + key_words
    converted[:, :body_at] = rows[:, :body_at]
    before, after = rows[:, body_at:].view(np.uint8), converted[:, body_at:].view(np.uint8)
    for field in new.fields:
        _fill(before, after, field, columns[field.name])


def _fill(before: Any, after: Any, field: Field, column: Column) -> None:
    if column.place is None:
        after[:, field.offset : field.end] = np.frombuffer(column.default, np.uint8)
        return
    kind, stored_as = _dtype(field.type), _dtype(column.stored_as)
    values = before[:, column.place].view(stored_as)
    after[:, field.offset : field.end].view(kind)[:, : values.shape[1]] = values


def _dtype(kind: FieldType) -> Any:
    """What is widened is a number for NumPy; all else is bytes."""
    number = kind.element if isinstance(kind, Array) else kind
    if isinstance(number, Float):
        return np.dtype("<f8")
    if isinstance(number, Integer):
        return np.dtype(f"<{'i' if number.signed else 'u'}{number.size}")
    return np.dtype(np.uint8)
