"""Offsets noted under the names of groups: asked of the broker that coordinates the group."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.answers import COORDINATING, Means, means, refusal, refusal_words
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.connections import Connections, Unanswered, Unsent
from mmsb.streams.kafka.cluster.requests import (
    ask_commit,
    ask_committed,
    ask_coordinator,
    read_commit,
    read_committed,
    read_coordinator,
)
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.url import Address

LANE: Final = "notes"
SECONDS: Final = 30.0
"""After so long it has failed."""

ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.1
T = TypeVar("T")


class Notes:
    def __init__(self, connections: Connections, routes: Routes) -> None:
        self._connections = connections
        self._routes = routes
        self._coordinators: dict[str, Address] = {}

    async def commit(self, group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        if offsets:
            await self._ask(group, ask_commit(group, offsets), lambda answer: (read_commit(answer), None))

    async def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        if not partitions:
            return {}
        return await self._ask(group, ask_committed(group, partitions), read_committed)

    async def _ask(self, group: str, request: object, read: Callable[[Any], tuple[list[int], T]]) -> T:
        """What may be asked twice."""
        deadline, last = _now() + SECONDS, "no broker coordinates it"
        while _now() < deadline:
            try:
                address = await self._coordinator(group)
                codes, found = read(await self._connections.ask(address, LANE, request, ANSWER_SECONDS))
                code = _worst(group, codes)
                if code == 0:
                    return found
                last = refusal_words(f"group {group!r}", code)
            except (Unsent, Unanswered) as error:
                last = str(error)
            self._coordinators.pop(group, None)
            await asyncio.sleep(AGAIN_SECONDS)
        raise EnvironmentFailed(
            f"group {group!r}: expected its coordinator to answer within {SECONDS:g} s, found that it does not: {last}"
        )

    async def _coordinator(self, group: str) -> Address:
        found = self._coordinators.get(group)
        if found is not None:
            return found
        last = Unsent("no broker is known")
        for address in self._routes.brokers():
            try:
                answer = await self._connections.ask(address, LANE, ask_coordinator(group), ANSWER_SECONDS)
            except (Unsent, Unanswered) as error:
                last = Unsent(str(error))
                continue
            code, found = read_coordinator(answer)
            if _worst(group, [code]) == 0:
                self._coordinators[group] = found
                return found
            last = Unsent(refusal_words(f"group {group!r}", code))
        raise last


def _worst(group: str, codes: Sequence[int]) -> int:
    """One that asks for another attempt, if there is one. Raises EnvironmentFailed for what would not help by that."""
    for code in codes:
        if means(COORDINATING, code) is Means.REFUSED:
            raise refusal(f"group {group!r}", code)
    return next((code for code in codes if code), 0)


def _now() -> float:
    return asyncio.get_running_loop().time()
