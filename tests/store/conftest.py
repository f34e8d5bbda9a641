"""What every store must do is asked of each: RocksDB on a disk, the model on a disk and on a virtual one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from mmsb.state.store import Snapshot, Store
from mmsb.streams.files import Files, RealFiles
from mmsb.streams.store.model import MemoryStore, load_checkpoint
from mmsb.streams.store.rocks import RocksCheckpoint, RocksStore
from tests.simulation.disk import VirtualFiles


class Home(NamedTuple):
    """One kind of store, and where it may put things."""

    files: Files
    folder: Path
    open: Callable[[Path], Store]
    open_checkpoint: Callable[[Path], Snapshot]


HOMES: Final = ("rocks", "model", "virtual")


@pytest.fixture(params=HOMES)
def home(request, tmp_path) -> Home:
    if request.param == "rocks":
        return Home(RealFiles(), tmp_path, RocksStore, RocksCheckpoint)
    files, folder = (RealFiles(), tmp_path) if request.param == "model" else (VirtualFiles(), Path("/"))
    return Home(files, folder, lambda path: MemoryStore(files, path), lambda path: load_checkpoint(files, path))


@pytest.fixture
def folder(home) -> Path:
    path: Path = home.folder / "store"
    home.files.make_folder(path)
    return path


@pytest.fixture
def store(home, folder) -> Iterator[Store]:
    opened = home.open(folder)
    yield opened
    opened.close()
