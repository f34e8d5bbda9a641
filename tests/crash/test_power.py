"""Loss of power anywhere in a recorded run leaves all that was told; a sync that is left out is noticed, by name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from mmsb.streams.files import File, Files
from tests.crash.power import Judge
from tests.crash.recording import Plant, record

CUTS = 120
SEED = 11
NEVER = 3_600.0  # flushes only where a run ends


@pytest.mark.parametrize(("application", "partitions"), [("bank", 1), ("post", 3)])
def test_what_was_told_survives_a_loss_of_power(tmp_path: Path, application: str, partitions: int) -> None:
    recording = record(tmp_path, application, partitions, SEED)
    Judge(recording).cut(CUTS // partitions, SEED)


class Forgetful:
    """Stands in front of files, or of a file, and leaves something out."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class LazyFile(Forgetful):
    def sync(self) -> None:
        """Left out."""


def without_sync(log: str) -> Plant:
    """What is appended to a log is never made durable."""

    class Contents(Forgetful):
        def open(self, path: Path, *, read_only: bool = False) -> Any:
            return lazy(self._inner.open(path, read_only=read_only), path)

        def create(self, path: Path) -> Any:
            return lazy(self._inner.create(path), path)

    def lazy(file: File, path: Path) -> Any:
        return LazyFile(file) if path.parent.name == log and path.suffix == ".log" else file

    return lambda files: cast(Files, Contents(files))


def without_folder_sync(log: str) -> Plant:
    """Names of a log's segments are never made durable."""

    class Names(Forgetful):
        def sync_folder(self, path: Path) -> None:
            if path.name != log:
                self._inner.sync_folder(path)

    return lambda files: cast(Files, Names(files))


LOST_INTENTS = r"\[a loss of power is no corruption\] TLog offset .* settles intents .* the disk has lost them"
LOST_TLOG = r"\[a loss of power is no corruption\] .*/tlog: expected a TLog beside an intents log"
LOST_BLOCKS = r"\[what is told settled survives\]"
STORED = r"\[a loss of power is no corruption\] .*/{log}(/\d{{20}}.log at byte|: expected a log that is durable up to)"
A_HOLE = r"\[a loss of power is no corruption\] .*/{log}/\d{{20}}.log"


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        pytest.param(without_sync("intents"), LOST_INTENTS, id="intents"),
        pytest.param(without_sync("tlog"), LOST_BLOCKS, id="tlog"),
        pytest.param(without_folder_sync("intents"), LOST_INTENTS, id="intents' names"),
        pytest.param(without_folder_sync("tlog"), LOST_TLOG, id="tlog's names"),
    ],
)
def test_a_sync_that_is_left_out_is_noticed(tmp_path: Path, plant: Plant, words: str) -> None:
    """In one large segment, where no later one says that it must be whole; and nothing but the last flush does."""
    broken = Judge(record(tmp_path, "bank", 1, SEED, 2**20, plant, NEVER)).broken(CUTS, SEED)
    assert sum(bool(re.match(words, each)) for each in broken) > CUTS // 40, broken


@pytest.mark.parametrize("log", ["intents", "tlog"])
@pytest.mark.parametrize("forget", [without_sync, without_folder_sync])
def test_a_store_knows_what_the_disk_has_lost(tmp_path: Path, forget: Callable[[str], Plant], log: str) -> None:
    broken = Judge(record(tmp_path, "bank", 1, SEED, 2**20, forget(log))).broken(CUTS, SEED)
    assert sum(bool(re.match(STORED.format(log=log), each)) for each in broken) > CUTS // 4, broken


@pytest.mark.parametrize("log", ["intents", "tlog"])
def test_a_folder_sync_that_is_left_out_after_a_new_segment_is_noticed(tmp_path: Path, log: str) -> None:
    """Of several names some are lost: there is a hole."""
    broken = Judge(record(tmp_path, "bank", 1, SEED, plant=without_folder_sync(log))).broken(CUTS, SEED)
    assert any(re.match(A_HOLE.format(log=log), each) for each in broken), broken
