"""A service that deposits 1 again and again, each with an id of its own, until somebody kills it.

`python -m tests.engine.killed FOLDER FIRST` prints the number of each deposit as soon as it is told that it settled.
"""

import asyncio
import sys
from pathlib import Path

from examples.bank import Account, Deposit, Open, app

AT_ONCE = 20
ACCOUNT = 1


def id_of(number: int) -> str:
    return f"deposit-{number}"


async def main(folder: Path, first: int) -> None:
    async with app.run(data=folder, interpreted=True) as bank:
        await bank.submit(Open(ACCOUNT, "ann"), id="open")
        assert (await bank.get(Account, ACCOUNT)).balance >= 0
        print("ready", flush=True)

        async def deposit_on(start: int) -> None:
            number = start
            while True:
                await bank.submit(Deposit(ACCOUNT, 1), id=id_of(number))
                print(number, flush=True)
                number += AT_ONCE

        await asyncio.gather(*(deposit_on(first + lane) for lane in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
