"""The whole way, from raw batches to blocks that count: what is timed when a machine is measured.

Machines differ in how they decode, in their writers and in their stages; the way is the same. Stages name functions
where their callers find them; together they are all that happens on the way.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Final, cast

import numpy as np

import mmsb
from bench.bank import app
from bench.stages import Stage
from mmsb.kernels.flat_json import json_scan
from mmsb.kernels.folding import block_changes, block_deltas, block_settling
from mmsb.kernels.intake import envelopes
from mmsb.kernels.stepping import settling
from mmsb.processors import judging, lowering, machine, writer
from mmsb.processors.compiled import Compiled, Stepper
from mmsb.processors.intake import read_batches
from mmsb.schemas.tlog.blocks import Block
from mmsb.state import applying, fold
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from mmsb.state.block_folder import BlockFolder
from mmsb.state.partition import PartitionState
from mmsb.streams.building import build

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
    fold_stages: Sequence[Stage]
    intents: int
    accounts: int
    texts: int  # how many of the intents come as JSON
    packed_at_least: float | None = None  # intents a second
    texts_at_least: float | None = None
    times_plain: float | None = None
    deltas_at_least: float | None = None
    fold_mb_at_least: float | None = None


class Log:
    """Where a writer's blocks go: into a list, or nowhere once they were read back."""

    def __init__(self, way: Way, opening: Iterable[bytes], *, keep: bool = False) -> None:
        """`opening` is settled first."""
        self._way = way
        self._keep = keep
        self.entries: list[mmsb.Entry] = []
        self.writer = way.make_writer(way.make_fold())
        self.append(self.writer.claim())
        self.settle(opening)

    def decode(self, batch: bytes) -> Sequence[mmsb.Records]:
        return self._way.decode(batch)

    def settle(self, batches: Iterable[bytes]) -> None:
        """All the way: checksum, columns, step, block, chain, and read back, so that it counts."""
        for batch in batches:
            for records in self.decode(batch):
                at = 0
                while at < len(records):
                    entry, outcome = self.writer.step(records.slice(at, len(records)) if at else records)
                    self.append(entry)
                    at = outcome.last + 1 - records.first

    def append(self, entry: mmsb.Entry) -> None:
        """Take an entry, as a log does, and let its writer read it back."""
        verdict, _ = self.writer.read(self.writer.fold.next, entry.key, entry.value)
        assert verdict.accepted, "nobody else writes here"
        if self._keep:
            self.entries.append(entry)

    def fold(self, folded: mmsb.Fold, start: int, stop: int) -> mmsb.Fold:
        """What a reader does who has only the entries, with some of them."""
        for offset, entry in enumerate(self.entries[start:stop], start=start + 1):
            folded.read(offset, entry.key, entry.value)
        return folded


@cache
def passes() -> SimpleNamespace:
    """The bundle's compiled code, where stages can stand in its place."""
    made = build(app.bundle())
    return SimpleNamespace(made=made, find_pages=made.find_pages, lower=made.lower)


def _make_fold() -> ArrayFold:
    """Over memory that is there, as in a process that has run for a while.

    A machine that runs others beside ours gives memory that was free for a few seconds slowly: up to a third of a run's
    time, and only after runs of something else.
    """
    made = ArrayFold(GENESIS)
    window = cast(ArrayState, made.state).array_ids.window
    window |= np.uint64(0)
    return made


def _compiled(state: mmsb.Fold) -> mmsb.Writer:
    code = Compiled(passes().made.module, lambda *a: passes().find_pages(*a), lambda *a: passes().lower(*a))
    return mmsb.Writer(app.bundle(), state, NONCE, compiled=code)


@cache
def compiled() -> Way:
    """The compiled machine; compiles it if nobody has."""
    return Way(
        "compiled",
        lambda batch: [read_batches(batch)],
        _make_fold,
        _compiled,
        [
            Stage("decode the batch", Log, "decode"),
            Stage("scan JSON", json_scan, "transcode"),
            Stage("read envelopes", envelopes, "read_envelopes"),
            Stage("clock", settling, "advance_clock"),
            Stage("ids and sources", settling, "settle"),
            Stage("check arguments, find pages", passes(), "find_pages"),
            Stage("lower and apply", passes(), "lower"),
            Stage("digest of ids and sources", settling, "count_settled"),
            Stage("step, in all else", machine.Machine, "step"),
            Stage("encode the block", Stepper, "sections"),
            Stage("checksum of intents", Stepper, "checksum"),
            Stage("encode the block", machine.Outcome, "block"),
            Stage("chain", writer, "chain"),
            Stage("read the block back", fold.Fold, "acknowledge"),
        ],
        [
            Stage("find sections", BlockFolder, "_locate"),
            Stage("check columns and rows", block_deltas, "check_block"),
            Stage("check and apply deltas", block_changes, "apply_deltas"),
            Stage("sources", block_settling, "settle_sources"),
            Stage("ids", block_settling, "settle_ids"),
            Stage("chain", fold, "chain"),
            Stage("fold, in all else", fold.Fold, "read"),
        ],
        intents=1_000_000,
        accounts=100_000,
        texts=1_000_000,
        packed_at_least=3e6,
        texts_at_least=2.5e6,
        times_plain=10,
        deltas_at_least=5e6,
        fold_mb_at_least=500,
    )


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
        Stage("read the block back", fold.Fold, "acknowledge"),
        Stage("step, in all else", machine.Machine, "step"),
    ],
    [
        Stage("read the block", fold, "unpack_block"),
        Stage("check and apply deltas", applying, "_apply_delta"),
        Stage("ids, marks, digest", PartitionState, "settle"),
        Stage("chain", fold, "chain"),
        Stage("fold, in all else", fold.Fold, "read"),
    ],
    intents=4_000,
    accounts=1_000,
    texts=4_000,
)
