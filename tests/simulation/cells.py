"""Which cells of the crash matrix a crash has reached: protocol.md, the embedded column."""

from collections.abc import Iterable, Sequence
from operator import lt
from pathlib import Path
from typing import Any, Final

from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.home.meta import Standing
from mmsb.streams.checkpoints.folder import CHECKPOINTS, MAKING
from mmsb.streams.engine import Engine
from mmsb.streams.log import Durable
from mmsb.streams.log.begin import BEGIN, decode_begin
from mmsb.streams.partition import Partition
from tests.model.batch import Record
from tests.model.tlog import decode_claim
from tests.simulation.disk import VirtualFiles
from tests.simulation.judge import source_in
from tests.simulation.stored import standing_in
from tests.simulation.watch import Watch

CLAIM: Final = "claim appended"
INTENTS_WRITTEN: Final = "intents written, not durable"
INTENTS_DURABLE: Final = "intents durable, not stepped"
STEPPED: Final = "stepped, not appended"
BLOCK_ACCEPTED: Final = "block in flight: a valid tail"
BLOCK_TORN: Final = "block in flight: torn or lost"
ACCEPTED: Final = "accepted, not released"
RELAYED: Final = "follow-ups half relayed"
ZOMBIE: Final = "a zombie wakes up"
MID_FLUSH: Final = "mid-flush: the old rows stay"
FLUSHED: Final = "mid-flush: the new rows are there"
MID_CHECKPOINT: Final = "mid-checkpoint: made, not listed"
MID_TRIM: Final = "mid-trim: what nobody needs is still there"
CLAIMED_ANEW: Final = "claimed by a new release, not migrated"
MIGRATED: Final = "migrated, not in the store"
LIED: Final = "acknowledged data lost: the disk lied"

CELLS: Final = (
    CLAIM,
    INTENTS_WRITTEN,
    INTENTS_DURABLE,
    STEPPED,
    BLOCK_ACCEPTED,
    BLOCK_TORN,
    ACCEPTED,
    RELAYED,
    MID_FLUSH,
    FLUSHED,
    MID_CHECKPOINT,
    MID_TRIM,
    CLAIMED_ANEW,
    MIGRATED,
    ZOMBIE,
    LIED,
)

BEGUN_AT_STORE: Final = "starts that fold only what came after the store"
EVICTED: Final = "processes in which pages left memory and came again"
RESTORED: Final = "starts with a checkpoint in the place of a damaged home"
REFOLDED: Final = "starts that fold a migration once more"
COUNTS: Final = (BEGUN_AT_STORE, EVICTED, RESTORED, REFOLDED)


def reached(folder: Path, before: VirtualFiles, after: VirtualFiles, engine: Engine) -> set[str]:
    """What a crash interrupted, in any partition. `before` is the disk as the process left it."""
    found: set[str] = set()
    emitted = counted = 0
    for partition in engine._partitions:
        place = folder / str(partition.number)
        seen, hard = (Watch(before, place, durable=durable) for durable in (False, True))
        found |= _of_partition(partition, seen, hard, Watch(after, place, durable=False))
        found |= _of_flush(partition, standing_in(after, place))
        emitted += sum(partition.opened.writer.fold.state.sent(target) for target in range(len(engine._partitions)))
        counted += len({source_in(record.value or b"") for record in seen.intents} - {None})
    if 0 < counted < emitted:
        found.add(RELAYED)
    return found


def _of_partition(partition: Partition[Any], seen: Watch, hard: Watch, after: Watch) -> set[str]:
    stepped = partition.opened.writer.machine.settled
    cells = {
        CLAIM: seen.claimed_last,
        INTENTS_WRITTEN: seen.logged > hard.logged,
        INTENTS_DURABLE: hard.logged > stepped,
        STEPPED: stepped > seen.settled,
        BLOCK_ACCEPTED: hard.settled < seen.settled == after.settled,
        BLOCK_TORN: after.settled < seen.settled,
        ACCEPTED: hard.settled > partition.opened.writer.fold.settled,
    }
    return {cell for cell, is_reached in cells.items() if is_reached}


def _of_flush(partition: Partition[Any], standing: Standing | None) -> set[str]:
    """What became of a copy that was made, and of which nobody heard that it was written."""
    flushing = partition.flushing
    if not flushing._cut_short:
        return set()
    return {MID_FLUSH if standing == flushing._flushed else FLUSHED}


def reached_on_disk(before: VirtualFiles, places: Iterable[Path]) -> set[str]:
    """What a crash interrupted that needs no engine to be seen, in any partition, opened or not."""
    found: set[str] = set()
    for place in places:
        watch = Watch(before, place, durable=False)
        standing, end = standing_in(before, place), watch.ends.tlog
        if any(path.is_relative_to(place / CHECKPOINTS) and path.parts[4].endswith(MAKING) for path in before._names):
            found.add(MID_CHECKPOINT)
        if any(map(lt, watch.first, _begins(before, place))):
            found.add(MID_TRIM)
        if end and watch.tlog[-1].key == TlogKind.CLAIM.key and _waits(watch.tlog):
            found.add(CLAIMED_ANEW)
        if migrated_from(before, place, 1 if standing is None else standing.next):
            found.add(MIGRATED)
    return found


def migrated_from(files: VirtualFiles, place: Path, offset: int) -> bool:
    """Whether a TLog has a migrate record from an offset on."""
    watch = Watch(files, place, durable=False)
    _ = watch.settled  # which reads the log
    return any(record.key == TlogKind.MIGRATE.key for record in watch.tlog[offset:])


def _begins(files: VirtualFiles, place: Path) -> Durable:
    """Below which nothing of both logs need be there."""
    paths = place / "intents" / BEGIN, place / "tlog" / BEGIN
    return Durable(*(decode_begin(files.content(path)) if path in files._names else 0 for path in paths))


def _waits(tlog: Sequence[Record]) -> bool:
    """Whether the last claim is of other layouts than the pages have."""
    claimed = pages = b""
    for record in tlog:
        if record.key == TlogKind.CLAIM.key and record.value is not None:
            claimed = decode_claim(record.value).descriptor
            pages = pages or claimed
        elif record.key == TlogKind.MIGRATE.key:
            pages = claimed
    return claimed != pages
