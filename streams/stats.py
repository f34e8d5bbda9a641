"""What a running engine says of itself: plain numbers, a row for each partition."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


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
    outcomes: dict[str, int]  # since this start, by status
    in_flight_bytes: int
    intents_bytes: int  # on disk
    tlog_bytes: int
    flushed: int  # the last intent whose effects are in the store
    flushes: int  # since this start
    flushed_bytes: int  # since this start
    checkpoints: int  # made since this start
    checkpoint_failures: int  # since this start, of those by schedule or by an intent, which a warning told
    page_bytes: int  # of pages in memory, and of their indexes
    page_hits: int  # since this start, how often pages were in memory that were asked for, while not all were
    page_misses: int
    page_evictions: int
    emitted: dict[int, int]  # by target partition: follow-ups, ever
    relayed: dict[int, int]  # those of them that the target has been handed

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

    def as_json(self) -> dict[str, Any]:
        """For machines: the same names, and the lag of each partition."""
        partitions = [{**asdict(each), "lag": each.lag} for each in self.partitions]
        return {**asdict(self), "partitions": partitions}


def resident_bytes() -> int:
    """What this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def machine_bytes() -> int:
    """What memory this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
