"""Releases of one application, and what becomes of its pages and of their past between two of them.

Nothing here looks at what a migrate record says: each new field is followed to what it was by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple, TypeVar

from mmsb.schemas.events import Event, EventKind
from mmsb.schemas.tlog.records import TlogKind
from tests.model import bundle as model
from tests.model.batch import Record
from tests.model.compiled import Compiled
from tests.model.descriptors import read_descriptor
from tests.model.layout import PageLayout
from tests.model.state import State
from tests.model.tlog import decode_claim, decode_header
from tests.simulation import post, post_2, post_3
from tests.simulation.apps import ONE, Post, SimApp

MASK_BYTES = 8  # of up to 64 fields


@dataclass(frozen=True)
class Release:
    app: SimApp
    was: Mapping[str, str] = field(default_factory=dict[str, str])  # what fields were called in all releases before

    @property
    def layout(self) -> PageLayout:
        """Of its one type of pages."""
        (found,) = Compiled(self.app.description).pages.values()
        return found


@dataclass(frozen=True)
class Happened:
    """What history says of an event: also of one that changed only what is gone, which is no event any more."""

    kind: EventKind
    partition: int
    offset: int
    ordinal: int
    page_type: int
    key: bytes
    epoch: int
    before: int
    time: int
    intent_type: int
    mask: bytes
    body: bytes

    @classmethod
    def of(cls, event: Event) -> "Happened":
        return cls(*(getattr(event, each.name) for each in fields(cls)))

    @property
    def fields(self) -> list[int]:
        """Those that changed."""
        bits = int.from_bytes(self.mask, "little")
        return [index for index in range(bits.bit_length()) if bits >> index & 1]


Told = TypeVar("Told", Event, Happened)


class Migration:
    """From a layout to another one."""

    def __init__(self, old: Release, new: Release) -> None:
        self.old, self.new = old.layout, new.layout
        self._places = {each.name: each.index for each in self.old.fields}
        self._origins = [self._places.get(new.was.get(each.name, each.name)) for each in self.new.fields]

    def field(self, index: int) -> int | None:
        """What an old field is now; None if it is gone."""
        return self._origins.index(index) if index in self._origins else None

    def body(self, body: bytes) -> bytes:
        old = list(self.old.decode(body).values())
        new = zip(self.new.fields, self._origins, strict=True)
        return self.new.encode({each.name: each.default if at is None else old[at] for each, at in new})

    def pages(self, state: State) -> None:
        for (type_id, key), (epoch, body) in list(state.pages.items()):
            assert type_id == self.old.type_id, "there is one type"
            del state.pages[type_id, key]
            state.pages[self.new.type_id, key] = (epoch, self.body(body))

    def change(self, told: Told) -> Told:
        """What happened to a page before, told now."""
        mask = sum(1 << index for index in self._altered(told)).to_bytes(MASK_BYTES, "little")
        body = self.body(told.body) if told.body else b""
        return replace(told, page_type=self.new.type_id, mask=mask, body=body)

    def events(self, events: Iterable[Event]) -> list[Event]:
        """As consumers are told of them: not of changes of what is gone."""
        return [self.change(each) for each in events if each.kind != EventKind.CHANGED or self._altered(each)]

    def _altered(self, told: Event | Happened) -> list[int]:
        """Of the new fields, those that have what changed; all of them, if the page came into being."""
        created = told.kind == EventKind.CREATED
        return [index for index, at in enumerate(self._origins) if created or at in told.fields]


class Changed(NamedTuple):
    """After an intent has settled, pages are those of another release; of the first one from -1 on."""

    settled: int
    release: int


def releases_in(tlog: Iterable[Record], releases: Sequence[Release]) -> list[Changed]:
    """Whose pages a log has, one after another."""
    if len(releases) == 1:
        return [Changed(-1, 0)]
    numbers = {f"{release.layout.type_id:016x}": number for number, release in enumerate(releases)}
    found, claimed = list[Changed](), 0
    for record in tlog:
        if record.key == TlogKind.CLAIM.key and record.value is not None:
            (page,) = read_descriptor(decode_claim(record.value).descriptor)["pages"]
            claimed = numbers[page["type"]]
            found = found or [Changed(-1, claimed)]
        elif record.key == TlogKind.MIGRATE.key and record.value is not None:
            found.append(Changed(decode_header(record.value).last, claimed))
    return found


# The model's words for post_2.py and post_3.py

MOVED: model.Tree = ("aug", "+", ("get", "box", "moves"), ONE)
SCRAPPED: model.Tree = ("aug", "+", ("get", "box", "scrap"), ONE)
SINGLE: model.Tree = ("compare", post.COINS, (("==", ONE),))


def _second() -> model.Bundle:
    (box,), (fill, *others) = post.POST.pages, post.POST.intents
    fields = (*box.fields, model.Field("moves", "i16", default=7), model.Field("scrap", "i32"))
    filling = ("if", ((SINGLE, (SCRAPPED,)),), (*fill.delta, MOVED))
    return replace(post.POST, pages=(replace(box, fields=fields),), intents=(replace(fill, delta=(filling,)), *others))


def _third() -> model.Bundle:
    (box,), (fill, *others) = post.POST.pages, post.POST.intents
    (coins,) = box.fields
    fields = (replace(coins, name="held"), model.Field("moves", "i64", default=7))
    intents = (replace(fill, delta=(*fill.delta, MOVED)), *others)
    return replace(post.POST, pages=(replace(box, fields=fields),), intents=tuple(map(_holding, intents)))


def _holding(intent: model.Intent) -> model.Intent:
    """With another name for coins."""
    (_, op, _, coins), *more = intent.delta
    return replace(intent, delta=(("aug", op, ("get", "box", "held"), coins), *more))


POSTS = (
    Release(Post()),
    Release(Post(post_2.app.bundle(), _second(), post_2.Box)),
    Release(Post(post_3.app.bundle(), _third(), post_3.Box), {"held": "coins"}),
)
