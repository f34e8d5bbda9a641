"""What was submitted and is on its way, bounded in bytes: whoever comes when it is full waits, or is told."""

import asyncio
from collections import deque
from typing import Final

from mmsb.schemas.errors import Overloaded
from mmsb.streams.tickets import Ticket

IN_FLIGHT_BYTES_MAX: Final = 64 << 20
GROUP_BYTES: Final = 4 << 20  # what is made durable together, at most


class Inbox:
    """A queue of tickets. Bytes count from `put` until `release`, which is when their intents have settled."""

    def __init__(self, limit: int = IN_FLIGHT_BYTES_MAX) -> None:
        self.limit = limit
        self.in_flight = 0
        self._tickets: deque[Ticket] = deque()
        self._room: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._filled = asyncio.Event()
        self.empty = asyncio.Event()  # nothing is on its way, nor waits for room
        self.empty.set()
        self._failure: BaseException | None = None  # once set, nobody takes tickets any more

    def __len__(self) -> int:
        return len(self._tickets)

    async def put(self, ticket: Ticket) -> None:
        """Wait for room, in the order of asking. Something larger than the limit goes alone."""
        self._check()
        if self._room or not self._fits(ticket.size):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._room.append((ticket.size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                self._give_up(ticket.size, turn)
                raise
            self._add(ticket, counted=True)
        else:
            self._add(ticket)

    def put_nowait(self, ticket: Ticket) -> None:
        """As `put`, but raises Overloaded where that would wait."""
        self._check()
        if self._room or not self._fits(ticket.size):
            raise Overloaded(
                f"IN_FLIGHT_BYTES_MAX: {self.in_flight:,} of {self.limit:,} bytes are in flight, {ticket.size:,} more "
                "do not fit; nothing was submitted: try again later, or await submit(), which waits for room"
            )
        self._add(ticket)

    def put_always(self, ticket: Ticket) -> None:
        """As `put`, for what must not wait for clients: there is little of it, and it is bounded elsewhere."""
        self._add(ticket)

    async def take(self) -> list[Ticket]:
        """All that is there, up to GROUP_BYTES; at least one ticket. Those that were given up are left out."""
        taken: list[Ticket] = []
        while not taken:
            await self._filled.wait()
            taken = self._take()
        return taken

    def _take(self) -> list[Ticket]:
        taken: list[Ticket] = []
        size = 0
        while self._tickets and (not taken or size + self._tickets[0].size <= GROUP_BYTES):
            ticket = self._tickets.popleft()
            if ticket.given_up:
                self.release(ticket.size)
            else:
                size += ticket.size
                ticket.taken = True
                taken.append(ticket)
        if not self._tickets:
            self._filled.clear()
        return taken

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a ticket back whose caller has gone; False if it is on its way already."""
        try:
            self._tickets.remove(ticket)
        except ValueError:
            return False
        if not self._tickets:
            self._filled.clear()
        self.release(ticket.size)
        return True

    def release(self, size: int) -> None:
        self.in_flight -= size
        assert self.in_flight >= 0, "nothing is released twice"
        while self._room and self._fits(self._room[0][0]):
            size, turn = self._room.popleft()
            if not turn.done():
                self.in_flight += size
                turn.set_result(None)
        if not self.in_flight:
            self.empty.set()

    def fail(self, error: BaseException) -> None:
        """Let nobody wait any longer, nor whoever is on the way here."""
        self._failure = error
        while self._room:
            _, turn = self._room.popleft()
            if not turn.done():
                turn.set_exception(error)
        while self._tickets:
            self._tickets.popleft().fail(error)
        self._filled.clear()

    def _fits(self, size: int) -> bool:
        return self.in_flight == 0 or self.in_flight + size <= self.limit

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _add(self, ticket: Ticket, *, counted: bool = False) -> None:
        if self._failure is not None:
            ticket.fail(self._failure)
            return
        if not counted:
            self.in_flight += ticket.size
            self.empty.clear()
        self._tickets.append(ticket)
        self._filled.set()

    def _give_up(self, size: int, turn: "asyncio.Future[None]") -> None:
        """The caller was cancelled while it waited: its room goes to others if it had been given some."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self.release(size)
        elif (size, turn) in self._room:
            self._room.remove((size, turn))
