"""Traffic for a bank that others run, until SIGTERM: `python -m examples.load TO [RATE]`.

TO is kafka://HOST:PORT or a data folder, RATE deposits a second. Whatever is submitted has an id of its own, and is
submitted again under it until its outcome is known: each deposit counts once, whatever becomes of workers and brokers
meanwhile. So the balances of all accounts add up to the deposits that have settled.
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
    def __init__(self, bank: mmsb.Bus, rate: int) -> None:
        self.settled = 0
        self._bank = bank
        self._rate = rate
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def open_accounts(self) -> None:
        """The same ids each time, and an account that is there is not opened again."""
        await asyncio.gather(*(self._submit(Open(n, f"owner {n}"), f"load-open-{n}") for n in range(1, ACCOUNTS + 1)))

    async def run(self) -> None:
        """A second's worth each second, or as much as settles, until `stop` and all that was begun has settled."""
        while not self._stopped.is_set():
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(1))
                for _ in range(self._rate):
                    group.create_task(self._deposit())

    async def say(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            print(f"{self.settled:,} deposits settled", flush=True)

    async def _deposit(self) -> None:
        await self._submit(Deposit(random.randint(1, ACCOUNTS), 1), str(uuid.uuid4()))
        self.settled += 1

    async def _submit(self, intent: mmsb.Intent, name: str) -> None:
        while True:
            try:
                await self._bank.submit(intent, id=name, actor="load")
                return
            except mmsb.OutcomeUnknown:
                continue  # the same id applies once


async def main(to: str, rate: int) -> None:
    async with mmsb.connect(to, app) as bank:
        load = Load(bank, rate)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
        await load.open_accounts()
        print("all accounts are open", flush=True)
        saying = asyncio.create_task(load.say())
        try:
            await load.run()
        finally:
            saying.cancel()
    print(f"ended: {load.settled:,} deposits settled", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else RATE))
