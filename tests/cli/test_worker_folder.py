"""A worker's folder has some of the partitions: commands tell each by its number, and say where the others are."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from examples import remittances
from examples.remittances import Open, Send
from mmsb.cli.exits import Exit
from mmsb.streams.folder import TOPIC
from tests.cli.running import objects

HELD = (1, 3)
URL = "kafka://localhost:9092/bank"
ELSEWHERE = "expected partition 0 in it, found 1, 3; ask the topics, kafka://HOST:PORT/APP, or the worker that has it"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four partitions, with accounts in each, and a transfer from every account to the next."""
    data = tmp_path_factory.mktemp("whole") / "data"
    asyncio.run(_fill(data))
    return data


async def _fill(data: Path) -> None:
    async with remittances.app.run(data=data, interpreted=True, partitions=4) as bus:
        for account in range(16):
            await bus.submit(Open(account, 100, 1_000), id=f"open-{account}")
        for account in range(16):
            await bus.submit(Send(account, (account + 1) % 16, 10))


@pytest.fixture(scope="module")
def worker(whole: Path) -> Path:
    """What a worker of two of them has."""
    data = whole.parent / "worker"
    for partition in HELD:
        shutil.copytree(whole / str(partition), data / str(partition))
        (data / str(partition) / TOPIC).write_text(json.dumps({"app": "remittances", "partition": partition}))
    return data


@pytest.mark.parametrize("command", ["log", "replay", "verify", "stats", "inspect"])
def test_a_command_tells_the_same_of_each_partition_that_is_there(ask, whole, worker, command):
    code, told, _ = ask(command, worker, "--json")
    everything = ask(command, whole, "--json")[1]
    assert code == Exit.DONE
    assert _told(told, worker) == _told(everything, whole)
    assert len(_told(told, worker)) >= len(HELD)


def _told(out: str, data: Path) -> list[dict]:
    """By partition, of those that the worker has, in words that do not depend on the folder or on time."""
    found = objects(out)
    if len(found) == 1:
        [about] = found
        found = about.get("logs") or about["partitions"]
    found = [json.loads(json.dumps(each).replace(str(data), "DATA")) for each in found]
    held = {*HELD, *(f"DATA/{partition}" for partition in HELD)}
    return [{**each, "seconds": None} for each in found if each["partition"] in held]


def test_what_is_elsewhere_is_said_to_be_elsewhere(ask, worker):
    code, _, said = ask("replay", worker, "--partition", "0")
    assert (code, ELSEWHERE in said) == (Exit.ENVIRONMENT, True)
    code, _, said = ask("scan", worker, "Account")
    assert (code, ELSEWHERE in said) == (Exit.ENVIRONMENT, True)


def test_partitions_that_both_have_are_compared(ask, whole, worker):
    code, out, said = ask("diff", whole, worker)
    assert (code, out) == (Exit.DONE, "no page differs\n")
    assert "one side alone has them: partitions 0, 2" in said


def test_a_follow_up_to_a_partition_that_is_elsewhere_is_not_called_missing(ask, whole, worker):
    sends = [
        f"{each['partition']}:{each['offset']}"
        for each in objects(ask("log", worker, "--json")[1])
        if each["follow_ups"] and each["intent"] == "Send"
    ]
    missing = [words for send in sends for words in _missing(ask, worker, send)]
    assert missing
    assert all("is in logs that are not here" in words for words in missing)
    assert not any(_missing(ask, whole, send) for send in sends)


def _missing(ask, data: Path, place: str) -> list[str]:
    [story] = objects(ask("why", data, place, "--json")[1])
    return [str(each) for each in story["missing"]]


def test_a_folder_of_its_own_that_lacks_a_partition_is_damaged(ask, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "2")
    code, _, said = ask("log", tmp_path / "data")
    assert (code, "found 0, 1, 3; restore its folder from a good copy" in said) == (Exit.ENVIRONMENT, True)
    code, out, _ = ask("verify", tmp_path / "data")
    assert (code, "expected partition 1 of 3" in out) == (Exit.FOUND, True)


def test_a_copy_of_topics_is_called_one(ask, whole, worker):
    for command in ("stats", "replay", "inspect"):
        assert "a copy of " in ask(command, worker)[1]
        assert "a copy of " not in ask(command, whole)[1]
    assert "nobody runs it" not in ask("stats", worker)[1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("checkpoint", URL), "expected a data folder, for topics have nothing of this; name a worker's folder"),
        (("checkpoint", "export", URL, "x"), "expected a data folder, for topics have nothing of this"),
        (("migrate", "examples.bank:app", URL), "expected a data folder, for topics have nothing of this"),
        (("run", "examples.bank:app", "--data", URL), f"found '{URL}'; say that as log"),
    ],
)
def test_topics_where_only_a_folder_will_do_are_refused(ask, tmp_path, monkeypatch, given, expected):
    monkeypatch.chdir(tmp_path)
    code, _, said = ask(*given)
    assert (code, expected in said) == (Exit.CALLER, True), said
    assert not list(tmp_path.iterdir())
