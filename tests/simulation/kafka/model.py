"""A Kafka cluster in a simulated world, behind the Broker protocol: as late and forgetful as a real one may be.

Appends land late or twice, or long after whoever sent them has given up, and their acknowledgements may be lost; what
is above the high watermark vanishes with its leader; fetches come in pieces and hear nothing for a while; noted offsets
come late or never. What was acknowledged stays, in order, unless somebody calls `lose`, `recreate` or `expire`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.broker import Refused, Span, TopicPartition
from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.logs import PartitionLog, Stored, count_of
from tests.simulation.kafka.theatre import Process, Theatre
from tests.simulation.kafka.weather import Weather
from tests.simulation.world import START_MS, Trace

SETTINGS: Final = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "2",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "unclean.leader.election.enable": "false",
}
APPEND_TIME: Final = "LogAppendTime"


@dataclass
class Topic:
    settings: dict[str, str]
    logs: list[PartitionLog]

    @property
    def append_time(self) -> bool:
        return self.settings["message.timestamp.type"] == APPEND_TIME


class Cluster:
    """The brokers together. Everything is decided by `random` and `weather`."""

    def __init__(self, theatre: Theatre, random: Random, weather: Weather, trace: Trace) -> None:
        self.id = "model"
        self.theatre = theatre
        self.random = random
        self.weather = weather
        self.trace = trace
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.notes: dict[tuple[str, TopicPartition], tuple[int, str]] = {}
        self.hears: Callable[[Process | None, TopicPartition, bytes], None] = lambda process, at, batch: None
        self._skew_ms = 0

    def create(self, name: str, partitions: int, settings: Mapping[str, str]) -> None:
        if name not in self.topics:
            whole = SETTINGS | dict(settings)
            append_time = whole["message.timestamp.type"] == APPEND_TIME
            self.topics[name] = Topic(whole, [PartitionLog(append_time) for _ in range(partitions)])

    def alter(self, name: str, settings: Mapping[str, str]) -> None:
        topic = self.topics[name]
        topic.settings |= settings
        for log in topic.logs:
            log.append_time = topic.append_time

    def log(self, at: TopicPartition) -> PartitionLog:
        topic = self.topics.get(at.topic)
        if topic is None or at.partition >= len(topic.logs):
            raise EnvironmentFailed(f"{at}: expected a topic partition, found none; create it")
        return topic.logs[at.partition]

    def partitions(self, topic: str) -> int:
        return len(self.topics[topic].logs) if topic in self.topics else 0

    def span(self, at: TopicPartition) -> Span:
        log = self.log(at)
        return Span(log.start, log.high)

    # Appends

    def check(self, at: TopicPartition, batch: bytes) -> None:
        """What is wrong with a batch, before anything happens to it."""
        limit = int(self.topics[at.topic].settings["max.message.bytes"]) if at.topic in self.topics else 0
        if at.topic not in self.topics or len(batch) > limit:
            raise Refused(f"{at}: expected a batch of at most {limit} bytes, found {len(batch)}")
        try:
            count_of(batch)
        except ValueError as error:
            raise Refused(f"{at}: expected one record batch, found {error}") from None

    def send(self, at: TopicPartition, batch: bytes, answer: "asyncio.Future[int | None]") -> None:
        """An append is on its way; `answer` hears what became of it, or never does."""
        weather = self.weather
        if weather.happens(weather.lost_before):
            self._note(f"an append to {at} is lost")
            self._answer(answer, None)
            return
        wait = weather.wait()
        self.theatre.later(wait, self._land, at, batch, answer)
        if weather.happens(weather.twice):
            self.theatre.later(wait + weather.wait(), self._land, at, batch, answer)

    def _land(self, at: TopicPartition, batch: bytes, answer: "asyncio.Future[int | None]") -> None:
        if at.topic not in self.topics:
            return
        log = self.log(at)
        stored = log.append(batch, START_MS + self._skew_ms + int(self.theatre.time() * 1000))
        late = " (nobody waits for it)" if answer.done() else ""
        self._note(f"{at}: {stored.count} at offset {stored.base}{late}")
        self.theatre.later(self.weather.wait(), self._replicated, log, stored, answer)

    def _replicated(self, log: PartitionLog, stored: Stored, answer: "asyncio.Future[int | None]") -> None:
        if not log.rise(stored):
            return
        if self.weather.happens(self.weather.lost_after):
            self._note(f"the acknowledgement of offset {stored.base} is lost")
            self._answer(answer, None)
        else:
            self.theatre.later(self.weather.wait(), _tell, answer, stored.base)

    def _answer(self, answer: "asyncio.Future[int | None]", offset: int | None) -> None:
        """That a connection broke, if that is heard at all before the time is over."""
        if self.random.random() < 0.5:
            self.theatre.later(self.weather.wait(), _tell, answer, offset)

    # What befalls it

    def appear(self, at: TopicPartition, batch: bytes) -> None:
        """Somebody else has appended."""
        log = self.log(at)
        log.rise(log.append(batch, START_MS))
        self._note(f"{at}: somebody else's record at offset {log.end - 1}")

    def elect(self, at: TopicPartition) -> None:
        """Another broker leads a partition: what was not acknowledged may be gone, and its clock is another."""
        log = self.log(at)
        end = self.random.randint(log.high, log.end)
        self._skew_ms = self.random.choice((0, -3000, 2000))
        log.elect(end)
        self._note(f"{at}: a new leader, whose log ends at {log.end}")

    def lose(self, at: TopicPartition, end: int) -> None:
        """An unclean election: what was acknowledged is gone from an offset on."""
        self.log(at).elect(end)
        self._note(f"{at}: an unclean election: the log ends at {self.log(at).end}")

    def recreate(self, name: str) -> None:
        """Somebody deletes a topic and makes it anew."""
        topic = self.topics[name]
        old, topic.logs = topic.logs, [PartitionLog(topic.append_time) for _ in topic.logs]
        for log in old:
            log.wake()
        self._note(f"{name}: made anew")

    def expire(self, at: TopicPartition, offset: int) -> None:
        """Retention."""
        self.log(at).trim(offset)
        self._note(f"{at}: begins at {self.log(at).start}")

    def compact(self, at: TopicPartition) -> None:
        """A batch between two others is gone: somebody has set another cleanup.policy."""
        batches = self.log(at).batches
        gone = batches.pop(self.random.choice((-2, -3)))
        self._note(f"{at}: {gone.count} at offset {gone.base} are compacted away")

    def _note(self, text: str) -> None:
        self.trace.add(f"  cluster: {text}")


def _tell(answer: "asyncio.Future[int | None]", offset: int | None) -> None:
    if not answer.done():
        answer.set_result(offset)
