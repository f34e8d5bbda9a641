"""Whether a process gets on: looked at a few times a second, since one look cannot tell slow from still.

The same looks say how late the event loop is, for each is asked for at a certain time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mmsb.streams.partition import Partition
from mmsb.streams.watching.exposition import Histogram
from mmsb.streams.watching.watchable import Seen
from mmsb.streams.world import World

LOOK_SECONDS: Final = 0.25
STILL_SECONDS: Final = 10.0
"""Intents wait, and none has settled for so long: no disk, broker or flush that works takes as long."""

LOOP_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True)
class _Looked:
    settled: int  # the last intent with an outcome
    since: float | None  # when intents were first seen to wait behind it; None: none did


class Progress:
    """`run` until cancelled."""

    def __init__(self, world: World, seen: Callable[[], list[Seen]]) -> None:
        self._world = world
        self._seen = seen
        self._looked: dict[Partition[Any], _Looked] = {}
        self.loop_seconds = Histogram(LOOP_BOUNDS)

    async def run(self) -> None:
        while True:
            asked = self._world.seconds() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.loop_seconds.observe(max(self._world.seconds() - asked, 0.0))
            self.look()

    def look(self) -> None:
        before, self._looked = self._looked, {}
        for each in self._seen():
            if each.owned:
                self._looked[each.partition] = self._look_at(each.partition, before.get(each.partition))

    def _look_at(self, partition: Partition[Any], before: _Looked | None) -> _Looked:
        settled = partition.settled.at
        if not partition.waits:
            return _Looked(settled, None)
        if before is None or before.settled != settled or before.since is None:
            return _Looked(settled, self._world.seconds())
        return before

    def still_seconds(self, partition: Partition[Any]) -> float:
        """How long intents of a partition have waited without one that settled."""
        looked = self._looked.get(partition)
        if looked is None or looked.since is None or looked.settled != partition.settled.at or not partition.waits:
            return 0.0
        return self._world.seconds() - looked.since

    def why_still(self) -> list[str]:
        """A line for each partition that does not get on."""
        found = [(each.partition, self.still_seconds(each.partition)) for each in self._seen() if each.owned]
        return [_line(partition, seconds) for partition, seconds in found if seconds >= STILL_SECONDS]


def _line(partition: Partition[Any], seconds: float) -> str:
    settled, logged = partition.settled.at, partition.opened.intents.end - 1
    waiting = f"intents {settled + 1} to {logged} wait" if logged > settled else "intents wait to be logged"
    return f"partition {partition.number}: {waiting}, and none has settled for {seconds:.1f} s"
