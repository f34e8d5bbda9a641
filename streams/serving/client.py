"""A data folder that another process runs: the same door, over its socket.

What may have left for the owner has an unknown outcome when it is given up or the connection ends, and is never said
to have failed; what was not sent yet is said not to have been.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, MmsbError, OutcomeUnknown
from mmsb.schemas.events import Event
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.manifest import Manifest, decode_manifests
from mmsb.streams.door import About, EventFilter, Position, StoredPage
from mmsb.streams.past.changes import Change, History
from mmsb.streams.serving import address, reads
from mmsb.streams.serving.answers import closed
from mmsb.streams.serving.calls import CREDIT, Calls, Question, Submission
from mmsb.streams.serving.changes import decode_changes, decode_events, decode_history, encode_events_wanted
from mmsb.streams.serving.figures import decode_stats
from mmsb.streams.serving.frames import Kind
from mmsb.streams.serving.limits import QUESTIONS_MAX
from mmsb.streams.serving.submissions import check_intent_size, decode_receipt
from mmsb.streams.stats import Stats
from mmsb.streams.tickets import Receipt, Until, check_timeout

if TYPE_CHECKING:  # they load NumPy, which a client that asks one thing does without
    from mmsb.processors.batching import Intents
    from mmsb.processors.receipts import Receipts

T = TypeVar("T")

HELLO_SECONDS: Final = 5.0
_KINDS: Final[dict[str, Kind]] = {"settled": Kind.SUBMIT, "logged": Kind.SUBMIT_LOGGED}


async def connect(folder: Path) -> "Connection":
    """A connection to the process that runs a data folder; raises EnvironmentFailed if there is none."""
    loop = asyncio.get_running_loop()
    connection = await loop.run_in_executor(None, address.reach, folder)
    _, calls = await loop.create_unix_connection(lambda: Calls(folder), sock=connection)
    return await greeted(calls, folder)


async def greeted(calls: Calls, folder: Path) -> "Connection":
    """The connection, once the owner has said what runs there."""
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            return Connection(calls, await calls.greeting)
    except TimeoutError:
        calls.abort()
        raise address.silent(folder, HELLO_SECONDS) from None


class Remote:
    """`async with Remote(folder) as door:` is connected while it lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection: Connection | None = None

    async def __aenter__(self) -> "Connection":
        self._connection = await connect(self._folder)
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None, "it was entered"
        await self._connection.close()


class Connection:
    """A Door. Close it when it is not needed any more."""

    def __init__(self, calls: Calls, about: About) -> None:
        self._calls = calls
        self._about = about
        self._questions = asyncio.Semaphore(QUESTIONS_MAX)

    @property
    def about(self) -> About:
        return self._about

    def check(self) -> None:
        """Raise if the owner cannot be asked any more."""
        self._calls.check()

    async def until_working(self) -> Sequence[int]:
        return range(self.about.partition_count)  # else nobody would answer here

    async def until_ended(self) -> None:
        await asyncio.wait([self._calls.ended])
        self.check()

    async def close(self) -> None:
        """Wait until what was submitted has settled, then end the connection."""
        await self._calls.close()

    # Submitting

    async def submit(self, intent: bytes, until: Until, timeout: float | None) -> Receipt:
        if until not in _KINDS:
            raise InvalidValue(f'until: expected "logged" or "settled", found {until!r}')
        check_timeout(timeout)
        check_intent_size(intent)
        call = Submission(_KINDS[until], intent, decode_receipt)
        if timeout is None:
            await self._enter(call)
            return await self._outcome(call)
        try:
            async with asyncio.timeout(timeout):
                await self._enter(call)
                return await self._outcome(call)
        except TimeoutError:
            if not call.request:
                raise TimeoutError(f"there was no room within {timeout} s: nothing was submitted; try again") from None
            raise OutcomeUnknown(
                f"it did not settle within {timeout} s: it may still; submit it again with the same id to learn it"
            ) from None

    def submit_nowait(self, intent: bytes) -> "asyncio.Future[Receipt]":
        check_intent_size(intent)
        call = Submission(Kind.SUBMIT, intent, decode_receipt)
        self._calls.check()
        self._calls.room.enter_nowait(call.size)
        self._calls.begin(call)
        call.future.add_done_callback(lambda done: self._calls.cancel(call.request) if done.cancelled() else None)
        return call.future

    async def submit_many(self, intents: "Intents") -> "Receipts":
        """In chunks: while the owner settles one, the next is on its way."""
        from mmsb.streams.serving import columns

        columns.known_layout(self._about.descriptor, intents.layout.type_id, intents.layout.size)
        sent: list[Submission] = []
        rows = 0
        try:
            for chunk in columns.chunks_of(intents):
                call = Submission(Kind.SUBMIT_MANY, columns.encode_intents(chunk), columns.decode_receipts)
                await self._enter(call)
                sent.append(call)
                rows += len(chunk)
                await asyncio.sleep(0)  # a large call must not stop everybody else
                if intents.sources is not None:
                    await call.future  # numbers of a source go in their order, and none behind one that failed
            return columns.join_receipts(await asyncio.gather(*(call.future for call in sent)))
        except MmsbError as error:
            alone = len(sent) == 1 and sent[0].future.done() and sent[0].future.exception() is error
            if isinstance(error, OutcomeUnknown) or not sent or alone:
                raise
            raise OutcomeUnknown(
                f"{rows} of {len(intents)} intents were submitted before this went wrong: {error}; those may be in the "
                "log or not, so submit them again with the same ids"
            ) from error
        finally:
            for call in sent:
                call.future.cancel()
                self._calls.cancel(call.request)

    async def submit_values(self, values: "Sequence[bytes]") -> "Receipts":
        """One part after the other: numbers of a source must reach the log in their order."""
        from mmsb.streams.serving import columns

        found: list[Receipts] = []
        for part in columns.parts_of_values(values):
            for value in part:
                check_intent_size(value, columns.ONE_VALUE_BYTES)
            call = Submission(Kind.SUBMIT_VALUES, columns.encode_values(part), columns.decode_receipts)
            await self._enter(call)
            try:
                found.append(await call.future)
            finally:
                call.future.cancel()
                self._calls.cancel(call.request)
        return columns.join_receipts(found)

    async def _enter(self, call: Submission) -> None:
        """Wait for room and send it. What is given up before the end of this was not sent."""
        calls = self._calls
        calls.check()
        if not calls.room.try_enter(call.size):
            await calls.room.enter(call.size)
        calls.begin(call)

    async def _outcome(self, call: Submission) -> Receipt:
        try:
            receipt: Receipt = await call.future
            return receipt
        except asyncio.CancelledError:
            self._calls.cancel(call.request)
            raise

    # Reading

    async def get(
        self, partition: int, pages: Sequence[PageId], at: int | None = None
    ) -> list[tuple[int, bytes] | None]:
        found = await self._all(Kind.GET, reads.encode_get(partition, CREDIT, pages, at), reads.decode_found)
        if len(found) != len(pages):
            raise EnvironmentFailed(f"the owner answered {len(found)} pages for {len(pages)}; report this")
        return found

    async def scan(self, partition: int, type_id: int, at: int | None = None) -> AsyncGenerator[list[StoredPage]]:
        async with closed(self._parts(Kind.SCAN, reads.encode_scan(partition, CREDIT, type_id, at))) as parts:
            async for part in parts:
                yield reads.decode_stored(part)

    async def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        async with closed(self._parts(Kind.HISTORY, reads.encode_history(partition, CREDIT, page, limit))) as parts:
            return decode_history(b"".join([part async for part in parts]))

    async def blame(self, partition: int, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        found = await self._all(Kind.BLAME, reads.encode_blame(partition, CREDIT, page, field, byte), decode_changes)
        return found[0] if found else None

    def events(self, partition: int, after: Position | None, wanted: EventFilter) -> AsyncGenerator[list[Event]]:
        """Asked for at this call, not when the first is waited for: what is submitted in between is not missed."""
        question = Question(Kind.EVENTS, encode_events_wanted(partition, CREDIT, after, wanted))
        self._calls.begin(question)
        return self._events(question)

    async def _events(self, question: Question) -> AsyncGenerator[list[Event]]:
        async with closed(self._parts_of(question)) as parts:
            async for part in parts:
                yield decode_events(part)

    async def reflects(self, partition: int) -> int:
        found = {part.partition: part.settled for part in (await self.stats()).partitions}
        if partition not in found:
            raise InvalidValue(f"partition {partition} is not one of those that the owner has: {sorted(found)}")
        return found[partition]

    async def stats(self) -> Stats:
        async with closed(self._parts(Kind.STATS, reads.encode_stream(0, CREDIT))) as parts:
            return decode_stats(b"".join([part async for part in parts]))

    async def checkpoint(self) -> list[Manifest]:
        async with closed(self._parts(Kind.CHECKPOINT, reads.encode_stream(0, CREDIT))) as parts:
            return decode_manifests(b"".join([part async for part in parts]))

    async def _all(self, kind: Kind, body: bytes, decode: Callable[[bytes], list[T]]) -> list[T]:
        found: list[T] = []
        async with closed(self._parts(kind, body)) as parts:
            async for part in parts:
                found += decode(part)
        return found

    async def _parts(self, kind: Kind, body: bytes) -> AsyncGenerator[bytes]:
        """The parts of an answer. Whoever stops taking them early has the owner stop, too."""
        async with self._questions:
            question = Question(kind, body)
            self._calls.begin(question)
            async with closed(self._parts_of(question)) as parts:
                async for part in parts:
                    yield part

    async def _parts_of(self, question: Question) -> AsyncGenerator[bytes]:
        try:
            async for part in question.parts(lambda count: self._calls.grant(question.request, count)):
                yield part
        finally:
            self._calls.cancel(question.request)
