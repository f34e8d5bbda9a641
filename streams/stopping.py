"""How a program that runs a bus hears that it is to stop, and ends well."""

import asyncio
import signal
import threading
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
        self._installed = threading.current_thread() is threading.main_thread() and (
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        )
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
