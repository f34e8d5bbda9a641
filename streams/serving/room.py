"""How much a client may have on the way to the owner: whoever comes when it is full waits in turn, or is told."""

import asyncio
from collections import deque

from mmsb.schemas.errors import Overloaded


class Room:
    """Bytes, from `enter` until `leave`. While the connection takes no more, nothing enters."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._shut = False
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_enter(self, size: int) -> bool:
        if self._waiting or not self._fits(size):
            return False
        self.taken += size
        return True

    async def enter(self, size: int) -> None:
        """Wait in the order of asking. Something larger than the limit goes alone."""
        if self.try_enter(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = size, turn
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(size)  # it had been let in when the caller was cancelled
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._admit()
            raise

    def enter_nowait(self, size: int) -> None:
        if not self.try_enter(size):
            why = "the owner reads no more for now" if self._shut else f"{self.taken:,} of {self.limit:,} are in flight"
            raise Overloaded(
                f"IN_FLIGHT_BYTES_MAX: {why}, {size:,} bytes more do not fit; nothing was submitted: try again later, "
                "or await submit(), which waits for room"
            )

    def leave(self, size: int) -> None:
        self.taken -= size
        assert self.taken >= 0, "nobody leaves twice"
        if self._waiting:
            self._admit()

    def shut(self, shut: bool) -> None:
        self._shut = shut
        self._admit()

    def fail(self, error: Exception) -> None:
        """Let nobody wait any longer."""
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _fits(self, size: int) -> bool:
        return not self._shut and (self.taken == 0 or self.taken + size <= self.limit)

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self.taken += size
                turn.set_result(None)
