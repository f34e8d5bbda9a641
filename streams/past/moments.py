"""All pages at a moment of the past: a replay that stops there, from the newest base before it or from the genesis."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.state.applying import apply_block
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from mmsb.state.converting import convert_type
from mmsb.state.page_copy import PageCopy
from mmsb.streams.files import Files
from mmsb.streams.past.bases import Bases
from mmsb.streams.past.folding import cut
from mmsb.streams.past.scanning import begin, replay
from mmsb.streams.past.walking import Stretch

SCAN_PAGES: Final = 1_000  # that whoever scans takes at a time


@dataclass(frozen=True, eq=False)
class Moment:
    """Right after an intent had settled, with the pages of one type. Any thread may replay it, from its own bases."""

    files: Files
    folder: Path  # of the TLog
    at: int
    tlog: int  # of the block that settled it; where the log begins with a base of that moment, the first behind it
    block: bytes  # nothing, then
    last: int  # what the block settled last
    stretches: list[Stretch]

    def fold(self, bases: Bases) -> ArrayFold:
        """The whole state then. Where the moment is within a block, the fold cannot go on."""
        base = bases.newest_before(self.at)
        fold = begin(self.files, self.folder, ArrayFold) if base is None else base.fold()
        replay(self.files, self.folder, fold, self.tlog + (self.at == self.last))
        if fold.settled < self.at:
            apply_block(fold.state, fold.claim, cut(unpack_block(self.block), self.at, fold.state.clock))
        return fold

    def pages(self, bases: Bases) -> PageCopy | None:
        """Those of the type, in its own layout, which they may have got later."""
        state = cast(ArrayState, self.fold(bases).state)
        then = next((each for each in self.stretches if state.layout_of(each.layout.type_id) is not None), None)
        if then is None:
            return None
        while then.became is not None and then.newer is not None:
            convert_type(state, then.layout, then.newer.layout, dict(then.became.columns))
            then = then.newer
        return PageCopy(then.layout, state.array_pages.of(then.layout))
