"""The whole way, from raw batches to blocks that were read back: what is timed when a machine is measured.

Only the writer differs between the interpreted and the compiled machine. A machine's stages name functions where their
callers find them; together they are all that happens on the way.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Final

import mmsb
from bench.bank import app
from bench.stages import Stage
from mmsb.processors import judging, lowering, machine, writer
from mmsb.schemas.tlog.blocks import Block
from mmsb.state import fold
from mmsb.state.partition import PartitionState

GENESIS: Final = mmsb.Genesis(log_id=bytes(range(16)), app="bank").pack()
NONCE: Final = b"a-reign's-name-1"

decode = mmsb.decode_batches  # a name of this module, so that a stage can stand in its place

INTERPRETED: Final = [
    Stage("decode the batch", sys.modules[__name__], "decode"),
    Stage("judge, in all else", machine, "judge"),
    Stage("read the envelope", judging, "read_envelope"),
    Stage("check the arguments", judging, "read_arguments"),
    Stage("look up and copy pages", lowering, "_load"),
    Stage("lower", judging, "lower"),
    Stage("check and make deltas", lowering, "page_change"),
    Stage("build rows", machine._Builder, "add"),  # pyright: ignore[reportPrivateUsage]
    Stage("ids, marks, digest", PartitionState, "settle"),
    Stage("write pages, digest", PartitionState, "write_page"),
    Stage("checksum of intents", machine, "intents_checksum"),
    Stage("encode the block", Block, "pack"),
    Stage("chain", writer, "chain"),
    Stage("chain", fold, "chain"),
    Stage("read the block back", fold.Fold, "acknowledge"),
    Stage("step, in all else", machine.Machine, "step"),
]


class Log:
    """A TLog in memory, with the writer that reigns over it."""

    def __init__(self, make_writer: Callable[[mmsb.Fold], mmsb.Writer]) -> None:
        self.writer = make_writer(mmsb.Fold(GENESIS))
        self.entries: list[mmsb.Entry] = []
        self.append(self.writer.claim())

    def append(self, entry: mmsb.Entry) -> None:
        """Take the entry, and let its writer read it back."""
        self.entries.append(entry)
        verdict, _ = self.writer.read(len(self.entries), entry.key, entry.value)
        assert verdict.accepted, "nobody else writes here"

    def settle(self, batches: Iterable[bytes]) -> None:
        """All the way: checksum, columns, step, block, chain, read back."""
        for batch in batches:
            for records in decode(batch):
                at = 0
                while at < len(records):
                    entry, outcome = self.writer.step(records.slice(at, len(records)) if at else records)
                    self.append(entry)
                    at = outcome.last + 1 - records.first

    def fold(self) -> mmsb.Fold:
        """What a reader does who has only the entries."""
        folded = mmsb.Fold(GENESIS)
        for offset, entry in enumerate(self.entries, start=1):
            folded.read(offset, entry.key, entry.value)
        return folded


def interpreted(state: mmsb.Fold) -> mmsb.Writer:
    """The reference interpreter's writer."""
    return mmsb.Writer(app.bundle(), state, NONCE)


def opened(make_writer: Callable[[mmsb.Fold], mmsb.Writer], opening: Iterable[bytes]) -> Log:
    """A log whose accounts are open and funded."""
    log = Log(make_writer)
    log.settle(opening)
    return log
