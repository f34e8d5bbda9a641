"""Packed events in order: a follower, and the newest of what it made. Any number of readers share one.

A reader that has seen all asks for more, and then the follower goes on; the others find it here. If they wait so long
that it has been dropped, they go elsewhere: nobody waits for them, and they cost no memory but what is bounded here.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from typing import Final

from mmsb.streams.events.follower import Follower, Piece, Start, start_of_cut
from mmsb.streams.events.source import Cut, Source
from mmsb.streams.world import Worker

EVENTS_BYTES_MAX: Final = 16 << 20
"""So much is kept for the readers behind: 100,000 events of a bank."""


class Feed:
    """Every event behind the place `floor` is here, or comes. All TLog records before `next` have been gone through."""

    def __init__(self, source: Source, worker: Worker, start: Start, number: int) -> None:
        self.number = number
        self._source = source
        self._worker = worker
        self._follower = Follower(source, start)
        self._fresh: Cut | None = None  # what the next follower begins with, once this one has told all before it
        self._pieces: deque[Piece] = deque()
        self._first = 0  # the number of the first piece: they are counted from the feed's beginning
        self._size = 0
        self._work: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self.floor = start.floor
        self.next = self._follower.next

    def covers(self, place: int) -> bool:
        """Whether a reader that has seen all up to a place misses nothing here."""
        return place >= self.floor and self._failure is None

    def number_behind(self, place: int) -> int:
        """The number of the first piece with events behind a place."""
        return self._first + bisect_right(self._pieces, place, key=lambda piece: piece.last_place)

    def has_dropped(self, number: int) -> bool:
        return number < self._first

    def piece(self, number: int) -> Piece | None:
        """None if it is dropped, or still to come."""
        index = number - self._first
        return self._pieces[index] if 0 <= index < len(self._pieces) else None

    async def more(self) -> None:
        """Wait until there is something to follow, and follow it some way. A caller that goes away stops nothing."""
        if self._work is None and self._failure is None:
            await self._source.wait(self.next)
        if self._failure is not None:
            raise self._failure
        await self._take()
        if self._failure is not None:
            raise self._failure

    async def catch_up(self) -> None:
        """Follow all that is accepted, so that readers find it here when the log is closed."""
        while self._failure is None and self.next < self._source.accepted_tlog():
            await self._take()

    async def _take(self) -> None:
        self._work = self._work or asyncio.create_task(self._go_on())
        await asyncio.wait([self._work])

    async def rest(self) -> None:
        """Wait until nothing runs."""
        if self._work is not None:
            await asyncio.wait([self._work])

    async def _go_on(self) -> None:
        try:
            for piece in await self._worker.run(self._follower.take):
                self._add(piece)
            self.next = self._follower.next
            await self._renew()
        except Exception as failure:  # every reader hears of it
            self._failure = failure
        finally:
            self._work = None

    async def _renew(self) -> None:
        """Keep memory bounded where pages are more than that: go on from newer pages, which are in the store."""
        if self._fresh is None and self._follower.is_crowded:
            self._fresh = await self._source.cut()
        if self._fresh is not None and self._follower.has_told(self._fresh.settled):
            self._follower, self._fresh = Follower(self._source, start_of_cut(self._fresh)), None

    def _add(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._size += piece.byte_count
        while self._size > EVENTS_BYTES_MAX:
            dropped = self._pieces.popleft()
            self._first += 1
            self._size -= dropped.byte_count
            self.floor = dropped.last_place
