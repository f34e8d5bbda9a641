"""How a program that runs a bus hears that it is to stop, and ends well."""

import asyncio
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

TERMINATED: Final = 128 + signal.SIGTERM  # the exit code of a process that SIGTERM ended, as shells count it


class Stop:
    """SIGTERM, turned into what asyncio does on SIGINT: the task that entered is cancelled, so that it closes cleanly.

    A program that has a handler of its own, or does not run in the main thread, keeps what it has.
    """

    def __init__(self) -> None:
        self.asked = False
        self._event = asyncio.Event()
        self._task = asyncio.current_task()
        self._waiting = 0  # some may wait side by side: each hears of it
        self._installed = _is_ours()
        if self._installed:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._ask)

    def _ask(self) -> None:
        self.asked = True
        if self._waiting:
            self._event.set()
        elif self._task is not None:
            self._task.cancel()

    async def wait(self) -> None:
        self._waiting += 1
        loop = asyncio.get_running_loop()
        in_main_thread = threading.current_thread() is threading.main_thread()  # no other one hears of signals
        if in_main_thread:
            loop.add_signal_handler(signal.SIGINT, self._event.set)
        try:
            await self._event.wait()
        finally:
            self._waiting -= 1
            if in_main_thread and not self._waiting:
                loop.remove_signal_handler(signal.SIGINT)

    def forget(self) -> None:
        if self._installed:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


@contextmanager
def ends_on_the_spot() -> Generator[None]:
    """While it starts, and has nothing to finish: SIGTERM ends a process then, as nobody handles it.

    Only the first process of a container would outlive it, until it is killed minutes later: the kernel keeps signals
    without a handler from that one.
    """
    is_kept_from_it = os.getpid() == 1 and _is_ours()
    if is_kept_from_it:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        if is_kept_from_it:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(*_: object) -> None:
    os._exit(TERMINATED)


def _is_ours() -> bool:
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
