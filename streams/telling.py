"""Receipts for those who wait: out of a block's columns, in the order of offsets."""

from collections import deque
from typing import Final

from mmsb.processors.receipts import Receipts, concat_receipts
from mmsb.schemas.statuses import Status
from mmsb.streams.tickets import Receipt, Ticket

_STATUSES: Final = {int(status): status for status in Status}


def tell(partition: int, receipts: Receipts, waiting: deque[Ticket]) -> list[Ticket]:
    """Hand a block's receipts to whom they belong. Gives those who have all of theirs: they wait no more."""
    last = int(receipts.offsets[-1])
    singles, told = _Singles(partition, receipts), list[Ticket]()
    while waiting and waiting[0].first <= last:
        ticket = waiting[0]
        single = isinstance(ticket.intents, bytes)
        if not single and ticket.settled is not None:
            ticket.parts.append(receipts.part(ticket.first, ticket.last))
        if ticket.last > last:
            break
        told.append(waiting.popleft())
        if ticket.settled is not None and not ticket.settled.done():
            ticket.settled.set_result(singles.at(ticket.first) if single else concat_receipts(ticket.parts))
    return told


class _Singles:
    """Receipts of single intents."""

    def __init__(self, partition: int, receipts: Receipts) -> None:
        self._partition = partition
        self._receipts = receipts
        self._statuses: list[int] = []

    def at(self, offset: int) -> Receipt:
        receipts, index = self._receipts, offset - self._receipts.first
        if not self._statuses:
            self._statuses = receipts.statuses.tolist()
        status = _STATUSES[self._statuses[index]]
        if status == Status.APPLIED:
            return Receipt(self._partition, offset, status)
        first_offset = int(receipts.first_offsets[index]) if status == Status.DUPLICATE else None
        return Receipt(self._partition, offset, status, receipts.rejection(index), first_offset)
