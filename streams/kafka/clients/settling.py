"""What became of intents that were submitted here, for one partition: from accepted blocks to those who wait.

    sending ─▶ logged at an offset ─▶ settled by the block that has the offset

A block may be accepted before the broker has answered the append that logged its intents. So while something is being
sent, receipts are kept. Blocks come from whoever knows them: the partition's owner in this process, or one who follows
the TLog; what both say counts once, and what comes early waits for what is before it.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import MmsbError, OutcomeUnknown
from mmsb.streams.inbox import Inbox
from mmsb.streams.telling import tell
from mmsb.streams.tickets import Ticket

KEPT_MAX: Final = 4 << 20
"""Receipts that wait for something else, at most; each takes some 20 bytes."""

_AGAIN: Final = "it may have been applied; submit it again with the same id to learn it"


class Settling:
    """For one event loop. Room in the inbox is given back here, whatever becomes of a ticket that was taken."""

    def __init__(self, partition: int, inbox: Inbox) -> None:
        self._partition = partition
        self._inbox = inbox
        self._sending: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()  # logged and not settled, in the order of offsets
        self._kept = _Kept()  # heard of since the sending began
        self._early = _Kept()  # behind a gap
        self._failure: MmsbError | None = None
        self.settled = -1
        """The last offset whose outcome was heard, and those of all before it."""
        self.told = -1
        """The last offset of which somebody has a receipt."""

    @property
    def listening(self) -> bool:
        """Whether anybody needs to hear of blocks."""
        return bool(self._sending or self._waiting)

    @property
    def early(self) -> bool:
        """Whether some block was heard of before one that it follows."""
        return bool(self._early.blocks)

    # What was submitted

    def sending(self, tickets: Sequence[Ticket]) -> None:
        """They are being appended from now on, together."""
        assert not self._sending, "one append at a time"
        if self._failure is not None:
            self.drop(tickets, self._failure)
            return
        self._sending = [*tickets]

    def logged(self, first: int) -> None:
        """What was being sent has offsets from `first` on."""
        waiting = deque[Ticket]()
        for ticket in self._sending:
            ticket.first, first = first, first + ticket.count
            ticket.tell_logged()
            if ticket.settled is None:
                self._release(ticket)
            else:
                waiting.append(ticket)
        self._lose(waiting, self._kept.first(self.settled + 1))
        for receipts in self._kept.blocks:
            self._tell(receipts, waiting)
        self._waiting.extend(waiting)
        self._sending = []
        self._kept.clear()

    def refused(self, tickets: Collection[Ticket], error: MmsbError) -> None:
        """Some of what was being sent is sent no more."""
        self._sending = [ticket for ticket in self._sending if ticket not in tickets]
        if not self._sending:
            self._kept.clear()
        self.drop(tickets, error)

    # What was accepted

    def accepted(self, first: int, last: int, receipts: Receipts) -> None:
        """A block counts. Those of one side come in order; the two sides may say the same."""
        if last <= self.settled:
            return
        if not self.listening:
            self.passed(last)
            return
        if first > self.settled + 1:
            self._early.add(receipts)
            return
        self._hear(receipts)
        while self._early.blocks and self._early.first(last) <= self.settled + 1:
            early = self._early.pop()
            if _last(early) > self.settled:
                self._hear(early)

    def passed(self, last: int) -> None:
        """Nothing more is heard of outcomes up to `last`: whoever waits for one of these does not get to know it."""
        if last > self.settled:
            self.settled = last
            self._kept.clear()
            self._lose(self._waiting, last + 1)

    def _hear(self, receipts: Receipts) -> None:
        assert receipts.first == self.settled + 1, "blocks settle all offsets, each once"
        self.settled = _last(receipts)
        if self._sending:
            self._kept.add(receipts)
        self._tell(receipts, self._waiting)

    def _tell(self, receipts: Receipts, waiting: deque[Ticket]) -> None:
        for ticket in tell(self._partition, receipts, waiting):
            self._release(ticket)
            self.told = max(self.told, ticket.last)

    def _lose(self, waiting: deque[Ticket], heard: int) -> None:
        """What begins below an offset does not get to know its outcome."""
        while waiting and waiting[0].first < heard:
            ticket = waiting.popleft()
            where = f"partition {self._partition}: the outcome at offset {ticket.first} was not heard of"
            self.drop([ticket], OutcomeUnknown(f"{where}: {_AGAIN}"))

    # The end

    def fail(self, error: MmsbError) -> None:
        """Nothing more will be heard."""
        self._failure = OutcomeUnknown(f"partition {self._partition}: {error}: {_AGAIN}")
        gone, self._sending = [*self._sending, *self._waiting], []
        self._waiting.clear()
        self.drop(gone, self._failure)

    def drop(self, tickets: Iterable[Ticket], error: MmsbError) -> None:
        """They were taken out of the inbox, and nobody will hear of them."""
        for ticket in tickets:
            self._release(ticket)
            ticket.fail(error)

    def _release(self, ticket: Ticket) -> None:
        self._inbox.release(ticket.size)


class _Kept:
    """Receipts of blocks in the order of offsets: if they take too much, the newest of them."""

    def __init__(self) -> None:
        self.blocks: deque[Receipts] = deque()
        self._count = 0

    def first(self, otherwise: int) -> int:
        return self.blocks[0].first if self.blocks else otherwise

    def add(self, receipts: Receipts) -> None:
        self.blocks.append(receipts)
        self._count += len(receipts)
        while self._count > KEPT_MAX:
            self.pop()

    def pop(self) -> Receipts:
        receipts = self.blocks.popleft()
        self._count -= len(receipts)
        return receipts

    def clear(self) -> None:
        self.blocks.clear()
        self._count = 0


def _last(receipts: Receipts) -> int:
    return int(receipts.offsets[-1])
