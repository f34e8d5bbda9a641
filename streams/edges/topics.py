"""A processor over a topic: its partitions are shared out among all processes that run it, as a consumer group.

given ─▶ read from where the group has committed ─▶ settled ─▶ committed, once a second
taken back ─▶ what was begun settles, the rest is left to whoever gets the partition

Whoever goes on begins at or before what settled last, and what it submits again is a duplicate by its number.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.door import Door
from mmsb.streams.edges.attempting import Attempts, Rejected
from mmsb.streams.edges.declaring import Processor, Topic
from mmsb.streams.edges.delivering import AGAIN_SECONDS, PATIENCE_SECONDS, Counts, Delivery
from mmsb.streams.edges.reading import units_of_topic
from mmsb.streams.edges.rejects import RejectsTopic, ensure_topic
from mmsb.streams.edges.strand import Strand
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Fetched, Following, Gone, Member, Span, TopicPartition
from mmsb.streams.kafka.cluster.client import KafkaBroker, open_broker
from mmsb.streams.kafka.cluster.security import OPEN, Cluster

COMMIT_SECONDS: Final = 1.0
NO_ID: Final = UUID(int=0)  # what brokers say of topics that they gave none
REST_SECONDS: Final = 20.0
"""That what was begun gets to settle when partitions are taken back; what has not by then is read again elsewhere."""


class _Reading:
    """One partition that this process was given."""

    def __init__(self, strand: Strand, delivery: Delivery, running: "asyncio.Task[None]") -> None:
        self.strand = strand
        self.delivery = delivery
        self.running = running


class _Confirmed:
    """A following of which nothing passes that may be of another topic of that name.

    Brokers are asked after each fetch which topic it is: an id is never given again, so what was fetched before is of
    it as well. That is a question for some megabytes, or for each message of a topic with little in it.
    """

    def __init__(self, following: Following, confirm: Callable[[], Awaitable[None]]) -> None:
        self._following = following
        self._confirm = confirm

    async def take(self) -> Fetched:
        try:
            fetched = await self._following.take()
        except Gone:  # what is there may be another topic, and shorter
            await self._confirm()
            raise
        await self._confirm()
        return fetched

    def close(self) -> None:
        self._following.close()


class TopicRun:
    """`run` until `drain` has it end, or something fails."""

    def __init__(self, processor: Processor, door: Door, app: str, bus_at: Cluster | None, counts: Counts) -> None:
        """`bus_at` is where the application's own topics are, if it has any."""
        assert isinstance(processor.source, Topic), "others run elsewhere"
        self._processor = processor
        self._topic = processor.source
        self._door = door
        self._group = f"{app}.{processor.name}"
        self._rejects = str(processor.rejects or f"{self._group}.rejects")
        self._at = cluster_of(processor, self._topic, bus_at)
        self._counts = counts
        self._count = 0  # partitions of the topic
        self._rejects_count = 0
        self._topic_id = NO_ID  # in what we commit, so that one made anew does not go on from it
        self._readings: dict[int, _Reading] = {}
        self._committed: dict[int, int] = {}
        self._draining = asyncio.Event()

    async def run(self) -> None:
        async with open_broker(self._at.url, self._at.security) as broker:
            self._count = await self._count_partitions(broker)
            self._rejects_count = await ensure_topic(broker, self._rejects, self._count)
            self._topic_id = await broker.topic_id(self._topic.name)
            member = await broker.join(self._group, self._topic.name, frozenset(), uuid4().hex)
            committing = asyncio.create_task(self._keep_committing(broker, member))
            try:
                await self._obey(broker, member, committing)
            finally:
                committing.cancel()
                await asyncio.gather(committing, return_exceptions=True)
                await self._end_all()
                await member.leave()

    def drain(self) -> None:
        self._draining.set()

    async def _count_partitions(self, broker: KafkaBroker) -> int:
        found = (await broker.topics([self._topic.name])).get(self._topic.name)
        if found is None:
            raise EnvironmentFailed(
                f"processor {self._processor.name!r}: expected the topic {self._topic.name!r} at {self._at.url}, "
                "found that it is not there; make it, or look for its name"
            )
        return found

    # As the group says

    async def _obey(self, broker: KafkaBroker, member: Member, committing: "asyncio.Task[None]") -> None:
        while True:
            said = asyncio.ensure_future(member.next())
            draining = asyncio.ensure_future(self._draining.wait())
            running = [committing, *(reading.running for reading in self._readings.values())]
            try:
                await asyncio.wait([said, draining, *running], return_when=asyncio.FIRST_COMPLETED)
            finally:
                draining.cancel()
                if not said.done():
                    said.cancel()
            for each in running:
                if each.done():
                    each.result()  # it ends by itself only when something fails
            if self._draining.is_set():
                await self._rest(member)
                return
            assigned = said.result()
            if assigned is None:
                await self._rest(member)
                self._committed.clear()  # who has had them since may have noted less
                member.ready()
            else:
                await self._begin(broker, sorted(assigned.partitions))

    async def _begin(self, broker: KafkaBroker, partitions: Sequence[int]) -> None:
        """Which topic it is, and how many partitions it has, may be something else than when this process began."""
        self._check_count(await self._count_partitions(broker))
        self._check_same(await broker.topic_id(self._topic.name))
        places = [TopicPartition(self._topic.name, number) for number in partitions]
        committed = await broker.committed(self._group, places)
        appending = Appending(broker)
        rejects = RejectsTopic(appending, self._rejects, self._processor.name)
        for at in places:
            span = await broker.span(at)
            offset = self._begins(committed.get(at), span)
            if not span.first <= offset <= span.end:
                raise Gone(at, offset, span)
            self._readings[at.partition] = self._read(broker, at, offset, rejects)

    def _begins(self, committed: tuple[int, str] | None, span: Span) -> int:
        """What was committed of this topic, or before it had an id, or by a tool, which leaves no words; but not of
        another one of its name."""
        if committed is None or committed[1] not in ("", NO_ID.hex, self._topic_id.hex):
            return span.first
        return committed[0]

    async def _confirm(self, broker: KafkaBroker) -> None:
        """Brokers that are away for a while are waited for, as they are by whoever fetches."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            try:
                found = await broker.topic_id(self._topic.name)
                break
            except EnvironmentFailed:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
        self._check_same(found)

    def _check_count(self, found: int) -> None:
        if found != self._count:
            raise EnvironmentFailed(
                f"topic {self._topic.name!r}: expected the {self._count} partitions that it had when this process "
                f"began, found {found}: start it again, and it has all of them"
            )

    def _check_same(self, found: UUID) -> None:
        if found != self._topic_id:
            raise EnvironmentFailed(
                f"topic {self._topic.name!r}: expected the one that this process began with, found that it was "
                "deleted and made anew: start it again, and the new one is read from its first message"
            )

    def _read(self, broker: KafkaBroker, at: TopicPartition, offset: int, rejects: RejectsTopic) -> _Reading:
        async def put_away(rejected: Sequence[Rejected]) -> None:
            await rejects.put_away(rejected, at.partition % self._rejects_count)

        processor = self._processor
        attempts = Attempts(processor, f"{self._group}/{at.topic}/{self._topic_id}/{at.partition}")
        delivery = Delivery(self._door, put_away, self._counts)
        work = attempts.of_one if processor.batch is None else attempts.of_many
        strand = Strand(work, delivery.deliver, processor.concurrency)
        following = _Confirmed(broker.read(at, offset), partial(self._confirm, broker))
        units = units_of_topic(following, offset, str(at), processor.batch)
        return _Reading(strand, delivery, asyncio.create_task(strand.run(units)))

    async def _rest(self, member: Member) -> None:
        """Let what was begun settle, and say how far that is."""
        for reading in self._readings.values():
            reading.strand.stop()
        running = [reading.running for reading in self._readings.values()]
        if running:
            await asyncio.wait(running, timeout=REST_SECONDS)
        with suppress(EnvironmentFailed):  # whoever goes on begins where it was said before
            await self._commit(member)
        for each in running:
            if each.done():
                each.result()
        await self._end_all()

    async def _end_all(self) -> None:
        running = [reading.running for reading in self._readings.values()]
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._readings.clear()

    # Committing

    async def _keep_committing(self, broker: KafkaBroker, member: Member) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            with suppress(EnvironmentFailed):  # it is said again, and nothing is lost by beginning earlier
                await self._commit(member)
            count = self._count
            with suppress(EnvironmentFailed):
                count = (await broker.topics([self._topic.name])).get(self._topic.name, count)
            self._check_count(count)

    async def _commit(self, member: Member) -> None:
        """Only what has settled."""
        found = {number: reading.delivery.settled for number, reading in self._readings.items()}
        settled = {number: offset for number, offset in found.items() if offset is not None}
        if settled and settled != self._committed and await member.settled(settled, self._topic_id.hex):
            self._committed = settled


def cluster_of(processor: Processor, topic: Topic, bus_at: Cluster | None) -> Cluster:
    """Where a processor's source is."""
    if topic.at is not None:
        return Cluster(topic.at, topic.security or OPEN)
    if bus_at is None:
        raise EnvironmentFailed(
            f"processor {processor.name!r}: expected to know where the topic {topic.name!r} is, found a bus that knows "
            'of no cluster: an embedded log, or the socket of a data folder; write mmsb.Topic(…, at="kafka://host:port")'
        )
    return bus_at
