"""Events packed and as JSON are the same values, and what is no event of the class is told apart."""

import enum
import json
from typing import Any

import pytest

import mmsb
from mmsb import f64, i64, u8
from mmsb.faust.decoding import Decoder
from mmsb.schemas.classes import Ref, intent_layout_of, page_layout_of
from mmsb.schemas.errors import InvalidValue, MmsbError
from mmsb.schemas.events import Event, EventKind, event_json, field_mask

app = mmsb.App("shop", generation=1)


class Colour(enum.IntEnum):
    RED = 1
    GREEN = 2


@app.page(key=(i64, mmsb.text(8), mmsb.blob(3)))
class Every(mmsb.Page):
    name: str = mmsb.text(12)
    mark: bytes = mmsb.blob(4)
    price: f64
    small: u8
    open: bool
    colour: Colour = Colour.RED
    days: list[u8] = mmsb.array(3)


@app.page(key=i64)
class Other(mmsb.Page):
    count: i64


@app.intent
class Paint(mmsb.Intent):
    number: i64

    def query(self):
        return Other[self.number]

    def delta(self, other: Other) -> None:
        other.count += 1


PAGE = Every(name="té", mark=b"\x00\xff\x01\x02", price=0.1, small=255, open=True, colour=Colour.GREEN, days=[1, 2, 3])
KEY = (-3, 'é"\\', b"\x01\x02\x03")


def event(kind: EventKind, page: mmsb.Page = PAGE, key: Any = KEY) -> Event:
    layout = page_layout_of(type(page))
    before = None if kind == EventKind.CREATED else layout.default_body
    body = None if kind == EventKind.DELETED else page.packed_body()
    return Event(
        kind=kind, partition=1, offset=41, ordinal=2, page_type=layout.type_id, key=Ref(type(page), key).packed_key,
        epoch=42 if body else 0, before=17 if before else 0, time=1_700_000_000_000_000,
        intent_type=intent_layout_of(Paint).type_id, cause=bytes(range(16)), hops=1,
        mask=field_mask(layout, before, body), body=body or b"",
    )  # fmt: skip


def decoder() -> Decoder[Every]:
    return Decoder(Every, app.bundle().descriptor)


@pytest.mark.parametrize("kind", EventKind)
def test_both_forms_are_the_same_value(kind: EventKind) -> None:
    told = event(kind)
    packed = decoder().event(told.pack())
    assert packed == decoder().event(event_json(told, page_layout_of(Every), "Paint"))
    assert packed is not None
    assert (packed.key, packed.intent, packed.offset, packed.ordinal) == (KEY, "Paint", 41, 2)
    if kind == EventKind.DELETED:
        assert packed.page is None
    else:
        assert packed.page is not None
        assert (packed.page.packed_body(), mmsb.epoch_of(packed.page)) == (PAGE.packed_body(), 42)


def test_events_of_other_classes_are_left_out() -> None:
    other = event(EventKind.CREATED, Other(count=1), 5)
    assert decoder().event(other.pack()) is None
    assert decoder().event(event_json(other, page_layout_of(Other), "Paint")) is None


def test_an_event_of_classes_that_are_not_known_here_is_refused() -> None:
    """Left out, it would be missed: it may be one of this class as it was before a migration."""
    known_less = mmsb.App("shop", generation=1).bundle().descriptor
    with pytest.raises(InvalidValue, match="other page classes than the code here"):
        Decoder(Every, known_less).event(event(EventKind.CREATED, Other(count=1), 5).pack())


def without(member: str) -> bytes:
    members = json.loads(event_json(event(EventKind.CREATED), page_layout_of(Every), "Paint"))
    del members[member]
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    "value",
    [b"", b"rubbish", b"{", b"[]", b"MME", event(EventKind.CREATED).pack()[:-1], without("price"), without("@page")],
)
def test_what_is_no_event_is_refused(value: bytes) -> None:
    with pytest.raises(MmsbError, match="expected"):
        decoder().event(value)
