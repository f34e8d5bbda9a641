"""Questions about a folder whose logs were trimmed behind its checkpoints: what is gone is said, in words."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from examples.bank import Deposit, Open, app
from mmsb.cli.exits import Exit
from tests.cli.running import make, objects

SEGMENT_BYTES = 1 << 16


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thousand accounts and twenty rounds of deposits, in tiny segments, with checkpoints on the way."""
    data = tmp_path_factory.mktemp("trimmed") / "bank"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmsb.streams.log.log.SEGMENT_BYTES", SEGMENT_BYTES)
        patch.setattr("mmsb.streams.log.log.Log.open.__func__.__defaults__", (SEGMENT_BYTES,))
        asyncio.run(_fill(data))
    return data


async def _fill(data: Path) -> None:
    async with app.run(data=data, window=1, checkpoint_seconds=3_600, trim=True) as bus:
        await bus.submit_many(Open, {"account": np.arange(1000), "owner": ["x"] * 1000}, actor="ann")
        for number in range(20):
            await bus.submit_many(Deposit, {"account": np.arange(1000), "amount": 1}, actor="bob")
            if number % 5 == 4:
                await bus.checkpoint()
    async with app.run(data=data, window=1, checkpoint_seconds=3_600, trim=True) as bus:
        first = (data / "0" / "tlog" / f"{0:020}.log").exists()
        assert not first, "the log was trimmed"
        await bus.submit(Deposit(1, 5), actor="eve", causation="nobody")


def first_there(ask, trimmed: Path) -> int:
    return objects(ask("log", trimmed, "--from", 0, "--limit", 1, "--json")[1])[0]["offset"]


def test_the_log_says_where_it_begins(ask, trimmed):
    first = first_there(ask, trimmed)
    code, out, err = ask("log", trimmed, "--from", 0, "--actor", "eve")

    assert first > 1000
    assert code == Exit.DONE
    assert "21000" in out
    assert err == f"partition 0: offsets below {first} were trimmed\n"
    assert ask("log", trimmed, "--from", first, "--actor", "eve")[2] == ""
    assert ask("log", trimmed, "--actor", "ann")[2] == "nothing that fits has settled\n"


def test_causes_that_may_have_been_trimmed_are_said_to(ask, trimmed):
    [told] = objects(ask("why", trimmed, 21_000, "--json")[1])
    assert told["begins"].endswith(f"in what was not trimmed (partition 0 below offset {first_there(ask, trimmed)})")
    code, _, err = ask("why", trimmed, 3)
    assert code == Exit.CALLER
    assert "nothing is known of offset 3" in err


def test_moments_that_are_left_are_compared_and_others_refused(ask, trimmed):
    [found] = objects(ask("diff", trimmed, "--at", 20_999, "--json")[1])
    assert (found["key"], found["fields"], found["actor"]) == (1, {"balance": [20, 25], "moves": [20, 21]}, "eve")
    code, _, err = ask("diff", trimmed, "--at", 1_500)
    assert code in (Exit.CALLER, Exit.ENVIRONMENT)
    assert "trimmed" in err


def test_a_rehearsal_needs_all_of_it(ask, trimmed, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    code, _, err = ask("rehearse", "examples.bank:app", trimmed, "--interpreted")

    assert code == Exit.ENVIRONMENT
    assert "expected a log from its first record on" in err


def test_a_rehearsal_needs_intents_that_a_worker_which_took_over_never_had(ask, tmp_path, monkeypatch):
    folder = make(tmp_path / "worker")
    for file in (folder / "0" / "intents").iterdir():
        file.unlink()
    monkeypatch.chdir(Path(__file__).parents[2])
    code, _, err = ask("rehearse", "examples.bank:app", folder, "--interpreted")

    assert code == Exit.ENVIRONMENT
    assert "intents: expected a log from its first record on, found offset 13" in err
    assert "kafka://HOST:PORT/APP" in err
