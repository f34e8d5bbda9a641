"""What `mmsb log copy` refuses before it asks any broker; tests/kafka/test_copying_real.py has the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said

Ask = Callable[..., Said]

MISTAKES = {
    "no places": (("log", "copy"), "expected `mmsb log copy FROM TO`, found 0 names behind `copy`"),
    "one place": (("log", "copy", "DATA"), "found 1 name behind `copy`"),
    "three places": (("log", "copy", "DATA", "b", "c"), "found 3 names behind `copy`"),
    "two folders": (("log", "copy", "DATA", "b"), "b: expected kafka://HOST:PORT, found a folder again; cp -a copies"),
    "no application": (
        ("log", "copy", "kafka://localhost:1", "DATA"),
        "kafka://localhost:1: expected the application as well, kafka://localhost:1/APP",
    ),
    "more than a folder": (("log", "DATA", "b"), "expected `mmsb log DATA` or `mmsb log copy FROM TO`, found 1 name"),
    "replicas of nothing": (("log", "DATA", "--replicas", "3"), "--replicas: only for `mmsb log copy FROM TO`"),
    "no replicas": (("log", "copy", "DATA", "kafka://h/bank", "--replicas", "0"), "expected 1 or more, found 0"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named_with_what_to_write(ask: Ask, folder: Path, what: str):
    given, words = MISTAKES[what]
    code, out, err = ask(*(str(folder) if part == "DATA" else part for part in given))
    assert (code, out) == (2, "")
    assert words in err


def test_brokers_that_are_not_there_are_named(ask: Ask, folder: Path):
    code, out, err = ask("log", "copy", folder, "kafka://127.0.0.1:1/bank")
    assert (code, out) == (6, "")
    assert "127.0.0.1:1" in err
