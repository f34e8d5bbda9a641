"""From callers' hands into the inbox of the partition that an intent belongs to."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.batching import Intents
from mmsb.processors.bundle import Bundle
from mmsb.processors.receipts import Receipts
from mmsb.processors.routing import Router
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.building import build
from mmsb.streams.door import About
from mmsb.streams.inbox import Inbox
from mmsb.streams.kafka.clients.producing import rows_of
from mmsb.streams.submitting import picked, submit, submit_many, submit_nowait, submit_spread, submit_values
from mmsb.streams.tickets import Receipt, Until
from mmsb.streams.world import World, finish

ROWS_INTERPRETED: Final = 4_096
"""So many rows find their partitions in a tenth of a second without compiled code, which may have to be made."""

T = TypeVar("T")


class Submitting:
    """What somebody waits for can be waited out with `until_none_waits`; in the end `close`."""

    def __init__(
        self,
        world: World,
        app: str,
        bundle: Bundle | None,
        about: About,
        genesis: Genesis,
        inboxes: Sequence[Inbox],
    ) -> None:
        """`bundle` says which partition an intent belongs to; without it only one partition can be submitted to."""
        self._app = app
        self._bundle = bundle
        self._genesis = genesis
        self._inboxes = inboxes
        self._router = Router(bundle or Bundle(about.descriptor, about.generation, ()), None, genesis)
        self._compiled = False
        self._found = 0  # intents whose partitions were looked for
        self._waited_for: set[asyncio.Future[Any]] = set()
        self._routing = world.worker("routing")

    async def submit(self, intent: bytes, until: Until, timeout: float | None) -> Receipt:
        number = self._partition_for(intent)
        return await self._waited(submit(self._inboxes[number], number, intent, until, timeout))

    def submit_nowait(self, intent: bytes) -> "asyncio.Future[Receipt]":
        waited = submit_nowait(self._inboxes[self._partition_for(intent)], intent)
        self._waited_for.add(waited)
        waited.add_done_callback(self._waited_for.discard)
        return waited

    async def submit_many(self, intents: Intents) -> Receipts:
        if len(self._inboxes) == 1 or not len(intents):
            return await self._waited(self._submit_columns(0, intents))
        self._check_routes()
        partitions = await self._routing.run(self._find_partitions, intents)
        spread = submit_spread(partitions, lambda number, rows: self._submit_columns(number, intents.take(rows)))
        return await self._waited(spread)

    async def submit_values(self, values: Sequence[bytes]) -> Receipts:
        if len(self._inboxes) == 1 or not values:
            return await self._waited(submit_values(self._inboxes[0], values))
        self._check_routes()
        partitions = await self._routing.run(self._find_partitions, values)
        spread = submit_spread(
            partitions,
            lambda number, rows: submit_values(self._inboxes[number], picked(values, rows)),
        )
        return await self._waited(spread)

    async def until_none_waits(self, running: "asyncio.Future[None]") -> None:
        """Or until what serves them has ended."""
        while self._waited_for and not running.done():
            await asyncio.wait([*self._waited_for, running], return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        await finish(self._routing)

    async def _submit_columns(self, number: int, intents: Intents) -> Receipts:
        return await submit_many(self._inboxes[number], intents, rows_of(intents))

    def _find_partitions(self, intents: Intents | Sequence[bytes]) -> NDArray[np.int64]:
        """Compiled as soon as there were many: whoever submits few does without."""
        self._found += len(intents)
        if not self._compiled and self._bundle is not None and self._found > ROWS_INTERPRETED:
            self._router = Router(self._bundle, build(self._bundle), self._genesis)
            self._compiled = True
        if isinstance(intents, Intents):
            return self._router.partitions_for(intents)
        return self._router.partitions_for_values(intents)

    def _partition_for(self, intent: bytes) -> int:
        self._check_routes()
        return self._router.partition_for(intent)

    def _check_routes(self) -> None:
        if self._bundle is None and len(self._inboxes) > 1:
            raise InvalidValue(
                f"{self._app} has {len(self._inboxes)} partitions, and only its code says which one an intent belongs "
                "to: connect with the application (on the command line: --app)"
            )

    async def _waited(self, work: Awaitable[T]) -> T:
        """Do something that whoever leaves the door has to wait for."""
        ended = asyncio.get_running_loop().create_future()
        self._waited_for.add(ended)
        try:
            return await work
        finally:
            self._waited_for.discard(ended)
            ended.set_result(None)
