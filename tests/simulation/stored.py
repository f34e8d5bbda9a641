"""What is in homes and checkpoints of all partitions after a process has ended, held against the logs beside them.

Rows are taken off the simulated disk without the engine, and made a state of by the shipped code: the digest of that
must be the one that the TLog has for the offset that the rows stand at, page by page, id by id.
"""

from collections.abc import Set
from pathlib import Path
from typing import Final

from blake3 import blake3

from mmsb.schemas.tlog.follow_up_rows import read_follow_ups
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.home.meta import Meta, Standing
from mmsb.state.home.restoring import read_meta, restore
from mmsb.state.store import PAGES
from mmsb.streams.store.model import ROWS, MemorySnapshot, _decoded
from tests.model.batch import Record
from tests.model.tlog import decode_header
from tests.simulation.claims import require
from tests.simulation.disk import VirtualFiles
from tests.simulation.judge import source_in
from tests.simulation.kept import listed, rows_of, settled_in
from tests.simulation.watch import Watch

HASH_BYTES: Final = 32
EVERYTHING: Final = 2**40  # bytes of memory
WITH_DIGEST: Final = (TlogKind.BLOCK.key, TlogKind.QUARANTINE.key, TlogKind.MIGRATE.key)


def rows_in(files: VirtualFiles, folder: Path) -> MemorySnapshot:
    """The rows of a partition. Those of a home that is damaged do not count: no start looks at them."""
    path = folder / "home" / ROWS
    data = files.content(path) if path in files._names else b""
    content = data[HASH_BYTES:]
    return MemorySnapshot(dict(_decoded(content)) if data[:HASH_BYTES] == blake3(content).digest() else {})


def standing_in(files: VirtualFiles, folder: Path) -> Standing | None:
    """Where the rows of a partition stand."""
    meta = read_meta(rows_in(files, folder))
    return None if meta is None else meta.standing


def judge_homes(files: VirtualFiles, folder: Path, partitions: int, damaged: Set[Path]) -> None:
    """`files` is the disk as the next process finds it. `damaged` are partitions and checkpoints that were harmed."""
    logged = _follow_ups_logged(files, folder, partitions)
    for number in range(partitions):
        place = folder / str(number)
        aside = [name for name in files.names(place) if "home." in name] if files.exists(place) else []
        require("no home is damaged", not aside or place in damaged, f"{place} has {aside}")
        rows = rows_in(files, place)
        meta = read_meta(rows)
        durable = Watch(files, place, durable=True)
        if meta is not None:
            _judge_standing(meta.standing, durable)
            _judge_follow_ups(meta.standing, durable, number, logged)
            _judge_rows(rows, meta, durable.tlog, "the home")
        for checkpoint in listed(files, place):
            if checkpoint not in damaged:
                _judge_checkpoint(files, checkpoint, durable)


def _judge_standing(standing: Standing, durable: Watch) -> None:
    settled = durable.settled  # which reads both logs
    behind = standing.settled <= settled and standing.next <= len(durable.tlog)
    found = f"it stands at {standing.settled} and {standing.next}, and on disk for good {settled}, {len(durable.tlog)}"
    require("the store never leads the logs", behind, found)


def _judge_checkpoint(files: VirtualFiles, checkpoint: Path, durable: Watch) -> None:
    rows = MemorySnapshot(dict(_decoded(files.content(rows_of(checkpoint))[HASH_BYTES:])))
    meta = read_meta(rows)
    settled = None if meta is None else meta.standing.settled
    found = f"{checkpoint} has rows of {settled}"
    require("a checkpoint is what its name says", settled == settled_in(checkpoint), found)
    assert meta is not None, "something has settled there"
    _judge_standing(meta.standing, durable)
    _judge_rows(rows, meta, durable.tlog, "a checkpoint")


def _judge_rows(rows: MemorySnapshot, meta: Meta, tlog: list[Record], whose: str) -> None:
    fold, home = restore(rows, meta, EVERYTHING)
    for stored in meta.contents.types:
        home.bring_type(stored.type_id)
    digest = fold.state.recompute_digest()
    require(f"{whose} has all of the state", digest == meta.contents.digest, f"at {meta.standing.settled}: {fold}")
    kept, known = sum(1 for _ in rows.rows(PAGES, b"\xff")), sum(sum(one.rows.values()) for one in meta.contents.types)
    require("there are no rows but those that are counted", kept == known, f"{kept}, expected {known}")
    counts = {stored.type_id: stored.pages for stored in meta.contents.types}
    found = {type_id: pages.resident for type_id, pages in fold.state.array_pages.types.items()}
    require(f"{whose} has all of the state", counts == found, f"{found} pages, expected {counts}")
    expected = _digest_at(tlog[: meta.standing.next], meta.standing.settled)
    same = expected is None or expected == (digest.a, digest.b)
    require(f"{whose} is of one boundary", same, f"it says that it stands at {meta.standing.settled}: {fold}")


def _digest_at(tlog: list[Record], settled: int) -> tuple[int, int] | None:
    """After an intent has settled; a migration behind it, which settles nothing, leaves another."""
    found = None
    for record in tlog:
        if record.key in WITH_DIGEST and record.value is not None:
            header = decode_header(record.value)
            if header.last == settled:
                found = header.digest
    return found


def _follow_ups_logged(files: VirtualFiles, folder: Path, partitions: int) -> dict[tuple[int, int], int]:
    """By source and target: the highest number of the follow-ups in the log of a target that are there for good."""
    found: dict[tuple[int, int], int] = {}
    for target in range(partitions):
        watch = Watch(files, folder / str(target), durable=True)
        _ = watch.logged
        for record in watch.intents:
            if record.value is not None and (sent := source_in(record.value)) is not None:
                source, number = sent
                found[source, target] = max(number, found.get((source, target), 0))
    return found


def _judge_follow_ups(standing: Standing, durable: Watch, source: int, logged: dict[tuple[int, int], int]) -> None:
    """What a start has to relay is in blocks that the store names, or behind it."""
    begin = durable.first.tlog
    for offset, record in enumerate(durable.tlog[: standing.next]):
        if record.key == TlogKind.BLOCK.key and record.value is not None:
            lacking = [row for row in read_follow_ups(record.value) if row.number > logged.get((source, row.target), 0)]
            known = not lacking or offset in standing.follow_up_blocks
            require("the store knows what is to be relayed", known, f"{lacking} of {offset}, not in {standing}")
            there = not lacking or offset >= begin
            require("what is to be relayed is kept", there, f"{lacking} of {offset}, and the TLog begins at {begin}")
