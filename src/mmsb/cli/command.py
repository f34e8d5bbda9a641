"""What a command is: a name, help that teaches, arguments, and what it does."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmsb.cli.screen import Screen

Run = Callable[[Namespace, Screen], int]
"""Gives the exit code."""


@dataclass(frozen=True)
class Command:
    name: str
    usage: str  # behind the name
    summary: str  # one line
    text: str  # what else there is to know, in plain words
    examples: tuple[str, ...]
    add_arguments: Callable[[ArgumentParser], None]
    run: Run


def positive(text: str) -> int:
    """A number from 1, as argparse takes it."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"expected 1 or more, found {text}")
    return number


def add_data(parser: ArgumentParser) -> Any:
    return parser.add_argument(
        "data", metavar="DATA", help="the data folder, as in `mmsb run … --data DATA`, or kafka://HOST:PORT/APP"
    )


def add_json(parser: ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"for machines: {what}")
