"""The plain model of the past: every state that a partition ever had, one dictionary of pages for each offset."""

from dataclasses import dataclass, field
from typing import Any

from mmsb.processors.writer import Entry
from mmsb.schemas.events import EventKind
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.blocks import OutcomeRow
from mmsb.state.fold import Fold
from mmsb.state.pages import PageId

Pages = dict[PageId, tuple[int, bytes]]
Happened = tuple[int, EventKind, int, bytes]  # offset, what, epoch before, body after


@dataclass
class History:
    """Fed with a TLog whose blocks settle one offset each."""

    states: list[Pages] = field(default_factory=lambda: [{}])  # the one after offset n is at n + 1
    outcomes: list[OutcomeRow] = field(default_factory=list)
    clocks: list[int] = field(default_factory=list)

    def of_page(self, page: PageId) -> list[Happened]:
        """The newest first."""
        found: list[Happened] = []
        for offset in range(len(self.states) - 1):
            found += [happened for other, happened in self.at(offset) if other == page]
        return found[::-1]

    def at(self, offset: int) -> list[tuple[PageId, Happened]]:
        before, after = self.states[offset], self.states[offset + 1]
        found: list[tuple[PageId, Happened]] = []
        for page in sorted(before.keys() | after.keys()):
            old, new = before.get(page), after.get(page)
            if old != new:
                kind = EventKind.DELETED if new is None else EventKind.CHANGED if old else EventKind.CREATED
                found.append((page, (offset, kind, old[0] if old else 0, new[1] if new else b"")))
        return found

    def blame(self, page: PageId, layout: PageLayout, index: int) -> int | None:
        """The last offset before which a field was another, or not there."""
        place = slice(layout.fields[index].offset, layout.fields[index].end)
        if page not in self.states[-1]:
            return None
        now = self.states[-1][page][1][place]
        for offset in range(len(self.states) - 2, -1, -1):
            before = self.states[offset].get(page)
            if before is None or before[1][place] != now:
                return offset
        raise AssertionError("every page was created")

    @property
    def pages(self) -> set[PageId]:
        return {page for state in self.states for page in state}


def history_of(genesis: bytes, entries: list[Entry]) -> tuple[History, Fold]:
    fold, history = Fold(genesis), History()
    for entry in entries:
        block: Any = fold.read(fold.next, entry.key, entry.value).block
        if block is not None:
            assert len(block.outcomes) == 1
            history.states.append({page: (epoch, body) for page, epoch, body in fold.state.pages})
            history.outcomes.append(block.outcomes[0])
            history.clocks.append(fold.state.clock)
    return history, fold
