"""Folds a partition of a data folder to its durable mark, from outside: no lock, no writing, no user code."""

from pathlib import Path

from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.state.array_fold import ArrayFold
from mmsb.streams.files import Files
from mmsb.streams.folder import FOLD_BYTES, MARK, TLOG, Progress
from mmsb.streams.log import Durable, MarkReader, Reader


def list_partitions(files: Files, data: Path) -> list[Path]:
    """The folders of the partitions in a data folder, in order."""
    names = [name for name in files.names(data) if name.isdecimal()] if files.exists(data) else []
    if not names:
        raise EnvironmentFailed(f"{data}: expected a data folder, found no partition in it; name another folder")
    return [data / name for name in sorted(names, key=int)]


def read_mark(files: Files, partition: Path) -> Durable:
    """Up to where both logs may be read now."""
    mark = MarkReader(files, partition / MARK)
    try:
        return mark.read()
    finally:
        mark.close()


def fold_partition(files: Files, partition: Path, tell: Progress = lambda _, __: None) -> ArrayFold:
    """All that counts of a TLog, each block's digest compared with that of the state after it."""
    end = read_mark(files, partition).tlog
    if not end:
        raise EnvironmentFailed(f"{partition}: expected a TLog, found nothing durable in it yet; start its owner first")
    reader = Reader(files, partition / TLOG, lambda: end)
    records = read_batches(reader.read(0, 1))
    fold = ArrayFold(records.value(0), records.key(0))
    while fold.next < end:
        records = read_batches(reader.read(fold.next, FOLD_BYTES))
        for index in range(fold.next - records.first, len(records)):
            fold.read(fold.next, records.key(index), records.value(index))
        tell(fold.next, end)
    return fold
