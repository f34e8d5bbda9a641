"""The owner of a data folder, for other processes: `python -m tests.serving.owner FOLDER` says when it is ready."""

import asyncio
import sys
from pathlib import Path

from examples.bank import app
from mmsb.streams.bus import Bus
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.serving.server import Served
from mmsb.streams.world import RealWorld


async def main(folder: Path, *, interpreted: bool) -> None:
    engine = Engine(app.bundle(), folder, Settings(interpreted=interpreted), RealWorld())
    async with Bus(Served(engine, folder)) as bank:
        print("ready", flush=True)
        await bank.until_stopped()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), interpreted="compiled" not in sys.argv))
