"""What a user says of a processor: where its messages come from, and what may go wrong with one."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmsb.schemas.errors import InvalidDefinition

if TYPE_CHECKING:  # not loaded, because declaring does without
    from mmsb.processors.requests import AnyId, Request
    from mmsb.schemas.classes import Intent
    from mmsb.streams.kafka.cluster.security import Security

CONCURRENCY: Final = 64
ATTEMPTS: Final = 3
TIMEOUT_SECONDS: Final = 30.0
PROCESSOR_NAME_MAX: Final = 40  # characters: brokers take 249 for an application's name, this one and what is behind
POSITION_MAX: Final = 2**47 - 2
"""Of a message in its source; with an ordinal of 16 bits it makes the number that an intent carries, below 2⁶³."""

Decode = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of Kafka as a source of messages.

    `decode` makes a message's value of its bytes: JSON unless something else is said; None leaves them as they are.
    `at` is the cluster, `kafka://host:port`, to which `security` says who we are; unless it is given, the one that
    the application's own topics are in.
    """

    name: str
    decode: Decode | None = json.loads
    at: str | None = None
    security: "Security | None" = None


@dataclass(slots=True)
class Message:
    """One message, as a processor gets it."""

    value: Any
    key: bytes | None
    time: int
    """Milliseconds since 1970, UTC, as the topic has it; -1 if it has none, and for iterators."""
    source: str
    """What it is a message of: `topic/partition`, or the name of a processor that reads an iterator."""
    position: int
    """Its offset, or what the iterator says."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Consecutive messages of one source, as a processor of batches gets them: columns of one length."""

    values: Sequence[Any]
    keys: Sequence[bytes | None]
    times: Sequence[int]
    source: str
    positions: Sequence[int]

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, stop: int) -> "Messages":
        """Those with index `start` up to `stop`."""
        some = slice(start, stop)
        return Messages(self.values[some], self.keys[some], self.times[some], self.source, self.positions[some])


@dataclass(frozen=True, slots=True)
class Ask:
    """An intent, and what is to be known about it; a processor may give this instead of the intent alone."""

    intent: "Request"
    id: "AnyId | None" = None
    actor: str | None = None
    reason: str | None = None
    correlation: "AnyId | None" = None
    causation: "AnyId | None" = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Intents of one class as columns: what a processor of batches gives.

    `rows` says of which message each is, by index, and never falls; unless it is given, there is one for each message.
    """

    intent: "type[Intent]"
    columns: Mapping[str, Any]
    rows: Any = None
    actor: str | None = None
    reason: str | None = None


Iterates = Callable[[], AsyncIterator[tuple[int, Any]]]
"""Called when it begins; gives positions, which rise, each with a value."""


@dataclass(frozen=True, slots=True)
class Processor:
    """An async function and its source; `app.processor` makes it."""

    name: str
    function: Callable[[Any], Coroutine[Any, Any, Any]]
    source: Topic | Iterates
    concurrency: int = CONCURRENCY
    batch: int | None = None
    attempts: int = ATTEMPTS
    timeout: float = TIMEOUT_SECONDS
    rejects: str | Path | None = None

    def __post_init__(self) -> None:
        function: Any = self.function
        takes_one = iscoroutinefunction(function) and _takes_one(function)
        self._check(takes_one, f"expected an `async def` function of one argument, the message, found {function!r}")
        of_topic, source = isinstance(self.source, Topic), self.source
        usable = of_topic or callable(source)
        self._check(usable, f"expected source= mmsb.Topic(…) or a function that iterates, found {source!r}")
        counts = [("concurrency", self.concurrency), ("attempts", self.attempts)]
        for name, given in counts if self.batch is None else [*counts, ("batch", self.batch)]:
            self._check(type(given) is int and given >= 1, f"expected {name}= an integer from 1, found {given!r}")
        seconds: object = self.timeout
        timed = isinstance(seconds, int | float) and seconds > 0  # pyright: ignore[reportUnnecessaryIsInstance]
        self._check(timed, f"expected timeout= a number of seconds above 0, found {seconds!r}")
        if of_topic:
            named = self.rejects is None or isinstance(self.rejects, str)
            self._check(named, f"expected rejects= the name of a topic, found {self.rejects!r}")
            own = isinstance(self.source, Topic) and self.rejects == self.source.name
            self._check(not own, "expected rejects= another topic than its source: what is set aside would come again")
        else:
            self._check(self.rejects is not None, "expected rejects= the path of a file for what fails, found none")

    def _check(self, holds: bool, words: str) -> None:
        if not holds:
            raise InvalidDefinition(f"processor {self.name!r}: {words}")


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind(None)
    except TypeError:
        return False
    return True
