# pyright: reportUnknownMemberType=false
"""The records of an agent's stream, in order, none left out, each until it is dealt with.

What lies behind a record counts with a higher number or mark, so a record that comes after it is taken for a duplicate.
Faust gives no promise that keeps this. It acknowledges a record whose agent failed, restarts the agent, and goes on
behind it; it may commit behind one that is still being dealt with, where several agents share a partition; after a
rebalance it may skip what it had fetched. So nobody but us acknowledges, one agent takes all in order, and where a
record was left out, the whole worker ends: it begins again with what was not acknowledged.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import faust

from mmsb.faust.gaps import Gaps
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import KafkaBroker, open_broker
from mmsb.streams.kafka.cluster.security import Security


class Taking:
    """Of one agent. It runs as long as the Faust application does."""

    def __init__(self, app: faust.App, to: str, security: Security) -> None:
        self._app = app
        self._to = to
        self._security = security
        self._open: faust.EventT[Any] | None = None
        self._broker: KafkaBroker | None = None
        self._gaps: Gaps | None = None
        self._runs = asyncio.Event()
        self._ends = asyncio.Event()
        app.task(self._run)

    @property
    def open(self) -> "faust.EventT[Any] | None":
        """The record that is being dealt with."""
        return self._open

    @property
    def broker(self) -> KafkaBroker:
        assert self._broker is not None, "records are taken"
        return self._broker

    async def records(self, stream: faust.StreamT[Any]) -> AsyncGenerator[faust.EventT[Any]]:
        """Each is dealt with when the next one is asked for. Whoever iterates acknowledges them."""
        if stream.concurrency_index is not None:
            raise await self.end(
                InvalidValue(
                    "expected an agent with concurrency=1, found more: several would deal with the records of a "
                    "partition in any order; start more workers instead"
                )
            )
        if self._open is not None:
            raise await self.end(
                EnvironmentFailed(
                    f"{place(self._open)}: expected the agent to deal with it, found that it failed there (its error "
                    "is above); mend it, or handle that error within it, and start this worker again"
                )
            )
        await self._runs.wait()
        assert self._gaps is not None, "it runs"
        taken: Any = stream  # Faust's types lack what it has
        events: AsyncIterator[faust.EventT[Any]] = taken.noack().events()
        async for event in events:
            at, offset = TopicPartition(event.message.topic, event.message.partition), event.message.offset
            try:
                await self._gaps.check(at, offset)
            except EnvironmentFailed as error:
                raise await self.end(error) from error
            self._open = event
            yield event
            self._open = None
            self._gaps.dealt(at, offset)

    async def end(self, error: Exception) -> Exception:
        """Have the worker end with this error; its caller raises it."""
        await self._app.crash(error)
        return error

    async def _run(self) -> None:
        settings = self._app.conf
        async with open_broker(self._to, self._security) as self._broker:
            self._gaps = Gaps(
                self._broker, self._to, self._security, settings.id,
                from_end=settings.consumer_auto_offset_reset != "earliest",
                committed_only=self._app.in_transaction,
            )  # fmt: skip
            self._runs.set()
            await self._ends.wait()  # until Faust cancels its tasks


def place(event: faust.EventT[Any]) -> str:
    message = event.message
    return f"{message.topic}/{message.partition}, offset {message.offset}"
