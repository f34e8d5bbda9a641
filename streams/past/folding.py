"""Folds a partition of a data folder, from outside: no lock, no writing, no user code.

To its durable mark, or to an intent offset: then of a block that goes on behind it only what comes before is applied.
"""

from dataclasses import replace
from pathlib import Path

from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, BlockHeader
from mmsb.schemas.tlog.records import TlogKind
from mmsb.schemas.types import I64_MAX
from mmsb.state.applying import apply_block
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Verdict
from mmsb.streams.files import Files
from mmsb.streams.folder import FOLD_BYTES, MARK, TLOG, Progress
from mmsb.streams.log import Durable, MarkReader, Reader
from mmsb.streams.log.segments import list_bases
from mmsb.streams.past.bases import Bases, NoBases


def list_partitions(files: Files, data: Path) -> dict[int, Path]:
    """The folders of the partitions in a data folder, by number and in order: a worker has some of them."""
    names = [name for name in files.names(data) if name.isdecimal()] if files.exists(data) else []
    if not names:
        raise EnvironmentFailed(f"{data}: expected a data folder, found no partition in it; name another folder")
    return {number: data / str(number) for number in sorted(map(int, names))}


def read_mark(files: Files, partition: Path) -> Durable:
    """Up to where both logs may be read now."""
    mark = MarkReader(files, partition / MARK)
    try:
        return mark.read()
    finally:
        mark.close()


def fold_partition(
    files: Files,
    partition: Path,
    tell: Progress = lambda _, __: None,
    to: int | None = None,
    bases: Bases | None = None,
    *,
    short: bool = False,
) -> ArrayFold:
    """All that counts of a TLog, or what came up to an intent offset. Each block's digest is held against our state.

    It begins with the first record, or where a trimmed log begins to be known; `short` begins with the newest base.
    """
    end = read_mark(files, partition).tlog
    if not end:
        raise EnvironmentFailed(f"{partition}: expected a TLog, found nothing durable in it yet; start its owner first")
    reader = Reader(files, partition / TLOG, lambda: end)
    fold = _begin(files, partition, reader, I64_MAX if to is None else to, bases or NoBases(), short)
    while fold.next < end and not fold.arrived:
        _fold_some(fold, read_batches(reader.read(fold.next, FOLD_BYTES)))
        tell(fold.next, end)
    if to is not None and not fold.arrived:
        raise InvalidValue(
            f"{partition}: expected an offset up to {fold.settled}, the last that has settled, found {to}"
        )
    return fold


def _begin(files: Files, partition: Path, reader: Reader, to: int, bases: Bases, short: bool) -> "FoldTo":
    if to < 0:
        raise InvalidValue(f"expected an offset of 0 or more, found {to}")
    segments = list_bases(files, partition / TLOG)
    first = segments[0] if segments else 0
    base = bases.newest_before(to) if short else bases.oldest_from(first) if first else None
    if base is not None and base.settled <= to:
        return FoldTo.beside(base.fold(), to)
    if first:
        raise InvalidValue(
            f"{partition / TLOG}: expected an offset that the log still has, which begins at TLog offset {first}, or a "
            "checkpoint before that, found none: what came before was trimmed"
        )
    records = read_batches(reader.read(0, 1))
    return FoldTo(to, records.value(0), records.key(0))


def _fold_some(fold: "FoldTo", records: Records) -> None:
    for index in range(fold.next - records.first, len(records)):
        if fold.arrived:
            return
        fold.read(fold.next, records.key(index), records.value(index))


class FoldTo(ArrayFold):
    """Stops being right behind an intent offset: read nothing more once it has `arrived`."""

    def __init__(self, to: int, record: bytes | None, key: bytes | None = TlogKind.GENESIS.key) -> None:
        super().__init__(record, key)
        self._to = to

    @classmethod
    def beside(cls, fold: ArrayFold, to: int) -> "FoldTo":
        """One that takes another over."""
        twin = cls.__new__(cls)
        twin.__dict__.update(vars(fold))
        twin._to = to
        return twin

    @property
    def arrived(self) -> bool:
        return self.settled >= self._to

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        if header.last <= self._to:
            super()._fold_block(header, value)
            return
        block = cut(unpack_block(value), self._to, self.state.clock)
        self._all_or_nothing(lambda: apply_block(self.state, self.claim, block))

    def read(self, offset: int, key: bytes | None, value: bytes | None) -> Verdict:
        assert not self.arrived, "there is nothing to be read"
        verdict = super().read(offset, key, value)
        self.settled = min(self.settled, self._to)
        return verdict


def cut(block: Block, to: int, clock: int) -> Block:
    """A block without what it says of offsets behind one. No digest is known for that; it says the whole block's."""
    count = to + 1 - block.header.first
    rises = [(index, risen) for index, risen in block.rises if index < count]
    header = replace(block.header, last=to, clock=rises[-1][1] if rises else clock)
    deltas = [delta for delta in block.deltas if delta.index < count]
    follow_ups = [sent for sent in block.follow_ups if sent.index < count]
    return Block(header, block.outcomes[:count], rises, deltas, follow_ups)
