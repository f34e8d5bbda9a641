"""A worker that pays remittances behind topics: `python -m tests.kafka.remitting URL FOLDER NAME PARTITIONS`."""

import asyncio
import subprocess
import sys
from pathlib import Path

from examples.remittances import app
from tests.project.tree import ROOT


def named(name: str) -> None:
    """Have the application another name, so that many of it share a cluster."""
    app.name = name


async def main(url: str, folder: str, name: str, partitions: int) -> None:
    named(name)
    async with app.run(data=folder, log=url, partitions=partitions, interpreted=True) as bus:
        print("works", flush=True)
        await bus.until_stopped()


class Worker:
    """It runs until it is killed."""

    def __init__(self, url: str, folder: Path, name: str, partitions: int) -> None:
        command = [sys.executable, "-m", __name__, url, str(folder), name, str(partitions)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    def wait(self) -> None:
        """Until it works."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"works\n", "it came as far as that"

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
