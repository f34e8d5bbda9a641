"""The applications that are killed, each with what the model must know of it and something to ask of it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from examples import bank
from mmsb.app import App
from mmsb.processors.requests import Request
from tests.model.bundle import Bundle
from tests.simulation.apps import BANK

ACCOUNTS = 12


@dataclass(frozen=True)
class Application:
    app: App
    description: Bundle
    openings: tuple[Request, ...]  # asked for first
    request: Callable[[Random], Request]


def bank_request(random: Random) -> Request:
    src, dst, amount = random.randrange(ACCOUNTS), random.randrange(ACCOUNTS), random.choice((-1, 1, 5, 50))
    return bank.Deposit(src, amount) if random.random() < 0.5 else bank.Transfer(src, dst, amount)


APPLICATIONS = {
    "bank": Application(bank.app, BANK, tuple(bank.Open(n, f"owner {n}") for n in range(ACCOUNTS)), bank_request),
}
