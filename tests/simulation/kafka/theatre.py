"""Several simulated processes on one loop whose clock jumps: each can vanish, or stand still and go on later.

What belongs to a process is known by its context. What happens *to* one is done between two runs of the loop, when
nothing is in the middle of anything. What belongs to none (the cluster, whoever watches) outlives them all.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heapify, heappush
from pathlib import Path
from random import Random
from typing import Any

from tests.simulation.loop import Crash, VirtualLoop, _end
from tests.simulation.world import START_MS, SimFiles, SimWorld, Trace

PROCESS: ContextVar["Process | None"] = ContextVar("PROCESS", default=None)


class Interrupt(SystemExit):
    """The loop is left for a moment, so that something can be done to a process."""

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action


class Theatre(VirtualLoop):
    """The loop."""

    def __init__(self, random: Random) -> None:
        super().__init__(self._in_thread, random)
        self.nobody = copy_context()  # of what belongs to no process
        self.processes: list[Process] = []
        self.crashed: Callable[[Process], None] = self.kill  # what becomes of one that a file operation took with it

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        handle = super().call_soon(callback, *args, context=context)
        process = _process_of(handle)
        if process is not None and (process.dead or process.frozen):
            untyped: Any = self
            untyped._ready.pop()
            if process.frozen:
                process.held.append(handle)
        return handle

    def later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """On behalf of no process."""
        return self.call_later(delay, callback, *args, context=self.nobody)

    def outside(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task of no process."""
        return self.create_task(work, context=self.nobody.copy())

    def interrupt(self, delay: float, action: Callable[[], None]) -> None:
        """Do something to a process at some later moment."""
        self.later(delay, _interrupt, action)

    def play(self, until: "asyncio.Task[Any]") -> Any:
        """Run until a task of no process is done."""
        while True:
            try:
                return self.run_until_complete(until)
            except Interrupt as interrupt:
                interrupt.action()
            except Crash:
                for process in [each for each in self.processes if each.files.dead]:
                    self.crashed(process)

    def end(self) -> None:
        """Nothing goes on."""
        for process in list(self.processes):
            self.kill(process)
        self.abandon()
        self.close()

    def kill(self, process: "Process") -> None:
        """SIGKILL, or what is left of it after a file operation took the process with it."""
        self.thaw(process)
        process.dead = process.files.dead = True
        process.silent_since = self.time()
        self.processes.remove(process)
        self._take_out(process)
        process.held, process.timers = [], []
        asyncio.events._set_running_loop(self)
        try:
            while process.tasks:  # ending one may begin another
                task = process.tasks.pop()
                if not task.done():
                    untyped: Any = task
                    untyped._log_destroy_pending = False
                    process.context.copy().run(_end, task.get_coro())
        finally:
            asyncio.events._set_running_loop(None)

    def freeze(self, process: "Process") -> None:
        """SIGSTOP."""
        process.frozen = True
        process.silent_since = self.time()
        process.held, process.timers = self._take_out(process)

    def thaw(self, process: "Process") -> None:
        """SIGCONT."""
        if process.frozen:
            process.frozen, process.silent_since = False, None
            loop: Any = self
            loop._ready.extend(process.held)
            for timer in process.timers:
                heappush(loop._scheduled, timer)
            process.held, process.timers = [], []

    def _take_out(self, process: "Process") -> tuple[list[Any], list[Any]]:
        loop: Any = self
        ready = [handle for handle in loop._ready if _process_of(handle) is process]
        timers = [timer for timer in loop._scheduled if _process_of(timer) is process]
        loop._ready = deque(handle for handle in loop._ready if _process_of(handle) is not process)
        loop._scheduled = [timer for timer in loop._scheduled if _process_of(timer) is not process]
        heapify(loop._scheduled)
        return ready, timers

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> "asyncio.Task[Any]":
        context = named.get("context")
        process = PROCESS.get() if context is None else context.get(PROCESS)
        task = asyncio.Task(coro, loop=loop, **named)
        if process is None:
            self._tasks.append(task)
        else:
            process.tasks.append(task)
        return task

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":
        process = PROCESS.get()
        assert process is not None, "only processes have threads"
        return process.world._default.call(function, *arguments)


class Process:
    """One process: what it runs, and the machine below it."""

    def __init__(self, theatre: Theatre, name: str, random: Random, files: SimFiles) -> None:
        self.name = name
        self.files = files
        self.dead = self.frozen = False
        self.silent_since: float | None = None  # since when nobody has heard of it
        self.tasks: list[asyncio.Task[Any]] = []
        self.held: list[Any] = []  # what would run if it were not frozen
        self.timers: list[Any] = []
        self.context = theatre.nobody.copy()
        self.context.run(PROCESS.set, self)
        self.world = PlaceInWorld(theatre, random, files)
        self._theatre = theatre
        theatre.processes.append(self)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self._theatre.create_task(work, context=self.context.copy())

    def check_lives(self) -> None:
        if self.dead:
            raise Crash


class PlaceInWorld(SimWorld):
    """What a process has for itself of a world that it shares."""

    def __init__(self, theatre: Theatre, random: Random, files: SimFiles) -> None:
        self.random = random
        self.files = files
        self.loop = theatre
        self._holders: set[Path] = set()
        self._wall = START_MS + random.randint(-(10**9), 10**9)
        self._default = self.worker("default")


def new_disk(seed: int, trace: Trace) -> SimFiles:
    files = SimFiles(seed)
    files.trace = trace
    return files


def _interrupt(action: Callable[[], None]) -> None:
    raise Interrupt(action)


def _process_of(handle: Any) -> Process | None:
    process: Process | None = handle._context.get(PROCESS)
    return process
