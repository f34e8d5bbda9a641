"""What must be true of a partition behind Kafka, held against the topics themselves and tests.model.

The topics are read as a cluster has them, by nobody's fetches. Which records count, says the model's fold; what they
should have said, the model's machine. Claims that hold for folders too are judged by tests.simulation.judge.
"""

from collections import Counter
from typing import Any, NamedTuple, cast

from mmsb.processors.receipts import Receipts
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.stats import PartitionStats
from mmsb.streams.tickets import Receipt
from tests.model import fold as model_fold
from tests.model.batch import Record, decode_batches
from tests.model.constants import DUPLICATE
from tests.model.tlog import BLOCK, CLAIM, MIGRATE, QUARANTINE, Header, claim_header, decode_header, kind_of
from tests.simulation.claims import require
from tests.simulation.court import Court
from tests.simulation.heard import Page, Told, state_of
from tests.simulation.judge import PartitionJudge
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.settings import FOLDER, Settings
from tests.simulation.past import Look, Subscription
from tests.simulation.releases import Release
from tests.simulation.watch import Watch

MAGIC = b"MMT\x01"


class Judged(NamedTuple):
    """A record of the TLog."""

    offset: int
    kind: int  # 0: it is not ours
    reign: bytes  # of a claim: that which it opens
    header: Header | None
    accepted: bool


class TopicWatch(Watch):
    """Both logs of a partition, as the cluster has them below the high watermark."""

    def __init__(self, settings: Settings, cluster: Cluster, number: int) -> None:
        self.intents: list[Record] = []
        self.tlog: list[Record] = []
        self.judged: list[Judged] = []
        self.fold = model_fold.Fold()
        self.digests: dict[int, set[tuple[int, int]]] = {-1: {(0, 0)}}  # when so much was settled
        self.settled_under: dict[bytes, int] = {}  # by reign: the last offset that it settled
        self._cluster = cluster
        self.of_intents = TopicPartition(settings.intents, number)
        self.of_tlog = TopicPartition(settings.tlog, number)

    @property
    def logged(self) -> int:
        self.intents += self._new(self.of_intents, len(self.intents))
        return len(self.intents) - 1

    @property
    def settled(self) -> int:
        for record in self._new(self.of_tlog, len(self.tlog)):
            self.tlog.append(record)
            self._fold(record)
        return self.fold.settled

    def _new(self, at: TopicPartition, offset: int) -> list[Record]:
        if at.topic not in self._cluster.topics or self._cluster.span(at).end <= offset:
            return []
        found = [record for stored in self._cluster.log(at).visible(offset) for record in decode_batches(stored.data)]
        return [record for record in found if record.offset >= offset]

    def _fold(self, record: Record) -> None:
        accepted = self.fold.feed(record.key, record.value) == model_fold.ACCEPTED
        require("the model folds the TLog", not self.fold.stopped, f"offset {record.offset}: {self.fold.stopped}")
        value = record.value
        kind = kind_of(value) if value is not None and value[:4] == MAGIC else 0
        header = decode_header(value) if value is not None and kind in (BLOCK, QUARANTINE, MIGRATE) else None
        reign = b"" if header is None else header.reign
        if value is not None and kind == CLAIM:
            reign = claim_header(value).nonce
        self.judged.append(Judged(record.offset, kind, reign, header, accepted))
        if accepted and header is not None:
            self.digests.setdefault(header.last, set()).add(self.fold.digest)
            self.settled_under[reign] = max(header.last, self.settled_under.get(reign, -1))


class TopicJudge(PartitionJudge):
    """One partition, over all processes that ever own, follow or ask it."""

    def __init__(self, settings: Settings, cluster: Cluster, number: int) -> None:
        super().__init__([Release(settings.app)], number, settings.partitions, settings.window)
        self.watch = self._now = TopicWatch(settings, cluster, number)

    def told(self, reign: bytes, first: int, last: int, receipts: Receipts) -> None:
        """A process tells its door of a block that it wrote under a reign."""
        accepted = self.watch.settled
        require("what is told was accepted", last <= accepted, f"{first} to {last}, accepted up to {accepted}")
        mine = self.watch.settled_under.get(reign, -1)
        require("what is told is one's own", last <= mine, f"{first} to {last}, under this reign up to {mine}")
        require("a receipt for each", len(receipts) == last - first + 1, f"{first} to {last}: {receipts!r}")
        for row in range(len(receipts)):
            status = int(receipts.statuses[row])
            of_first = int(receipts.first_offsets[row]) if status == DUPLICATE else None
            value = self._value(first + row)
            self._told.append(Told(first + row, value, status, receipts.rejection(row), of_first))

    def _value(self, offset: int) -> bytes:
        """What the topic says that was asked there."""
        logged = self.watch.logged
        require("what is settled is in the topic", offset <= logged, f"offset {offset}, and {logged} is the last")
        return self.watch.intents[offset].value  # type: ignore[return-value]  # None is told, too

    def _judge_trimmed(self, offset: int) -> None:
        """Nobody trims these topics while anybody asks."""
        require("only what was trimmed is refused", offset < 0, f"up to {offset}")

    def folded(self, settled: int, digest: tuple[int, int]) -> None:
        """A process has folded so far, and comes to this."""
        accepted = self.watch.settled
        require("nobody folds what is not accepted", settled <= accepted, f"up to {settled}, accepted up to {accepted}")
        expected = self.watch.digests.get(settled, set())
        require("state is the model's", digest in expected, f"after {settled}: {digest}, expected {expected}")


class Ear:
    """A judge, as one door's clients know it: nobody owes them what others were told."""

    def __init__(self, judge: TopicJudge) -> None:
        self._judge = judge
        self.number = judge.number
        self.past = judge.past
        self.released = -1

    @property
    def subscriptions(self) -> list[Subscription]:
        return self._judge.subscriptions

    def told_logged(self, offset: int, value: bytes) -> None:
        self._judge.told_logged(offset, value)

    def told_settled(self, receipt: Receipt, value: bytes) -> None:
        self._judge.told_settled(receipt, value)
        self.released = max(self.released, receipt.offset)

    def told_row(self, receipts: Receipts, row: int, value: bytes) -> None:
        self._judge.told_row(receipts, row, value)
        self.released = max(self.released, int(receipts.offsets[row]))

    def told_read(self, lower: int, pages: dict[tuple[int, bytes], Page]) -> None:
        self._judge.told_read(lower, pages)

    def told_stats(self, lower: int, stats: PartitionStats) -> None:
        settled, now = stats.settled, self._judge.watch
        order = lower <= settled <= min(now.logged, now.settled)
        require("stats are true", order, f"{stats}, settled up to {now.settled}, and told was {lower} before")
        self._judge.folded(*state_of(stats)[1:])

    def told_past(self, look: Look) -> None:
        self._judge.told_past(look)


class DoorCourt(Court):
    """The court, as one door's clients know it."""

    def __init__(self, court: "KafkaCourt") -> None:
        self.partitions = cast(Any, [Ear(judge) for judge in court.partitions])
        self.submitted = court.submitted


class KafkaCourt(Court):
    """All partitions of an application before one judge."""

    partitions: list[TopicJudge]  # type: ignore[assignment]

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        super().__init__([Release(settings.app)], settings.partitions, settings.window, FOLDER)
        self.partitions = [TopicJudge(settings, cluster, number) for number in range(settings.partitions)]

    def close(self) -> None:
        """Nothing is on its way any more."""
        for judge in self.partitions:
            judge.judge(judge.watch)
        self._judge_values()
        for judge in self.partitions:
            judge.finish(judge.watch)
        self.judge_follow_ups()

    def _judge_values(self) -> None:
        """Topics may have anything twice; what is applied twice, the model would know."""
        found: Counter[bytes] = Counter()
        for judge in self.partitions:
            found.update(record.value for record in judge.log if record.value is not None)
            for source, number, value in judge.arrived():
                cause = self.partitions[source].emitted.get((judge.number, number))
                what = f"{number} from partition {source} to {judge.number}"
                require("a follow-up has its cause", cause == value, f"{what}: {value!r}, emitted was {cause!r}")
                del found[value]
        for value in found:
            require("only what was submitted is logged", self.submitted[value], f"{value!r:.300}")
