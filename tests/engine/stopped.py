"""Programs that are told to stop: `python -m tests.engine.stopped WAY FOLDER`."""

import asyncio
import sys
from pathlib import Path

from examples.bank import Account, Deposit, Open, app


async def serve(folder: Path) -> None:
    async with app.run(data=folder, interpreted=True) as bank:
        await bank.submit(Open(1, "ann"), id="open")
        print("ready", flush=True)
        await bank.until_stopped()
        await bank.submit(Deposit(1, 1))
    print("closed", flush=True)


async def work(folder: Path) -> None:
    """Never looks at signals; what it submitted last may or may not be awaited."""
    async with app.run(data=folder, interpreted=True) as bank:
        await bank.submit(Open(1, "ann"), id="open")
        print("ready", flush=True)
        while True:
            await asyncio.gather(*(bank.submit(Deposit(1, 1), until="logged") for _ in range(100)))
            print((await bank.get(Account, 1)).balance, flush=True)


if __name__ == "__main__":
    asyncio.run({"serve": serve, "work": work}[sys.argv[1]](Path(sys.argv[2])))
