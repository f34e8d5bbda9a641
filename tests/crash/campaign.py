"""SIGKILL at random moments, again and again, of one data folder: each start recovers from the kill before it.

`python -m tests.crash.campaign KILLS [SEED]` says the seed; with it the same orders and delays come again, though not
the same moments.
"""

import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Timer
from time import monotonic

from tests.crash.judge import judge
from tests.crash.nursery import Hear, Life, Nursery
from tests.crash.service import Order
from tests.crash.told import Told

LONGEST_S = 0.3  # that a service serves
STARTING_S = 0.08  # and that it lives, if it is killed while it starts
KILLS_OF_A_FOLDER = 10
FLUSH_SECONDS = 0.05
MEMORIES = (0, 16_600, 64 << 20)  # of each partition: from nothing that stays to all, and some in between


@dataclass
class Folder:
    """One data folder, killed several times and then judged."""

    seed: str
    application: str
    partitions: int
    durability: str
    compiled: bool
    told: list[Told] = field(default_factory=list[Told])

    def order(self, folder: Path, life: int) -> Order:
        name = f"{self.seed}-{life}"
        return Order(
            str(folder), name, self.application, self.partitions, self.durability, self.compiled, rounds=0,
            segment_bytes=Random(name).choice((2_000, 20_000, 2**20)), lanes=Random(name).choice((1, 4, 16)),
            flush_seconds=FLUSH_SECONDS, memory=Random(name).choice(MEMORIES),
        )  # fmt: skip


def kill_after(delay: float) -> Hear:
    """What to do as soon as a service serves, or lives."""

    def begin(process: int) -> None:
        Timer(delay, os.kill, (process, signal.SIGKILL)).start()

    return begin


def kill_once(nursery: Nursery, order: Order, random: Random) -> Life:
    """Most die while they serve, some while they start."""
    if random.random() < 0.25:
        return nursery.live(order, when_born=kill_after(random.uniform(0, STARTING_S)))
    return nursery.live(order, when_ready=kill_after(random.uniform(0, LONGEST_S)))


def kill_folder(nursery: Nursery, path: Path, folder: Folder, kills: int) -> int:
    """Kill as often, then judge; gives the number of receipts that were told."""
    random = Random(folder.seed)
    for number in range(kills):
        life = kill_once(nursery, folder.order(path, number), random)
        assert life.killed, f"it runs until it is killed, and ended with {life.exit_code}"
        folder.told += life.told
    judge(path, folder.told, folder.application, folder.partitions)
    return len(folder.told)


def folders(seed: int) -> list[Folder]:
    """The kinds there are, which take turns."""
    return [
        Folder(f"{seed}-a", "bank", 1, "fsync", compiled=False),
        Folder(f"{seed}-b", "bank", 1, "fsync", compiled=True),
        Folder(f"{seed}-c", "post", 3, "fsync", compiled=False),
        Folder(f"{seed}-d", "bank", 1, "process", compiled=False),
        Folder(f"{seed}-e", "post", 8, "process", compiled=False),
    ]


def campaign(kills: int, seed: int) -> int:
    """Returns how many receipts were told."""
    told = turn = 0
    with Nursery() as nursery:
        while kills > 0:
            kinds = folders(seed + turn)
            folder = kinds[turn % len(kinds)]
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    told += kill_folder(nursery, Path(scratch) / "data", folder, min(kills, KILLS_OF_A_FOLDER))
                except BaseException as error:
                    kept = shutil.copytree(Path(scratch) / "data", tempfile.mkdtemp(), dirs_exist_ok=True)
                    error.add_note(f"{folder.seed}: repeat with SEED={seed}; the folder is kept at {kept}")
                    raise
            kills, turn = kills - KILLS_OF_A_FOLDER, turn + 1
    return told


def main() -> None:
    kills = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else Random().randrange(10**9)
    print(f"crash: {kills} kills at random moments, SEED={seed}", flush=True)
    begun = monotonic()
    told = campaign(kills, seed)
    print(f"crash: {told} receipts were told before, and all of them hold ({monotonic() - begun:.0f} s)")


if __name__ == "__main__":
    main()
