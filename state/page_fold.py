"""A fold for whoever follows pages through a log that somebody else has folded already.

It judges records as every fold does. Of what they change it keeps pages, layouts and the clock, and changes in blocks
only by the hand of its owner; ids, marks, counts and the digest are never asked for.
"""

from collections import Counter

from mmsb.kernels.digest import Digest
from mmsb.schemas.tlog.blocks import BlockHeader
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.arrays import ArrayState
from mmsb.state.fold import Fold


class PageFold(Fold):
    """Its owner applies the block that `read` says counts, before it reads the next record."""

    def __init__(self, record: bytes | None, key: bytes | None = TlogKind.GENESIS.key) -> None:
        super().__init__(record, key, ArrayState)
        assert isinstance(self.state, ArrayState), "that is what was asked for"
        self.pages: ArrayState = self.state

    @classmethod
    def beside(cls, fold: Fold) -> "PageFold":
        """One that judges the same records next, over the same pages: `own_pages` before anybody changes them."""
        twin = cls.__new__(cls)
        twin.__dict__.update(fold.__dict__)
        twin.discarded = Counter(fold.discarded)
        assert isinstance(fold.state, ArrayState), "a fold over arrays"
        twin.pages = fold.state
        return twin

    def own_pages(self) -> None:
        """Copy them, at the speed of memory."""
        self.state = self.pages = copy_pages(self.pages)

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        """The owner's to do."""

    def _check_digest(self, header: BlockHeader, digest: Digest) -> None:
        """Whoever accepted the record has checked it."""


def copy_pages(state: ArrayState) -> ArrayState:
    """Pages, layouts and clock."""
    twin = ArrayState(state.genesis)
    for layout in state.layouts.values():
        twin.add_layout(layout)
    for type_id, pages in state.array_pages.types.items():
        twin.array_pages.types[type_id] = pages.copy()
    twin.clock = state.clock
    return twin
