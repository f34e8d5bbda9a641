"""SIGKILL at random moments, again and again, of workers that share an application's partitions out.

`python -m tests.kafka.killing KILLS [SEED]` starts a broker for it.
"""

import asyncio
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import mmsb
from mmsb.streams.kafka.cluster.member import PATIENCE
from tests.crash.applications import APPLICATIONS
from tests.crash.told import Told
from tests.kafka.cluster import running_cluster
from tests.kafka.judging import judge_topics
from tests.kafka.working import SESSION_S, WAIT_S, Order, Worker, ask, ask_on

LONGEST_S: Final = 0.5  # between two kills, most times
LANES: Final = 6
KILLS_OF_AN_APPLICATION: Final = 10
SUPERSEDED: Final = 5
"""Ends a worker that got no processor for a session, and was taken for dead: it starts again."""


@dataclass(frozen=True)
class Kind:
    application: str
    partitions: int
    workers: int

    def __str__(self) -> str:
        return f"{self.application}-{self.partitions}"


class Workers:
    """As many as there are folders; whoever ends comes again."""

    def __init__(self, orders: list[Order], random: Random) -> None:
        self._random = random
        self.all = [Worker(order) for order in orders]

    async def kill_one(self) -> None:
        """Most come again at once, some so late that others have taken over, some with nothing of what they had."""
        number = self._random.randrange(len(self.all))
        victim = self.all[number]
        victim.kill()
        assert victim.process.exitcode in (-9, SUPERSEDED), f"{victim.process.exitcode}: {victim.said()}"
        how = self._random.random()
        if how < 0.2:
            await asyncio.sleep(SESSION_S * 1.5)
        order = victim.order
        if how > 0.8:
            order = replace(order, folder=order.folder.with_name(f"{order.folder.name}-again"))
        self.all[number] = Worker(order)

    def mend(self) -> None:
        """Start those again that were superseded."""
        for number, worker in enumerate(self.all):
            if not worker.runs:
                assert worker.process.exitcode == SUPERSEDED, f"{worker.process.exitcode}: {worker.said()}"
                self.all[number] = Worker(worker.order)

    def stop(self) -> None:
        """In order: what was submitted has settled. Some may only now hear that they were superseded."""
        for worker in self.all:
            worker.wait()
        for worker in self.all:
            worker.terminate()
            assert worker.ended() in (0, SUPERSEDED), worker.said()

    def kill(self) -> None:
        for worker in self.all:
            worker.kill()


def kill_workers(url: str, folder: Path, name: str, kind: Kind, kills: int, seed: int) -> int:
    """Kill so often while clients ask, then judge; gives how many receipts were told."""
    random = Random(seed)
    orders = [
        Order(url, folder / f"worker-{number}", name, kind.application, kind.partitions)
        for number in range(kind.workers)
    ]
    told = list[Told]()
    workers = Workers(orders, random)
    try:
        workers.all[0].wait()  # it has made the topics
        asyncio.run(_kill_under_load(orders[0], workers, kills, random, told))
        workers.mend()
        workers.stop()
    finally:
        workers.kill()
    judge_topics(orders[0], told, kind.partitions, folder)
    return len(told)


async def _kill_under_load(order: Order, workers: Workers, kills: int, random: Random, told: list[Told]) -> None:
    async with mmsb.connect(order.url, order.named()) as bus:
        openings = APPLICATIONS[order.application].openings
        await asyncio.gather(*(ask(bus, request, f"open-{n}", told.append) for n, request in enumerate(openings)))
        async with asking(order, bus, told):
            for _ in range(kills):
                await asyncio.sleep(random.uniform(0, LONGEST_S))
                workers.mend()
                await workers.kill_one()
            await asyncio.sleep(SESSION_S)  # the last ones find their place


@asynccontextmanager
async def asking(order: Order, bus: mmsb.Bus, told: list[Told], lanes: int = LANES) -> AsyncGenerator[None]:
    """Meanwhile clients ask; what they wait for in the end they still hear."""
    tasks = [asyncio.create_task(ask_on(order, bus, lane, told.append)) for lane in range(lanes)]
    yield
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), ended


class Run:
    """Workers that work, and what clients were told meanwhile."""

    def __init__(self, workers: Workers, partitions: int) -> None:
        self.workers = workers
        self.told = list[Told]()
        self._partitions = partitions

    async def more(self, count: int = 20, *, again: bool = False) -> None:
        """Until so much more of each partition was told. Who is superseded ends; or comes `again`."""
        begun = len(self.told)
        async with asyncio.timeout(WAIT_S):
            while any(self._told(number, begun) < count for number in range(self._partitions)):
                if again:
                    self.workers.mend()
                assert all(worker.runs for worker in self.workers.all), [each.said() for each in self.workers.all]
                await asyncio.sleep(0.05)

    def _told(self, partition: int, begun: int) -> int:
        return sum(each.partition == partition for each in self.told[begun:])


def outlive(url: str, folder: Path, kind: Kind, happen: Callable[[Run], Awaitable[None]], through: str = "") -> None:
    """Have something happen while workers work and clients ask; then all that was told holds.

    Workers reach the brokers by the address `through`, if they have another.
    """
    name = f"outlives-{uuid.uuid4().hex[:12]}"
    orders = [
        Order(
            through or url, folder / f"worker-{number}", name, kind.application, kind.partitions,
            session_s=PATIENCE.session,
        )
        for number in range(kind.workers)
    ]  # fmt: skip
    workers = Workers(orders, Random(name))
    run = Run(workers, kind.partitions)
    try:
        workers.all[0].wait()
        asyncio.run(_under_load(replace(orders[0], url=url), happen, run))
        workers.stop()
    finally:
        workers.kill()
    judge_topics(replace(orders[0], url=url), run.told, kind.partitions, folder)


async def _under_load(order: Order, happen: Callable[[Run], Awaitable[None]], run: Run) -> None:
    async with mmsb.connect(order.url, order.named()) as bus:
        openings = APPLICATIONS[order.application].openings
        await asyncio.gather(*(ask(bus, request, f"open-{n}", run.told.append) for n, request in enumerate(openings)))
        async with asking(order, bus, run.told):
            await happen(run)


def campaign(kills: int, seed: int) -> int:
    """Gives how many receipts were told."""
    kinds = [Kind("post", 3, 2), Kind("post", 8, 3), Kind("bank", 1, 2), Kind("post", 1, 2)]
    told = 0
    with tempfile.TemporaryDirectory() as scratch, running_cluster(Path(scratch) / "kafka") as cluster:
        for turn in range(0, kills, KILLS_OF_AN_APPLICATION):
            kind = kinds[turn // KILLS_OF_AN_APPLICATION % len(kinds)]
            folder, name = Path(scratch) / str(turn), f"kills-{uuid.uuid4().hex[:12]}"
            folder.mkdir()
            try:
                told += kill_workers(cluster.url, folder, name, kind, min(kills - turn, 10), seed + turn)
            except BaseException as error:
                kept = shutil.copytree(folder, tempfile.mkdtemp(), dirs_exist_ok=True)
                error.add_note(f"{kind}, SEED={seed}; folders, copy and what workers said are kept at {kept}")
                raise
            shutil.rmtree(folder)
    return told


def main() -> None:
    kills = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else Random().randrange(10**9)
    print(f"crash-kafka: {kills} kills of workers at random moments, SEED={seed}", flush=True)
    begun = monotonic()
    told = campaign(kills, seed)
    print(f"crash-kafka: {told} receipts were told before, and all of them hold ({monotonic() - begun:.0f} s)")


if __name__ == "__main__":
    main()
