"""What clients were told, and what an engine says of itself, as the judge keeps it."""

from dataclasses import dataclass
from typing import NamedTuple

from mmsb.schemas.rejections import Rejection
from mmsb.state.pages import PageId
from mmsb.streams.stats import PartitionStats

Page = tuple[int, bytes] | None  # epoch and body


@dataclass(frozen=True)
class Told:
    """What a client heard of one intent."""

    offset: int
    value: bytes
    status: int | None = None  # None: that it is logged
    rejection: Rejection | None = None
    first_offset: int | None = None


@dataclass(frozen=True)
class Read:
    """Pages that a client read at one moment: of a boundary from `lower` to `upper`."""

    lower: int
    upper: int
    pages: dict[PageId, Page]


class State(NamedTuple):
    """What an engine says of a partition: the last intents logged and settled, and the digest after that."""

    logged: int
    settled: int
    digest: tuple[int, int]


class Secured(NamedTuple):
    """What not even a loss of power may take."""

    fixed: int
    released: int


def state_of(stats: PartitionStats) -> State:
    digest = bytes.fromhex(stats.digest)
    return State(
        stats.logged, stats.settled, (int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"))
    )
