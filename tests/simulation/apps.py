"""The applications that a simulation runs, each twice: for the engine, and described for the model."""

from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any, Protocol, cast

from examples import bank
from mmsb.processors.bundle import Bundle
from mmsb.processors.requests import Request
from mmsb.schemas.classes import Ref, page_layout_of
from mmsb.schemas.partitions import partition_of
from mmsb.state.pages import PageId
from tests.model import bundle as model
from tests.model.examples import ACCOUNT, SELF_AMOUNT, TRANSFER
from tests.simulation import post

KEYS = 8
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

    @property
    def page(self) -> type[Any]:
        """What its keys, which are numbers from 0, stand for."""
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

    bundle: Bundle = field(default_factory=bank.app.bundle)
    description: model.Bundle = BANK
    page: type[Any] = bank.Account

    def request(self, random: Random) -> Request:
        src, dst, amount = random.randrange(KEYS), random.randrange(KEYS), random.choice((-1, 1, 5, 50))
        kind = random.random()
        if kind < 0.2:
            return bank.Open(src, random.choice(("ann", "bob", "")))
        return bank.Deposit(src, amount) if kind < 0.5 else bank.Transfer(src, dst, amount)

    def columns(self, random: Random, count: int) -> tuple[type[Any], dict[str, Any]]:
        accounts = [random.randrange(KEYS) for _ in range(count)]
        return bank.Deposit, {"account": accounts, "amount": [random.randint(-1, 9) for _ in range(count)]}


@dataclass(frozen=True)
class Post:
    """Coins that wander between partitions, and come back where there is no room for them."""

    bundle: Bundle = field(default_factory=post.app.bundle)
    description: model.Bundle = post.POST
    page: type[Any] = post.Box

    def request(self, random: Random) -> Request:
        src, dst, coins = random.randrange(KEYS), random.randrange(KEYS), random.choice((-1, 1, 5, 20))
        return post.Fill(src, coins) if random.random() < 0.4 else post.Send(src, dst, coins)

    def columns(self, random: Random, count: int) -> tuple[type[Any], dict[str, Any]]:
        src, dst = ([random.randrange(KEYS) for _ in range(count)] for _ in range(2))
        return post.Send, {"src": src, "dst": dst, "coins": [random.randint(1, 3) for _ in range(count)]}


def pages_of(app: SimApp, partition: int, partitions: int) -> list[PageId]:
    """All pages of a partition that there may ever be."""
    return [page for number, page in _places(cast(Any, app.page), partitions) if number == partition]


def pages_together(app: SimApp, partitions: int, random: Random) -> tuple[int, list[PageId]]:
    """Some pages of one partition, and which that is."""
    places = random.sample(_places(cast(Any, app.page), partitions), 5)
    partition = places[0][0]
    return partition, [page for number, page in places if number == partition]


@cache
def _places(page: Any, partitions: int) -> list[tuple[int, PageId]]:
    layout = page_layout_of(page)
    keys = [Ref(page, key).packed_key for key in range(KEYS)]
    return [(partition_of(layout.partition_parts(key), partitions), (layout.type_id, key)) for key in keys]
