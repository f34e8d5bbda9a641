"""Partition folders made from records that somebody wrote, in tiny segments, without an engine."""

from collections.abc import Iterable
from pathlib import Path
from random import Random

from mmsb.processors.writer import Entry
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.records import Records
from mmsb.streams.files import Files, make_folders
from mmsb.streams.folder import INTENTS, MARK, TLOG
from mmsb.streams.log import Durable, Log, Mark
from mmsb.streams.past.bases import NoBases
from mmsb.streams.past.catalog import Indexer

PARTITION = Path("/data/0")
SEGMENT_BYTES = 3_000


def open_log(files: Files, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> Log:
    log = Log.open(files, folder, 0, segment_bytes)
    log.mend()
    return log


def append(log: Log, records: Iterable[tuple[bytes | None, bytes | None]], rng: Random | None = None) -> None:
    """Records behind those that are there; several in a batch now and then, as a copy from Kafka may have them."""
    waiting = list(records)
    while waiting:
        size = rng.choice([1, 1, 1, 2, 5]) if rng else 1
        batch, waiting = waiting[:size], waiting[size:]
        data = encode_batch(log.end, [Record(key, value, 1_700_000_000_000) for key, value in batch])
        log.append(data, log.end, len(batch))
    log.sync()


def write_missing(files: Files, folder: Path, upto: int) -> None:
    """As an owner does that has just started."""
    indexer = Indexer(files, folder, NoBases())
    try:
        indexer.write_missing(upto)
    finally:
        indexer.close()


def write_partition(
    files: Files, entries: Iterable[Entry], genesis: bytes, intents: Records | None = None, rng: Random | None = None
) -> Path:
    """A partition's folder: its TLog, its intents, and a mark that says that all of it is durable."""
    make_folders(files, PARTITION)
    tlog, log = open_log(files, PARTITION / TLOG), open_log(files, PARTITION / INTENTS)
    append(tlog, [(b"genesis", genesis), *((entry.key, entry.value) for entry in entries)], rng)
    for record in intents or ():
        data = encode_batch(log.end, [record])
        log.append(data, log.end, 1)
    log.sync()
    mark = Mark.open(files, PARTITION / MARK)
    mark.write(Durable(log.durable, tlog.durable))
    for part in (tlog, log, mark):
        part.close()
    return PARTITION
