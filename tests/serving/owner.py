"""The owner of a data folder, for other processes: `python -m tests.serving.owner FOLDER` says when it is ready."""

import asyncio
import sys
from pathlib import Path

from examples.bank import app


async def main(folder: Path, *, interpreted: bool) -> None:
    async with app.run(data=folder, interpreted=interpreted) as bank:
        print("ready", flush=True)
        await bank.until_stopped()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), interpreted="compiled" not in sys.argv))
