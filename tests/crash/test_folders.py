"""A folder's own name is durable before anything in it counts, also when a kill came between making and syncing it."""

from pathlib import Path

import pytest

from tests.crash.nursery import Nursery
from tests.crash.recording import record
from tests.crash.service import Order
from tests.crash.trace import Operation, Said, Trace


def synced_before_told(trace: Trace) -> set[Path]:
    """Which folders' names were synced before the first caller was told something."""
    told = next(place for place, entry in enumerate(trace.entries) if isinstance(entry, Said))
    before = [entry for entry in trace.entries[:told] if isinstance(entry, Operation)]
    return {operation.path for operation in before if operation.name == "sync_folder"}


@pytest.mark.parametrize("made", [0, 1, 2])
def test_folders_are_durable_before_anything_is_told(nursery: Nursery, tmp_path: Path, made: int) -> None:
    """The data folder, and the partition's in it; those of the logs come after the mark, which is proof of both."""
    if made:
        life = nursery.live(Order(str(tmp_path / "data"), "killed", step="folder made", occurrence=made))
        assert life.killed
    trace = record(tmp_path, "bank", 1, made).trace
    assert {Path("/"), Path("/data"), Path("/data/0")} <= synced_before_told(trace)
