"""Carries one partition's follow-ups to the partitions that they are for: in order, and each of them exactly once.

The TLog is the queue. What was accepted is read back from it, so nothing waits in memory, no partition waits for
another, and a crash loses nothing. Where to go on is what each target says: the highest number that it has counted.
A target drops what it has counted already, so sending again is always right, and leaving out never is: numbers are
dense.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from mmsb.schemas.errors import CorruptState
from mmsb.schemas.tlog.blocks import FollowUpRow
from mmsb.streams.tickets import Ticket

RELAY_BYTES: Final = 1 << 20  # of follow-ups that are on their way from one partition at a time
BLOCKS_AT_ONCE: Final = 256  # that they may come from

NONE: Final[Mapping[int, int]] = MappingProxyType({})


class Source(Protocol):
    """The partition whose follow-ups these are."""

    number: int
    emitted: dict[int, int]
    """How many follow-ups it had emitted to each target when it was opened."""
    follow_up_blocks: list[int]
    """TLog offsets of accepted blocks that have some, in order; the relay takes them off the front."""
    new_follow_ups: asyncio.Event
    all_relayed: asyncio.Event
    """That there are such blocks, and that there are none: the source sets the one, the relay the other."""

    async def make_durable(self) -> None:
        """Have what is accepted on disk: a target may not hold the effect of a cause that can vanish."""
        ...

    async def read_follow_ups(self, offset: int) -> list[FollowUpRow]: ...


class Target(Protocol):
    def counted(self, source: int) -> int:
        """The highest number that counted of the follow-ups of a partition."""
        ...

    async def caught_up(self) -> None:
        """Return once all that was in its log when it was opened has settled."""
        ...

    def hand(self, ticket: Ticket) -> None:
        """Have it logged, whatever else is in flight."""
        ...


async def next_follow_ups(
    source: Source, blocks: Sequence[int], handed: dict[int, int], arrived: Mapping[int, int] = NONE
) -> tuple[dict[int, list[bytes]], int]:
    """What the first of some blocks hold for each target and it has not; and how many blocks that are.

    `handed` has the highest number that each target was handed by then, `arrived` what it may have besides.
    """
    wanted: dict[int, list[bytes]] = {}
    size = taken = 0
    while taken < len(blocks) and size < RELAY_BYTES:
        for row in await source.read_follow_ups(blocks[taken]):
            last = handed.get(row.target, 0)
            if row.number > max(last, arrived.get(row.target, 0)):
                assert row.number == last + 1 or row.target not in handed, "follow-ups are numbered without a gap"
                handed[row.target] = row.number
                wanted.setdefault(row.target, []).append(row.intent)
                size += len(row.intent)
        taken += 1
    return wanted, taken


class Relay:
    """Runs beside the stages of its partition, until it is cancelled."""

    def __init__(self, source: Source, targets: Sequence[Target]) -> None:
        self._source = source
        self._targets = targets
        self.handed = {number: target.counted(source.number) for number, target in enumerate(targets)}

    @property
    def idle(self) -> bool:
        """Whether nothing that was accepted is still to be handed over."""
        return self._source.all_relayed.is_set()

    async def until_idle(self) -> None:
        await self._source.all_relayed.wait()

    async def run(self) -> None:
        source = self._source
        await self._skip_handed()
        while True:
            if not source.follow_up_blocks:
                source.new_follow_ups.clear()
                source.all_relayed.set()
            await source.new_follow_ups.wait()
            await self._carry()

    async def _skip_handed(self) -> None:
        """Begin with the first block of which a target lacks something; those before it need not be read again.

        What no block here has, its target has in its log for good, though it may not have counted it yet.
        """
        blocks, emitted = self._source.follow_up_blocks, self._source.emitted
        lacking = {target: count + 1 for target, count in emitted.items() if count > self.handed[target]}
        at = len(blocks)
        while at and lacking:
            at -= 1
            for row in reversed(await self._source.read_follow_ups(blocks[at])):
                if row.target in lacking:
                    lacking[row.target] = row.number
                    if row.number == self.handed[row.target] + 1:
                        del lacking[row.target]
        del blocks[:at]
        self.handed |= {target: first - 1 for target, first in lacking.items()}
        for target, first in lacking.items():
            await self._check_has(target, first - 1)

    async def _check_has(self, target: int, number: int) -> None:
        """That follow-ups up to a number, which nobody here has any more, are in the target's log."""
        await self._targets[target].caught_up()
        counted = self._targets[target].counted(self._source.number)
        if counted < number:
            raise CorruptState(
                f"partition {target}: expected the follow-ups of partition {self._source.number} up to {number}, which "
                f"has them no more, found them up to {counted}: the two are of different moments; restore all of the "
                "partitions from checkpoints that were made when nothing was on its way"
            )

    async def _carry(self) -> None:
        """Hand over what the next blocks hold, and go on when all targets have logged it."""
        source = self._source
        blocks = source.follow_up_blocks[:BLOCKS_AT_ONCE]
        await source.make_durable()
        wanted, taken = await next_follow_ups(source, blocks, self.handed)
        await asyncio.gather(*(self._hand(target, intents) for target, intents in wanted.items()))
        del source.follow_up_blocks[:taken]

    def _hand(self, target: int, intents: list[bytes]) -> "asyncio.Future[int]":
        logged: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._targets[target].hand(Ticket(intents, len(intents), sum(map(len, intents)), logged=logged))
        return logged
