"""The fold over flat arrays: blocks are folded by compiled code, and all that is rare as everywhere else.

What compiled code refuses goes the plain way through the same arrays, which says what is wrong.
"""

from typing import cast

from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import BlockHeader
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state import block_folder
from mmsb.state.arrays import ArrayState
from mmsb.state.fold import Fold
from mmsb.state.partition import PartitionState


class ArrayFold(Fold):
    """A Fold whose state is an ArrayState."""

    def __init__(self, record: bytes | None, key: bytes | None = TlogKind.GENESIS.key) -> None:
        super().__init__(record, key, ArrayState)

    def _begin(self, state: PartitionState) -> None:
        super()._begin(state)
        self._folder = block_folder.BlockFolder(cast(ArrayState, state))

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        why = self._folder.fold(self.claim, header, value)
        if why == block_folder.APPLIED:
            return
        block = unpack_block(value)

        def change() -> None:
            self._apply(block)
            assert why != block_folder.REFUSED, "compiled code refuses no block that counts"

        self._all_or_nothing(change)
