"""What any broker can answer: about topics and their settings."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.answers import ADMINISTERING, EXISTS, Means, means, refusal, refusal_words
from mmsb.streams.kafka.cluster.connections import Connections, Unanswered, Unsent
from mmsb.streams.kafka.cluster.requests import (
    ask_alter,
    ask_create,
    ask_metadata,
    ask_settings,
    read_alter,
    read_create,
    read_metadata,
    read_settings,
)
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.topic_ids import ask_topic_id, read_topic_id
from mmsb.streams.kafka.cluster.url import Address

LANE: Final = "administration"
SECONDS: Final = 30.0
"""After so long it has failed."""

ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.05
T = TypeVar("T")


class Administration:
    def __init__(self, connections: Connections, routes: Routes) -> None:
        self._connections = connections
        self._routes = routes

    async def topics(self, names: Sequence[str]) -> dict[str, int]:
        found = await self._ask("topics", ask_metadata(names), lambda answer: (0, None, read_metadata(answer)))
        for topic, code in found.errors.items():
            if means(ADMINISTERING, code) is Means.REFUSED:
                raise refusal(f"topic {topic!r}", code)
        return {topic: len(leaders) for topic, leaders in found.topics.items()}

    async def topic_id(self, topic: str) -> UUID:
        """Of a topic that is there."""
        code, found = await self._ask(
            f"topic {topic!r}", ask_topic_id(topic), lambda answer: (0, None, read_topic_id(answer))
        )
        if means(ADMINISTERING, code) is not Means.DONE:
            raise refusal(f"topic {topic!r}", code)
        return found

    async def settings(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        there: dict[str, dict[str, str]] = {}
        for topic, code, words, found in await self._ask(
            "settings", ask_settings(topics), lambda answer: (0, None, read_settings(answer))
        ):
            meaning = means(ADMINISTERING, code)
            if meaning is Means.DONE:
                there[topic] = found
            elif meaning is not Means.ABSENT:
                raise refusal(f"settings of topic {topic!r}", code, words)
        return there

    async def create(self, topic: str, partitions: int, replicas: int, settings: Mapping[str, str]) -> None:
        request = ask_create(topic, partitions, replicas, settings, round(ANSWER_SECONDS * 1000))
        await self._ask(f"making topic {topic!r}", request, _made)
        await self._wait_until_known(topic)

    async def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        request = ask_alter(topic, settings)
        await self._ask(f"settings of topic {topic!r}", request, lambda answer: (*read_alter(answer), None))

    async def _wait_until_known(self, topic: str) -> None:
        """To every broker that is up, with its leaders: whoever makes a topic goes on to use it."""
        deadline = _now() + SECONDS
        waiting = self._routes.brokers()
        while waiting and _now() < deadline:
            waiting = [address for address in waiting if not await self._is_known(address, topic)]
            if waiting:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _is_known(self, address: Address, topic: str) -> bool:
        try:
            answer = await self._connections.ask(address, LANE, ask_metadata([topic]), ANSWER_SECONDS)
        except (Unsent, Unanswered):
            return True  # it will know when it comes back
        leaders = read_metadata(answer).topics.get(topic, {})
        return bool(leaders) and -1 not in leaders.values()

    async def _ask(self, what: str, request: object, read: Callable[[Any], tuple[int, str | None, T]]) -> T:
        """What may be asked twice."""
        deadline, last = _now() + SECONDS, ""
        while _now() < deadline:
            for address in self._routes.brokers():
                try:
                    answer = await self._connections.ask(address, LANE, request, ANSWER_SECONDS)
                except (Unsent, Unanswered) as error:
                    last = str(error)
                    continue
                code, words, found = read(answer)
                meaning = means(ADMINISTERING, code)
                if meaning is Means.DONE:
                    return found
                last = refusal_words(what, code, words)
                if meaning is not Means.AGAIN:
                    raise EnvironmentFailed(last)
            await asyncio.sleep(AGAIN_SECONDS)
        raise EnvironmentFailed(
            f"{what}: expected a broker to answer within {SECONDS:g} s, found that none does: {last}"
        )


def _made(answer: Any) -> tuple[int, str | None, None]:
    code, words = read_create(answer)
    return (0 if code == EXISTS else code), words, None


def _now() -> float:
    return asyncio.get_running_loop().time()
