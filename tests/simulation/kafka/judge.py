"""What must be true of a partition behind Kafka, held against the topics themselves and tests.model.

The topics are read as a cluster has them, by nobody's fetches. Which records count, says the model's fold; what they
should have said, the model's machine.
"""

from typing import NamedTuple

from mmsb.processors.receipts import Receipts
from mmsb.streams.kafka.broker import TopicPartition
from tests.model import fold as model_fold
from tests.model.batch import Record, decode_batches
from tests.model.constants import DUPLICATE
from tests.model.machine import Machine, Outcome
from tests.model.tlog import BLOCK, CLAIM, QUARANTINE, Header, claim_header, decode_header, kind_of
from tests.simulation.claims import require
from tests.simulation.heard import Told
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.settings import Settings

MAGIC = b"MMT\x01"


class Judged(NamedTuple):
    """A record of the TLog."""

    offset: int
    kind: int  # 0: it is not ours
    reign: bytes  # of a claim: that which it opens
    header: Header | None
    accepted: bool


class TopicJudge:
    def __init__(self, settings: Settings, cluster: Cluster, number: int) -> None:
        self.number = number
        self.tlog: list[Judged] = []
        self.fold = model_fold.Fold()
        self.settled_under: dict[bytes, int] = {}  # by reign: the last offset that it settled
        self.outcomes: list[Outcome] = []
        self._settings = settings
        self._cluster = cluster
        self._of_intents = TopicPartition(settings.intents, number)
        self._of_tlog = TopicPartition(settings.tlog, number)
        self._told: list[Told] = []
        self._digests: dict[int, tuple[int, int]] = {-1: (0, 0)}  # after each accepted block

    # The topics

    @property
    def settled(self) -> int:
        """The last intent whose outcome is accepted, as of now."""
        self._read()
        return self.fold.settled

    @property
    def logged(self) -> int:
        return self._cluster.span(self._of_intents).end - 1

    def _read(self) -> None:
        """Fold what has come below the high watermark."""
        log = self._cluster.log(self._of_tlog)
        if log.high == self.fold.next:
            return
        for stored in log.visible(self.fold.next):
            for record in decode_batches(stored.data):
                if record.offset >= self.fold.next:
                    self._feed(record)

    def _feed(self, record: Record) -> None:
        verdict = self.fold.feed(record.key, record.value)
        require("the model folds the TLog", not self.fold.stopped, f"offset {record.offset}: {self.fold.stopped}")
        accepted, value = verdict == model_fold.ACCEPTED, record.value
        kind = kind_of(value) if value is not None and value[:4] == MAGIC else 0
        header = decode_header(value) if value is not None and kind in (BLOCK, QUARANTINE) else None
        reign = b"" if header is None else header.reign
        if value is not None and kind == CLAIM:
            reign = claim_header(value).nonce
        self.tlog.append(Judged(record.offset, kind, reign, header, accepted))
        if accepted and header is not None:
            self._digests[header.last] = self.fold.digest
            self.settled_under[reign] = header.last

    def intents(self) -> list[Record]:
        return [
            record
            for stored in self._cluster.log(self._of_intents).visible(0)
            for record in decode_batches(stored.data)
        ]

    # What processes say

    def told(self, reign: bytes, first: int, last: int, receipts: Receipts) -> None:
        """A process tells of a block that it wrote under a reign."""
        accepted = self.settled
        require("what is told was accepted", last <= accepted, f"{first} to {last}, accepted up to {accepted}")
        mine = self.settled_under.get(reign, -1)
        require("what is told is one's own", last <= mine, f"{first} to {last}, under this reign up to {mine}")
        require("a receipt for each", len(receipts) == last - first + 1, f"{first} to {last}: {receipts!r}")
        for row in range(len(receipts)):
            status = int(receipts.statuses[row])
            of_first = int(receipts.first_offsets[row]) if status == DUPLICATE else None
            self._told.append(Told(first + row, b"", status, receipts.rejection(row), of_first))

    def says(self, settled: int, digest: tuple[int, int]) -> None:
        """A process has folded so far, and comes to this."""
        accepted = self.settled
        require("nobody folds what is not accepted", settled <= accepted, f"up to {settled}, accepted up to {accepted}")
        expected = self._digests.get(settled)
        require("state is the model's", expected == digest, f"after {settled}: {digest}, expected {expected}")

    # In the end

    def finish(self) -> None:
        """Nothing is on its way any more."""
        records = self.intents()
        settled = self.settled
        require("everything settles in the end", settled == len(records) - 1, f"{settled} of {len(records) - 1}")
        assert self.fold.genesis is not None, "something was written"
        machine = Machine(
            self._settings.app.description,
            partition=self.number,
            partitions=self._settings.partitions,
            window=self._settings.window,
            log_id=self.fold.genesis.log_id,
        )
        for record in records:
            self.outcomes.append(machine.judge(record))
            expected, found = machine.digest(), self._digests.get(record.offset)
            require(
                "state is the model's", found in (None, expected), f"after {record.offset}: {found}, not {expected}"
            )
        for told in self._told:
            self._judge_told(told)

    def _judge_told(self, told: Told) -> None:
        outcome = self.outcomes[told.offset]
        rejection = told.rejection and told.rejection.pack()
        first = outcome.first if outcome.status == DUPLICATE else None
        expected = (outcome.status, outcome.row and outcome.row.encode(), first)
        found = (told.status, rejection, told.first_offset)
        require("receipts say what happened", found == expected, f"{told!r}, the model has {outcome!r}")
