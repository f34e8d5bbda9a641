"""Bases in memory: folds that stopped at some moments, as checkpoints will keep them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmsb.processors.writer import Entry
from mmsb.state.array_fold import ArrayFold
from mmsb.state.pages import PageId
from mmsb.streams.past.bases import Base
from mmsb.streams.past.outline import Outline


@dataclass
class MemoryBase:
    """What a partition was after the first records of its TLog."""

    genesis: bytes
    entries: Sequence[Entry]
    asked: list[PageId] = field(default_factory=list[PageId])

    def __post_init__(self) -> None:
        self._fold = self.fold()

    @property
    def settled(self) -> int:
        return self._fold.settled

    @property
    def next(self) -> int:
        return self._fold.next

    def page(self, page: PageId) -> tuple[int, bytes] | None:
        self.asked.append(page)
        return self._fold.state.read_page(*page)

    def outline(self) -> Outline:
        return Outline.beside(self._fold)

    def fold(self) -> ArrayFold:
        fold = ArrayFold(self.genesis)
        for entry in self.entries:
            fold.read(fold.next, entry.key, entry.value)
        return fold


class MemoryBases:
    def __init__(self, genesis: bytes, entries: Sequence[Entry], ends: Iterable[int]) -> None:
        """One for each number of records in front."""
        self.all = [MemoryBase(genesis, entries[:end]) for end in sorted(ends)]

    def newest_before(self, offset: int) -> Base | None:
        return next((base for base in reversed(self.all) if base.settled <= offset), None)

    def oldest_from(self, tlog: int) -> Base | None:
        return next((base for base in self.all if base.next >= tlog), None)

    def close(self) -> None:
        """There is nothing open."""
