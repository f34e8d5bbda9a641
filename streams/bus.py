"""The asyncio API of a running application: classes in, classes out, over the door of whoever owns the data folder."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from difflib import get_close_matches
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from mmsb.processors.columns import pack_columns
from mmsb.processors.doors import Query, check_query
from mmsb.processors.receipts import Receipts
from mmsb.processors.requests import AnyId, Request, metadata, pack
from mmsb.schemas.classes import Intent, Page, Ref, intent_layout_of, page_layout_of
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import InvalidValue, PageNotFound
from mmsb.schemas.events import Event
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.partitions import partition_of
from mmsb.schemas.rejections import Rejection
from mmsb.schemas.sentences import repeats, sentence
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.manifest import Checkpoint, checkpoint_of
from mmsb.streams.door import Door, EventFilter, Position
from mmsb.streams.edges.declaring import Processor
from mmsb.streams.merging import merged
from mmsb.streams.page_values import PageChange, PageEvent, page_change, page_event
from mmsb.streams.past.changes import History
from mmsb.streams.stats import Stats
from mmsb.streams.stopping import TERMINATED, Stop, ends_on_the_spot
from mmsb.streams.tickets import Receipt, Until

if TYPE_CHECKING:  # loaded by those who have processors
    from mmsb.streams.edges.delivering import Counts
    from mmsb.streams.edges.running import Tell
    from mmsb.streams.kafka.cluster.security import Cluster

P = TypeVar("P", bound=Page)

HISTORY_CHANGES: Final = 100  # that `history` gives unless told otherwise
START: Final = Position(-1, 0)  # before the first event
FROM_THE_START: Final[Mapping[int, Position]] = {}  # as `after`: no partition has been read


class Bus:
    """What `async with app.run(…) as bus` gives, and `async with mmsb.connect(…) as bus`."""

    def __init__(
        self,
        owner: AbstractAsyncContextManager[Door],
        app: str,
        at: "Cluster | None" = None,
        processed: "dict[str, list[Counts]] | None" = None,
    ) -> None:
        """`app` is the name of the application whose classes will be used; `at` is where its topics are, if any.

        `processed` gets what processors do, for whoever watches.
        """
        self._owner = owner
        self._app = app
        self._at = at
        self._processed = {} if processed is None else processed
        self._door: Door | None = None
        self._stop: Stop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor: Descriptor | None = None

    async def __aenter__(self) -> "Bus":
        if self._door is not None:
            raise InvalidValue("a bus runs once: call app.run(...) or mmsb.connect(...) again for another")
        with ends_on_the_spot():
            door = await self._owner.__aenter__()
        runs = door.about.descriptor.app
        if runs != self._app:
            await self._owner.__aexit__(None, None, None)
            raise InvalidValue(f"{runs!r} runs there, and the application is {self._app!r}; name another data folder")
        self._door, self._descriptor = door, door.about.descriptor
        self._loop = asyncio.get_running_loop()
        self._stop = Stop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all that was submitted settle, then close; raises what stopped the engine, if something did."""
        stop, self._stop = self._stop, None
        assert stop is not None, "it was entered"
        stop.forget()
        await self._owner.__aexit__(kind, error, trace)
        if stop.asked and isinstance(error, asyncio.CancelledError):
            raise SystemExit(TERMINATED) from None

    def __enter__(self) -> NoReturn:
        raise InvalidValue("write `async with`, within `async def`: the bus runs on asyncio's loop")

    def __exit__(self, *error: object) -> None:
        """Python looks for it before it enters."""

    @property
    def door(self) -> Door:
        """What it asks; for programs that know no classes."""
        if self._door is None or self._stop is None:
            raise InvalidValue("it does not run: use it within `async with app.run(...) as bus:`")
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidValue(
                "it runs on another event loop: use it there (asyncio.run_coroutine_threadsafe from other threads)"
            )
        return self._door

    async def until_stopped(self) -> None:
        """Serve until SIGTERM or SIGINT comes; then leave the `async with`. Raises what stops the engine before."""
        door, stop = self.door, self._stop
        assert stop is not None, "within `async with`"
        waiting = [asyncio.ensure_future(each) for each in (stop.wait(), door.until_ended())]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        for each in done:
            each.result()

    async def process(self, *processors: Processor, tell: "Tell | None" = None) -> "dict[str, Counts]":
        """Have processors submit what they decide, until their sources end, or SIGTERM or SIGINT comes.

        Then what was begun settles and is committed, before this returns what was done, by the names of
        processors; `tell` hears that once a second. Leave the `async with` afterwards, as from `until_stopped`.
        """
        from mmsb.streams.edges.running import process  # loads what only they need

        if not processors:
            raise InvalidValue("process: expected one or more of what @app.processor(…) made, found none")
        for each in processors:
            if not isinstance(each, Processor):  # pyright: ignore[reportUnnecessaryIsInstance] - without a checker
                raise InvalidValue(f"process: expected what @app.processor(…) made, found {each!r}")
        stopped = asyncio.ensure_future(self.until_stopped())
        try:
            return await process(processors, self.door, self._app, self._at, stopped, tell, self._processed)
        finally:
            stopped.cancel()
            await asyncio.gather(stopped, return_exceptions=True)

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
        until: Until = "settled",
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
        return await self.door.submit(value, until, timeout)

    def submit_nowait(
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
    ) -> "asyncio.Future[Receipt]":
        """As `submit`, without waiting for anything: raises Overloaded where there is no room. Await the future."""
        value = pack(
            request, id=id, actor=actor, reason=reason, correlation=correlation, causation=causation, trace=trace,
            source=source, number=number,
        )  # fmt: skip
        return self.door.submit_nowait(value)

    async def submit_many(
        self,
        intent: type[Intent],
        columns: Mapping[str, Any],
        *,
        ids: Any = None,
        actor: str | None = None,
        reason: str | None = None,
        source: str | None = None,
        numbers: Any = None,
    ) -> Receipts:
        """Log many intents of one class, given as columns, and wait until all have settled: columns in, columns out.

        `numbers` of one `source` rise from row to row: what is not above the highest that settled is a duplicate.
        """
        about = metadata(actor, reason, None, None, None).pack()
        layout, door = intent_layout_of(intent), self.door
        packing = partial(pack_columns, layout, columns, ids=ids, metadata=about, source=source, numbers=numbers)
        intents = await asyncio.to_thread(packing)
        return await door.submit_many(intents)

    # Reading

    async def get(self, page: type[P], key: Any, *, at: int | None = None) -> P:
        """A page as the last accepted block left it; raises PageNotFound.

        Or as it was right after the intent at an offset of its partition had settled: `at=receipt.offset`. Fields are
        those that the page has now.
        """
        found = (await self.get_many(page, [key], at=at))[0]
        if found is None and at is not None:
            raise PageNotFound(f"{Ref(page, key)!r} did not exist after offset {at}; its history says when it did")
        if found is None:
            raise PageNotFound(f"{Ref(page, key)!r} does not exist; it will once an intent on it applies")
        return found

    async def get_many(self, page: type[P], keys: Sequence[Any], *, at: int | None = None) -> list[P | None]:
        """Many pages of one type, those of one partition as of one moment; None where there is none.

        With `at` as of the moment after that offset, which needs keys of one partition: each has offsets of its own.
        """
        layout, door = page_layout_of(page), self.door
        packed = [Ref(page, key).packed_key for key in keys]
        where: dict[int, list[int]] = {}
        for index, key in enumerate(packed):
            where.setdefault(self._partition_of(layout, key), []).append(index)
        found: list[P | None] = [None] * len(packed)
        if at is not None and len(where) > 1:
            raise InvalidValue(
                f"at={at}: the keys are of {len(where)} partitions, each with offsets of its own; ask each"
            )
        for partition, indices in where.items():
            stored = await door.get(partition, [(layout.type_id, packed[index]) for index in indices], at)
            for index, each in zip(indices, stored, strict=True):
                found[index] = None if each is None else page.from_body(each[1], each[0])
        return found

    def _partition_of(self, layout: PageLayout, key: bytes) -> int:
        return partition_of(layout.partition_parts(key), self.door.about.partition_count)

    async def scan(
        self, page: type[P], *, at: int | None = None, partition: int | None = None
    ) -> AsyncIterator[tuple[Any, P]]:
        """All pages of a type with their keys, in that order; each partition after the other, as of one moment.

        Or those of one `partition`. With `at` as they were right after the intent at that offset had settled: that is
        replayed, so it takes as long as the log before it is, or what of it came after the newest checkpoint before.
        """
        layout, door = page_layout_of(page), self.door
        count = door.about.partition_count
        if partition is not None and not 0 <= partition < count:
            raise InvalidValue(f"partition: expected 0 to {count - 1}, found {partition}")
        if at is not None and partition is None and count > 1:
            raise InvalidValue(f"at={at}: each of {count} partitions has offsets of its own; add partition=")
        for number in range(count) if partition is None else [partition]:
            async for stored in door.scan(number, layout.type_id, at):
                for key, epoch, body in stored:
                    yield layout.unpack_key(key), page.from_body(body, epoch)

    async def reflects(self, page: type[Page], key: Any) -> int:
        """The offset of its partition up to which a page that is read from now on reflects all intents, at least.

        Behind Kafka this process may follow the partition's owner, and be behind it.
        """
        return await self.door.reflects(self._place(page, key)[0])

    async def history(self, page: type[P], key: Any, *, limit: int = HISTORY_CHANGES) -> History[PageChange[P]]:
        """What happened to a page, the newest first: what it became, by which intent, of whom, and why.

        If older changes may be missing, since the log before a checkpoint was trimmed, `.trimmed` is the offset up to
        which; else it is None.
        """
        partition, page_id = self._place(page, key)
        found, about = await self.door.history(partition, page_id, limit), self.door.about.descriptor
        return History((page_change(page, change, about) for change in found), found.trimmed)

    async def blame(
        self, page: type[P], key: Any, field: str | None = None, *, byte: int | None = None
    ) -> PageChange[P]:
        """The change that gave a field its value; without a field, the one that created the page.

        With `byte` the one that gave a byte its value: that one of the field, from 0, or of the page's body.
        """
        partition, page_id = self._place(page, key)
        layout = page_layout_of(page)
        index = None if field is None else _field_index(layout, field)
        if index is None and byte is not None:
            index, byte = layout.place_of_byte(byte)
        change = await self.door.blame(partition, page_id, index, byte)
        if change is None:
            raise PageNotFound(f"{Ref(page, key)!r} does not exist; its history says whether it ever did")
        return page_change(page, change, self.door.about.descriptor)

    def events(
        self,
        page: type[P],
        *,
        key: Any = None,
        fields: Sequence[str] | None = None,
        after: Mapping[int, Position] | None = None,
    ) -> AsyncGenerator[PageEvent[P]]:
        """Changes of pages of a type, in the order of each partition, until the engine closes.

        From this call on, or behind the positions of `after`, by partition: `{event.partition: event.position}` of the
        last event that was dealt with; `mmsb.FROM_THE_START` is all there ever were. Only of one `key`, or only those
        that touch one of some `fields`, if these are given.
        """
        layout, door = page_layout_of(page), self.door
        count = door.about.partition_count
        packed = None if key is None else Ref(page, key).packed_key
        indices = None if fields is None else tuple(_field_index(layout, field) for field in fields)
        wanted = EventFilter(layout.type_id, packed, indices)
        partitions = range(count) if packed is None else [self._partition_of(layout, packed)]
        begin = None if after is None else START
        sources = [door.events(each, (after or {}).get(each, begin), wanted) for each in partitions]
        return _page_events(page, sources, door.about.descriptor)

    def _place(self, page: type[P], key: Any) -> tuple[int, PageId]:
        layout, packed = page_layout_of(page), Ref(page, key).packed_key
        return self._partition_of(layout, packed), (layout.type_id, packed)

    async def query(self, query: Query[P]) -> P:
        """What a Query names."""
        check_query(query)
        return await self.get(query.ref.page, query.ref.key)

    def explain(self, receipt: Receipt | Rejection) -> str:
        """A receipt in words, or a rejection out of Receipts; also after the bus was left."""
        rejection = receipt if isinstance(receipt, Rejection) else receipt.rejection
        if rejection is not None:
            descriptor = self._descriptor or self.door.about.descriptor
            return sentence(rejection, {**descriptor.layouts_by_type}, descriptor.messages)
        assert isinstance(receipt, Receipt), "a rejection was explained"
        if receipt.first_offset is not None:
            return f"duplicate: {repeats(receipt.first_offset)}"
        return "logged" if receipt.status is None else str(receipt.status)

    async def stats(self) -> Stats:
        """What the owner of the folder says of itself."""
        return await self.door.stats()

    async def checkpoint(self) -> list[Checkpoint]:
        """Make a checkpoint of each partition, of all that has been stepped by now.

        Each is read again and verified before this returns. Nobody waits for that but the caller: intents are settled
        meanwhile. `mmsb checkpoint` lists, verifies, exports and imports them.
        """
        return [checkpoint_of(manifest) for manifest in await self.door.checkpoint()]


async def _page_events(
    page: type[P], sources: Sequence[AsyncIterator[list[Event]]], descriptor: Descriptor
) -> AsyncGenerator[PageEvent[P]]:
    async with merged(sources) as found:
        async for some in found:
            for event in some:
                yield page_event(page, event, descriptor)


def _field_index(layout: PageLayout, name: str) -> int:
    index = layout.index_of.get(name)
    if index is None:
        near = get_close_matches(str(name), layout.index_of, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(layout.index_of)}"
        raise InvalidValue(f"{layout.name} has no field {name!r}; {hint}")
    return index
