"""What is asked of whoever leads a partition: tried again with the next leader while that is without a doubt."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.answers import (
    FETCHING,
    TOO_LARGE,
    Means,
    means,
    means_of_append,
    refusal,
    refusal_words,
)
from mmsb.streams.kafka.cluster.broker import Refused, Span, TooLarge, TopicPartition
from mmsb.streams.kafka.cluster.connections import Connections, Unanswered, Unsent
from mmsb.streams.kafka.cluster.requests import (
    END,
    FIRST,
    ask_append,
    ask_offset,
    ask_trim,
    read_append,
    read_offset,
    read_trim,
)
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.url import Address

LANE: Final = "leaders"
SECONDS: Final = 30.0
"""For what is asked once: after that it has failed."""

ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.05
BROKER_SHARE: Final = 0.9
"""Of the time that an append has: the broker answers before we stop to listen, so that the connection stays."""

T = TypeVar("T")


class Leaders:
    def __init__(self, connections: Connections, routes: Routes) -> None:
        self._connections = connections
        self._routes = routes

    async def span(self, at: TopicPartition) -> Span:
        first = await self._ask(at, ask_offset(at, FIRST), read_offset)
        return Span(first, await self._ask(at, ask_offset(at, END), read_offset))

    async def trim(self, at: TopicPartition, offset: int) -> None:
        await self._ask(at, ask_trim(at, offset, round(ANSWER_SECONDS * 1000)), lambda answer: (read_trim(answer), 0))

    async def append(self, at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        """Each partition has a connection of its own: a broker takes one append at a time from each, and what is
        given up on one shall not leave open what became of the others."""
        deadline = _now() + timeout
        while (left := deadline - _now()) > 0:
            meaning, offset = await self._append_once(at, batch, left)
            if meaning is Means.DONE:
                return offset
            if meaning is Means.OPEN:
                return None
            await asyncio.sleep(min(AGAIN_SECONDS, max(0.0, deadline - _now())))
        return None

    async def _append_once(self, at: TopicPartition, batch: bytes, seconds: float) -> tuple[Means, int]:
        code = offset = -1
        try:
            async with asyncio.timeout(seconds):
                leader = await self._find(at)
            if leader is None:
                return Means.AGAIN, offset
            request = ask_append(at, batch, round(seconds * 1000 * BROKER_SHARE))
            code, offset = read_append(await self._connections.ask(leader, ("append", at), request, seconds))
            meaning = means_of_append(code, offset)
        except (Unsent, TimeoutError):
            meaning = Means.AGAIN
        except Unanswered:
            meaning = Means.OPEN
        except EnvironmentFailed as error:  # before anything was sent
            raise Refused(str(error)) from error
        if meaning is Means.REFUSED:
            raise (TooLarge if code in TOO_LARGE else Refused)(refusal_words(at, code))
        if meaning is not Means.DONE:
            self._routes.forget(at)
        return meaning, offset

    async def _ask(self, at: TopicPartition, request: object, read: Callable[[Any], tuple[int, T]]) -> T:
        """What may be done twice."""
        deadline = _now() + SECONDS
        last = "nobody leads it"
        while _now() < deadline:
            leader = await self._find(at)
            if leader is not None:
                try:
                    code, found = read(await self._connections.ask(leader, LANE, request, ANSWER_SECONDS))
                except (Unsent, Unanswered) as error:
                    last = str(error)
                else:
                    meaning = means(FETCHING, code)
                    if meaning is Means.DONE:
                        return found
                    if meaning in (Means.REFUSED, Means.OUTSIDE):
                        raise refusal(at, code)
                    last = refusal_words(leader, code)
                self._routes.forget(at)
            await asyncio.sleep(AGAIN_SECONDS)
        raise EnvironmentFailed(f"{at}: expected its leader to answer within {SECONDS:g} s, found none: {last}")

    async def _find(self, at: TopicPartition) -> Address | None:
        """Whoever leads it now, as far as anybody knows."""
        found = self._routes.leader(at)
        if found is None:
            await self._routes.look()
            self._routes.check(at.topic)
            found = self._routes.leader(at)
        return found


def _now() -> float:
    return asyncio.get_running_loop().time()
