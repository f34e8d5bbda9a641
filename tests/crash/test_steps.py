"""SIGKILL at every step of the protocol, on a new folder and while another kill is being recovered from.

`STEPS` are all there are: a life that nothing kills goes through no other.
"""

import fcntl
import os
import shutil
from itertools import count
from pathlib import Path

import pytest

from tests.crash.judge import judge
from tests.crash.nursery import Life, Nursery, read_life
from tests.crash.service import Order

BEGINNING = (  # of a new folder
    "locked",
    "folder made",
    "upper folder synced",
    "mark created",
    "mark sized",
    "mark synced",
    "genesis half written",
    "genesis written",
    "genesis synced",
)
LOGS = tuple(
    f"{log} {step}"
    for log in ("intents", "tlog")
    for step in (
        "created",
        "folder synced",
        "index created",
        "index half written",
        "index written",
        "index synced",
    )
)
PAGES = tuple(f"tlog pages {step}" for step in ("created", "half written", "written", "synced", "replaced"))
RUNNING = (
    "claim half written",
    "claim written",
    "claim synced",
    "intents half written",
    "intents written",
    "intents synced",
    "stepped",
    "block half written",
    "block written",
    "block synced",
    "mark half written",
    "mark written",
    "released",
)
HOME = ("cut", "rows half written", "rows written", "rows synced", "rows ingested", "evicted")
RECOVERY = (
    "mark opened",
    "mark read",
    "tlog pages opened",
    "tlog pages read",
    "tlog pages removed",
    *(
        f"{log} {step}"
        for log in ("intents", "tlog")
        for step in (
            "opened",
            "read",
            "index opened",
            "index read",
            "index removed",
            "again half written",
            "again written",
            "again synced",
            "cut",
            "sized",
        )
    ),
)
STEPS = {*BEGINNING, *LOGS, *PAGES, *RUNNING, *HOME, *RECOVERY}
LEFTOVERS = (  # steps after which a recovery has something to do
    "intents half written",
    "intents synced",
    "block half written",
    "block written",
    "intents index synced",
    "tlog index synced",
    "tlog pages half written",
    "rows half written",
    "rows ingested",
)
ROUNDS = 10
FLUSH_SECONDS = 0.01
MEMORY = 0  # whatever is clean goes whenever something comes
LATER = 3  # which occurrence of what happens again and again

_names = count()


def order(folder: Path, step: str | None, occurrence: int = 1, durability: str = "fsync") -> Order:
    return Order(
        str(folder), f"life-{next(_names)}", durability=durability, rounds=ROUNDS, step=step, occurrence=occurrence,
        flush_seconds=FLUSH_SECONDS, memory=MEMORY,
    )  # fmt: skip


Left = tuple[Path, Life, Life]
"""A folder as a kill left it, that life, and one that then goes on unhurt."""


@pytest.fixture(scope="module")
def leftovers(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    """For each step of `LEFTOVERS`. They take long: one process of the test run makes them for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "leftovers"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for step in LEFTOVERS:
            if not (folder / step / "lives").exists():
                leave(nursery, folder / step, step)
    return {step: read_left(folder / step) for step in LEFTOVERS}


def leave(nursery: Nursery, folder: Path, step: str) -> None:
    folder.mkdir()
    life = nursery.live(order(folder / "data", step, LATER))
    assert life.killed
    shutil.copytree(folder / "data", folder / "going-on")
    after = nursery.live(order(folder / "going-on", None))
    judge(folder / "going-on", life.told + after.told)
    (folder / "lives").write_text(f"{life.text()}\n{after.text()}\n")


def read_left(folder: Path) -> Left:
    life, after = map(read_life, (folder / "lives").read_text().splitlines())
    return folder / "data", life, after


def test_there_are_no_other_steps(nursery: Nursery, leftovers: dict[str, Left], tmp_path: Path) -> None:
    fresh = nursery.live(order(tmp_path / "data", None))
    judge(tmp_path / "data", fresh.told)
    lives = [fresh, *(after for _, _, after in leftovers.values())]
    assert {step for life in lives for step in life.steps} == STEPS


@pytest.mark.parametrize("step", BEGINNING)
def test_killed_on_a_new_folder(nursery: Nursery, tmp_path: Path, step: str) -> None:
    life = nursery.live(order(tmp_path / "data", step))
    assert life.killed
    assert not life.ready
    judge(tmp_path / "data", life.told)


@pytest.mark.parametrize(
    ("step", "durability"),
    [
        *((step, "fsync") for step in (*RUNNING, *HOME, *LOGS, *PAGES)),
        *(pytest.param(step, "process", marks=pytest.mark.campaign) for step in (*RUNNING, *HOME)),
    ],
)
def test_killed_while_running(nursery: Nursery, tmp_path: Path, step: str, durability: str) -> None:
    occurrence = 1 if step.startswith("claim") else LATER
    life = nursery.live(order(tmp_path / "data", step, occurrence, durability))
    assert life.killed
    judge(tmp_path / "data", life.told)


@pytest.mark.parametrize(
    "step", [*RECOVERY, *HOME, "claim half written", "claim written", "claim synced", "mark written"]
)
def test_killed_while_recovering_from_a_kill(
    nursery: Nursery, leftovers: dict[str, Left], tmp_path: Path, step: str
) -> None:
    left = [(folder, life) for folder, life, after in leftovers.values() if after.steps.get(step)]
    assert left, "some kill leaves work that takes this step"
    folder, before = left[0]
    shutil.copytree(folder, tmp_path / "data")
    life = nursery.live(order(tmp_path / "data", step))
    assert life.killed
    assert not life.ready or step.startswith("tlog pages") or step in HOME, "those are made while it serves"
    judge(tmp_path / "data", before.told + life.told)
