"""`mmsb why`: causes and effects over partitions, circles, and what is not there."""

import asyncio
from pathlib import Path

import pytest

from examples import bank, remittances
from examples.remittances import Open, Send
from mmsb.cli.exits import Exit
from mmsb.schemas.ids import make_id
from tests.cli.running import objects

PARTITIONS = 3


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Accounts 0 to 5 in three partitions; 0 sends to each of the others, and 1 is too full to take it."""
    data = tmp_path_factory.mktemp("sent") / "data"
    asyncio.run(_send(data))
    return data


async def _send(data: Path) -> None:
    async with remittances.app.run(data=data, interpreted=True, partitions=PARTITIONS) as bus:
        for account in range(6):
            await bus.submit(Open(account, 100, 100 if account == 1 else 1_000), id=f"open-{account}", actor="ann")
        for account in range(1, 6):
            name = "named" if account == 2 else None
            await bus.submit(Send(0, account, 10), id=name, actor="bob", causation="open-0")


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two intents that name each other, and one whose cause nobody knows."""
    data = tmp_path_factory.mktemp("circle") / "bank"
    asyncio.run(_go_round(data))
    return data


async def _go_round(data: Path) -> None:
    async with bank.app.run(data=data, interpreted=True) as bus:
        await bus.submit(bank.Open(1, "ann"), id="hen", causation="egg")
        await bus.submit(bank.Deposit(1, 5), id="egg", causation="hen")
        await bus.submit(bank.Deposit(1, 5), id="7", causation="order 66")
        await bus.submit(bank.Deposit(1, 5), id="7", causation="order 66")


def all_entries(ask, data: Path) -> dict[tuple[int, int], dict]:
    found = objects(ask("log", data, "--from", 0, "--json")[1])
    return {(each["partition"], each["offset"]): each for each in found}


def place(each: dict) -> tuple[int, int]:
    return each["partition"], each["offset"]


def test_effects_are_followed_through_partitions(ask, sent):
    code, out, _ = ask("why", sent, "--id", "open-0", "--json")
    [told] = objects(out)
    entries = all_entries(ask, sent)
    sends = [place(each) for each in entries.values() if each["intent"] == "Send"]

    assert code == Exit.DONE
    assert (told["causes"], told["begins"], told["missing"], told["cut"]) == ([], None, [], False)
    assert sorted(map(place, told["effects"])) == sorted(sends)
    assert len(sends) == 5
    for send in told["effects"]:
        [credit] = send["effects"]
        assert (credit["intent"], send["missing"], credit["missing"]) == ("Credit", [], [])
        below = [(each["intent"], place(each)[0], each["status"]) for each in credit["effects"]]
        refused = credit["status"] == "rejected"
        assert below == ([("Refund", place(send)[0], "applied")] if refused else [])
    assert sum(each["effects"][0]["status"] == "rejected" for each in told["effects"]) == 1


def test_causes_are_followed_to_the_first(ask, sent):
    entries = all_entries(ask, sent)
    [refund] = [each for each in entries.values() if each["intent"] == "Refund"]
    [told] = objects(ask("why", sent, f"{refund['partition']}:{refund['offset']}", "--json")[1])

    assert [each["intent"] for each in told["causes"]] == ["Credit", "Send", "Open"]
    assert [each["actor"] for each in told["causes"]] == ["bob", "bob", "ann"]
    assert told["causes"][-1]["id"] is not None
    assert told["effects"] == []


def test_every_line_of_the_log_is_told_as_the_log_tells_it(ask, sent):
    """Against what the entries themselves name as their cause."""
    entries = all_entries(ask, sent)
    by_id = {each["id"]: key for key, each in entries.items() if each["id"]}
    for key, each in entries.items():
        [told] = objects(ask("why", sent, f"{key[0]}:{key[1]}", "--json")[1])
        assert {name: told[name] for name in each} == each
        cause = place(told["causes"][0]) if told["causes"] else None
        if each["causation"] in by_id:
            assert cause == by_id[each["causation"]]
        elif each["causation"]:
            partition, offset = bytes.fromhex(each["causation"].replace("-", ""))[:4], each["causation"]
            assert cause is not None
            assert cause[0] == int.from_bytes(partition, "little")
            assert cause[1] == int.from_bytes(bytes.fromhex(offset.replace("-", ""))[8:], "little")
        else:
            assert cause is None


def test_people_see_a_tree(ask, sent):
    code, out, _ = ask("why", sent, "named")
    lines = out.splitlines()

    assert code == Exit.DONE
    assert "Open applied" in lines[0]
    assert lines[1].startswith("└─ ")
    assert "Send applied  by bob" in lines[1]
    assert lines[1].endswith("◀")
    assert lines[2].startswith("      └─ ")
    assert "Credit applied" in lines[2]


def test_a_circle_is_said_in_words(ask, circle):
    [told] = objects(ask("why", circle, 0, "--json")[1])

    assert [place(each) for each in told["causes"]] == [(0, 1)]
    assert told["begins"] == "it goes round in a circle: its cause is partition 0, offset 0 again"
    [egg] = told["effects"]
    [hen] = egg["effects"]
    assert (place(egg), egg["again"], place(hen), hen["again"], hen["effects"]) == ((0, 1), False, (0, 0), True, [])
    out = ask("why", circle, 0)[1]
    assert "circle" in out
    assert "(again: see above)" in out


def test_a_cause_that_is_in_no_log_is_named(ask, circle):
    [told] = objects(ask("why", circle, "7", "--id", "--json")[1])

    assert told["offset"] == 2
    assert told["same_id"] == [[0, 3, "duplicate"]]
    assert told["begins"].startswith(f"its cause has the id {make_id('order 66').hex()[:8]}")
    assert told["begins"].endswith("no intent with it is in these logs")


def test_a_tree_that_is_too_large_is_cut_and_says_so(ask, sent):
    [told] = objects(ask("why", sent, "open-0", "--limit", 3, "--json")[1])

    assert told["cut"] is True
    assert len(told["effects"]) == 5
    assert all(each["effects"] == [] for each in told["effects"])
    assert "there is more below" in ask("why", sent, "open-0", "--limit", 3)[1]


def test_what_is_not_there_says_where_to_look(ask, sent):
    for asked, said in (
        (["0"], "write e.g. 0:0"),
        (["7:0"], "expected a partition from 0 to 2, found 7"),
        (["0:999"], "nothing is known of offset 999"),
        (["nonsense"], "no intent with the id 'nonsense' has settled here"),
    ):
        code, _, err = ask("why", sent, *asked)
        assert code == Exit.CALLER
        assert said in err
