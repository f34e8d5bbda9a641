"""SIGKILL at random moments. `make crash N=1000` goes on with this for longer, and SEED=… repeats a run."""

from pathlib import Path
from random import Random

import pytest

from tests.crash.campaign import KILLS_OF_A_FOLDER, folders, kill_folder
from tests.crash.nursery import Nursery

FOLDERS = 5


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(FOLDERS))
def test_what_was_told_survives_kills_and_nothing_applies_twice(nursery: Nursery, tmp_path: Path, turn: int) -> None:
    seed = Random().randrange(10**9)
    kinds = folders(seed)
    folder = kinds[turn % len(kinds)]
    try:
        told = kill_folder(nursery, tmp_path / "data", folder, KILLS_OF_A_FOLDER)
    except BaseException as error:
        error.add_note(f"kind {folder!r:.200} of seed {seed}")
        raise
    assert told, "a run under no load says nothing"
