"""`mmsb rehearse`: the same code does what was done; fewer intents, or other code, do something else, which is told."""

import asyncio
from pathlib import Path

import pytest

from examples.remittances import Account, Open, Send, app
from mmsb.cli.exits import Exit
from tests.cli.running import objects
from tests.cli.test_folder import snapshot

BANK = "examples.bank:app"
SENT = "examples.remittances:app"

STRICTER = """
import mmsb
from mmsb import i64, u64

app = mmsb.App("bank", generation=2)


@app.page(key=u64)
class Account(mmsb.Page):
    owner: str = mmsb.text(24)
    balance: i64 = mmsb.field(ge=0)
    moves: i64


@app.intent
class Open(mmsb.Intent):
    account: u64
    owner: str = mmsb.text(24)

    def query(self):
        return Account[self.account]

    def delta(self, account: Account) -> None:
        account.owner = self.owner


@app.intent
class Deposit(mmsb.Intent):
    account: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self):
        return Account[self.account]

    def delta(self, account: Account) -> None:
        if self.amount > 400:
            mmsb.reject("too much at once")
        account.balance += self.amount
        account.moves += 1


@app.intent
class Transfer(mmsb.Intent):
    src: u64
    dst: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self):
        return Account[self.src], Account[self.dst]

    def predicate(self, src: Account, dst: Account) -> bool:
        return src.balance >= self.amount

    def delta(self, src: Account, dst: Account) -> None:
        src.balance -= self.amount
        dst.balance += self.amount
        src.moves += 1
        dst.moves += 1
"""
"""The bank with a bound on deposits."""


@pytest.fixture
def told(ask, monkeypatch):
    """Exit code, outcomes, pages and summary of a rehearsal, all of which must say that they are hypothetical."""
    monkeypatch.chdir(Path(__file__).parents[2])

    def told(*given: object):
        code, out, err = ask("rehearse", *given, "--interpreted", "--json")
        assert err == ""
        found = objects(out)
        assert all(each["hypothetical"] for each in found)
        *rest, summary = found
        return code, [e for e in rest if e["what"] == "outcome"], [e for e in rest if e["what"] == "page"], summary

    return told


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ann and bob send between accounts of three partitions. Bob is first, and then account 1 can take no more."""
    data = tmp_path_factory.mktemp("rehearsed") / "data"
    asyncio.run(_send(data))
    return data


async def _send(data: Path) -> None:
    async with app.run(data=data, interpreted=True, partitions=3) as bus:
        for account in range(8):
            await bus.submit(Open(account, 100, 110 if account == 1 else 1_000), actor="bank")
        await bus.submit(Send(0, 1, 10), actor="bob")
        while (await bus.get(Account, 1)).balance < 110:
            await asyncio.sleep(0.001)
        await bus.submit(Send(2, 1, 5), actor="ann")
        while (await bus.get(Account, 2)).balance < 100:
            await asyncio.sleep(0.001)
        for number in range(40):
            await bus.submit(Send(number % 8, (number * 3 + 1) % 8, 5), actor="bob" if number % 4 == 3 else "ann")


def listed(ask, data: Path) -> list[tuple]:
    found = objects(ask("log", data, "--from", 0, "--json")[1])
    return [(e["partition"], e["offset"], e["status"], e["rejection"], e["why"], e["first_offset"]) for e in found]


def as_listed(outcomes: list[dict]) -> list[tuple]:
    return sorted(
        (
            e["partition"],
            e["offset"],
            *(e["rehearsed"][name] for name in ("status", "rejection", "why", "first_offset")),
        )
        for e in outcomes
    )


@pytest.mark.parametrize("name", ["folder", "sent"])
def test_the_same_code_gives_the_recorded_list_line_by_line(ask, told, name, request):
    data = request.getfixturevalue(name)
    code, outcomes, pages, summary = told(SENT if name == "sent" else BANK, data, "--list")

    assert code == Exit.DONE
    assert as_listed(outcomes) == listed(ask, data)
    assert pages == []
    assert (summary["differing_outcomes"], summary["differing_pages"], summary["left_out"]) == (0, 0, 0)
    assert summary["digests"] == summary["recorded_digests"]
    assert [each["digest"] for each in objects(ask("replay", data, "--json")[1])] == summary["digests"]


def influenced(ask, data: Path, actor: str) -> set[tuple]:
    """The pages that an actor's intents could influence: those they named, and through intents on these all others.

    Follow-ups are told by who caused them: they carry the actor on. One that arrives, or not, touches its page.
    """
    touched: set[tuple] = set()
    changed = objects(ask("log", data, "--from", 0, "--json")[1])
    for _ in changed:
        for each in changed:
            pages = {(page["page"], page["key"]) for page in each["pages"]}
            if each["actor"] == actor or pages & touched:
                touched |= pages
    return touched


def test_without_an_actor_only_what_he_could_influence_differs(ask, told, folder):
    code, outcomes, pages, summary = told(BANK, folder, "--without-actor", "bob")

    assert code == Exit.FOUND
    assert summary["left_out"] == 5
    assert [(e["offset"], e["differs"], e["rehearsed"]["rejection"]) for e in outcomes] == [
        (10, ["status", "reason", "changes"], "predicate")
    ]
    assert {(e["page"], e["key"]) for e in pages} <= influenced(ask, folder, "bob")
    assert {e["key"]: e["fields"]["balance"] for e in pages} == {
        1: [50, 0], 2: [250, 0], 3: [300, 0], 4: [400, 0], 5: [500, 0],
    }  # fmt: skip


def test_what_nobody_could_have_influenced_stays(told, folder):
    code, outcomes, pages, _ = told(BANK, folder, "--without-id", "open-5", "--without-type", "Open")

    assert code == Exit.FOUND
    assert [(e["offset"], e["differs"], e["rehearsed"]["status"]) for e in outcomes] == [(9, ["changes"], "applied")]
    assert [page["key"] for page in pages] == [5]
    assert pages[0]["fields"] == {"owner": ["owner 5", ""]}


def test_follow_ups_come_with_what_emits_them_and_with_nothing_else(ask, told, sent):
    code, outcomes, pages, summary = told(SENT, sent, "--without-actor", "bob", "--list")
    by_place = {(e["partition"], e["offset"]): e for e in outcomes}
    recorded = objects(ask("log", sent, "--from", 0, "--json")[1])

    assert code == Exit.FOUND
    assert summary["follow_ups_without_place"] == 0
    for each in recorded:
        now = by_place[each["partition"], each["offset"]]
        if each["actor"] == "bob":
            assert now["rehearsed"]["status"] == "noop"
            assert now["left_out"] is (each["intent"] == "Send")
        elif each["intent"] in ("Send", "Open"):
            assert now["rehearsed"]["status"] in ("applied", "rejected")
    turned = {(e["intent"], e["recorded"]["status"], e["rehearsed"]["status"]) for e in outcomes if e["actor"] == "ann"}
    assert ("Credit", "rejected", "applied") in turned
    assert ("Refund", "applied", "noop") in turned  # nothing is to be made up for
    total = sum(
        page["fields"]["balance"][1] - page["fields"]["balance"][0] for page in pages if "balance" in page["fields"]
    )
    assert total == 0


def test_other_code_is_told_with_what_it_would_have_said(told, folder, tmp_path, ask):
    code = tmp_path / "stricter.py"
    code.write_text(STRICTER)
    found, outcomes, pages, summary = told(code, folder)

    assert found == Exit.FOUND
    assert [(e["offset"], e["recorded"]["status"], e["rehearsed"]["why"]) for e in outcomes] == [
        (9, "applied", "too much at once"),
    ]
    assert [(page["key"], page["fields"]["balance"]) for page in pages] == [(5, [500, 0])]
    assert summary["generation"] == 2
    out = ask("rehearse", code, folder, "--interpreted")[1]
    assert out.startswith("HYPOTHETICAL: bank, generation 2, other code than ran last")
    assert all("HYPOTHETICAL" in line for line in out.splitlines() if "intents" in line or "pages" in line)


def test_nothing_is_written_into_a_data_folder(ask, told, folder, tmp_path, monkeypatch):
    before = snapshot(folder)
    told(BANK, folder, "--without-actor", "bob")
    for place in (folder, folder / "what_if.jsonl", folder / "0" / "tlog" / "what_if"):
        code, out, err = ask("rehearse", BANK, folder, "--interpreted", "--output", place)
        assert (code, out) == (Exit.CALLER, "")
        assert "what is hypothetical is never state" in err
    assert snapshot(folder) == before
    file = tmp_path / "what_if.jsonl"
    assert ask("rehearse", BANK, folder, "--interpreted", "--without-actor", "bob", "--output", file)[0] == Exit.FOUND
    assert all(each["hypothetical"] for each in objects(file.read_text()))
    assert ask("rehearse", BANK, folder, "--interpreted", "--output", file)[0] == Exit.CALLER


def test_another_application_is_refused(ask, folder, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    code, _, err = ask("rehearse", SENT, folder, "--interpreted")

    assert code == Exit.CALLER
    assert "this data folder is of 'bank', and the application is 'remittances'" in err
