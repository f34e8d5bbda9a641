"""Query, Mutate and Upsert: three doors that need no user code."""

from collections.abc import Sequence
from typing import Any

import pytest

import mmsb
from examples.bank import Account, Deposit, Open, app
from mmsb.processors.requests import Request


class Bank:
    """The bank, stepped one request after another."""

    def __init__(self, *requests: Request) -> None:
        self.machine = mmsb.Machine(app.bundle(), mmsb.PartitionState(mmsb.Genesis(b"log id of 16 by.", "bank")))
        for request in requests:
            assert self.ask(request) == "applied"

    def ask(self, request: Request) -> str:
        """The outcome in words."""
        record = mmsb.Record(None, mmsb.pack(request))
        outcome = self.machine.step(mmsb.Records.of(self.machine.settled + 1, [record]))
        self.machine.state.check()
        return self.machine.explain(outcome[outcome.last])

    def read(self, key: int) -> Account:
        return self.machine.read(mmsb.Query(Account[key]))


def test_a_query_reads_and_what_it_gives_cannot_be_assigned_to() -> None:
    bank = Bank(Open(1, "ann"), Deposit(1, 10))
    page = bank.read(1)
    assert (page.owner, page.balance, page.moves, mmsb.epoch_of(page)) == ("ann", 10, 1, 2)
    with pytest.raises(mmsb.ReadOnly, match="balance"):
        page.balance = 11
    with pytest.raises(mmsb.PageNotFound, match=r"Account\[2\]"):
        bank.read(2)


def test_a_mutation_makes_one_page_of_another() -> None:
    bank = Bank(Open(1, "ann"))
    before = bank.read(1)
    assert bank.ask(mmsb.Mutate.between(Account[1], before, Account(owner="bea", balance=5, moves=9))) == "applied"
    assert (bank.read(1).owner, bank.read(1).balance) == ("bea", 5)
    assert bank.ask(mmsb.Mutate.between(Account[2], None, Account(owner="new", balance=1, moves=0))) == "applied"
    assert bank.read(2).owner == "new"


def test_a_mutation_on_a_page_that_has_moved_on_is_a_conflict() -> None:
    bank = Bank(Open(1, "ann"))
    stale = mmsb.Mutate.between(Account[1], bank.read(1), Account(owner="x", balance=0, moves=0))
    assert bank.ask(Deposit(1, 1)) == "applied"
    assert bank.ask(stale) == "the page of Account is at epoch 2, not at the delta's base 1; read it and try again"
    absent = mmsb.Mutate.between(Account[1], None, Account(owner="x", balance=0, moves=0))
    assert "is at epoch 2, not at the delta's base 0" in bank.ask(absent)


def test_a_mutation_is_held_to_the_invariants() -> None:
    bank = Bank(Open(1, "ann"))
    poor = mmsb.Mutate.between(Account[1], bank.read(1), Account(owner="ann", balance=-1, moves=0))
    assert bank.ask(poor) == "Account.balance must be >= 0, and would become -1"


def test_a_mutation_can_delete() -> None:
    bank = Bank(Open(1, "ann"))
    assert bank.ask(mmsb.Mutate.between(Account[1], bank.read(1), None)) == "applied"
    with pytest.raises(mmsb.PageNotFound):
        bank.read(1)
    with pytest.raises(mmsb.InvalidValue, match="nothing cannot become nothing"):
        mmsb.Mutate.between(Account[1], None, None)


CONDITIONS: Sequence[tuple[str, str, object, bool]] = [
    ("balance", ">=", 10, True),
    ("balance", ">", 10, False),
    ("balance", "<=", 10, True),
    ("balance", "<", 10, False),
    ("balance", "==", 10, True),
    ("balance", "!=", 10, False),
    ("owner", "==", "ann", True),
    ("owner", "!=", "ann", False),
    ("@epoch", "==", 2, True),
    ("@epoch", ">", 2, False),
]


@pytest.mark.parametrize(("field", "sign", "value", "holds"), CONDITIONS)
def test_an_upsert_applies_if_its_conditions_hold(field: str, sign: str, value: object, holds: bool) -> None:
    bank = Bank(Open(1, "ann"), Deposit(1, 10))
    said = bank.ask(mmsb.Upsert(Account[1], where=[(field, sign, value)], set={"owner": "bob"}, add={"moves": 2}))
    assert (said == "applied") == holds
    assert bank.read(1).owner == ("bob" if holds else "ann")
    assert bank.read(1).moves == (3 if holds else 1)


def test_a_false_condition_is_quoted() -> None:
    bank = Bank(Open(1, "ann"), Deposit(1, 10))
    upsert = mmsb.Upsert(Account[1], where=[("owner", "==", "ann"), ("balance", ">=", 100)])
    assert bank.ask(upsert) == "condition 1, Account.balance >= 100, is false: found 10"


def test_an_upsert_creates_a_page_from_its_defaults() -> None:
    bank = Bank()
    assert bank.ask(mmsb.Upsert(Account[7], where=[("@epoch", "==", 0)], add={"balance": 3})) == "applied"
    assert (bank.read(7).owner, bank.read(7).balance) == ("", 3)


def test_an_upsert_that_cannot_be_written_is_refused_at_once() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"set": {"nothing": 1}}, "has no field 'nothing'"),
        ({"set": {"balance": "x"}}, "expected an integer"),
        ({"add": {"owner": "x"}}, "nothing can be added"),
        ({"set": {"moves": 1}, "add": {"moves": 1}}, "both set and added"),
        ({"where": [("owner", ">=", "x")]}, "expected one of ==, !="),
    ]
    for arguments, why in cases:
        with pytest.raises(mmsb.InvalidValue, match=why):
            mmsb.Upsert(Account[1], **arguments)
