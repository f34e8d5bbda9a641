# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""What changed, for agents: records of the topic `<app>.events`, packed or JSON, as values of one's own classes."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import faust

from mmsb.app import App
from mmsb.faust.decoding import Decoder
from mmsb.faust.taking import Taking, place
from mmsb.schemas.classes import Page
from mmsb.schemas.errors import InvalidValue, MmsbError
from mmsb.schemas.ids import ID_BYTES
from mmsb.streams.kafka.cluster.security import OPEN, Security
from mmsb.streams.page_values import PageEvent

P = TypeVar("P", bound=Page)

MARK: Final = "mmsb"
"""The header that says which log an event comes from (docs/formats.md, section 23)."""

_MARK_BYTES: Final = 28


@dataclass(frozen=True, slots=True)
class PublishedEvent(Generic[P]):
    """An event of the topic. The log that it comes from, its offset and its ordinal name it for ever."""

    event: PageEvent[P]
    log: str


class Events(Generic[P]):
    """The events of one page class, for one agent.

    customers = Events(faust_app, shop, Customer)

    @faust_app.agent(customers.topic)
    async def follow(stream):
        async for published in customers.read(stream):
            print(published.event.key, published.event.page)
    """

    def __init__(
        self, faust_app: faust.App, app: App, page: type[P], to: str, *, security: Security | None = None
    ) -> None:
        """`to` is the cluster that the topics of both are in."""
        self._decoder = Decoder(page, app.bundle().descriptor)
        self._taking = Taking(faust_app, to, security or OPEN)
        self.topic: faust.TopicT = faust_app.topic(f"{app.name}.events", key_serializer="raw", value_serializer="raw")

    async def read(self, stream: faust.StreamT[Any]) -> AsyncGenerator[PublishedEvent[P]]:
        """Each event of the class; it is acknowledged once it is dealt with, when the next one is asked for.

        One may be told again: what came behind the last commit before a restart, and what was published twice. An
        `EventTable` knows it by its name.
        """
        async for record in self._taking.records(stream):
            try:
                found = self._decoder.event(record.value)
            except MmsbError as error:
                raise await self._taking.end(InvalidValue(f"{place(record)}: {error}")) from error
            if found is not None:
                yield PublishedEvent(found, _log_of(record))
            record.ack()


def _log_of(record: faust.EventT[Any]) -> str:
    mark: Any = record.headers.get(MARK)
    if not isinstance(mark, bytes) or len(mark) != _MARK_BYTES:
        raise InvalidValue(f"{place(record)}: expected a header {MARK!r} of {_MARK_BYTES} bytes, found {mark!r}")
    return mark[:ID_BYTES].hex()
