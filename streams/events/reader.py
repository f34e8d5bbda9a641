"""One consumer's way through the events: what it wants of one feed after another, in order, and each event once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, NoReturn, Protocol

from mmsb.processors.packed_events import PackedEvents
from mmsb.schemas.events import Event
from mmsb.streams.events.feed import Feed
from mmsb.streams.events.follower import Piece
from mmsb.streams.events.view import View

LIST_MAX: Final = 128
"""Events in one list: their objects take the event loop a millisecond, and then others have their turn."""

End = asyncio.Future[BaseException | None]
"""When a partition's events end, and why: None is nobody's fault."""

Joined = tuple[Feed, int]
"""A feed, and the place from which on it is to be read."""

Joining = asyncio.Task[Joined]


class Feeds(Protocol):
    """Where a reader finds a feed."""

    def better(self, feed: Feed, place: int) -> Feed | None:
        """One that covers a place and is further than another."""
        ...

    def join(self, place: int) -> Coroutine[Any, Any, Joined]:
        """One that covers a place."""
        ...


class Reader(AsyncIterator[list[Event]]):
    """Gives lists of events, none of them empty, until it is closed or the engine is."""

    def __init__(self, feeds: Feeds, place: int, view: View, joining: "asyncio.Task[Joined]", end: End) -> None:
        """All events behind a place are to come; `joining` finds the first feed."""
        self._feeds = feeds
        self._place = place  # all up to here has been looked at
        self._view = view
        self._joining: Joining | None = joining
        self._feed: Feed | None = None
        self._number = 0  # of the next piece
        self._piece: PackedEvents | None = None
        self._found: list[int] = []  # in the piece, still to be given
        self._end = end
        self._closed = False

    def __aiter__(self) -> "Reader":
        return self

    async def __anext__(self) -> list[Event]:
        given: list[Event] = []
        while not given:
            while not self._found:
                if self._closed:
                    raise StopAsyncIteration
                await self._look()
            await asyncio.sleep(0)  # whoever always finds something lets others have their turn, too
            given = self._give()
        return given

    async def aclose(self) -> None:
        """Nothing more is wanted."""
        self._close()

    def _close(self) -> None:
        self._closed = True
        self._found, self._piece, self._feed = [], None, None
        if self._joining is not None:
            self._joining.cancel()

    def _give(self) -> list[Event]:
        assert self._piece is not None, "something was found in it"
        given, self._found = self._found[:LIST_MAX], self._found[LIST_MAX:]
        return self._view.events(self._piece, given)

    async def _look(self) -> None:
        """Look at one more piece, or do what brings one."""
        feed = self._feed
        piece = feed.piece(self._number) if feed is not None else None
        if piece is not None:
            self._number += 1
            self._search(piece)
            await asyncio.sleep(0)
        elif self._end.done() and not self._has_joined:
            self._finish()
        elif feed is None:
            await self._join()
        elif feed.has_dropped(self._number):
            self._feed = None
        elif (better := self._feeds.better(feed, self._place)) is not None:
            self._enter(better)
        else:
            await self._wait_for_more(feed)

    async def _join(self) -> None:
        if self._joining is None:
            self._joining = asyncio.create_task(self._feeds.join(self._place))
        await self._done_or_end(self._joining)
        if self._has_joined:
            feed, place = self._joining.result()
            self._joining = None
            self._place = max(self._place, place)
            if feed.covers(self._place):  # others may have gone on with it since
                self._enter(feed)

    @property
    def _has_joined(self) -> bool:
        return self._joining is not None and self._joining.done() and not self._joining.cancelled()

    def _enter(self, feed: Feed) -> None:
        self._feed = feed
        self._number = feed.number_behind(self._place)

    def _search(self, piece: Piece) -> None:
        if isinstance(piece, PackedEvents):
            self._piece = piece
            self._found = self._view.find(piece, self._place)
        self._place = max(self._place, piece.last_place)

    async def _wait_for_more(self, feed: Feed) -> None:
        more = asyncio.create_task(feed.more())
        try:
            await self._done_or_end(more)
            if more.done():
                more.result()
        finally:
            more.cancel()

    async def _done_or_end(self, task: "asyncio.Task[Any]") -> None:
        """Wait for a task, or for the end of all events, before which there may be some to look at still."""
        ends: set[asyncio.Future[Any]] = {task, self._end}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

    def _finish(self) -> NoReturn:
        """Give nothing more: as a loop ends that has come to its end, or with what made the engine fail."""
        self._close()
        failure = self._end.result()
        if failure is not None:
            raise failure
        raise StopAsyncIteration
