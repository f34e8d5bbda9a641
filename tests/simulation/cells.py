"""Which cells of the crash matrix a crash has reached: protocol.md, the embedded column."""

from pathlib import Path
from typing import Any, Final

from mmsb.state.home.meta import Standing
from mmsb.streams.engine import Engine
from mmsb.streams.partition import Partition
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
    ZOMBIE,
    LIED,
)

BEGUN_AT_STORE: Final = "starts that fold only what came after the store"
EVICTED: Final = "processes in which pages left memory and came again"


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
