"""A start that migrates, in a process of its own: `python -m tests.crash.migrating FOLDER [STEP OCCURRENCE]`.

It dies there, or says how often each step came.
"""

import asyncio
import json
import sys
from pathlib import Path

from mmsb.streams.engine import Engine, Settings
from tests.crash.steps import WatchedWorld, Watcher
from tests.golden import shop_2


async def start(folder: Path, watcher: Watcher) -> None:
    async with Engine(shop_2.app.bundle(), folder, Settings(interpreted=True), WatchedWorld(watcher)):
        """Leaving it settles what was logged."""


def main(folder: str, step: str | None = None, occurrence: str = "1") -> None:
    watcher = Watcher(step, int(occurrence))
    asyncio.run(start(Path(folder), watcher))
    print(json.dumps(watcher.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
