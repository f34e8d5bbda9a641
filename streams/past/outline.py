"""Which TLog records count, learnt from their headers alone: the fold's own rules, without the state.

What a block does is not looked at, so this is as fast as hashing. Whoever opens a page index may skip a whole segment,
but for the claims and migrations in it.
"""

from bisect import bisect_right
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.errors import CorruptState
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.blocks import BlockHeader
from mmsb.schemas.tlog.claims import Claim, unpack_claim
from mmsb.schemas.tlog.migrations import unpack_migrate
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.state.fields import Column
from mmsb.state.fold import Fold
from mmsb.state.migrations import follow
from mmsb.state.partition import PartitionState


@dataclass(frozen=True)
class Reign:
    """A claim that counts, and its TLog offset: from there on its code decides."""

    tlog: int
    claim: Claim


@dataclass(frozen=True)
class Conversion:
    """How the pages of a type became those of another, and the TLog offset of the migrate record that did it."""

    tlog: int
    old: PageLayout
    new: PageLayout
    columns: Mapping[str, Column]


# What a fold knows beside its state and what it counts.
_STANDING: Final = (
    "settled", "head", "head_prev", "accepted_at", "next", "reign", "generation", "bundle", "repeats", "claim",
    "last_block", "_stopped",
)  # fmt: skip


def _without_pages(state: PartitionState) -> PartitionState:
    other = PartitionState(state.genesis)
    other.clock = state.clock
    for layout in state.layouts.values():
        other.add_layout(layout)
    return other


class Outline(Fold):
    """A fold that knows what counts, who reigned, and which layouts pages had, and keeps no pages."""

    def __init__(self, record: bytes | None, key: bytes | None) -> None:
        super().__init__(record, key)
        self.reigns: list[Reign] = []
        self.conversions: list[Conversion] = []
        self.layouts: dict[int, PageLayout] = {}  # of every page type that there ever was

    @classmethod
    def beside(cls, fold: Fold) -> "Outline":
        """One that judges the same records next. Of what was before, it knows the claim in force and the layouts."""
        twin = cls.__new__(cls)
        twin.__dict__.update({name: vars(fold)[name] for name in _STANDING})
        twin.state = _without_pages(fold.state)
        twin.discarded, twin.pending = fold.discarded.copy(), dict(fold.pending)
        twin.reigns = [] if fold.claim is None else [Reign(0, fold.claim)]
        twin.conversions = []
        twin.layouts = {layout.type_id: layout for layout in fold.state.layouts.values()}
        return twin

    def fork(self) -> "Outline":
        """Another that goes on from here by itself."""
        other = copy(self)
        other.state = _without_pages(self.state)
        other.discarded, other.pending, other.layouts = self.discarded.copy(), dict(self.pending), dict(self.layouts)
        other.reigns, other.conversions = list(self.reigns), list(self.conversions)
        return other

    def reign_at(self, tlog: int) -> Claim:
        """The claim under which a block at a TLog offset was written."""
        at = bisect_right(self.reigns, tlog, key=lambda reign: reign.tlog)
        assert at, "a block that counts follows a claim"
        return self.reigns[at - 1].claim

    def skip(self, end: int, settled: int, head: bytes, clock: int) -> None:
        """Go on at a TLog offset, knowing what is known there but for claims and migrations, which were retaken."""
        self.next, self.settled, self.head, self.state.clock = end, settled, head, clock

    def retake(self, tlog: int, value: bytes | None) -> None:
        """Take a claim or migration of a stretch that is being skipped, of which it is known that it counts."""
        self.next = tlog
        kind = peek(value)
        if value is None or kind not in (TlogKind.CLAIM, TlogKind.MIGRATE):
            raise CorruptState(f"TLog offset {tlog}: expected a claim or a migrate record, found another")
        if kind == TlogKind.CLAIM:
            self._apply_claim(unpack_claim(value))
        else:
            self._apply_migrate(value)

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        self.state.clock = header.clock

    def _apply_claim(self, claim: Claim) -> None:
        super()._apply_claim(claim)
        self.reigns.append(Reign(self.next, claim))
        self.layouts.update({layout.type_id: layout for layout in self.state.layouts.values()})

    def _apply_migrate(self, value: bytes) -> None:
        _, migrations = unpack_migrate(value)
        for migration in migrations:
            old, new = self.state.layouts[migration.page], self.pending[migration.page]
            columns = follow(old, new, migration.steps)
            self.conversions.append(Conversion(self.next, old, new, columns))
            self.state.add_layout(new)
            self.layouts[new.type_id] = new
        self.pending = {}
