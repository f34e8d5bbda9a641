"""An asyncio event loop whose clock jumps: when nothing is ready, it is at once as late as the next timer.

No selector, no socket, no thread. What is ready runs in the order in which it became ready, so a run depends on nothing
but what it is told: the same seed gives the same run.
"""

import asyncio
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

from tests.simulation.claims import require

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

    def __init__(self, run_in_thread: Callable[..., asyncio.Future[Any]]) -> None:
        super().__init__()
        self._clock = self._selector = _Clock()
        self._clock_resolution = 1e-9
        self._run_in_thread = run_in_thread
        self.unhandled: list[str] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        return self._run_in_thread(func, *args)

    def abandon(self) -> None:
        """The process has crashed: let nothing of it do anything any more, `finally` neither."""
        asyncio.events._set_running_loop(self)
        try:
            while self._tasks:  # ending one may begin another
                task = self._tasks.pop()
                if not task.done():
                    untyped: Any = task
                    untyped._log_destroy_pending = False  # it says no word about it
                    _end(task.get_coro())
        finally:
            asyncio.events._set_running_loop(None)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **named)
        self._tasks.append(task)
        return task

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log. A failure that nobody asked for is no fault: its caller has gone."""
        if "never retrieved" not in context["message"]:
            self.unhandled.append(f"{context['message']}: {context.get('exception')!r}")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody is woken."""


def _end(coro: Coroutine[Any, Any, Any] | Any) -> None:
    """Unwind a coroutine, whatever it would still like to wait for."""
    while True:
        try:
            coro.throw(Crash())
        except BaseException:
            return
