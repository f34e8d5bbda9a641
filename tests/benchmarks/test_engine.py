"""What measures the engine asks the same of everybody, on a disk, and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest

from bench import engine_folder
from bench.engine_bank import ACCOUNTS, draw
from bench.engine_folder import data_folder, file_system, touch_memory
from bench.engine_rivals import Sqlite
from bench.machine import ROOT
from bench.traffic import TOO_MUCH


def test_transfers_are_between_two_accounts_and_a_tenth_is_too_much() -> None:
    asked = draw(np.random.default_rng(1), 20_000)
    assert not np.any(asked.src == asked.dst)
    assert set(np.unique([asked.src.min(), asked.dst.max()])) <= set(range(ACCOUNTS))
    assert 0.09 < np.mean(asked.amount == TOO_MUCH) < 0.11
    assert len(np.unique(asked.ids, axis=0)) == len(asked)


def test_one_at_a_time_they_are_the_same_transfers() -> None:
    asked = draw(np.random.default_rng(1), 100)
    single = [(intent.src, intent.dst, intent.amount, id) for intent, id in asked.intents()]
    assert single == list(asked.rows())
    assert [id for *_, id in single] == [row.tobytes() for row in asked.ids]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_sqlite_applies_what_the_engine_would_and_knows_ids(journal: str, tmp_path: Path) -> None:
    asked = draw(np.random.default_rng(1), 2_500)
    rival = Sqlite(tmp_path, journal)
    assert rival.settle(asked) > 0  # it checks the sum of the balances, and how many moved
    with pytest.raises(AssertionError, match="applied"):
        rival.settle(asked)  # the same ids again move nothing
    rival.close()


@pytest.mark.skipif(file_system(ROOT) in ("tmpfs", "ramfs"), reason="the repository lies in memory")
def test_data_lies_on_the_disk_of_the_repository_and_goes_away() -> None:
    with data_folder() as folder:
        assert file_system(folder) == file_system(ROOT) != "unknown"
        touch_memory(folder, 1)
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_a_folder_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_memory(_: Path) -> str:
        return "tmpfs"

    monkeypatch.setattr(engine_folder, "file_system", in_memory)
    with pytest.raises(SystemExit, match="clone the repository to a disk"), data_folder():
        pass
