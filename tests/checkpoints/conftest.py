"""Checkpoints of both kinds of store: on a disk, and on the virtual one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmsb.state.store import Store
from mmsb.streams.checkpoints.creating import create_checkpoint
from mmsb.streams.checkpoints.manifest import Cause
from mmsb.streams.files import Files
from mmsb.streams.store.model import MemoryStore, load_checkpoint
from mmsb.streams.world import RealWorld
from tests.checkpoints.rows import read_facts, rows_at
from tests.simulation.disk import VirtualFiles

COMMAND = Cause("command")


class ModelWorld(RealWorld):
    """A world whose stores are the model, on any files."""

    def __init__(self, files: Files) -> None:
        super().__init__()
        self.files = files

    def store(self, folder: Path) -> Store:
        return MemoryStore(self.files, folder)

    def open_checkpoint(self, folder: Path) -> Any:
        return load_checkpoint(self.files, folder)


@dataclass
class Place:
    """A partition with a store that is flushed and checkpointed."""

    world: Any
    partition: Path
    store: Store

    def flush(self, settled: int, accepted_at: int) -> None:
        self.store.ingest(rows_at(settled, accepted_at))

    def checkpoint(self, settled: int, accepted_at: int, cause: Cause = COMMAND) -> Path:
        self.flush(settled, accepted_at)
        return create_checkpoint(self.world, self.partition, self.store, cause, read_facts)


def place_in(world: Any, partition: Path) -> Place:
    for folder in (partition, partition / "store"):
        world.files.make_folder(folder)
    return Place(world, partition, world.store(partition / "store"))


@pytest.fixture(params=["rocks", "virtual"])
def place(request, tmp_path) -> Iterator[Place]:
    world, folder = (RealWorld(), tmp_path) if request.param == "rocks" else (ModelWorld(VirtualFiles()), Path("/"))
    made = place_in(world, folder / "0")
    yield made
    made.store.close()


@pytest.fixture
def real(tmp_path) -> Iterator[Place]:
    made = place_in(RealWorld(), tmp_path / "0")
    yield made
    made.store.close()
