"""What changed since some moment, copied at a boundary between steps: the rows that a flush writes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import merge
from operator import itemgetter
from typing import Final

import numpy as np

from mmsb.kernels.pages.buckets import WRITING
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.buckets import Buckets
from mmsb.state.home.bucket_rows import Rows, copy_rows, rows_of
from mmsb.state.home.meta import Contents, Meta, Standing
from mmsb.state.store import META, Row, bucket_key


@dataclass(frozen=True)
class TypeCut:
    """The pages of one type that changed."""

    replaced: list[Row]
    """Rows to be taken away, which others take the place of; their keys rise."""
    depth: int
    buckets: list[int]
    rows: Rows
    emptied: list[bool]
    """For each bucket: whether it had a row, and has no pages any more."""

    def changed(self, type_id: int) -> Iterator[Row]:
        """Rows to be put, and to be taken away."""
        return merge(self.replaced, self._written(type_id), key=itemgetter(0))

    def instead_of(self, type_id: int, keys: Iterable[bytes]) -> "TypeCut":
        """The same, where all pages came anew: these rows are of what was before."""
        sizes = self.rows.sizes.tolist()
        put = {
            bucket_key(type_id, self.depth, bucket) for bucket, size in zip(self.buckets, sizes, strict=True) if size
        }
        return replace(self, replaced=[(key, b"") for key in keys if key not in put])

    def _written(self, type_id: int) -> Iterator[Row]:
        for number, (bucket, size) in enumerate(zip(self.buckets, self.rows.sizes.tolist(), strict=True)):
            if size or self.emptied[number]:
                yield bucket_key(type_id, self.depth, bucket), self.rows.row(number)


NO_PAGES: Final = TypeCut([], 0, [], rows_of([]), [])


@dataclass(frozen=True)
class Cut:
    """All that changed since the cut before, as of one boundary."""

    settled: int
    contents: Contents
    tables: list[Row]
    types: dict[int, TypeCut]

    @property
    def size(self) -> int:
        """How many bytes its rows take."""
        return sum(len(value) for _, value in self.tables) + sum(int(t.rows.words.nbytes) for t in self.types.values())

    def rows(self, standing: Standing) -> Iterator[Row]:
        """What a store ingests, given the fold's standing when the boundary was accepted."""
        assert standing.settled == self.settled, "a cut is written with the standing of its own boundary"
        yield META, Meta(standing, self.contents).pack()
        yield from self.tables
        for type_id, cut in sorted(self.types.items()):
            yield from cut.changed(type_id)


def cut_type(type_id: int, pages: ArrayPageType) -> TypeCut:
    """Copy the buckets of one type that changed."""
    buckets = pages.buckets
    buckets.deepen(8 * pages.stride, len(pages))
    numbers, replaced = buckets.to_write()
    rows = copy_rows(pages, type_id, numbers)
    emptied = buckets.copied(numbers, replaced, rows.sizes)
    pages.give_back()
    if not len(pages) and not buckets.rows:  # nothing is left, here or in rows
        pages.buckets = Buckets()
        pages.buckets.flags |= np.uint8(WRITING)  # until its old rows are away, nobody may ask for them
    taken = [(bucket_key(type_id, *place), b"") for place in replaced]
    return TypeCut(taken, buckets.depth, numbers.tolist(), rows, emptied.tolist())
