"""Which cells of the crash matrix the end of a process has reached: protocol.md, the Kafka column."""

from collections import Counter
from typing import Final, NamedTuple

from mmsb.streams.kafka.partitions.replica import Replica
from tests.model.tlog import BLOCK, CLAIM
from tests.simulation.cells import _of_flush
from tests.simulation.disk import VirtualFiles
from tests.simulation.judge import source_in
from tests.simulation.kafka.judge import KafkaCourt, TopicJudge
from tests.simulation.kafka.settings import FOLDER
from tests.simulation.stored import standing_in

CLAIM_APPENDED: Final = "Kafka: claim appended"
INTENTS_UNHEARD: Final = "Kafka: intents written, and their producer does not know"
INTENTS_DURABLE: Final = "Kafka: intents durable, not stepped"
STEPPED: Final = "Kafka: stepped, not appended"
LANDED: Final = "Kafka: block in flight: landed before the new claim"
DISCARDED: Final = "Kafka: block in flight: landed after the new claim"
ACCEPTED: Final = "Kafka: accepted, not released"
RELAYED: Final = "Kafka: follow-ups half relayed"
RELAYED_TWICE: Final = "Kafka: follow-ups relayed twice"
MID_FLUSH: Final = "Kafka: mid-flush: the old rows stay"
FLUSHED: Final = "Kafka: mid-flush: the new rows are there"
ZOMBIE: Final = "Kafka: a zombie wakes up"
OLD_CODE: Final = "Kafka: an older generation gives way"
LOST: Final = "Kafka: acknowledged data lost: an unclean election"
REMADE: Final = "Kafka: acknowledged data lost: a topic made anew"
EXPIRED: Final = "Kafka: what recovery needs has expired"
GAP: Final = "Kafka: offsets with a gap"

CELLS: Final = (
    CLAIM_APPENDED,
    INTENTS_UNHEARD,
    INTENTS_DURABLE,
    STEPPED,
    LANDED,
    DISCARDED,
    ACCEPTED,
    RELAYED,
    RELAYED_TWICE,
    MID_FLUSH,
    FLUSHED,
    ZOMBIE,
    OLD_CODE,
    LOST,
    REMADE,
    EXPIRED,
    GAP,
)


class Death(NamedTuple):
    """Of a writer: what of its reign had been accepted by then."""

    partition: int
    reign: bytes
    settled: int


def at_death(court: KafkaCourt, replicas: list[Replica], files: VirtualFiles, cells: Counter[str]) -> list[Death]:
    """Count what the end of a process interrupted; `files` is what it leaves."""
    deaths: list[Death] = []
    emitted = 0
    for replica in replicas:
        judge, writer = court.partitions[replica.of.partition], replica._opened.claimed_by
        if writer is not None:
            cells.update(_of_writer(judge, replica, writer._nonce))
            deaths.append(Death(judge.number, writer._nonce, judge.watch.settled_under.get(writer._nonce, -1)))
        if replica.owned:
            state = replica.fold.state
            emitted += sum(state.sent(target) for target in range(len(court.partitions)))
        for cell in _of_flush(replica.partition, standing_in(files, FOLDER / str(judge.number))):
            cells[f"Kafka: {cell}"] += 1
    arrived = {source_in(record.value or b"") for judge in court.partitions for record in judge.watch.intents} - {None}
    cells[RELAYED] += 0 < len(arrived) < emitted
    return deaths


def _of_writer(judge: TopicJudge, replica: Replica, reign: bytes) -> set[str]:
    watch, fold = judge.watch, replica.fold
    logged, settled = watch.logged, watch.settled
    stepped = fold.settled if replica._opened.writer.superseded else replica._opened.stepped
    last = watch.judged[-1]
    cells = {
        CLAIM_APPENDED: last.kind == CLAIM and last.reign == reign,
        INTENTS_DURABLE: replica.owned and logged > stepped,
        STEPPED: stepped > settled,
        ACCEPTED: watch.settled_under.get(reign, -1) > fold.settled,
    }
    return {cell for cell, reached in cells.items() if reached}


def in_the_end(court: KafkaCourt, deaths: list[Death], cells: Counter[str]) -> None:
    """Count what became of what was on its way when writers died."""
    for death in deaths:
        under = court.partitions[death.partition].watch.settled_under
        cells[LANDED] += under.get(death.reign, -1) > death.settled
    for judge in court.partitions:
        claimed: list[bytes] = []
        for record in judge.watch.judged:
            if record.kind == CLAIM and record.accepted:
                claimed.append(record.reign)
            cells[DISCARDED] += record.kind == BLOCK and not record.accepted and record.reign in claimed[:-1]
        found = Counter(source_in(record.value or b"") for record in judge.watch.intents)
        cells[RELAYED_TWICE] += any(count > 1 for source, count in found.items() if source is not None)
