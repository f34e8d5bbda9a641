"""What we need of a Kafka cluster. streams/kafka/cluster/client.py has a real one; simulations give another.

Batches are raw, as they lie in Kafka's log. Whatever can be tried again without a doubt (another leader, a broken
connection before anything was sent) is tried again in here; what cannot is for the caller to decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from mmsb.schemas.errors import EnvironmentFailed

FETCH_AHEAD_BYTES: Final = 16 << 20
"""So much of a partition may have been fetched and not be taken yet."""


class TopicPartition(NamedTuple):
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Span(NamedTuple):
    """A partition's offsets: of the first record that is there, and after the last that is below the high watermark."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Whole batches that follow each other; the first may begin below the offset that was asked for."""

    data: bytes
    span: Span
    """The partition's, when this was fetched."""
    aborted: tuple["Aborted", ...] = ()
    """Transactions whose records are among these and do not count; only where that was asked for."""


class Aborted(NamedTuple):
    """A transaction that was aborted: its producer's batches from an offset on, up to the marker that ends it."""

    producer: int
    first: int


class Gone(EnvironmentFailed):
    """An offset that is not there: retention removed what is below `span.first`, or the log ends below it."""

    def __init__(self, at: TopicPartition, offset: int, span: Span) -> None:
        super().__init__(
            f"{at}: expected offset {offset}, found offsets from {span.first} to {span.end}: the broker has removed "
            "what is below (set retention.ms=-1), or lost what is above"
        )
        self.span = span


class Refused(EnvironmentFailed):
    """What the broker will not take, however often it is asked: certainly nothing was appended."""


class TooLarge(Refused):
    """What would be taken if there were less of it."""


class Following(Protocol):
    """One partition's batches from an offset on, in order and without a gap, as they pass the high watermark."""

    async def take(self) -> Fetched:
        """Wait for more; nothing is lost if the caller is cancelled meanwhile.

        Raises Gone, or EnvironmentFailed if the topic is not there or must not be read.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the group's leader gave a member, in one generation of the group."""

    generation: int
    partitions: frozenset[int]


class Member(Protocol):
    """A member of a consumer group, which places partitions; that it owns them, claims decide."""

    async def next(self) -> Assignment | None:
        """Wait for an assignment, or for its being taken back (None): a new one is being made then."""
        ...

    def ready(self) -> None:
        """What was taken back is at rest: join the next generation. Called once after each None."""
        ...

    async def settled(self, offsets: Mapping[int, int], words: str = "") -> bool:
        """Note the first offset of each partition that has not settled, as the group's own; is that done?"""
        ...

    @property
    def silent_seconds(self) -> float:
        """How long ago the group last answered."""
        ...

    async def leave(self) -> None: ...


class Broker(Protocol):
    """A cluster, as one client sees it."""

    @property
    def cluster(self) -> str:
        """Its id."""
        ...

    async def topics(self, names: Sequence[str]) -> dict[str, int]:
        """How many partitions those of them have that are there."""
        ...

    async def settings(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """All settings of topics that are there, defaults too."""
        ...

    async def create(self, topic: str, partitions: int, replicas: int, settings: Mapping[str, str]) -> None:
        """Make a topic; that it is there already is no error. `replicas` -1: as many as the broker's default says."""
        ...

    async def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        """Change some settings of a topic, and leave the others."""
        ...

    async def span(self, at: TopicPartition) -> Span: ...

    def follow(self, at: TopicPartition, offset: int, lane: str) -> Following:
        """Followers in the same lane share connections, and one fetch for all partitions of a broker."""
        ...

    async def append(self, at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        """Append one batch, with acks=all: gives the offset that it got, or None if it may or may not be there.

        One call at a time for a partition. Raises Refused.
        """
        ...

    async def trim(self, at: TopicPartition, offset: int) -> None:
        """Have the broker delete what is below an offset."""
        ...

    async def commit(self, group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Note offsets, each with a few words, under the name of a group that has no members."""
        ...

    async def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        """What was noted, as far as anything was."""
        ...

    async def join(self, group: str, topic: str, prefers: frozenset[int], name: str) -> Member:
        """Become a member. `prefers` are partitions that it would like, because it has their state at hand; `name`
        names the member across its restarts."""
        ...

    async def close(self) -> None: ...
