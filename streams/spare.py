"""A spare: a process that has loaded and run all its code, and waits for the lock of a folder that another one runs.

It looks for nothing but the lock, and writes nothing before it has it. What it takes over is the whole of what the
owner left: it folds and claims as any other start does, only without what a new process spends on Python, its modules
and compiled code.
"""

import asyncio
import gc
from pathlib import Path
from typing import Final

from mmsb.processors.compiled import Compiled
from mmsb.schemas.errors import EnvironmentFailed, FolderInUse
from mmsb.streams.world import LOCK, Lock, World

LOOK_SECONDS: Final = 0.005
"""So often it tries the lock: half of that is what a take-over waits for on average, at a hundredth of a core."""


def run_once(compiled: Compiled) -> None:
    """Have the machine code of all kernels in this process, and the store's library."""
    from mmsb.streams.store.rocks import RocksStore  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from mmsb.streams.warming import call_idle, warm_folding, warm_home, warm_json, warm_stepping

    for loop in (compiled.find_pages, compiled.lower):
        call_idle(loop)
    warm_stepping()
    warm_json()
    warm_folding()
    warm_home()
    gc.collect()
    gc.freeze()


async def wait_for_lock(world: World, folder: Path) -> Lock:
    """Return when whoever holds it has ended, however that was."""
    while True:
        if not world.files.exists(folder / LOCK):
            raise EnvironmentFailed(
                f"{folder}: expected a data folder that a process runs, found no {LOCK} in it; start the owner, and "
                "then the spare"
            )
        try:
            return world.lock(folder)
        except FolderInUse:
            await asyncio.sleep(LOOK_SECONDS)
