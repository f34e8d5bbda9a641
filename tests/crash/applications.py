"""The applications that are killed, each with what the model must know of it and something to ask of it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from examples import bank
from mmsb.app import App
from mmsb.processors.requests import Request
from tests.model.bundle import Bundle
from tests.simulation import post
from tests.simulation.apps import BANK, Bank, Post


@dataclass(frozen=True)
class Application:
    app: App
    description: Bundle
    openings: tuple[Request, ...]  # asked for first
    request: Callable[[Random], Request]


APPLICATIONS: Final = {
    "bank": Application(bank.app, BANK, tuple(bank.Open(n, f"owner {n}") for n in range(8)), Bank().request),
    "post": Application(post.app, post.POST, tuple(post.Fill(n, 50) for n in range(8)), Post().request),
}
