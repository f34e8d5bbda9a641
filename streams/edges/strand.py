"""The messages of one source, in its order: read ahead, dealt with side by side, and delivered in order.

read ─▶ many at once ─▶ those at the front that are done ─▶ delivered: submitted, settled ─▶ the next of them

One delivery is on its way at a time. Numbers of a source must reach a log in their order, whatever fails in between, or
those that come late would be taken for repeated ones.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from mmsb.streams.edges.attempting import Answer
from mmsb.streams.edges.declaring import Message, Messages
from mmsb.streams.grouping import SINGLES_BYTES

AHEAD: Final = 16_384  # messages that were read and are not delivered; or two units, if these have more
AHEAD_BYTES: Final = 64 << 20  # of them, as far as that is known
UNITS_AHEAD: Final = 2  # so that one is dealt with while another is delivered
AT_ONCE_BYTES: Final = SINGLES_BYTES  # of intents in a delivery, so that those of a message lie in one batch
COLUMNS_BYTES: Final = 16 << 20  # of those that are columns
TURN_SECONDS: Final = 0.002  # for functions that await nothing: then others get a turn


@dataclass(slots=True)
class Unit:
    """What the function is called with: a message or some; None where there is nothing to call it with."""

    of: Message | Messages | None
    next: int
    answer: Answer | None = None
    size: int = 0
    """In bytes, of its keys and values, if they come from a topic."""

    @property
    def count(self) -> int:
        return len(self.of) if isinstance(self.of, Messages) else 1


class Strand:
    """`run` until its source ends, or `drain` or `stop` has it end."""

    def __init__(
        self,
        work: Callable[[Any], Awaitable[Answer]],
        deliver: Callable[[Sequence[Answer]], Awaitable[None]],
        concurrency: int,
    ) -> None:
        self._work = work
        self._deliver = deliver
        self._concurrency = concurrency
        self._todo: deque[Unit] = deque()
        self._order: deque[Unit] = deque()  # what is not delivered
        self._ahead = 0  # messages in it
        self._bytes_ahead = 0
        self._idle: deque[asyncio.Future[None]] = deque()  # of workers that wait for something to do
        self._room, self._front = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._reading: asyncio.Task[None] | None = None
        self._turn_ends = 0.0
        self._clock = asyncio.get_running_loop().time

    async def run(self, units: AsyncGenerator[Sequence[Unit]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._reading = group.create_task(self._read(units))
                for _ in range(self._concurrency):
                    group.create_task(self._keep_working())
                group.create_task(self._keep_delivering())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def drain(self) -> None:
        """Read no more; what was read is dealt with and delivered."""
        if self._reading is not None:
            self._reading.cancel()

    def stop(self) -> None:
        """Read and begin no more; what was begun is dealt with and delivered, and the rest is read again some day."""
        self.drain()
        while self._todo and self._order and self._order[-1] is self._todo[-1]:
            self._todo.pop()
            self._forget(self._order.pop())
        self._front.set()

    async def _read(self, units: AsyncGenerator[Sequence[Unit]]) -> None:
        try:
            async with aclosing(units):
                async for some in units:
                    self._ahead += sum([unit.count for unit in some])
                    self._bytes_ahead += sum([unit.size for unit in some])
                    self._order += some
                    self._todo += some
                    self._wake(len(some))
                    await self._leave_turn()  # also where a source is always ready
                    while self._is_far_ahead():
                        self._room.clear()
                        await self._room.wait()
        finally:
            self._ended = True
            self._wake(self._concurrency)
            self._front.set()

    def _is_far_ahead(self) -> bool:
        far = self._ahead >= AHEAD or self._bytes_ahead >= AHEAD_BYTES
        return far and len(self._order) > UNITS_AHEAD

    async def _keep_working(self) -> None:
        while True:
            while not self._todo:
                if self._ended:
                    return
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(turn)
                await turn
            unit = self._todo.popleft()
            if unit.of is not None:
                unit.answer = await self._work(unit.of)
            elif unit.answer is None:
                unit.answer = Answer(0, unit.next)
            if self._order and unit is self._order[0]:
                self._front.set()
            await self._leave_turn()

    def _wake(self, count: int) -> None:
        """So many workers, and not all of them for each message."""
        for _ in range(min(count, len(self._idle))):
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)

    async def _leave_turn(self) -> None:
        if self._clock() > self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = self._clock() + TURN_SECONDS

    async def _keep_delivering(self) -> None:
        while True:
            while not (self._order and self._order[0].answer is not None):
                if self._ended and not self._order:
                    return
                self._front.clear()
                await self._front.wait()
            answers = self._take()
            self._room.set()
            await self._deliver(answers)

    def _take(self) -> list[Answer]:
        """Those at the front that are done, up to a size; at least one."""
        taken: list[Answer] = []
        size = 0
        while self._order:
            answer = self._order[0].answer
            if answer is None:
                break
            size += answer.size
            if taken and size > (COLUMNS_BYTES if answer.columns else AT_ONCE_BYTES):
                break
            taken.append(answer)
            self._forget(self._order.popleft())
        return taken

    def _forget(self, unit: Unit) -> None:
        self._ahead -= unit.count
        self._bytes_ahead -= unit.size
