"""What happened to pages, as values of the user's own classes: what `history`, `blame` and `events` give."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from mmsb.schemas.classes import Page, layout_of
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.events import Event, EventKind
from mmsb.schemas.ids import id_text
from mmsb.streams.door import Position
from mmsb.streams.past.changes import Change

P = TypeVar("P", bound=Page)

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Moment(Generic[P]):
    """What both say of a change: `page` is as it was after it, None once it is deleted; `before` its epoch before."""

    kind: EventKind
    key: Any
    page: P | None
    fields: tuple[str, ...]
    partition: int
    offset: int
    ordinal: int
    before: int
    time: int
    intent: str

    @property
    def when(self) -> datetime:
        """The partition clock at this change, UTC."""
        return datetime.fromtimestamp(self.time / _MICROSECONDS, UTC)


@dataclass(frozen=True, slots=True)
class PageChange(_Moment[P]):
    """One change of one page. `page` is as it was after it, None once it is deleted; `before` is its epoch before.

    `intent` names what was asked for, `fields` what it changed. `id` is the intent's, as text, or None.
    """

    id: str | None
    actor: str | None
    reason: str | None
    correlation: str | None
    causation: str | None
    generation: int


@dataclass(frozen=True, slots=True)
class PageEvent(_Moment[P]):
    """A change as others consume it. `partition`, `offset` and `ordinal` name it for ever, which is how to dedupe.

    `cause` is the intent's id, or what stands for one that had none; `hops` says how many follow-ups led to it.
    """

    cause: str
    hops: int

    @property
    def position(self) -> Position:
        """Where to go on after it: `bus.events(…, after={event.partition: event.position})`."""
        return Position(self.offset, self.ordinal)


def page_change(page: type[P], change: Change, descriptor: Descriptor) -> PageChange[P]:
    about = change.metadata
    return PageChange(
        **_moment(page, change, descriptor),
        id=_text(change.id),
        actor=about.actor,
        reason=about.reason,
        correlation=_text(about.correlation),
        causation=_text(about.causation),
        generation=change.generation,
    )


def page_event(page: type[P], event: Event, descriptor: Descriptor) -> PageEvent[P]:
    return PageEvent(**_moment(page, event, descriptor), cause=id_text(event.cause), hops=event.hops)


def _moment(page: type[P], told: Change | Event, descriptor: Descriptor) -> dict[str, Any]:
    return {
        "kind": told.kind,
        "key": layout_of(page).unpack_key(told.key),
        "page": _page(page, told),
        "fields": _fields(page, told.mask),
        "partition": told.partition,
        "offset": told.offset,
        "ordinal": told.ordinal,
        "before": told.before,
        "time": told.time,
        "intent": _intent(descriptor, told.intent_type),
    }


def _page(page: type[P], change: Change | Event) -> P | None:
    return None if change.kind == EventKind.DELETED else page.from_body(change.body, change.epoch)


def _fields(page: type[P], mask: bytes) -> tuple[str, ...]:
    bits = int.from_bytes(mask, "little")
    return tuple(field.name for index, field in enumerate(layout_of(page).fields) if bits >> index & 1)


def _intent(descriptor: Descriptor, type_id: int | None) -> str:
    """By its name, where the code that runs still has it."""
    layout = None if type_id is None else descriptor.layouts_by_type.get(type_id)
    return layout.name if layout is not None else f"type {type_id or 0:016x}"


def _text(id: bytes | None) -> str | None:
    return None if id is None else id_text(id)
