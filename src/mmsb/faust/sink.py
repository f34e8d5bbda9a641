# pyright: reportUnknownMemberType=false
"""From an agent's hands into MMSB, in the order of its records, and back with an acknowledgement.

    records ─▶ submit ─▶ numbered, packed ─▶ in one call, all that came meanwhile ─▶ settled ─▶ acknowledged

There is one call at a time. If it fails, what became of it may be unknown, so nothing is submitted behind it: the
worker ends, and begins again with what was not acknowledged. What had got in is dropped then, by its number.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import faust

from mmsb.app import App, connect
from mmsb.faust.taking import Taking, place
from mmsb.processors.receipts import Receipts
from mmsb.processors.requests import Request
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import source_of
from mmsb.schemas.statuses import Status
from mmsb.streams.door import Door
from mmsb.streams.edges.declaring import Ask
from mmsb.streams.edges.packing import pack_answer
from mmsb.streams.kafka.cluster.security import OPEN, Security
from mmsb.streams.tickets import Receipt

RECORDS_IN_FLIGHT: Final = 4_096
"""That wait for their acknowledgement; more of them wait to be submitted. Faust has as many ready for an agent."""


@dataclass(eq=False, slots=True)
class _Handed:
    """A record that an agent has dealt with."""

    event: faust.EventT[Any]
    intents: list[bytes]
    settled: asyncio.Future[list[Receipt]]


class Sink:
    """Where one agent submits what it makes of its records. It lives as long as the Faust worker does.

    sink = Sink("enrich", faust_app, shop, "kafka://localhost:9092")

    @faust_app.agent(orders)
    async def enrich(stream):
        async for record in sink.records(stream):
            price = await price_of(record.value["item"])
            await sink.submit(record, Place(...))
    """

    def __init__(self, name: str, faust_app: faust.App, app: App, to: str, *, security: Security | None = None) -> None:
        """`name` names the source of the intents for ever: each sink of an application has its own.

        `to` is the cluster that the topics of both are in.
        """
        if not name:
            raise InvalidValue("name: expected what the source of the intents is called, found nothing")
        self._name = name
        self._bus = connect(to, app, security=security)  # here, since it loads what would hold Faust's event loop up
        self._taking = Taking(faust_app, to, security or OPEN)
        self._submitted: faust.EventT[Any] | None = None
        self._topics: dict[str, UUID] = {}
        self._waiting: deque[_Handed] = deque()
        self._room = asyncio.Semaphore(RECORDS_IN_FLIGHT)
        self._handed = asyncio.Event()
        faust_app.task(self._run)

    async def records(self, stream: faust.StreamT[Any]) -> AsyncGenerator[faust.EventT[Any]]:
        """The records of the agent's stream. Each has to be given to `submit` before the next one is asked for."""
        async for record in self._taking.records(stream):
            yield record
            if self._submitted is not record:
                raise await self._taking.end(
                    InvalidValue(
                        f"{place(record)}: expected submit(record, …) before the next record, found none; where "
                        "nothing follows of a record, submit(record) says so"
                    )
                )

    async def submit(self, record: faust.EventT[Any], *intents: Request | Ask) -> asyncio.Future[list[Receipt]]:
        """Hand over all that follows of a record, in order; nothing may follow. Waits for room only.

        The record is acknowledged once all of it has settled: applied, rejected, or dropped because it had settled
        before. The future gives the receipts, for whoever wants them. `mmsb.Ask` says who asks for an intent, and why.
        """
        if not isinstance(record, faust.EventT):  # pyright: ignore[reportUnnecessaryIsInstance] - without a checker
            raise InvalidValue(f"expected submit(record, …) with one of sink.records, found {record!r}")
        if record is not self._taking.open or record is self._submitted:
            raise InvalidValue(f"{place(record)}: expected submit(record, …) once for each of sink.records, in order")
        message = record.message
        source = f"{self._name}/{message.topic}/{await self._topic_id(message.topic)}/{message.partition}"
        packed = pack_answer(intents, source_of(source), message.offset)
        await self._room.acquire()
        settled: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Handed(record, packed, settled))
        self._submitted = record
        self._handed.set()
        return settled

    async def _topic_id(self, topic: str) -> UUID:
        """A topic that is made anew begins its offsets again, so it is another source."""
        if topic not in self._topics:
            self._topics[topic] = await self._taking.broker.topic_id(topic)
        return self._topics[topic]

    async def _run(self) -> None:
        """As long as the Faust application does, whose task this is: what it raises ends the worker."""
        async with self._bus as bus:
            while True:
                await self._handed.wait()
                self._handed.clear()
                await self._settle(bus.door)

    async def _settle(self, door: Door) -> None:
        """All that was handed over until now."""
        some = [self._waiting.popleft() for _ in range(len(self._waiting))]
        values = [value for handed in some for value in handed.intents]
        receipts = _rows(await door.submit_values(values)) if values else []
        start = 0
        for handed in some:
            stop = start + len(handed.intents)
            if not handed.settled.done():  # whoever waited may have given up
                handed.settled.set_result(receipts[start:stop])
            handed.event.ack()
            self._room.release()
            start = stop


def _rows(receipts: Receipts) -> list[Receipt]:
    count = len(receipts)
    partitions = [0] * count if receipts.partitions is None else receipts.partitions.tolist()
    columns = zip(partitions, receipts.offsets.tolist(), receipts.statuses.tolist(), strict=True)
    firsts = receipts.first_offsets.tolist()
    return [
        Receipt(
            partition,
            offset,
            Status(status),
            receipts.rejection(row),
            firsts[row] if status == Status.DUPLICATE else None,
        )
        for row, (partition, offset, status) in enumerate(columns)
    ]
