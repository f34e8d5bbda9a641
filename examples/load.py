"""Traffic for a bank that others run, until SIGTERM: `python -m examples.load TO [RATE]`.

TO is kafka://HOST:PORT or a data folder, RATE deposits a second. Whatever is submitted has an id of its own, and is
submitted again under it until its outcome is known: each deposit counts once, whatever becomes of workers and brokers
meanwhile. So the balances of all accounts add up to the deposits that have settled. Stopped while nobody answers, it
says of how many it does not know.
"""

import asyncio
import random
import signal
import sys
import uuid
from typing import Final

import mmsb
from examples.bank import Deposit, Open, app

ACCOUNTS: Final = 100
RATE: Final = 100
SAY_SECONDS: Final = 10.0


class Load:
    def __init__(self, rate: int) -> None:
        self.settled = 0
        self.stopped = False
        self._rate = rate
        # The same ids each time, and an account that is there is not opened again.
        self._open: dict[str, mmsb.Intent] = {f"load-open-{n}": Open(n, f"owner {n}") for n in range(1, ACCOUNTS + 1)}
        """By id: what was begun, and has no outcome that we know of."""

    def stop(self) -> None:
        self.stopped = True

    @property
    def ended(self) -> bool:
        return self.stopped and not self._open

    def __str__(self) -> str:
        unknown = f", and of {len(self._open):,} intents the outcome is unknown" if self._open else ""
        return f"{self.settled:,} deposits settled{unknown}"

    async def run(self, bank: mmsb.Bus) -> None:
        """A second's worth each second, or as much as settles, until `stop` and all that was begun has settled."""
        while not self.ended:
            opening = self._opening()
            async with asyncio.TaskGroup() as group:
                for name, intent in self._open.items():
                    group.create_task(self._submit(bank, name, intent))
                if not self.stopped:
                    group.create_task(asyncio.sleep(1))
            if opening and not self._opening():
                print("all accounts are open", flush=True)
            if not self.stopped:
                self._begin()

    async def say(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            print(f"{self.settled:,} deposits settled", flush=True)

    def _opening(self) -> bool:
        return any(isinstance(intent, Open) for intent in self._open.values())

    def _begin(self) -> None:
        for _ in range(self._rate):
            self._open[str(uuid.uuid4())] = Deposit(random.randint(1, ACCOUNTS), 1)

    async def _submit(self, bank: mmsb.Bus, name: str, intent: mmsb.Intent) -> None:
        try:
            await bank.submit(intent, id=name, actor="load")
        except mmsb.OutcomeUnknown:
            return  # it stays open, and is submitted again: the same id applies once
        del self._open[name]
        self.settled += isinstance(intent, Deposit)


async def main(to: str, rate: int) -> None:
    load = Load(rate)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
    saying = asyncio.create_task(load.say())
    reached = True
    while not load.ended and (reached or not load.stopped):
        reached = True
        try:
            async with mmsb.connect(to, app) as bank:
                print("connected", flush=True)
                await load.run(bank)
        except* mmsb.EnvironmentFailed as failed:  # whoever serves it has ended, and will be started again
            reached = False
            print(f"connecting again: {failed.exceptions[0]}", flush=True)
            await asyncio.sleep(1)
    saying.cancel()
    print(f"ended: {load}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else RATE))
