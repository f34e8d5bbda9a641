"""SIGKILL of workers at random moments behind a real broker: what clients were told holds, and nothing is done twice.

`make crash-kafka N=1000` goes on with this for longer.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.kafka.killing import Kind, kill_workers
from tests.kafka.working import restored_names

KINDS = [Kind("post", 1, 2), Kind("post", 3, 2), Kind("post", 8, 3)]
KILLS = 10


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_was_told_survives_kills_of_workers(kafka_url: str, tmp_path: Path, kind: Kind) -> None:
    seed = Random().randrange(10**9)
    try:
        told = kill_workers(kafka_url, tmp_path, f"kills-{uuid.uuid4().hex[:12]}", kind, KILLS, seed)
    except BaseException as error:
        error.add_note(f"{kind} of seed {seed}")
        raise
    assert told > KILLS, "a run under no load says nothing"
