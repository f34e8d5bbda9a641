"""What came of messages, on its way: first what was set aside is put away, then intents are submitted and settle."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Final, TypeVar

import numpy as np

from mmsb.processors.batching import Intents
from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown
from mmsb.schemas.statuses import Status
from mmsb.streams.door import Door
from mmsb.streams.edges.attempting import Answer, Rejected

PATIENCE_SECONDS: Final = 60.0
"""As long as nothing can be submitted it is tried again; after so long the processor ends with what keeps it."""

AGAIN_SECONDS: Final = 0.2

T = TypeVar("T")

PutAway = Callable[[Sequence[Rejected]], Awaitable[None]]
"""Returns when what was set aside is where it cannot be lost."""


@dataclass
class Counts:
    """What one process did for a processor since it began."""

    messages: int = 0
    rejected: int = 0
    """Messages that were set aside."""
    outcomes: dict[Status, int] = field(default_factory=dict[Status, int])
    """Of intents; a duplicate was submitted before, by whoever did this earlier."""

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count:,} {status}" for status, count in sorted(self.outcomes.items()))
        aside = f", {self.rejected:,} set aside" if self.rejected else ""
        return f"{self.messages:,} messages{aside}; {self.intents:,} intents{f' ({outcomes})' if outcomes else ''}"

    @property
    def intents(self) -> int:
        return sum(self.outcomes.values())


def joined(parts: Sequence[Intents]) -> Iterator[Intents]:
    """Those of one class that follow each other as one: each submission waits until it has settled."""
    for _, alike in groupby(parts, lambda part: (part.layout, part.metadata)):
        some = list(alike)
        first = some[0]
        if len(some) == 1:
            yield first
            continue
        sources = [part.sources for part in some if part.sources is not None]
        assert len(sources) == len(some), "they carry numbers"
        arguments = np.concatenate([part.arguments for part in some])
        yield Intents(first.layout, arguments, None, first.metadata, np.concatenate(sources))


class Delivery:
    """For one source; `settled` is the position behind which nothing has been dealt with."""

    def __init__(self, door: Door, put_away: PutAway, counts: Counts) -> None:
        self._door = door
        self._put_away = put_away
        self._counts = counts
        self.settled: int | None = None

    async def deliver(self, answers: Sequence[Answer]) -> None:
        """Return when all of it is where it should be."""
        rejected = [each for answer in answers for each in answer.rejected]
        if rejected:
            await self._until_done(partial(self._put_away, rejected))
        values = [value for answer in answers for value in answer.values]
        if values:
            self._count(await self._until_done(partial(self._door.submit_values, values)))
        for columns in joined([each for answer in answers for each in answer.columns]):
            self._count(await self._until_done(partial(self._door.submit_many, columns)))
        self._counts.messages += sum(answer.count for answer in answers)
        self._counts.rejected += len(rejected)
        self.settled = answers[-1].next

    async def _until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Numbers make it safe to submit the same again; to go on without it would not be."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + PATIENCE_SECONDS
        while True:
            try:
                return await attempt()
            except (EnvironmentFailed, OutcomeUnknown):
                self._door.check()
                if clock() > deadline:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)

    def _count(self, receipts: Receipts) -> None:
        for status, count in receipts.counts.items():
            self._counts.outcomes[status] = self._counts.outcomes.get(status, 0) + count
