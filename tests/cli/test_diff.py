"""`mmsb diff` of two moments, two folders, and a log with the process that runs it."""

import asyncio
import shutil
from pathlib import Path

import pytest

import mmsb
from mmsb import i64, u64
from mmsb.cli.exits import Exit
from mmsb.cli.main import main
from tests.cli.running import objects

notes = mmsb.App("notes", generation=1)


@notes.page(key=u64)
class Note(mmsb.Page):
    words: i64


@notes.intent
class Write(mmsb.Intent):
    note: u64
    words: i64

    def query(self):
        return Note[self.note]

    def delta(self, note: Note) -> None:
        note.words = self.words


@notes.intent
class Burn(mmsb.Intent):
    note: u64

    def query(self):
        return Note[self.note]

    def delta(self, note: Note) -> None:
        mmsb.delete(note)


@pytest.fixture
def burnt(tmp_path: Path) -> Path:
    """Note 1 is written (0), deleted by eve (2) and written anew (4); note 2 is written (1), deleted by mallory (3)."""
    asyncio.run(_burn(tmp_path / "notes"))
    return tmp_path / "notes"


async def _burn(data: Path) -> None:
    async with notes.run(data=data, interpreted=True) as bus:
        await bus.submit(Write(1, 10), actor="ann")
        await bus.submit(Write(2, 20), actor="ann")
        await bus.submit(Burn(1), actor="eve", reason="spite")
        await bus.submit(Burn(2), actor="mallory")
        await bus.submit(Write(1, 30), actor="bob")


def test_two_moments_of_one_folder(ask, folder):
    code, out, _ = ask("diff", folder, "--at", 9, "--at", 10, "--json")
    one, two = objects(out)

    assert code == Exit.FOUND
    assert (one["key"], one["fields"], one["epochs"]) == (1, {"balance": [100, 50], "moves": [1, 2]}, [6, 11])
    assert (two["key"], two["fields"], two["epochs"]) == (2, {"balance": [200, 250], "moves": [1, 2]}, [7, 11])
    for each in (one, two):
        assert [each[name] for name in ("offset", "written_in", "intent", "actor", "reason")] == [
            10, "b", "Transfer", "alice", "rent",
        ]  # fmt: skip
    assert ask("diff", folder, "--at", 10, "--at", 12)[:2] == (Exit.DONE, "no page differs\n")
    out = ask("diff", folder, "--at", 10, "--at", 9)[1]
    assert " ".join(out.splitlines()[0].split()) == "page field offset 10 offset 9 last written by actor reason"
    assert "2 differing pages" in out


def test_one_moment_is_compared_with_now(ask, folder):
    assert ask("diff", folder, "--at", 9, "--json") == ask("diff", folder, "--at", 9, "--at", 12, "--json")


def test_who_deleted_a_page_is_named(ask, burnt):
    """A deleted page has no epoch: its history says who it was, as of the moment that is asked about."""
    one, two = objects(ask("diff", burnt, "--at", 1, "--at", 3, "--json")[1])

    assert (one["key"], one["fields"], one["epochs"]) == (1, {"words": [10, None]}, [1, 0])
    assert [one[name] for name in ("offset", "intent", "actor", "reason")] == [2, "Burn", "eve", "spite"]
    assert [two[name] for name in ("key", "offset", "actor")] == [2, 3, "mallory"]
    assert "no page" in ask("diff", burnt, "--at", 1, "--at", 3)[1]
    [again] = objects(ask("diff", burnt, "--at", 3, "--json")[1])
    assert [again[name] for name in ("fields", "offset", "actor")] == [{"words": [None, 30]}, 4, "bob"]


def test_one_more_intent_in_one_of_two_copies_is_all_that_differs(ask, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert ask("diff", folder, copy)[:2] == (Exit.DONE, "no page differs\n")
    submitted = ("--app", "examples.bank:app", "--interpreted", "--actor", "zoe", "--reason", "gift")
    assert main(["submit", str(copy), *submitted, "Deposit", "account=5", "amount=7"]) == Exit.DONE
    ask()
    [five] = objects(ask("diff", folder, copy, "--json")[1])

    assert (five["key"], five["fields"]) == (5, {"balance": [500, 507], "moves": [1, 2]})
    assert [five[name] for name in ("offset", "intent", "actor", "written_in")] == [13, "Deposit", "zoe", "b"]


def test_a_log_agrees_with_the_process_that_runs_it(ask, served):
    assert ask("diff", served, "--live") == (Exit.DONE, "no page differs\n", "")


def test_a_process_that_has_something_else_in_memory_is_found_out(ask, served, monkeypatch):
    """As a flipped bit in its memory would show."""
    from mmsb.cli import owner

    scan = owner.Owner.scan

    def flipped(self, partition, type_id):
        for key, epoch, body in scan(self, partition, type_id):
            yield key, epoch, body[:-16] + bytes([body[-16] ^ 1]) + body[-15:] if key[0] == 3 else body

    monkeypatch.setattr(owner.Owner, "scan", flipped)
    code, out, _ = ask("diff", served, "--live", "--json")
    [three] = objects(out)

    assert code == Exit.FOUND
    assert (three["key"], three["fields"]) == (3, {"balance": [300, 301]})


@pytest.mark.parametrize(
    "asked", [(), ("--live", "--at", 3), ("--at", 1, "--at", 2, "--at", 3), ("OTHER", "--live"), ("OTHER", "--at", 1)]
)
def test_what_cannot_be_compared_says_what_can(ask, folder, asked):
    code, _, err = ask("diff", folder, *(folder if part == "OTHER" else part for part in asked))

    assert code == Exit.CALLER
    assert "expected" in err
    assert ask("diff", folder, "--at", 99)[0] == Exit.CALLER


def test_nobody_runs_what_is_to_be_compared_with_its_process(ask, folder):
    code, _, err = ask("diff", folder, "--live")

    assert code == Exit.ENVIRONMENT
    assert "no process runs this data folder" in err
    assert "--app" not in err  # which diff does not have
