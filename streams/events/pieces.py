"""All that feeds tell behind a place, in whole pieces: for whoever wants everything, and no objects."""

from collections.abc import Callable
from typing import Protocol

from mmsb.processors.packed_events import offset_of
from mmsb.streams.events.feed import Feed
from mmsb.streams.events.follower import BlockEnd, Piece
from mmsb.streams.events.source import Cut, Source

HasSeen = Callable[[Source, Cut, int], bool]
"""Whether nothing that is wanted lies behind a place and before a cut."""


class Feeds(Protocol):
    """Where feeds are found."""

    def better(self, feed: Feed, place: int) -> Feed | None: ...

    async def join(self, place: int, has_seen: HasSeen) -> tuple[Feed, int]: ...


class Pieces:
    """Everything once, in the order of the log."""

    def __init__(self, feeds: Feeds, place: int, has_seen: HasSeen) -> None:
        self._feeds = feeds
        self._place = place  # all up to here was given
        self._has_seen = has_seen
        self._feed: Feed | None = None
        self._number = 0  # of the next piece
        self.settled = offset_of(place + 1) - 1
        """All that intents up to here led to was given, or was there before."""

    async def take(self, size: int) -> list[Piece]:
        """Wait for more, and give what is there: about so many bytes. Nothing, if it was seen before."""
        while True:
            feed = self._feed
            if feed is None:
                await self._join()
                return []
            taken = self._look(feed, size)
            if taken:
                return taken
            if feed.has_dropped(self._number):
                self._feed = None
            elif (better := self._feeds.better(feed, self._place)) is not None:
                self._enter(better)
            else:
                await feed.more()

    async def _join(self) -> None:
        feed, place = await self._feeds.join(self._place, self._has_seen)
        if place > self._place:
            self._place, self.settled = place, offset_of(place)
        if feed.covers(self._place):  # others may have gone on with it since
            self._enter(feed)

    def _enter(self, feed: Feed) -> None:
        self._feed = feed
        self._number = feed.number_behind(self._place)

    def _look(self, feed: Feed, size: int) -> list[Piece]:
        taken: list[Piece] = []
        while size > 0 and (piece := feed.piece(self._number)) is not None:
            taken.append(piece)
            size -= piece.byte_count
            self._number += 1
            self._place = max(self._place, piece.last_place)
            if isinstance(piece, BlockEnd):
                self.settled = piece.settled
        return taken
