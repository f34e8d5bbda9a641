"""The applications that a simulation runs, each twice: for the engine, and described for the model."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol

from examples import bank
from mmsb.processors.bundle import Bundle
from mmsb.processors.requests import Request
from mmsb.schemas.classes import Ref, layout_of
from mmsb.state.pages import PageId
from tests.model import bundle as model
from tests.model.examples import ACCOUNT, SELF_AMOUNT, TRANSFER

ACCOUNTS = 8
SELF_ACCOUNT: model.Tree = ("arg", "account")
ONE: model.Tree = ("lit", 1, "1")


class SimApp(Protocol):
    @property
    def bundle(self) -> Bundle: ...

    @property
    def description(self) -> model.Bundle: ...

    def request(self, random: Random) -> Request: ...

    def columns(self, random: Random, count: int) -> tuple[type[Any], dict[str, Any]]:
        """Many intents of one class."""
        ...

    def pages(self, random: Random) -> list[PageId]:
        """Some pages to be read together."""
        ...


BANK = model.Bundle(
    "bank",
    (ACCOUNT,),
    (
        model.Intent(
            "Open",
            (model.Field("account", "u64"), model.Field("owner", "text(24)")),
            query=(("Account", (SELF_ACCOUNT,)),),
            pages=("account",),
            delta=(
                ("if", ((("exists", "account"), (("reject", "the account exists already"),)),), ()),
                ("set", "account", "owner", ("arg", "owner")),
            ),
        ),
        model.Intent(
            "Deposit",
            (model.Field("account", "u64"), model.Field("amount", "i64", (("gt", 0),))),
            query=(("Account", (SELF_ACCOUNT,)),),
            pages=("account",),
            delta=(
                ("aug", "+", ("get", "account", "balance"), SELF_AMOUNT),
                ("aug", "+", ("get", "account", "moves"), ONE),
            ),
        ),
        replace(TRANSFER, name="Transfer"),
    ),
)


@dataclass(frozen=True)
class Bank:
    """examples/bank.py: what it may do to few accounts, refused for every reason that it knows."""

    bundle: Bundle = bank.app.bundle()
    description: model.Bundle = BANK

    def request(self, random: Random) -> Request:
        src, dst, amount = random.randrange(ACCOUNTS), random.randrange(ACCOUNTS), random.choice((-1, 1, 5, 50))
        kind = random.random()
        if kind < 0.2:
            return bank.Open(src, random.choice(("ann", "bob", "")))
        return bank.Deposit(src, amount) if kind < 0.5 else bank.Transfer(src, dst, amount)

    def columns(self, random: Random, count: int) -> tuple[type[Any], dict[str, Any]]:
        accounts = [random.randrange(ACCOUNTS) for _ in range(count)]
        return bank.Deposit, {"account": accounts, "amount": [random.randint(-1, 9) for _ in range(count)]}

    def pages(self, random: Random) -> list[PageId]:
        keys = random.sample(range(ACCOUNTS), random.randint(1, 4))
        type_id = layout_of(bank.Account).type_id
        return [(type_id, Ref(bank.Account, key).packed_key) for key in keys]
