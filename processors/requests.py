"""From Python objects to the bytes of an intent, packed or as JSON: what a client puts into the intents log."""

from uuid import UUID

from mmsb.processors.doors import Mutate, Upsert
from mmsb.schemas.classes import Intent, layout_of
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import make_id, source_of
from mmsb.schemas.intents import json_intent, pack_intent
from mmsb.schemas.json_values import json_value
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.sources import OUTSIDE, Source

Request = Intent | Mutate | Upsert
AnyId = str | UUID | bytes


def pack(
    request: Request,
    *,
    id: AnyId | None = None,
    actor: str | None = None,
    reason: str | None = None,
    correlation: AnyId | None = None,
    causation: AnyId | None = None,
    trace: str | None = None,
    source: str | None = None,
    number: int | None = None,
) -> bytes:
    """A packed intent. The same `id` is applied once within the dedupe window; so is a `number` of a `source`."""
    layout, arguments = _packed(request)
    silent = actor is reason is correlation is causation is trace is None
    return pack_intent(
        layout.type_id,
        arguments,
        id=None if id is None else make_id(id),
        source=_outside(source, number),
        metadata=b"" if silent else metadata(actor, reason, correlation, causation, trace).pack(),
    )


def pack_numbered(
    request: Request, source: bytes, number: int, *, id: AnyId | None = None, metadata: bytes = b""
) -> bytes:
    """A packed intent that is a number of an outside source, which `source_of` has made 16 bytes of."""
    layout, arguments = _packed(request)
    numbered = Source(OUTSIDE, source, number, 0)
    return pack_intent(
        layout.type_id, arguments, id=None if id is None else make_id(id), source=numbered, metadata=metadata
    )


def pack_json(
    request: Intent,
    *,
    id: AnyId | None = None,
    actor: str | None = None,
    reason: str | None = None,
    correlation: AnyId | None = None,
    causation: AnyId | None = None,
    trace: str | None = None,
    source: str | None = None,
    number: int | None = None,
) -> bytes:
    """The same intent as JSON, as a service in another language would write it."""
    layout = _layout(request)
    members = {field.name: json_value(field.type, getattr(request, field.name)) for field in layout.fields}
    about = metadata(actor, reason, correlation, causation, trace)
    return json_intent(layout.name, members, id=id, source=source, number=number, metadata=about)


def metadata(
    actor: str | None, reason: str | None, correlation: AnyId | None, causation: AnyId | None, trace: str | None
) -> Metadata:
    ids = [None if given is None else make_id(given) for given in (correlation, causation)]
    return Metadata(actor=actor, reason=reason, correlation=ids[0], causation=ids[1], trace=trace)


def _packed(request: Request) -> tuple[IntentLayout, bytes]:
    if isinstance(request, Mutate | Upsert):
        return request.layout, request.pack_arguments()
    layout = _layout(request)
    return layout, request.packed_arguments()


def _layout(request: object) -> IntentLayout:
    if isinstance(request, type) and issubclass(request, Intent):
        fields = ", ".join(f"{name}=…" for name in layout_of(request).index_of)
        raise InvalidValue(f"expected an intent, found its class: write {request.__name__}({fields})")
    if not isinstance(request, Intent):
        raise InvalidValue(f"expected an intent, such as Transfer(1, 2, 10), found {request!r}")
    layout: IntentLayout = layout_of(type(request))
    return layout


def _outside(source: str | None, number: int | None) -> Source | None:
    if (source is None) != (number is None):
        raise InvalidValue("source and number go together: give both or neither")
    if source is None or number is None:
        return None
    if type(number) is not int:
        raise InvalidValue(f"number: expected an integer from 1, found {number!r}")
    return Source(OUTSIDE, source_of(source), number, 0)
