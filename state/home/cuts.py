"""What changed since some moment, copied at a boundary between steps: the rows that a flush writes."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from mmsb.kernels.pages.buckets import WRITING
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.buckets import Buckets
from mmsb.state.home.bucket_rows import Rows, copy_rows, rows_of
from mmsb.state.home.meta import Contents, Meta, Standing
from mmsb.state.store import META, Row, Run, bucket_key, bucket_keys


@dataclass(frozen=True)
class TypeCut:
    """The pages of one type that changed."""

    replaced: list[bytes]
    """Keys of rows to be taken away, which others take the place of; they rise."""
    depth: int
    buckets: Any
    rows: Rows
    emptied: Any
    """For each bucket: whether it had a row, and has no pages any more."""

    def changed(self, type_id: int) -> Iterator[Row | Run]:
        """Rows to be put, and to be taken away."""
        run, at = self._written(type_id), 0
        for key in self.replaced:
            place = at if at == len(run) or key < run.key(at) else bisect_left(range(len(run)), key, at, key=run.key)
            if place > at:
                yield run.part(at, place)
            yield key, b""
            at = place
        if at < len(run):
            yield run.part(at, len(run))

    def instead_of(self, type_id: int, keys: Iterable[bytes]) -> "TypeCut":
        """The same, where all pages came anew: these rows are of what was before."""
        put = set(map(bytes, bucket_keys(type_id, self.depth, self.buckets[self.rows.sizes > 0])))
        return replace(self, replaced=[key for key in keys if key not in put], emptied=np.zeros_like(self.emptied))

    def _written(self, type_id: int) -> Run:
        """Rows of buckets, but for those that are not there and never were."""
        kept = (self.rows.sizes > 0) | self.emptied
        starts = np.append(self.rows.starts[:-1][kept], self.rows.starts[-1])  # the others have no words between
        return Run(bucket_keys(type_id, self.depth, self.buckets[kept]), self.rows.words, starts)


NO_PAGES: Final = TypeCut([], 0, np.zeros(0, np.int64), rows_of([]), np.zeros(0, bool))


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

    def rows(self, standing: Standing) -> Iterator[Row | Run]:
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
    taken = [bucket_key(type_id, *place) for place in replaced]
    return TypeCut(taken, buckets.depth, numbers, rows, emptied)
