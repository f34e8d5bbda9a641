"""A running application over a data folder: what `async with app.run(data=...) as bus` gives."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from mmsb.processors.batching import pack_columns
from mmsb.processors.bundle import Bundle
from mmsb.processors.doors import Query, check_query
from mmsb.processors.receipts import Receipts
from mmsb.processors.requests import AnyId, Request, metadata, pack
from mmsb.schemas.classes import Intent, Page, Ref, layout_of
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, OutcomeUnknown, PageNotFound
from mmsb.schemas.limits import WINDOW_DEFAULT
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.building import build, build_folding
from mmsb.streams.opening import Code, Opened, open_partition
from mmsb.streams.partition import Partition
from mmsb.streams.tickets import Receipt, Ticket
from mmsb.streams.world import World

P = TypeVar("P", bound=Page)

TICKET_BYTES: Final = 512  # what one call costs in memory beside its intents


@dataclass(frozen=True)
class Settings:
    """How an application runs."""

    durability: Durability = Durability.FSYNC
    window: int = WINDOW_DEFAULT
    interpreted: bool = False
    dev: bool = False


class Bus:
    """The one process that writes a data folder, and its asyncio API."""

    def __init__(self, bundle: Bundle, folder: Path, settings: Settings, world: World) -> None:
        self._bundle = bundle
        self._folder = folder
        self._settings = settings
        self._world = world
        self._partition: Partition | None = None
        self._stages: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._opener = world.worker("open")
        self._lock: Any = None

    async def __aenter__(self) -> "Bus":
        self._lock = self._world.lock(self._folder)
        try:
            opened = await self._opener.run(self._open)
        except BaseException:
            self._lock.close()
            self._opener.close()
            raise
        self._partition = Partition(self._world, 0, opened, self._settings.durability)
        self._stages = asyncio.create_task(self._run(self._partition))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all that was submitted settle, then close; raises what stopped the engine, if something did."""
        partition, stages = self._running, self._stages
        assert stages is not None, "it was entered"
        try:
            await partition.settle_all(stages)
        finally:
            stages.cancel()
            with suppress(asyncio.CancelledError):
                await stages
            await asyncio.to_thread(partition.close)
            self._opener.close()
            self._lock.close()
        if self._failure is not None and error is None:
            raise self._failure

    @property
    def _running(self) -> Partition:
        if self._partition is None:
            raise InvalidValue("it does not run: use it within `async with app.run(...) as bus:`")
        return self._partition

    def _open(self) -> Opened:
        settings = self._settings
        compiled = None if settings.interpreted else build(self._bundle)
        build_folding()
        genesis = Genesis(self._world.nonce(), self._bundle.app, window=settings.window)
        code = Code(self._bundle, compiled, settings.durability, settings.dev)
        return open_partition(self._world, self._folder / "0", genesis, code, lambda _, __: None)

    async def _run(self, partition: Partition) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for stage in partition.stages:
                    group.create_task(stage)
        except BaseExceptionGroup as failures:
            self._failure = failures.exceptions[0]
            partition.fail(self._failure)

    # Submitting

    async def submit(
        self,
        request: Request,
        *,
        id: AnyId | None = None,
        actor: str | None = None,
        reason: str | None = None,
        correlation: AnyId | None = None,
        causation: AnyId | None = None,
        trace: str | None = None,
        source: str | None = None,
        number: int | None = None,
        until: str = "settled",
        timeout: float | None = None,
    ) -> Receipt:
        """Log an intent and wait until it has settled, or only until it is logged (`until="logged"`).

        With an `id` (a UUID or any text) it is safe to submit again: it applies once within the dedupe window. After
        `timeout` seconds OutcomeUnknown is raised, unless it is certain that nothing was logged (TimeoutError).
        """
        value = pack(
            request, id=id, actor=actor, reason=reason, correlation=correlation, causation=causation, trace=trace,
            source=source, number=number,
        )  # fmt: skip
        ticket = self._ticket(value, 1, len(value), until)
        await self._put(ticket, timeout)
        return await self._outcome(ticket, timeout)

    def submit_nowait(self, request: Request, **about: Any) -> "asyncio.Future[Receipt]":
        """As `submit`, without waiting for anything: raises Overloaded where there is no room. Await the future."""
        value = pack(request, **about)
        ticket = self._ticket(value, 1, len(value), "settled")
        self._check()
        self._running.inbox.put_nowait(ticket)
        assert ticket.settled is not None, "that is what was asked for"
        return ticket.settled

    async def submit_many(
        self,
        intent: type[Intent],
        columns: Mapping[str, Any],
        *,
        ids: Any = None,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Receipts:
        """Log many intents of one class, given as columns, and wait until all have settled: columns in, columns out."""
        about = metadata(actor, reason, None, None, None).pack()
        intents = await self._opener.run(lambda: pack_columns(layout_of(intent), columns, ids=ids, metadata=about))
        ticket = self._ticket(intents, len(intents), len(intents) * intents.value_bytes, "settled")
        await self._put(ticket, None)
        assert ticket.settled is not None, "that is what was asked for"
        found: Receipts = await ticket.settled
        return found

    def _ticket(self, intents: Any, count: int, size: int, until: str) -> Ticket:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if until == "logged":
            return Ticket(intents, count, size + TICKET_BYTES, logged=future)
        if until != "settled":
            raise InvalidValue(f'until: expected "logged" or "settled", found {until!r}')
        return Ticket(intents, count, size + TICKET_BYTES, settled=future)

    def _check(self) -> None:
        if self._failure is not None:
            raise EnvironmentFailed(f"the engine has stopped: {self._failure}; start it again")

    async def _put(self, ticket: Ticket, timeout: float | None) -> None:
        self._check()
        async with asyncio.timeout(timeout):
            await self._running.inbox.put(ticket)

    async def _outcome(self, ticket: Ticket, timeout: float | None) -> Receipt:
        waited = ticket.settled or ticket.logged
        assert waited is not None, "somebody waits for something"
        try:
            async with asyncio.timeout(timeout):
                found = await waited
        except TimeoutError:
            if self._running.inbox.withdraw(ticket):
                raise
            raise OutcomeUnknown(
                f"it did not settle within {timeout} s: it may still; submit it again with the same id to learn it"
            ) from None
        except asyncio.CancelledError:
            self._running.inbox.withdraw(ticket)
            raise
        return found if isinstance(found, Receipt) else Receipt(self._running.number, found)

    # Reading

    async def get(self, page: type[P], key: Any) -> P:
        """A page as the last accepted block left it; raises PageNotFound."""
        found = (await self.get_many(page, [key]))[0]
        if found is None:
            raise PageNotFound(f"{Ref(page, key)!r} does not exist; it will once an intent on it applies")
        return found

    async def get_many(self, page: type[P], keys: list[Any]) -> list[P | None]:
        """Many pages of one type at one moment; None where there is none."""
        self._check()
        layout = layout_of(page)
        found = await self._running.get([(layout.type_id, Ref(page, key).packed_key) for key in keys])
        return [None if each is None else page.from_body(each[1], each[0]) for each in found]

    async def query(self, query: Query[P]) -> P:
        """What a Query names."""
        check_query(query)
        return await self.get(query.ref.page, query.ref.key)

    def explain(self, receipt: Receipt) -> str:
        """A receipt in words."""
        return self._running.explain(receipt)
