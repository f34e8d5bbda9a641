"""The partitions that this process runs, as the group gives and takes them.

    assigned ─▶ a seat's replica is opened, or follows already ─▶ claimed
    taken back ─▶ all that are owned come to rest ─▶ joined again ─▶ what stays goes on, the rest follows or is closed

A partition that is being opened goes on with that while the group changes its mind: what was folded stays folded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed, Superseded
from mmsb.streams.kafka.cluster.broker import Member
from mmsb.streams.kafka.partitions.replica import Replica
from mmsb.streams.kafka.partitions.seat import Seat, TakeOver, Wanted

LAG_SECONDS: Final = 5.0
"""Between two notes of how far partitions have settled, which only displays read."""

SESSION_SECONDS: Final = 10.0
"""As in `PATIENCE` of mmsb.streams.kafka.cluster.member: behind it the group gives away what a member had."""

OPENINGS_MAX: Final = 4
"""Partitions that are folded at once when many come together: each takes memory, and threads."""


class Worker:
    """`run` until it is cancelled, or until anything fails: then all of it stops."""

    def __init__(
        self,
        count: int,
        open_replica: Callable[[int], Awaitable[Replica]],
        take_over: TakeOver,
        hand_over: Callable[[Replica], Awaitable[None]],
        follows: Collection[int],
    ) -> None:
        """`hand_over` makes a replica that is at rest a follower; `follows` are partitions that are followed whoever
        owns them."""
        self._open_replica = open_replica
        self._openings = asyncio.Semaphore(OPENINGS_MAX)
        self._follows = frozenset(follows)
        self._asked: set[int] = set()
        self._assigned = False  # and not taken back
        self._moved = asyncio.Event()
        self._member: Member | None = None

        async def take(replica: Replica, wanted: Callable[[], bool]) -> None:
            await take_over(replica, wanted)
            self._moved.set()

        self.seats = {number: Seat(self._opener(number), take, hand_over) for number in range(count)}

    def _opener(self, number: int) -> Callable[[], Awaitable[Replica]]:
        async def opening() -> Replica:
            async with self._openings:
                return await self._open_replica(number)

        return opening

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(number for number, seat in self.seats.items() if seat.owned)

    async def working(self) -> frozenset[int]:
        """Those that are owned, once all are that the group gave."""
        seats = self.seats.values()
        while not self._assigned or any(seat.wanted == Wanted.OWNING and not seat.owned for seat in seats):
            self._moved.clear()
            await self._moved.wait()
        return self.owned

    def unready(self) -> str | None:
        """Why not all is at work that the group gave, and not all open that is to be followed, if so."""
        if not self._assigned:
            return "its group has given it no partitions yet, or moves them: those it has are at rest"
        silent = 0.0 if self._member is None else self._member.silent_seconds
        if silent > SESSION_SECONDS:
            return (
                f"its brokers have not answered for {silent:.0f} s: its session is over, and others may own what it had"
            )
        owned = [number for number, seat in self.seats.items() if seat.wanted == Wanted.OWNING and not seat.owned]
        if owned:
            return f"it takes over partitions {', '.join(map(str, owned))}, and folds them first"
        opening = [number for number in sorted(self._follows) if self.seats[number].replica is None]
        return f"it folds partitions {', '.join(map(str, opening))}, to follow them" if opening else None

    async def replica(self, number: int) -> Replica:
        """One that has folded what was accepted before this call, at least; it is followed from now on."""
        seat = self.seats[number]
        if seat.replica is None:
            self._asked.add(number)  # also if it is being opened to be owned: it may be given away before it is
        if seat.wanted == Wanted.NOTHING:
            seat.want(Wanted.FOLLOWING)
        return await seat.opened()

    async def run(self, member: Member | None) -> None:
        """Without a member nothing is owned."""
        self._member = member
        try:
            async with asyncio.TaskGroup() as group:
                for seat in self.seats.values():
                    group.create_task(seat.run())
                for number in self._follows:
                    self.seats[number].want(Wanted.FOLLOWING)
                if member is not None:
                    group.create_task(self._obey(member))
                    group.create_task(self._tell_lag(member))
        except BaseExceptionGroup as failures:
            superseded = (each for each in failures.exceptions if isinstance(each, Superseded))
            raise next(superseded, failures.exceptions[0]) from None

    async def _obey(self, member: Member) -> None:
        while True:
            assigned = await member.next()
            self._assigned = assigned is not None
            if assigned is None:
                await asyncio.gather(*(seat.rest() for seat in self.seats.values()))
                member.ready()
            else:
                for number, seat in self.seats.items():
                    seat.want(self._wanted(number, assigned.partitions))
                    seat.go_on()
                self._moved.set()

    async def _tell_lag(self, member: Member) -> None:
        told: dict[int, int] = {}
        while True:
            await asyncio.sleep(LAG_SECONDS)
            replicas = [seat.replica for seat in self.seats.values() if seat.replica is not None and seat.owned]
            settled = {replica.of.partition: replica.partition.settled.at + 1 for replica in replicas}
            if settled != told:
                with suppress(EnvironmentFailed):  # it is told again, and nothing depends on it
                    if await member.settled(settled):
                        told = settled

    def _wanted(self, number: int, assigned: Collection[int]) -> Wanted:
        if number in assigned:
            return Wanted.OWNING
        return Wanted.FOLLOWING if number in self._follows or number in self._asked else Wanted.NOTHING
