"""What a running engine says of itself: plain numbers, a row for each partition."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PartitionStats:
    """Offsets are of the last record; -1 is none. Counts are since this start."""

    partition: int
    logged: int  # the last intent in the log
    settled: int  # the last intent with an accepted outcome
    tlog: int  # the last TLog record
    reign: str
    digest: str
    clock: int  # microseconds, UTC
    pages: dict[str, int]  # how many there are, by type
    ids: int  # in the dedupe window
    outcomes: dict[str, int]  # since this start, by status
    in_flight_bytes: int
    intents_bytes: int  # on disk
    tlog_bytes: int
    relayed: dict[int, int]  # by target partition: follow-ups that it has been handed, of those that were emitted
    emitted: dict[int, int]

    @property
    def lag(self) -> int:
        """Intents that are logged and not settled."""
        return self.logged - self.settled


@dataclass(frozen=True)
class Stats:
    """All partitions, and what they share."""

    app: str
    generation: int
    bundle: str
    durability: str
    seconds: float  # since this start
    settled_per_second: float  # over the last seconds
    memory_bytes: int  # resident, of the process
    partitions: tuple[PartitionStats, ...]
