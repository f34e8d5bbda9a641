"""An asyncio event loop whose clock jumps: when nothing is ready, it is at once as late as the next timer.

No selector, no socket, no thread. What is ready runs in the order in which it became ready, so a run depends on nothing
but what it is told: the same seed gives the same run. What runs as OUTSIDE is no part of the process, and survives it.
"""

import asyncio
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heapify
from random import Random
from typing import Any

from tests.simulation.claims import require
from tests.simulation.wire import OUTSIDE, Network

HOURS_MAX = 5


class Crash(SystemExit):
    """The process is no more. Nobody catches this; asyncio lets it through to whoever runs the loop."""


class _Clock:
    """Stands where a loop has its selector: waiting for it is letting time pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        require("nobody waits for ever", timeout is not None, "nothing is ready, no timer runs, and a task waits")
        assert timeout is not None
        self.now += timeout
        require("nobody waits for ever", self.now < 3600 * HOURS_MAX, f"{HOURS_MAX} hours have passed")
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(BaseEventLoop):
    """Runs one process until it ends or crashes."""

    def __init__(self, run_in_thread: Callable[..., asyncio.Future[Any]], random: Random) -> None:
        super().__init__()
        self.network = Network(self, random)
        self._clock = self._selector = _Clock()
        self._clock_resolution = 1e-9
        self._run_in_thread = run_in_thread
        self.unhandled: list[str] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._outside: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        return self._run_elsewhere(func, *args) if OUTSIDE.get() else self._run_in_thread(func, *args)

    async def create_unix_server(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        return self.network.listen(protocol_factory)

    async def create_unix_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        return self.network.connect(protocol_factory)

    def crash(self) -> None:
        """The process has crashed: only what is outside goes on."""
        self.network.die()
        self._abandon(self._tasks)
        loop: Any = self
        loop._ready = deque(handle for handle in loop._ready if _is_outside(handle))
        loop._scheduled = [handle for handle in loop._scheduled if _is_outside(handle)]
        heapify(loop._scheduled)

    def abandon(self) -> None:
        """Let nothing at all do anything any more, `finally` neither."""
        self._abandon(self._tasks)
        self._abandon(self._outside)

    def _abandon(self, tasks: list[asyncio.Task[Any]]) -> None:
        asyncio.events._set_running_loop(self)
        try:
            while tasks:  # ending one may begin another
                task = tasks.pop()
                if not task.done():
                    untyped: Any = task
                    untyped._log_destroy_pending = False  # it says no word about it
                    _end(task.get_coro())
        finally:
            asyncio.events._set_running_loop(None)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> asyncio.Task[Any]:
        context = named.get("context")
        outside = OUTSIDE.get() if context is None else context.get(OUTSIDE, False)
        task = asyncio.Task(coro, loop=loop, **named)
        (self._outside if outside else self._tasks).append(task)
        return task

    def _run_elsewhere(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """In a thread of another process, of which nothing is simulated."""
        result = self.create_future()
        result.set_result(function(*arguments))
        return result

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log. A failure that nobody asked for is no fault: its caller has gone."""
        if "never retrieved" not in context["message"]:
            self.unhandled.append(f"{context['message']}: {context.get('exception')!r}")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody is woken."""


def _is_outside(handle: Any) -> bool:
    return bool(handle._context.get(OUTSIDE, False))


def _end(coro: Coroutine[Any, Any, Any] | Any) -> None:
    """Unwind a coroutine, whatever it would still like to wait for."""
    while True:
        try:
            coro.throw(Crash())
        except BaseException:
            return
