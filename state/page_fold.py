"""A fold for whoever follows pages through a log that somebody else has folded already.

It judges records as every fold does. Of what they change it keeps pages, layouts and the clock, and changes in blocks
only by the hand of its owner; ids, marks, counts and the digest are never asked for.
"""

from collections import Counter
from collections.abc import Mapping

from mmsb.kernels.digest import Digest
from mmsb.schemas.tlog.blocks import BlockHeader
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.array_pages import ArrayPageType
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

    def own_pages(self, types: Mapping[int, ArrayPageType]) -> None:
        """Go on with copies of them, and of layouts and clock."""
        self.state = self.pages = state_beside(self.pages, types)

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        """The owner's to do."""

    def _check_digest(self, header: BlockHeader, digest: Digest) -> None:
        """Whoever accepted the record has checked it."""


def state_beside(state: ArrayState, types: Mapping[int, ArrayPageType]) -> ArrayState:
    """A state with the same layouts and clock, and other pages."""
    twin = ArrayState(state.genesis)
    for layout in state.layouts.values():
        twin.add_layout(layout)
    twin.array_pages.types.update(types)
    twin.clock = state.clock
    return twin
