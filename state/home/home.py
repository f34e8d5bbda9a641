"""Pages come from a store when they are needed, go when they are cold, and are written when they were changed.

The state stays what it was: arenas, indexes, tables. A home knows which buckets of pages are in memory, and whoever
steps, folds or reads asks it for those that he will look at. What changed is copied at a boundary between steps (a cut)
and ingested once that boundary is accepted; until then its buckets stay in memory, since no row says what they are.

One thread at a time; but a cut, once made, belongs to whoever ingests it.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.pages.buckets import DIRTY, PINNED, USED
from mmsb.schemas.errors import CorruptState
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.arrays import ArrayState
from mmsb.state.home.block_pages import find_deltas, mark_changed, pages_changed
from mmsb.state.home.bucket_rows import buckets_of, drop_pages, rows_of, take_rows
from mmsb.state.home.cuts import NO_PAGES, Cut, cut_type
from mmsb.state.home.meta import Contents, Meta, StoredType
from mmsb.state.home.table_rows import IdRows, MarkRows
from mmsb.state.pages import PageId
from mmsb.state.store import Snapshot, bucket_key, bucket_range

ROWS_AT_ONCE: Final = 4_096  # that are asked of a store together
DIRTY_PARTS: Final = 4  # of the budget, one may be changed and not written
PAGES_EACH: Final = 2  # that a record names, about
SLACK: Final = 16  # a sixteenth of the budget is made free at once, so that not every batch looks for cold pages


@dataclass
class Use:
    """How often what was named was in memory, and what went."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0


class Home:
    """Between one partition's state and a store."""

    def __init__(self, state: ArrayState, store: Snapshot, budget: int, meta: Meta | None = None) -> None:
        """`meta` is what the store has. `budget` is how many bytes pages and their indexes may take."""
        self.state = state
        self.budget = budget
        self.use = Use()
        self.damages: list[str] = []  # what was wrong with rows, once some were
        self._store = store
        self._ids = IdRows()
        self._marks = MarkRows()
        self._stored: set[int] = set()  # page types that have rows, or had at the cut before
        self._outdated: set[int] = set()  # those of them whose pages all came anew since
        if meta is not None:
            self._stored = {stored.type_id for stored in meta.contents.types}
            self._ids = IdRows(*meta.contents.id_rows)
            self._ids.read(store, state.array_ids, meta.contents.span)
            self._marks = MarkRows.read(store, state.array_marks, meta.contents.marks)

    @property
    def damage(self) -> str | None:
        """What was wrong with a row first."""
        return self.damages[0] if self.damages else None

    @property
    def is_whole(self) -> bool:
        """Whether all pages are in memory."""
        return not any(pages.buckets.absent for pages in self._types.values())

    @property
    def memory_bytes(self) -> int:
        """What counts towards the budget. Asked in other threads, too, while types may be added."""
        return sum(_resident_bytes(pages) for pages in [*self._types.values()])

    @property
    def dirty_bytes(self) -> int:
        """About how much the next cut copies of pages."""
        return sum(pages.buckets.dirty * _bucket_bytes(pages) for pages in self._types.values())

    @property
    def is_crowded(self) -> bool:
        """Whether so much is changed and not written that room for other pages gets scarce."""
        return self.dirty_bytes > self.budget // DIRTY_PARTS

    def room_for(self, records: int) -> int:
        """So many of the next records can have their pages brought together; at least one."""
        pages = [each for each in self._types.values() if each.buckets.absent]
        largest = max(map(_bucket_bytes, pages), default=1)
        return max(min(records, self.budget // DIRTY_PARTS // (PAGES_EACH * largest)), 1)

    @property
    def _types(self) -> dict[int, ArrayPageType]:
        return self.state.array_pages.types

    # Coming

    def bring_hashes(self, hashes: Mapping[int, Words]) -> None:
        """Have pages in memory, all of them at once, named by page type and the hashes of their keys."""
        named: dict[int, Any] = {}
        for type_id, some in hashes.items():
            if type_id in self._types:
                named[type_id] = self._types[type_id].buckets.numbers_of(some)
        self.bring_buckets(named)

    def bring_pages(self, pages: Sequence[PageId]) -> None:
        """The same, named by their keys."""
        hashes: dict[int, list[Words]] = {}
        for page in pages:
            found = self._types.get(page[0])
            if found is not None and len(page[1]) == 8 * found.key_words:
                hashes.setdefault(page[0], []).append(self.state.array_pages.hash_of(page))
        self.bring_hashes({type_id: np.concatenate(some) for type_id, some in hashes.items()})

    def buckets_changed(self, sections: bytes | memoryview, count: int) -> dict[int, Any]:
        """Those of the pages that a block changes, by page type; what is no block raises."""
        named: dict[int, Any] = {}
        for type_id, words, places in pages_changed(sections, count):
            pages = self._types.get(type_id)
            if pages is not None and int(places[-1]) + pages.key_words <= len(words):
                named[type_id] = buckets_of(pages, words, places)
        return named

    def bring_type(self, type_id: int) -> None:
        """All pages of a type, for whoever needs them all at once: whatever the budget says, none of them goes."""
        pages = self._types.get(type_id)
        if pages is not None:
            absent = pages.buckets.absent_of(np.arange(len(pages.buckets)))
            self.use.misses += len(absent)
            pages.reserve(pages.buckets.elsewhere)  # in the order of hashes all go into one end of a small index
            self._fetch_all(pages, type_id, absent)

    def bring_buckets(self, named: Mapping[int, Any]) -> None:
        """Have buckets in memory, by page type. What is named stays while the rest of it comes."""
        for type_id, buckets in named.items():
            self._types[type_id].buckets.touch(buckets, USED | PINNED)
        try:
            for type_id, buckets in named.items():
                self._bring_some(type_id, buckets)
        finally:
            for type_id, buckets in named.items():
                self._types[type_id].buckets.unpin(buckets)

    def _bring_some(self, type_id: int, buckets: Any) -> None:
        pages = self._types[type_id]
        absent = pages.buckets.absent_of(buckets)
        self.use.hits += len(buckets) - len(absent)
        self.use.misses += len(absent)
        if len(absent):
            self._make_room(len(absent) * _bucket_bytes(pages))
            self._fetch_all(pages, type_id, absent)

    def _fetch_all(self, pages: ArrayPageType, type_id: int, absent: Any) -> None:
        if self.damage is not None:  # rows before the wrong one were taken: they must not come twice
            raise CorruptState(self.damage)
        # In the order of hashes the first of them would all go into one end of an index that is too small for the rest.
        pages.reserve(min(len(absent) * len(pages) // len(pages.buckets), pages.buckets.elsewhere))
        with self._noting_damage():
            for start in range(0, len(absent), ROWS_AT_ONCE):
                still = pages.buckets.absent_of(absent[start : start + ROWS_AT_ONCE])  # a row may have brought more
                self._fetch(pages, type_id, still)
            buckets = pages.buckets
            if buckets.elsewhere < 0 or (buckets.elsewhere and not buckets.absent):
                raise CorruptState(
                    f"store: expected {len(pages)} pages of type {type_id:016x}, found {pages.resident} in all rows; "
                    "restore a checkpoint"
                )

    def _fetch(self, pages: ArrayPageType, type_id: int, absent: Any) -> None:
        there = self._read(type_id, pages.buckets.rows_of(absent))
        places = [place for place, _ in there]
        counts = take_rows(pages, type_id, rows_of([value for _, value in there]), places)
        for place, count in zip(places, counts, strict=True):
            pages.buckets.came(*place, count)
        if not pages.buckets.are_empty(absent):
            raise CorruptState(
                f"store: expected a row of page type {type_id:016x} that was there before, found none; restore a "
                "checkpoint"
            )

    def _read(self, type_id: int, places: list[tuple[int, int]]) -> list[tuple[tuple[int, int], bytes]]:
        """Depth, number and content of those rows that there are."""
        values = self._store.read([bucket_key(type_id, *place) for place in places])
        return [(place, value) for place, value in zip(places, values, strict=True) if value is not None]

    def part(self, state: ArrayState, store: Snapshot, budget: int) -> "Home":
        """A home of copies of these pages, over rows of the same moment: a row that is wrong there is wrong here."""
        part = Home(state, store, budget)
        part.damages = self.damages
        return part

    @contextmanager
    def _noting_damage(self) -> Generator[None]:
        try:
            yield
        except CorruptState as error:
            self.damages.append(str(error))
            raise

    # Going

    def _make_room(self, wanted: int) -> None:
        """Let cold pages go if there is no room for so many bytes more. What is dirty or in use stays."""
        over = self.memory_bytes + wanted - self.budget
        if over <= 0:
            return
        over += self.budget // SLACK
        for pages in self._types.values():
            size = _bucket_bytes(pages)
            cold = pages.buckets.coldest(-(-over // size))
            if len(cold):
                pages.buckets.went(cold, drop_pages(pages, cold))
                self.use.evictions += len(cold)
                over -= len(cold) * size
            if over <= 0:
                break

    # Changing

    def changed(self, sections: bytes | memoryview, count: int) -> None:
        """Take note of what a block changed, which was stepped or folded into the state."""
        deltas = find_deltas(sections, count)
        for number, type_id in enumerate(deltas.type_ids):
            pages = self._types.get(type_id)  # others are of intents
            if pages is not None:
                mark_changed(pages, number, sections, deltas, DIRTY | USED)

    def converted(self, type_id: int) -> None:
        """All pages of a type came anew, by a migration; they are in memory."""
        if type_id in self._types:
            buckets = self._types[type_id].buckets
            buckets.touch(np.arange(len(buckets)), DIRTY)
            self._outdated |= {type_id} & self._stored

    # Writing

    def cut(self, settled: int) -> Cut:
        """Copy what changed. The state has all effects of intents up to `settled`, and of no others."""
        tables = self._ids.changed(self.state.array_ids) + self._marks.changed(self.state.array_marks)
        types = {type_id: cut_type(type_id, pages) for type_id, pages in self._types.items()}
        for type_id in self._outdated | (self._stored - types.keys()):  # a migration made others of these pages
            keys = [key for key, _ in self._store.rows(*bucket_range(type_id))]
            types[type_id] = types.get(type_id, NO_PAGES).instead_of(type_id, keys)
        self._stored, self._outdated = set(self._types), set()
        return Cut(settled, self._contents(), tables, types)

    def close(self) -> None:
        """Nothing will be asked of the store any more."""
        self._store.close()

    def written(self) -> None:
        """The last cut is in the store. What was held back for it may go; nobody needs a page just now."""
        for pages in self._types.values():
            pages.buckets.written()
        for _ in range(2):  # the first round gives what was used lately its second chance
            self._make_room(0)

    def _contents(self) -> Contents:
        state = self.state
        types = (
            StoredType(type_id, len(pages), pages.buckets.depth, dict(pages.buckets.rows))
            for type_id, pages in sorted(self._types.items())
        )
        layouts = sorted(state.layouts.values(), key=lambda layout: layout.name)
        sent = {target: state.sent(target) for target in range(state.genesis.partition_count) if state.sent(target)}
        return Contents(
            state.genesis, tuple(layouts), state.clock, state.digest, state.array_ids.span,
            (self._ids.first, self._ids.end), len(state.array_marks), sent, tuple(types),
        )  # fmt: skip


def _bucket_bytes(pages: ArrayPageType) -> int:
    """What a bucket takes, on average."""
    return max(8 * pages.stride * len(pages) // len(pages.buckets), 1)


def _resident_bytes(pages: ArrayPageType) -> int:
    return 8 * pages.stride * pages.resident + int(pages.index.nbytes)
