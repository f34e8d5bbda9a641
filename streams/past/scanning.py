"""Reads a segment of the TLog from front to back, into the page index of the blocks in it that count.

A fold judges the records: an outline where only the index is wanted, a whole one where the state is wanted too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.past import entries, outcomes, sections
from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import CorruptState, MalformedBytes
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.blocks import COUNTS, FIXED, HEADER_BYTES, malformed
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.fold import Fold, Verdict
from mmsb.streams.files import File, Files
from mmsb.streams.folder import Progress
from mmsb.streams.log.frames import Chain, Fault, follow
from mmsb.streams.log.segments import Segment, corrupt, list_bases, log_path, opened
from mmsb.streams.past.growing import BlockPlace, GrowingIndex, Place, Standing

F = TypeVar("F", bound=Fold)

Hear = Callable[[Verdict], None]

_DELTAS: Final = 6  # among a block's counts

READ_BYTES: Final = 4_194_304  # at once: larger is no faster, and needs memory


def begin(files: Files, folder: Path, make: Callable[[bytes | None, bytes | None], F]) -> F:
    """A fold of a TLog's first record."""
    with opened(files, log_path(folder, 0)) as file:
        records, _ = _read(file, folder, GrowingIndex(0, Standing()), 1)
    return make(records.value(0), records.key(0))


class Damaged(CorruptState):
    """Something is wrong with a record at a place of a segment."""

    def __init__(self, segment: Segment, fault: Fault) -> None:
        super().__init__(str(corrupt(segment, fault, segment.end)))
        self.path = segment.path
        self.fault = fault


def extend(
    files: Files,
    folder: Path,
    index: GrowingIndex,
    fold: Fold,
    until: int,
    hear: Hear = lambda _: None,
    tell: Progress = lambda _, __: None,
) -> None:
    """Read on where the index ends, up to a TLog offset that the segment reaches; `hear` is told of each record."""
    with opened(files, log_path(folder, index.base)) as file:
        while index.end < until:
            records, chain = _read(file, folder, index, until)
            _note(folder, index, fold, records, chain, hear)
            tell(index.end, until)


def replay(files: Files, folder: Path, fold: Fold, until: int) -> None:
    """Go on with a fold up to a TLog offset, which the log reaches, without any index."""
    bases = [base for base in list_bases(files, folder) if base < until]
    for base, following in zip(bases, [*bases[1:], until], strict=True):
        if following > fold.next:
            place = GrowingIndex(base, Standing())
            with opened(files, log_path(folder, base)) as file:
                while place.end < following:
                    records, chain = _read(file, folder, place, following)
                    for at in range(max(fold.next - records.first, 0), min(len(records), until - records.first)):
                        fold.read(fold.next, records.key(at), records.value(at))
                    place.end, place.size = records.last + 1, place.size + chain.end


def _read(file: File, folder: Path, index: GrowingIndex, until: int) -> tuple[Records, Chain]:
    """Some batches from where the index ends: at least one."""
    wanted = READ_BYTES
    while True:
        buffer = file.read(index.size, wanted)
        chain = follow(buffer, index.end, until)
        if chain.count:
            break
        fault = chain.fault
        if fault is None and len(buffer) < wanted:
            fault = Fault(len(buffer), f"batches up to offset {until}, of which there is proof", "the end of the file")
        if fault is not None:
            raise _damaged(folder, index, fault)
        wanted = chain.needed
    try:
        return read_batches(memoryview(buffer)[: chain.end]), chain
    except MalformedBytes as error:
        raise _damaged(folder, index, Fault(error.position, "sound batches", str(error))) from None


def _damaged(folder: Path, index: GrowingIndex, fault: Fault) -> Damaged:
    segment = Segment(folder, index.base, index.end, index.size)
    return Damaged(segment, Fault(index.size + fault.position, fault.expected, fault.found))


def _note(folder: Path, index: GrowingIndex, fold: Fold, records: Records, chain: Chain, hear: Hear) -> None:
    """Judge each record, and take note of what counts."""
    offsets = np.arange(records.first, records.last + 1)
    batches: list[int] = np.searchsorted(chain.nexts, offsets, side="right").tolist()
    starts: list[int] = chain.starts.tolist()
    sizes: list[int] = (chain.ends - chain.starts).tolist()
    for at, batch in enumerate(batches):
        tlog = records.first + at
        if tlog < fold.next:
            continue  # the genesis, with which the fold began
        clock = fold.state.clock
        try:
            verdict = fold.read(tlog, records.key(at), records.value(at))
            value = int(records.starts[at]) - starts[batch]
            _note_verdict(index, verdict, clock, (index.size + starts[batch], sizes[batch]), value)
            hear(verdict)
        except CorruptState as error:
            fault = Fault(starts[batch], f"a record with TLog offset {tlog} that can be folded", str(error))
            raise _damaged(folder, index, fault) from error
    index.end, index.size = records.last + 1, index.size + chain.end
    index.after = Standing(fold.settled, fold.head, fold.state.clock)


def _note_verdict(index: GrowingIndex, verdict: Verdict, clock: int, batch: tuple[int, int], value: int) -> None:
    """`batch` is its place and size, and `value` where in it the value begins."""
    if verdict.value is not None:
        noted = note_block(verdict.value, clock)
        place = BlockPlace(
            noted.last, clock, verdict.offset, *batch, value, noted.offsets, noted.deltas, noted.metadata
        )
        index.add(place, noted.hashes, noted.notes)
    elif verdict.accepted and verdict.kind in (TlogKind.CLAIM, TlogKind.MIGRATE):
        index.marks.append(Place(verdict.offset, *batch))


class Noted(NamedTuple):
    """What an index says of a block: as in BlockPlace, and each delta's page's hash and its entry's second word."""

    last: int
    offsets: int
    deltas: int
    metadata: int
    hashes: Words
    notes: Words


def note_block(value: bytes, clock: int) -> Noted:
    """Of a block that counts; the partition clock is that before it."""
    size = COUNTS.unpack_from(value, FIXED.size)[_DELTAS]
    hashes, notes = np.empty(size, np.uint64), np.empty(size, np.uint64)
    plan, seen = np.empty(sections.WORDS, np.int64), np.empty(outcomes.SEEN, np.int64)
    count = entries.note_deltas(np.frombuffer(value, np.uint8), 0, clock, hashes, notes, plan, seen)
    if count != size:
        raise malformed("outcomes and deltas that fit into it", "others", HEADER_BYTES)
    first, settled, deltas = plan[[sections.FIRST, sections.COUNT, sections.DELTAS]].tolist()
    return Noted(first + settled - 1, settled, deltas, max(int(seen[outcomes.META_SIZE]), 0), hashes, notes)
