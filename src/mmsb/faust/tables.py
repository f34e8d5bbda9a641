# pyright: reportUnknownMemberType=false
"""A table of Faust's in which each event counts once, however often it is told.

Faust commits where it has read up to, and writes what became of its tables, apart from each other. So an event may come
again that a table knows. Each value has the places of the events in it beside it, one for each log, in the same record
of the changelog: there is no moment at which one is there and the other is not.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import faust

from mmsb.faust.events import PublishedEvent

V = TypeVar("V")


class EventTable(Generic[V]):
    """Values by key. Those of a key have to come from events of one partition, as Faust keeps them.

    spent = EventTable(faust_app, "spent", default=0, partitions=2)
    ...
        async for published in orders.read(stream):
            spent.add(published, customer, lambda before: before + total)
    """

    def __init__(self, faust_app: faust.App, name: str, *, default: V, partitions: int) -> None:
        """Values are what JSON has. `partitions`: as many as the application has."""
        self._default = default
        self._table: Any = faust_app.Table(name, partitions=partitions)

    def add(self, published: PublishedEvent[Any], key: Any, change: Callable[[V], V]) -> bool:
        """Give a key the value that an event makes of the one before it; False if it did already. Within the agent."""
        event, stored = published.event, self._table.get(key)
        seen: dict[str, list[int]] = {} if stored is None else stored["seen"]
        if seen.get(published.log, [-1, 0]) >= [event.offset, event.ordinal]:
            return False
        value = change(self._default if stored is None else stored["value"])
        self._table[key] = {"value": value, "seen": {**seen, published.log: [event.offset, event.ordinal]}}
        return True

    def __getitem__(self, key: Any) -> V:
        stored = self._table.get(key)
        return self._default if stored is None else stored["value"]

    def items(self) -> Iterator[tuple[Any, V]]:
        """Of all keys that this worker has."""
        for key, stored in self._table.items():
            yield key, stored["value"]
