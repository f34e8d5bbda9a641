"""From a caller's hands into a partition's inbox, and back with a receipt."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.batching import Intents
from mmsb.processors.receipts import Receipts, concat_receipts, spread_receipts
from mmsb.schemas.errors import InvalidValue, OutcomeUnknown
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.streams.grouping import SINGLES_BYTES, parts_of
from mmsb.streams.inbox import GROUP_BYTES, Inbox
from mmsb.streams.tickets import Receipt, Ticket, Until, check_timeout

VALUE_BYTES_MAX: Final = 4 << 20  # of one intent in the log, valid or not: it has to fit into a batch
TICKET_BYTES: Final = 512  # what one call costs in memory beside its intents


async def submit(inbox: Inbox, partition: int, intent: bytes, until: Until, timeout: float | None) -> Receipt:
    """One intent. After `timeout` seconds it raises OutcomeUnknown, or TimeoutError if certainly nothing was logged."""
    check_timeout(timeout)
    ticket = _ticket(intent, until)
    if timeout is None:
        await inbox.put(ticket)
        return await _outcome(inbox, partition, ticket)
    try:
        async with asyncio.timeout(timeout):
            await inbox.put(ticket)
            return await _outcome(inbox, partition, ticket)
    except TimeoutError:
        if ticket.taken:
            raise OutcomeUnknown(
                f"it did not settle within {timeout} s: it may still; submit it again with the same id to learn it"
            ) from None
        raise TimeoutError(f"there was no room within {timeout} s: nothing was submitted; try again") from None


def submit_nowait(inbox: Inbox, intent: bytes) -> "asyncio.Future[Receipt]":
    """One intent, or Overloaded at once."""
    ticket = _ticket(intent, "settled")
    inbox.put_nowait(ticket)
    assert ticket.settled is not None, "that is what was asked for"
    return ticket.settled


async def submit_many(inbox: Inbox, intents: Intents, rows: int | None = None) -> Receipts:
    """In groups, of so many rows each, so that while one is made durable the one before it is stepped."""
    rows = rows or max(GROUP_BYTES // intents.value_bytes, 1)
    tickets: list[Ticket] = []
    try:
        for start in range(0, len(intents), rows):
            part = intents.slice(start, min(start + rows, len(intents)))
            await _put(inbox, tickets, part, len(part) * part.value_bytes)
        return concat_receipts([await _settled(ticket) for ticket in tickets])
    finally:
        for ticket in tickets:
            _leave(inbox, ticket)


async def submit_values(inbox: Inbox, values: Sequence[bytes]) -> Receipts:
    """Packed intents in this order; as many as fit into a batch are in the log together, or none of them is."""
    for value in values:
        _check_size(value)
    tickets: list[Ticket] = []
    try:
        for part in parts_of(values, SINGLES_BYTES):
            await _put(inbox, tickets, part, sum(map(len, part)))
        return concat_receipts([await _settled(ticket) for ticket in tickets])
    finally:
        for ticket in tickets:
            _leave(inbox, ticket)


async def _put(inbox: Inbox, tickets: list[Ticket], part: Intents | list[bytes], size: int) -> None:
    """The next part of a call. Of numbers that rise, one that is lost cannot follow those behind it."""
    settled: asyncio.Future[Receipts] = asyncio.get_running_loop().create_future()
    before = tickets[-1] if tickets else None
    tickets.append(Ticket(part, len(part), size + TICKET_BYTES, settled=settled, after=before))
    await inbox.put(tickets[-1])


async def submit_spread(
    partitions: NDArray[np.int64], submit_rows: Callable[[int, NDArray[np.int64]], Awaitable[Receipts]]
) -> Receipts:
    """Rows that belong to several partitions: those of each by themselves, side by side, and their receipts as one."""
    numbers: list[int] = np.unique(partitions).tolist()
    rows = [(number, np.flatnonzero(partitions == number)) for number in numbers]
    found = await asyncio.gather(*(submit_rows(number, some) for number, some in rows))
    parts = [(number, some, receipts) for (number, some), receipts in zip(rows, found, strict=True)]
    return spread_receipts(parts, len(partitions))


def picked(values: Sequence[bytes], rows: NDArray[np.int64]) -> list[bytes]:
    indices: list[int] = rows.tolist()
    return [values[index] for index in indices]


def _check_size(intent: bytes) -> None:
    if len(intent) > VALUE_BYTES_MAX:
        raise InvalidValue(
            f"an intent takes at most VALUE_BYTES_MAX = {VALUE_BYTES_MAX} bytes of the log, found {len(intent)}; more "
            f"than {INTENT_BYTES_MAX} are rejected anyway"
        )


def _ticket(intent: bytes, until: Until) -> Ticket:
    _check_size(intent)
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if until == "settled":
        return Ticket(intent, 1, len(intent) + TICKET_BYTES, settled=future)
    if until == "logged":
        return Ticket(intent, 1, len(intent) + TICKET_BYTES, logged=future)
    raise InvalidValue(f'until: expected "logged" or "settled", found {until!r}')


async def _outcome(inbox: Inbox, partition: int, ticket: Ticket) -> Receipt:
    waited = ticket.settled or ticket.logged
    assert waited is not None, "somebody waits for something"
    try:
        found = await waited
    except asyncio.CancelledError:
        _leave(inbox, ticket)
        raise
    return found if isinstance(found, Receipt) else Receipt(partition, found)


async def _settled(ticket: Ticket) -> Receipts:
    assert ticket.settled is not None, "that is what was asked for"
    found: Receipts = await ticket.settled
    return found


def _leave(inbox: Inbox, ticket: Ticket) -> None:
    """Whoever waited has gone: nothing is logged any more if it was not yet, and nobody is told."""
    if not ticket.taken:
        inbox.withdraw(ticket)
    if ticket.settled is not None and not ticket.settled.cancel() and not ticket.settled.cancelled():
        ticket.settled.exception()  # that of another ticket was raised
