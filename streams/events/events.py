"""The events of one partition, for any number of consumers. With none of them it does nothing and keeps nothing."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar
from weakref import WeakSet

from mmsb.processors.packed_events import last_place_of, place_of
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.events.feed import Feed
from mmsb.streams.events.follower import Start, start_of_cut, start_of_log
from mmsb.streams.events.pieces import HasSeen, Pieces
from mmsb.streams.events.reader import End, Joined, Joining, Reader
from mmsb.streams.events.source import Source
from mmsb.streams.events.tail import has_seen_all
from mmsb.streams.events.view import Conversions, View
from mmsb.streams.world import Worker, World, finish

T = TypeVar("T")

LAG_MAX: Final = 64
"""Who wants what comes joins a feed that is so many TLog records behind: going through them takes half a second at
most, and copies no pages."""


class Events:
    """Makes readers, and the feeds that they read. Feeds live as long as somebody reads them, and the last one longer:
    whoever reads on where it stopped then need not begin with the log."""

    def __init__(self, source: Source, world: World, name: str) -> None:
        self._source = source
        self._world = world
        self._name = name
        self._worker: Worker | None = None
        self._feeds: WeakSet[Feed] = WeakSet()
        self._made = 0
        self._kept: Feed | None = None
        self._joining: set[Joining] = set()
        self._end: End | None = None

    def subscribe(self, after: Position | None, wanted: EventFilter, ask: Conversions | None = None) -> Reader:
        """Events behind a position; None is from now on: of all that is submitted after this call.

        `ask` tells of migrations, behind which events of a page type are those of another.
        """
        end = self._begin()
        now = last_place_of(self._source.accepted)
        place = now if after is None else place_of(after.offset, after.ordinal)
        # A task, because a cut has to be asked for before anything that the caller does next.
        view = View(wanted)
        joining = asyncio.create_task(self._join_now(place) if after is None else self._join_behind(place, view, ask))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)
        return Reader(self, place, view, joining, end)

    def pieces(self, place: int, has_seen: HasSeen) -> Pieces:
        """All behind a place, not only events, for whoever is gone before this is closed."""
        self._begin()
        return Pieces(self, place, has_seen)

    def _begin(self) -> End:
        self._worker = self._worker or self._world.worker(self._name)
        self._end = self._end or asyncio.get_running_loop().create_future()
        return self._end

    async def close(self, failure: BaseException | None = None) -> None:
        """End all readers: as a loop ends that has come to its end, or with what made the engine fail.

        Nobody waits for a consumer, but those that keep up still find all that was accepted, in memory.
        """
        if self._end is None or self._worker is None or self._end.done():
            return
        if failure is None:
            await asyncio.gather(*self._joining, return_exceptions=True)
            for feed in self._oldest_first():
                if not self._lags(feed):
                    await feed.catch_up()
        self._end.set_result(failure)
        for task in list(self._joining):
            task.cancel()
        for feed in self._oldest_first():
            await feed.rest()
        await finish(self._worker)

    def _oldest_first(self) -> list[Feed]:
        return sorted(self._feeds, key=lambda feed: feed.number)

    def better(self, feed: Feed, place: int) -> Feed | None:
        """A feed that covers a place and is further than another."""
        found = self._find(place)
        return self._keep(found) if found is not None and found.next > feed.next else None

    async def join(self, place: int, has_seen: HasSeen = has_seen_all) -> Joined:
        """A feed that covers a place: one that is there, or else a new one."""
        found = self._find(place)
        at_end = place >= place_of(self._source.accepted - LAG_MAX, 0)
        if found is not None and not (at_end and self._lags(found)):
            return self._keep(found), place
        if at_end:
            cut = await self._source.cut()
            if await self._run(has_seen, self._source, cut, place):
                return self._make(start_of_cut(cut)), last_place_of(cut.settled)
        found = self._find(place)
        return self._keep(found) if found else self._make(await self._run(start_of_log, self._source, place)), place

    async def _join_behind(self, place: int, view: View, ask: Conversions | None) -> Joined:
        """For a reader that may be far behind."""
        if ask is not None:
            await view.learn(ask)
        return await self.join(place)

    async def _join_now(self, place: int) -> Joined:
        """For a reader that has seen nothing: a feed that may leave out what was on its way when it was asked for."""
        found = self._find(place)
        if found is not None and not self._lags(found):
            return self._keep(found), place
        cut = await self._source.cut()
        return self._make(start_of_cut(cut)), last_place_of(cut.settled)

    def _find(self, place: int) -> Feed | None:
        """The furthest of those that cover a place; the oldest of equals, so that what happens can be repeated."""
        covering = [feed for feed in self._feeds if feed.covers(place)]
        return max(covering, key=lambda feed: (feed.next, -feed.number), default=None)

    def _lags(self, feed: Feed) -> bool:
        return self._source.accepted_tlog() - feed.next > LAG_MAX

    def _make(self, start: Start) -> Feed:
        assert self._worker is not None, "a reader was made"
        self._made += 1
        feed = Feed(self._source, self._worker, start, self._made)
        self._feeds.add(feed)
        return self._keep(feed)

    def _keep(self, feed: Feed) -> Feed:
        self._kept = feed
        return feed

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        assert self._worker is not None, "a reader was made"
        return await self._worker.run(function, *arguments)
