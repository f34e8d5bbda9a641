"""The whole way, from raw batches to blocks that were read back: what is timed when a machine is measured.

Machines differ in how they decode, in their writers and in their stages; the way is the same. Stages name functions
where their callers find them; together they are all that happens on the way.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Way:
    """One machine to measure, over how much (what takes one a second takes another a minute), and what is wanted."""

    name: str
    decode: Callable[[bytes], Sequence[mmsb.Records]]
    make_fold: Callable[[], mmsb.Fold]
    make_writer: Callable[[mmsb.Fold], mmsb.Writer]
    stages: Sequence[Stage]
    intents: int
    accounts: int
    packed_at_least: float | None = None  # intents a second
    json_at_least: float | None = None
    times_plain: float | None = None
    deltas_at_least: float | None = None
    fold_mb_at_least: float | None = None


class Log:
    """A TLog in memory, with the writer that reigns over it."""

    def __init__(self, way: Way, opening: Iterable[bytes]) -> None:
        """`opening` is settled first."""
        self._way = way
        self.writer = way.make_writer(way.make_fold())
        self.entries: list[mmsb.Entry] = []
        self.append(self.writer.claim())
        self.settle(opening)

    def append(self, entry: mmsb.Entry) -> None:
        """Take the entry, and let its writer read it back."""
        self.entries.append(entry)
        verdict, _ = self.writer.read(len(self.entries), entry.key, entry.value)
        assert verdict.accepted, "nobody else writes here"

    def decode(self, batch: bytes) -> Sequence[mmsb.Records]:
        return self._way.decode(batch)

    def settle(self, batches: Iterable[bytes]) -> None:
        """All the way: checksum, columns, step, block, chain, read back."""
        for batch in batches:
            for records in self.decode(batch):
                at = 0
                while at < len(records):
                    entry, outcome = self.writer.step(records.slice(at, len(records)) if at else records)
                    self.append(entry)
                    at = outcome.last + 1 - records.first

    def fold(self, folded: mmsb.Fold, start: int, stop: int) -> mmsb.Fold:
        """What a reader does who has only the entries, with some of them."""
        for offset, entry in enumerate(self.entries[start:stop], start=start + 1):
            folded.read(offset, entry.key, entry.value)
        return folded


def _interpreted(state: mmsb.Fold) -> mmsb.Writer:
    return mmsb.Writer(app.bundle(), state, NONCE)


INTERPRETED: Final = Way(
    "interpreted",
    mmsb.decode_batches,
    lambda: mmsb.Fold(GENESIS),
    _interpreted,
    [
        Stage("decode the batch", Log, "decode"),
        Stage("read the envelope", judging, "read_envelope"),
        Stage("check the arguments", judging, "read_arguments"),
        Stage("look up and copy pages", lowering, "_load"),
        Stage("lower", judging, "lower"),
        Stage("check and make deltas", lowering, "page_change"),
        Stage("judge, in all else", machine, "judge"),
        Stage("build rows", machine._Builder, "add"),  # pyright: ignore[reportPrivateUsage]
        Stage("ids, marks, digest", PartitionState, "settle"),
        Stage("write pages, digest", PartitionState, "write_page"),
        Stage("checksum of intents", machine, "intents_checksum"),
        Stage("encode the block", Block, "pack"),
        Stage("chain", writer, "chain"),
        Stage("chain", fold, "chain"),
        Stage("read the block back", fold.Fold, "acknowledge"),
        Stage("step, in all else", machine.Machine, "step"),
    ],
    intents=4_000,
    accounts=1_000,
)
