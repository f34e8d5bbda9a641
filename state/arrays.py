"""A partition's state in flat arrays, which compiled code reads and writes in place.

The classes are the contracts of `PartitionState` over these arrays, one thing at a time, so that whatever runs
interpreted finds the same state; pages are in mmsb.state.array_pages. Arrays only reserve address space at first;
memory comes with use.
"""

from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.tables import id_window, page_index, source_marks
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.limits import SOURCES_MAX
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.array_pages import ArrayPages, words_in
from mmsb.state.partition import PartitionState


class ArrayIds:
    """The remembered ids; does what mmsb.state.window.IdWindow does."""

    def __init__(self, size: int, salt: Any) -> None:
        self.size = size
        ring = id_window.ring_size(size)
        self.window: Words = np.zeros(id_window.word_count(size), np.uint64)
        for at, word in (
            (id_window.SIZE, size),
            (id_window.RING, ring),
            (id_window.BITS, id_window.table_bits(size)),
            (id_window.ROW_BITS, id_window.row_bits(size)),
            (id_window.SALT, salt),
        ):
            self.window[at] = word
        rows = self.window[id_window.HEADER : id_window.HEADER + id_window.ROW * ring]
        self._ring = rows.reshape(ring, id_window.ROW)

    def first_offset(self, id: bytes) -> int | None:
        found = int(id_window.first_offset_of(self.window, *words_in(id)))
        return None if found == id_window.ABSENT else found

    def remember(self, id: bytes, offset: int) -> None:
        assert self.first_offset(id) is None, "a remembered id settles as a duplicate"
        id_window.remember_one(self.window, offset, *words_in(id))

    def forget_last(self) -> None:
        """Undo the last `remember`; its entry in a table stays until `rebuild`, and is checked against the ring."""
        self._ring[self._offsets()[-1] % len(self._ring), 0] = 0

    @property
    def span(self) -> tuple[int, int]:
        """The offsets from which ids may be remembered: the first, and the one after the last."""
        return int(self.window[id_window.FLOOR]), int(self.window[id_window.END])

    def go_back(self, span: tuple[int, int]) -> None:
        """Remember what was remembered at an earlier span; a new generation may have emptied a table since."""
        self.window[id_window.FLOOR], self.window[id_window.END] = span
        id_window.rebuild(self.window)

    def words_from(self, start: int, end: int) -> Words:
        """Offset + 1 and id of what is remembered from one offset up to another, in order."""
        offsets = np.arange(max(start, self.span[0]), end)
        rows = self._ring[offsets % len(self._ring)]
        return rows[rows[:, 0] == (offsets + 1).astype(np.uint64)]

    def enter(self, words: Words) -> None:
        """Take in what `words_from` gave; `go_back` makes it findable."""
        self._ring[(words[:, 0].astype(np.int64) - 1) % len(self._ring)] = words

    def forget_to(self, offset: int) -> list[tuple[int, bytes]]:
        """Forget ids first seen at or before an offset; gives them, oldest first."""
        floor, end = self.span
        forgotten = [self._id(old) for old in range(floor, min(offset + 1, end)) if self._is_there(old)]
        self.window[id_window.FLOOR] = max(floor, offset + 1)
        return forgotten

    def recall(self, forgotten: list[tuple[int, bytes]]) -> None:
        """Undo a `forget_to`."""
        self.window[id_window.FLOOR] = forgotten[0][0]

    def _is_there(self, offset: int) -> bool:
        return int(self._ring[offset % len(self._ring), 0]) == offset + 1

    def _id(self, offset: int) -> tuple[int, bytes]:
        return offset, self._ring[offset % len(self._ring), 1:].tobytes()

    def _offsets(self) -> list[int]:
        there = self._ring[:, 0]
        return sorted(int(offset) - 1 for offset in there[there > self.window[id_window.FLOOR]])

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return map(self._id, self._offsets())

    def __len__(self) -> int:
        return len(self._offsets())


class ArrayMarks(MutableMapping[tuple[int, bytes], int]):
    """The marks of sources, by kind and source."""

    def __init__(self, salt: Any) -> None:
        self.marks: Words = np.zeros(source_marks.SIZE, np.uint64)
        self.marks[source_marks.SALT] = salt

    def _row(self, source: tuple[int, bytes]) -> Words:
        kind, name = source
        index = int(source_marks.find_source(self.marks, np.uint64(kind), *words_in(name)))
        if index == source_marks.ABSENT:
            raise KeyError(source)
        return self._at(index)

    def _at(self, index: int) -> Words:
        start = source_marks.ROWS + source_marks.ROW * index
        return self.marks[start : start + source_marks.ROW]

    def __getitem__(self, source: tuple[int, bytes]) -> int:
        return int(self._row(source)[source_marks.NUMBER])

    def __setitem__(self, source: tuple[int, bytes], number: int) -> None:
        if source in self:
            self._row(source)[source_marks.NUMBER] = number
        elif len(self) == SOURCES_MAX:
            raise InvalidValue(f"one source more than the {SOURCES_MAX} that a partition may have")
        else:
            kind, name = source
            first, second = words_in(name)
            source_marks.add_source(self.marks, np.uint64(kind), first, second, np.uint64(number))

    def words(self) -> Words:
        """All of them, a row of words each, in the order of appearance."""
        rows = self.marks[source_marks.ROWS : source_marks.ROWS + source_marks.ROW * len(self)]
        return rows.reshape(-1, source_marks.ROW).copy()

    def enter(self, words: Words) -> None:
        """Take in what `words` gave."""
        for kind, first, second, number in words:
            source_marks.add_source(self.marks, kind, first, second, number)

    def __delitem__(self, source: tuple[int, bytes]) -> None:
        assert self[source] == int(self._at(len(self) - 1)[source_marks.NUMBER]), "only the last is taken back"
        source_marks.drop_last_source(self.marks)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        for index in range(len(self)):
            kind, first, second, _ = self._at(index)
            yield int(kind), first.tobytes() + second.tobytes()

    def __len__(self) -> int:
        return int(self.marks[source_marks.COUNT])


class ArraySent(MutableMapping[int, int]):
    """How many follow-ups went to each partition; those to which none went are not in it."""

    def __init__(self, partition_count: int) -> None:
        self.counts: Any = np.zeros(partition_count, np.int64)

    def __getitem__(self, target: int) -> int:
        if not self.counts[target]:
            raise KeyError(target)
        return int(self.counts[target])

    def __setitem__(self, target: int, count: int) -> None:
        self.counts[target] = count

    def __delitem__(self, target: int) -> None:
        self.counts[target] = 0

    def __iter__(self) -> Iterator[int]:
        return (int(target) for target in np.flatnonzero(self.counts))

    def __len__(self) -> int:
        return int(np.count_nonzero(self.counts))


class ArrayState(PartitionState):
    """A partition's state that compiled code can step and fold."""

    def __init__(self, genesis: Genesis) -> None:
        salt = np.uint64(
            page_index.salt_of(*words_in(genesis.log_id))
        )  # a kernel gives a plain int, and takes one for i64
        self.array_pages = ArrayPages(salt)
        self.array_ids = ArrayIds(genesis.window, salt)
        self.array_marks = ArrayMarks(salt)
        self.array_sent = ArraySent(genesis.partition_count)
        self.layout_changes = 0  # how often, so that whoever keeps something made from layouts knows when it is stale
        super().__init__(genesis, self.array_pages, self.array_ids, self.array_marks, self.array_sent)

    def _set_layout(self, name: str, new: PageLayout | None) -> None:
        super()._set_layout(name, new)
        self.layout_changes += 1

    def begin(self) -> None:
        super().begin()
        self._span = self.array_ids.span

    def rollback(self) -> None:
        super().rollback()
        self.array_ids.go_back(self._span)
