"""Each event counts once in a table, however often and whenever it is told."""

from typing import Any

from mmsb import EventKind, PageEvent
from mmsb.faust import EventTable, PublishedEvent


class Faust:
    """As much of an application as a table needs: what it stores, as its changelog would have it."""

    def __init__(self) -> None:
        self.stored: dict[Any, Any] = {}

    def Table(self, name: str, partitions: int) -> dict[Any, Any]:  # noqa: N802 - as Faust calls it
        return self.stored


def published(offset: int, ordinal: int = 0, log: str = "a") -> PublishedEvent[Any]:
    event: PageEvent[Any] = PageEvent(
        kind=EventKind.CREATED, key=1, page=None, fields=(), partition=0, offset=offset, ordinal=ordinal, before=0,
        time=0, intent="Place", cause="", hops=0,
    )  # fmt: skip
    return PublishedEvent(event, log)


def table(app: Any) -> EventTable[int]:
    return EventTable(app, "sums", default=0, partitions=2)


def count(sums: EventTable[int], event: PublishedEvent[Any], key: int = 1) -> bool:
    return sums.add(event, key, lambda before: before + 1)


def test_what_is_told_again_counts_once() -> None:
    sums = table(Faust())
    events = [published(3), published(3, 1), published(7)]
    assert [count(sums, event) for event in [*events, *events, published(8)]] == [True] * 3 + [False] * 3 + [True]
    assert sums[1] == 4


def test_what_is_told_again_after_a_restart_counts_once() -> None:
    app = Faust()
    count(table(app), published(3))
    assert not count(table(app), published(3))
    assert table(app)[1] == 1


def test_each_log_and_each_key_has_a_place_of_its_own() -> None:
    sums = table(Faust())
    assert count(sums, published(9))
    assert count(sums, published(2, log="b"))
    assert count(sums, published(2), key=5)
    assert not count(sums, published(9))
    assert dict(sums.items()) == {1: 2, 5: 1}
