"""A run of the engine on this machine's disk, recorded: what it did to its files, and what it told whom, and when."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mmsb.processors.requests import Request, pack
from mmsb.state.store import Store
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.files import Files, RealFiles
from mmsb.streams.store.model import MemoryStore
from mmsb.streams.world import RealWorld
from tests.crash.applications import APPLICATIONS
from tests.crash.segments import small_segments
from tests.crash.small import small_home
from tests.crash.trace import RecordedFiles, Trace

SEGMENT_BYTES = 2_000
LANES = 6
ROUNDS = 12
FLUSH_SECONDS = 0.02

Plant = Callable[[Files], Files]
"""What stands between the engine and the recorder: a way to forget a call."""


class FilesWorld(RealWorld):
    """This machine with files that can be watched or exchanged: RocksDB would go around them."""

    def __init__(self, files: Files | None = None) -> None:
        super().__init__()
        self.files = files or self.files

    def store(self, folder: Path) -> Store:
        return MemoryStore(self.files, folder)


@dataclass(frozen=True)
class Recording:
    data: Path  # the folder as the run left it, whole
    application: str
    partitions: int
    trace: Trace


def record(
    folder: Path,
    application: str,
    partitions: int,
    seed: int,
    segment_bytes: int = SEGMENT_BYTES,
    plant: Plant = lambda files: files,
    flush_seconds: float = FLUSH_SECONDS,
) -> Recording:
    """Two starts of one data folder, each with several clients."""
    trace = Trace(folder)
    world = FilesWorld(plant(RecordedFiles(RealFiles(), trace)))
    with small_segments(segment_bytes), small_home(flush_seconds):
        for start in range(2):
            asyncio.run(_run(world, folder / "data", application, partitions, f"{seed}-{start}", trace))
    return Recording(folder / "data", application, partitions, trace)


async def _run(world: RealWorld, data: Path, application: str, partitions: int, name: str, trace: Trace) -> None:
    chosen = APPLICATIONS[application]

    async def ask(request: Request, id: str, until: str) -> None:
        receipt = await door.submit(pack(request, id=id), "logged" if until == "logged" else "settled", None)
        trace.say(receipt.partition, until, receipt.offset)

    async def lane(number: int) -> None:
        random = Random(f"{name}-{number}")
        for turn in range(ROUNDS):
            until = random.choice(("logged", "settled", "settled"))
            at_once = random.choice((1, 1, 10))
            await asyncio.gather(
                *(ask(chosen.request(random), f"{name}-{number}-{turn}-{n}", until) for n in range(at_once))
            )

    async with Engine(chosen.app.bundle(), data, Settings(partitions=partitions, interpreted=True), world) as door:
        for request in chosen.openings:
            await ask(request, f"{name} {request}", "settled")
        await asyncio.gather(*(lane(number) for number in range(LANES)))
