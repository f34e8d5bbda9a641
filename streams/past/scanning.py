"""Reads a segment of the TLog from front to back, into the page index of the blocks in it that count."""

from pathlib import Path
from typing import Final

import numpy as np

from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import CorruptState, MalformedBytes
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.fold import Verdict
from mmsb.streams.files import File, Files
from mmsb.streams.log.frames import Chain, Fault, follow
from mmsb.streams.log.segments import RESTORE, Segment, corrupt, log_path, opened
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.growing import BlockPlace, GrowingIndex, Place, Standing
from mmsb.streams.past.outline import Outline

READ_BYTES: Final = 4_194_304  # at once: larger is no faster, and needs memory


def begin(files: Files, folder: Path) -> Outline:
    """The outline of a TLog's first record."""
    with opened(files, log_path(folder, 0)) as file:
        records, _ = _read(file, folder, GrowingIndex(0, Standing()), 1)
    return Outline(records.value(0), records.key(0))


def extend(files: Files, folder: Path, index: GrowingIndex, outline: Outline, until: int) -> None:
    """Read on where the index ends, up to a TLog offset that the segment reaches."""
    with opened(files, log_path(folder, index.base)) as file:
        while index.end < until:
            records, chain = _read(file, folder, index, until)
            _note(folder, index, outline, records, chain)


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
            expected = f"batches up to offset {until}, of which there is proof"
            fault = Fault(len(buffer), expected, "the end of the file")
        if fault is not None:
            raise _corrupt(folder, index, fault)
        wanted = chain.needed
    try:
        return read_batches(memoryview(buffer)[: chain.end]), chain
    except MalformedBytes as error:
        raise _corrupt(folder, index, Fault(error.position, "sound batches", str(error))) from None


def _corrupt(folder: Path, index: GrowingIndex, fault: Fault) -> CorruptState:
    segment = Segment(folder, index.base, index.end, index.size)
    return corrupt(segment, Fault(index.size + fault.position, fault.expected, fault.found), index.end)


def _note(folder: Path, index: GrowingIndex, outline: Outline, records: Records, chain: Chain) -> None:
    """Judge each record, and take note of what counts."""
    batches = np.searchsorted(chain.nexts, np.arange(records.first, records.last + 1), side="right").tolist()
    starts = (chain.starts + index.size).tolist()
    sizes = (chain.ends - chain.starts).tolist()
    for at, batch in enumerate(batches):
        tlog = records.first + at
        if tlog < outline.next:
            continue  # the genesis, with which the outline began
        clock = outline.clock
        try:
            verdict = outline.read(tlog, records.key(at), records.value(at))
            _note_verdict(index, verdict, clock, starts[batch], sizes[batch])
        except CorruptState as error:
            path = log_path(folder, index.base)
            raise CorruptState(f"{path} at byte {starts[batch]}: {error}: {RESTORE}") from error
    index.end, index.size = records.last + 1, index.size + chain.end
    index.after = Standing(outline.settled, outline.head, outline.clock)


def _note_verdict(index: GrowingIndex, verdict: Verdict, clock: int, position: int, size: int) -> None:
    if verdict.value is not None:
        block = BlockColumns(verdict.value)
        index.add(BlockPlace(block.header.last, clock, verdict.offset, position, size), block)
    elif verdict.accepted and verdict.kind in (TlogKind.CLAIM, TlogKind.MIGRATE):
        index.marks.append(Place(verdict.offset, position, size))
