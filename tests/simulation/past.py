"""What happened to the pages of a partition, says the model, and whether history, blame and events tell just that."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mmsb.schemas.events import Event, EventKind, unpack_event
from mmsb.state.pages import PageId
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.past.changes import Change
from tests.model.events import encode_events
from tests.model.machine import Machine, Outcome
from tests.simulation.claims import require
from tests.simulation.releases import Happened, Migration

FROM_THE_START = Position(-1, 0)


@dataclass(frozen=True)
class Look:
    """What somebody was told of a page's past, as of a boundary from `lower` to `upper`."""

    lower: int
    upper: int
    page: PageId
    found: list[Change]
    expected: Callable[[list[Happened]], list[Happened]]  # of all that happened to the page by then
    begin: int = 0  # what happened before this offset was said to be trimmed
    refused: bool = False  # and that was all that was said


@dataclass
class Subscription:
    """What a consumer has seen of a partition's events in all of its lives. It goes on behind the last of them."""

    partition: int
    wanted: EventFilter
    begin: Position | None  # None: what is submitted from some moment on
    lower: int = -1  # then: no event up to here
    upper: int | None = None  # and all events from this offset on, which was submitted after that moment
    seen: list[Event] = field(default_factory=list[Event])
    ended: bool = False  # the engine closed, and there was no more to see

    @property
    def after(self) -> Position | None:
        return Position(self.seen[-1].offset, self.seen[-1].ordinal) if self.seen else self.begin

    @property
    def last(self) -> int:
        return self.seen[-1].offset if self.seen else -1

    def migrate(self, migration: Migration) -> bool:
        """Go on as a consumer of the next release; False if nothing of what it wanted is left."""
        fields = self.wanted.fields and [migration.field(each) for each in self.wanted.fields]
        left = None if fields is None else tuple(each for each in fields if each is not None)
        self.wanted = EventFilter(migration.new.type_id, self.wanted.key, left)
        self.seen = migration.events(self.seen)
        return left != ()

    def wants(self, event: Event) -> bool:
        wanted = self.wanted
        touched = wanted.fields is None or any(each in event.fields for each in wanted.fields)
        return wanted.page_type == event.page_type and wanted.key in (None, event.key) and touched


class Past:
    """Grows as the judge replays a log."""

    def __init__(self) -> None:
        self._changes: list[Happened] = []  # in the words of the newest release, like all that is told
        self._events: list[Event] = []  # those that consumers are told of

    def add(self, outcome: Outcome, machine: Machine) -> None:
        packed = encode_events(machine.compiled, outcome, machine.partition, machine.log_id)
        found = list(map(unpack_event, packed))
        self._changes += map(Happened.of, found)
        self._events += found

    def migrate(self, migration: Migration) -> None:
        self._changes = list(map(migration.change, self._changes))
        self._events = migration.events(self._events)

    def judge_look(self, look: Look) -> None:
        events = [event for event in self._changes if (event.page_type, event.key) == look.page]
        boundaries = {look.lower, *(each.offset for each in events if look.lower < each.offset <= look.upper)}
        answers = [look.expected([each for each in events if each.offset <= boundary]) for boundary in boundaries]
        if look.refused:
            trimmed = any(all(each.offset < look.begin for each in answer) for answer in answers)
            require("only what was trimmed is refused", trimmed, f"{look!r}, and what happened: {events}")
            return
        found = list(map(_told, look.found))
        held = any(found == [_told(each) for each in answer if each.offset >= look.begin] for answer in answers)
        require("the past is what happened", held, f"{look!r}, and what happened: {events}")

    def missing(self, subscription: Subscription) -> Event | None:
        """The last event that a consumer would see, if it has not."""
        events = self._wanted(subscription)
        return events[-1] if events and (events[-1].offset, events[-1].ordinal) > self._end(subscription) else None

    def judge_subscription(self, subscription: Subscription) -> None:
        """What was seen is a stretch of what there is, from where it began."""
        seen, events = subscription.seen, self._wanted(subscription)
        if seen:
            first = next((at for at, event in enumerate(events) if event == seen[0]), len(events))
            told = events[first : first + len(seen)]
            wrong = next((pair for pair in zip(seen, told, strict=False) if pair[0] != pair[1]), None)
            whole = wrong is None and len(told) == len(seen)
            found = f"{subscription.wanted}: {wrong or seen[len(told) :]!r}"
            require("events are those of the log, in order, each once", whole, found)
            missed = events[0] if subscription.begin is not None else self._from(subscription, events)
            begun = missed is None or (missed.offset, missed.ordinal) >= (seen[0].offset, seen[0].ordinal)
            require("events begin where they were asked for", begun, f"{missed!r} was left out before {seen[0]!r}")

    def _from(self, subscription: Subscription, events: list[Event]) -> Event | None:
        """The first that must be there, of one who asked for what comes."""
        upper = subscription.upper
        return None if upper is None else next((each for each in events if each.offset >= upper), None)

    def _wanted(self, subscription: Subscription) -> list[Event]:
        return [each for each in self._events if each.offset > subscription.lower and subscription.wants(each)]

    def _end(self, subscription: Subscription) -> tuple[int, int]:
        after = subscription.after
        return (subscription.lower, 0) if after is None else (after.offset, after.ordinal)


def newest(limit: int) -> Callable[[list[Happened]], list[Happened]]:
    return lambda events: events[::-1][:limit]


def culprit(index: int | None) -> Callable[[list[Happened]], list[Happened]]:
    """Who gave a field its value, or the page its existence."""

    def find(events: list[Happened]) -> list[Happened]:
        touching = [each for each in events if each.kind == EventKind.CREATED or index in each.fields]
        return touching[-1:]

    return find


def _told(each: Happened | Change) -> tuple[object, ...]:
    """What both say."""
    return (
        each.kind,
        each.partition,
        each.offset,
        each.ordinal,
        each.page_type,
        each.key,
        each.epoch,
        each.before,
        each.time,
        each.intent_type,
        each.mask,
        each.body,
    )
