"""A service that sends money between accounts of all partitions, until somebody kills it.

`python -m tests.engine.sent FOLDER PARTITIONS ROUND` prints `ready` when the accounts are there.
"""

import asyncio
import sys
from pathlib import Path
from random import Random

from examples.remittances import Open, Send, app

ACCOUNTS = 40
BALANCE = 1_000
LIMIT = 1_300
NOBODY = 5  # accounts that money is sent to and that are not there
AT_ONCE = 50


async def main(folder: Path, partitions: int, number: int) -> None:
    rng = Random(number)
    async with app.run(data=folder, partitions=partitions, interpreted=True) as bus:
        await asyncio.gather(*(bus.submit(Open(n, BALANCE, LIMIT), id=f"open-{n}") for n in range(ACCOUNTS)))
        print("ready", flush=True)

        async def send() -> None:
            while True:
                await bus.submit(Send(rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS + NOBODY), rng.randrange(1, 500)))

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
