"""From callers' hands into the intents topic of one partition.

inbox ─▶ one batch ─▶ appended ─▶ its base offset says where each intent is ─▶ settling

A batch forms while the one before it is on its way. Nobody who is alone lingers; but where several shared a batch, the
next one begins no sooner than PACE_SECONDS after it: each batch costs something in the three processes that handle it.
A ticket lies in one batch, so its offsets follow each other whoever else produces. An append whose outcome is unknown
is repeated only for intents that have ids, or numbers of a source: the machine drops what it has seen, so its receipt
may say `duplicate` of the first copy.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from mmsb.processors.batching import MESSAGE_BYTES, Intents
from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown
from mmsb.schemas.rejections import Refused as Malformed
from mmsb.streams.grouping import RECORD_BYTES, SINGLES_BYTES, batches_of
from mmsb.streams.inbox import Inbox
from mmsb.streams.kafka.clients.settling import Settling
from mmsb.streams.kafka.cluster.appending import AGAIN_SECONDS, Appending
from mmsb.streams.kafka.cluster.broker import Broker, Refused, TopicPartition
from mmsb.streams.tickets import Ticket
from mmsb.streams.world import World, finish

SMALL_BYTES: Final = 64 << 10  # what is encoded on the event loop: less than handing it to a thread would take

PACE_SECONDS: Final = 0.005

_ORPHANED: Final = "what was submitted before it in the same call is not known to be in the log"
_AGAIN: Final = "submit it again with the same id to learn it"


class Producer:
    """`run` until it is cancelled, or raises what keeps everybody from submitting to this partition."""

    def __init__(
        self,
        world: World,
        broker: Broker,
        appending: Appending,
        at: TopicPartition,
        window: int,
        settling: Settling,
        inbox: Inbox,
        attend: Callable[[], Awaitable[None]],
    ) -> None:
        """`window` is W of the genesis. `attend` returns when outcomes of what is appended from then on are heard."""
        self._world = world
        self._broker = broker
        self._appending = appending
        self._at = at
        self._window = window
        self._settling = settling
        self._inbox = inbox
        self._attend = attend
        self._encoder = world.worker(f"encode-{at.partition}")
        self._end = -1  # what is appended next is not below it

    async def run(self) -> None:
        self._end = (await self._broker.span(self._at)).end
        while True:
            tickets = await self._inbox.take()
            begun, busy = self._world.seconds(), len(tickets) > 1
            try:
                if any(ticket.settled is not None for ticket in tickets):
                    await self._attend()
                for some in batches(tickets):
                    tickets = tickets[len(some) :]
                    await self._send(some)
            except BaseException as error:
                self._leave(tickets, error)
                raise
            if busy:
                await asyncio.sleep(begun + PACE_SECONDS - self._world.seconds())

    def _leave(self, tickets: list[Ticket], error: BaseException) -> None:
        """They were not sent; what was being sent is told by whoever hears of outcomes."""
        why = str(error) or "it was closed"
        self._settling.drop(tickets, EnvironmentFailed(f"{self._at}: nothing of it was sent: {why}"))

    async def _send(self, tickets: list[Ticket]) -> None:
        orphans = [ticket for ticket in tickets if ticket.after is not None and ticket.after.first < 0]
        if orphans:
            self._settling.drop(orphans, EnvironmentFailed(f"{self._at}: nothing of it was sent: {_ORPHANED}"))
            tickets = [ticket for ticket in tickets if ticket not in orphans]
        self._settling.sending(tickets)
        while tickets:
            begun, batch = self._end, await self._encode(tickets)
            try:
                got = await self._appending.attempt(self._at, batch)
            except Refused as error:
                self._settling.refused(tickets, EnvironmentFailed(f"{self._at}: nothing was submitted: {error}"))
                return
            if got is not None:
                self._end = got + sum(ticket.count for ticket in tickets)
                self._settling.logged(got)
                return
            tickets = await self._repeatable(tickets, begun)

    async def _repeatable(self, tickets: list[Ticket], begun: int) -> list[Ticket]:
        """Those that may be appended once more, whether they are in the topic or not; the others hear that it may be.

        Ids are remembered for W offsets. Half of them is left for what others append meanwhile.
        """
        await asyncio.sleep(AGAIN_SECONDS)
        why = await self._unrepeatable(begun)
        again = [] if why else [ticket for ticket in tickets if not ticket.given_up and is_repeatable(ticket)]
        lost = set(tickets).difference(again)
        if lost:
            why = why or "it has no id, so it is not sent again"
            unknown = f"{self._at}: the brokers have not said whether they took it, and {why}: {_AGAIN}"
            self._settling.refused(lost, OutcomeUnknown(unknown))
        return again

    async def _unrepeatable(self, begun: int) -> str | None:
        """Why nothing that was appended at or behind an offset may be appended again, if it may not."""
        try:
            end = (await self._broker.span(self._at)).end
        except EnvironmentFailed as error:
            return str(error)  # these have waited long enough; whoever comes next may have more luck
        return "too much was appended meanwhile" if end - begun > self._window // 2 else None

    async def _encode(self, tickets: list[Ticket]) -> bytes:
        """Its base offset is for the broker to set."""
        if sum(ticket.size for ticket in tickets) <= SMALL_BYTES:
            return _encode(tickets, self._world.time_ms())
        return await self._encoder.run(_encode, tickets, self._world.time_ms())

    async def close(self) -> None:
        """Once `run` has ended."""
        await finish(self._encoder)


def batches(tickets: Sequence[Ticket]) -> Iterator[list[Ticket]]:
    """Which tickets share a batch: columns and lists have one for themselves, and single intents as many as fit."""
    singles: list[Ticket] = []
    size = 0
    for ticket in tickets:
        if not isinstance(ticket.intents, bytes):
            if singles:
                yield singles
            yield [ticket]
            singles, size = [], 0
            continue
        taken = len(ticket.intents) + RECORD_BYTES
        if singles and size + taken > SINGLES_BYTES:
            yield singles
            singles, size = [], 0
        singles.append(ticket)
        size += taken
    if singles:
        yield singles


def rows_of(intents: Intents) -> int:
    """How many rows of such columns one batch holds."""
    from mmsb.kernels.intake import batch_builder  # loads Numba: for who submits columns

    return max(batch_builder.count_within(MESSAGE_BYTES, intents.value_bytes), 1)


def is_repeatable(ticket: Ticket) -> bool:
    """Whether all its intents have ids or numbers of a source, so that appending them twice applies them once."""
    intents = ticket.intents
    if isinstance(intents, Intents):
        return intents.ids is not None or intents.sources is not None
    try:
        envelopes = [read_envelope(value) for value in ([intents] if isinstance(intents, bytes) else intents)]
    except Malformed:
        return False  # its id is not known here
    return all(envelope.id is not None or envelope.source is not None for envelope in envelopes)


def _encode(tickets: list[Ticket], time_ms: int) -> bytes:
    (batch,) = batches_of(tickets, 0, time_ms)
    return bytes(batch.data)
