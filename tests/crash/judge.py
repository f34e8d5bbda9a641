"""What must be true of a data folder after any number of kills, held against the independent model.

The last start resubmits what was told and lets everything settle; then the model alone reads both logs.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmsb
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.world import RealWorld
from tests.crash.applications import APPLICATIONS, Application
from tests.crash.segments import small_segments
from tests.crash.told import Told
from tests.model import fold as model_fold
from tests.model.batch import Record, decode_batches
from tests.model.constants import APPLIED
from tests.model.machine import Machine, Outcome
from tests.simulation.claims import require

RESUBMITTED = 40
SEGMENT_BYTES = 2_000


@dataclass
class Judged:
    """One partition, as the model sees it."""

    machine: Machine
    outcomes: list[Outcome]
    intents: list[Record]
    tlog: list[Record]


def judge(
    folder: Path,
    told: Sequence[Told],
    application: str = "bank",
    partitions: int = 1,
    world: Callable[[], RealWorld] = RealWorld,
    *,
    copied: bool = False,
) -> list[Judged]:
    """Start once more, and hold everything against the model; raises Wrong, naming what is wrong.

    A copy of topics has what zombies wrote, too, which does not count.
    """
    chosen = APPLICATIONS[application]
    with small_segments(SEGMENT_BYTES):
        asyncio.run(asyncio.wait_for(_finish(chosen, folder, told, world()), 60))
    found = [_judge_partition(chosen, folder / str(number), copied) for number in range(partitions)]
    for each in told:
        _judge_told(each, found[each.partition])
    _judge_follow_ups(found)
    return found


async def _finish(application: Application, folder: Path, told: Sequence[Told], world: RealWorld) -> None:
    """Submit some of what was told once more, as a client that heard nothing would, and wait until all has settled."""
    settings = Settings(interpreted=True)
    async with Engine(application.app.bundle(), folder, settings, world) as door:
        for each in [each for each in told if each.id is not None][-RESUBMITTED:]:
            receipt = await door.submit(bytes.fromhex(each.value), "settled", None)
            first = each.offset if each.first_offset is None else each.first_offset
            again = (receipt.status, receipt.first_offset)
            require("the same id finds its receipt", again == (mmsb.Status.DUPLICATE, first), f"{each}: {receipt}")


def read_log(folder: Path) -> list[Record]:
    """All records of a log, as the model decodes them."""
    paths = sorted(folder.glob("*.log"))
    records = [record for path in paths for record in decode_batches(path.read_bytes())]
    dense = [record.offset for record in records] == list(range(len(records)))
    require("offsets are dense", dense, f"{folder}: {[path.name for path in paths]}")
    return records


def _judge_partition(application: Application, folder: Path, copied: bool) -> Judged:
    intents, tlog = read_log(folder / "intents"), read_log(folder / "tlog")
    fold = model_fold.Fold()
    for record in tlog:
        taken = fold.feed(record.key, record.value)
        fine = taken == model_fold.ACCEPTED or (copied and taken == model_fold.DISCARDED)
        require("every TLog record counts", fine, f"{record.offset}: {taken} {fold.stopped}")
    require("everything settles in the end", fold.settled == len(intents) - 1, f"{fold.settled} of {len(intents)}")
    genesis = fold.genesis
    assert genesis is not None
    machine = Machine(
        application.description,
        partition=genesis.partition,
        partitions=genesis.partitions,
        log_id=genesis.log_id,
        window=genesis.window,
    )
    outcomes = machine.step(intents)
    require("state is the model's", machine.digest() == fold.digest, f"{folder}: the TLog comes to another state")
    judged = Judged(machine, outcomes, intents, tlog)
    _judge_repeats(judged)
    return judged


def _judge_repeats(judged: Judged) -> None:
    """An id applies once; and without an id, what was submitted once is logged once."""
    applied = Counter(outcome.id for outcome in judged.outcomes if outcome.id and outcome.status == APPLIED)
    twice = [id.hex() for id, count in applied.items() if count > 1]
    require("nothing applies twice", not twice, f"{twice}")
    without = Counter(
        record.value for record, outcome in zip(judged.intents, judged.outcomes, strict=True) if outcome.id is None
    )
    again = [value for value, count in without.items() if count > 1 and not _is_follow_up(value)]
    require("nothing is logged twice", not again, f"{again}")


def _is_follow_up(value: bytes | None) -> bool:
    return value is not None and value[5] == 1  # it may be sent again: its number is known


def _judge_told(told: Told, judged: Judged) -> None:
    require("what was told survives", told.offset < len(judged.intents), f"{told}: the log ends before it")
    record, outcome = judged.intents[told.offset], judged.outcomes[told.offset]
    require("an offset holds what was told", record.value == bytes.fromhex(told.value), f"{told}: {record}")
    first = outcome.first if outcome.status_name == "duplicate" else None
    said: Any = (told.status, told.first_offset)
    require("receipts say what happened", said == (outcome.status, first), f"{told}: {outcome}")


def _judge_follow_ups(found: Sequence[Judged]) -> None:
    """What each partition emitted to another has counted there: all of it, and each once."""
    for source in found:
        place = (1, source.machine.partition.to_bytes(4, "little") + source.machine.log_id[:12])
        for target in found:
            emitted = source.machine.state.sent.get(target.machine.partition, 0)
            counted = target.machine.state.marks.get(place, 0)
            where = f"partition {source.machine.partition} to {target.machine.partition}"
            require("follow-ups arrive, each once", counted == emitted, f"{where}: {counted} of {emitted}")
