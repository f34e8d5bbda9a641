"""What a watcher asks of an engine, at any moment, also before it has begun: nothing here waits for anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mmsb.streams.partition import Partition

LOADING: Final = "it starts: it loads its code, and compiles what is new here"
"""Why an engine is not ready for half a minute, where nothing is compiled yet."""


@dataclass(frozen=True)
class Seen:
    """A partition that is open in this process."""

    partition: Partition[Any]
    owned: bool  # else it follows what its owner writes
    handed: Mapping[int, int]  # how many of its follow-ups each target has been handed


class Elsewhere:
    """The engine of a process that is connected to others: these have the partitions, and are watched themselves."""

    def seen(self) -> list[Seen]:
        return []

    def unready(self) -> str | None:
        return None


class Watchable(Protocol):
    def seen(self) -> list[Seen]: ...

    def unready(self) -> str | None:
        """Why it does not serve what it was given, if so."""
        ...
