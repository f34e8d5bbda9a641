"""The base classes of what users declare: pages, intents, and references to pages.

An instance of a page is what was read: it cannot be assigned to, because state changes only through intents. An
instance of an intent is a request that can be packed; whether it may happen is decided where it is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar, dataclass_transform

from mmsb.schemas.errors import InvalidDefinition, InvalidValue, ReadOnly
from mmsb.schemas.layouts import IntentLayout, KeyValue, Layout, PageLayout
from mmsb.schemas.markers import array, blob, field, text

T = TypeVar("T")
RESERVED_IN_INTENTS = ("query", "predicate", "delta", "plan", "layout")
RESERVED_IN_PAGES = ("from_body",)


@dataclass(frozen=True, slots=True)
class Ref(Generic[T]):
    """One page by its key, whether it exists or not: `Account[1]`."""

    page: type[T]
    key: KeyValue

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.key)) if isinstance(self.key, tuple) else repr(self.key)
        return f"{self.page.__name__}[{inside}]"

    @property
    def packed_key(self) -> bytes:
        layout: PageLayout = page_layout_of(self.page)
        return layout.pack_key(self.key)


class PageClass(type):
    """The class of page classes: gives them `Account[key]`; Python may not try every key when asked to loop."""

    __iter__ = None
    __contains__ = None

    def __getitem__(cls: type[T], key: Any) -> Ref[T]:
        layout: PageLayout = layout_of(cls)
        return Ref(cls, layout.unpack_key(layout.pack_key(key)))


class _Record:
    """What pages and intents share: fields given by a layout, set once."""

    def __setattr__(self, name: str, value: object) -> None:
        cls = type(self).__name__
        raise ReadOnly(f"{cls}.{name} cannot be assigned to: state changes only through intents (app.intent)")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def _values(self, layout: Layout) -> tuple[Any, ...]:
        return tuple(self.__dict__[f.name] for f in layout.fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if not k.startswith("_"))
        return f"{type(self).__name__}({shown})"


@dataclass_transform(kw_only_default=True, field_specifiers=(field, text, blob, array))
class Page(_Record, metaclass=PageClass):
    """A fixed-size page, one for each key. Declare a subclass under `@app.page(key=…)`."""

    __mmsb_layout__: ClassVar[PageLayout]

    def __init__(self, /, **values: Any) -> None:
        layout = layout_of(type(self))
        unknown = values.keys() - layout.index_of.keys()
        if unknown:
            raise _no_such_field(layout, sorted(unknown)[0])
        body = layout.pack([values.get(f.name, f.default) for f in layout.fields])
        self._fill(body, 0)

    def _fill(self, body: bytes, epoch: int) -> None:
        layout = layout_of(type(self))
        _set_fields(self, layout, body)
        object.__setattr__(self, "_epoch", epoch)

    def packed_body(self) -> bytes:
        """Its fields as the layout stores them; for MMSB itself."""
        layout: PageLayout = layout_of(type(self))
        return layout.pack(self._values(layout))

    @classmethod
    def from_body(cls, body: bytes, epoch: int) -> Self:
        """A page that was read; for MMSB itself."""
        page = cls.__new__(cls)
        page._fill(body, epoch)
        return page


@dataclass_transform(frozen_default=True, field_specifiers=(field, text, blob, array))
class Intent(_Record):
    """A request with typed arguments. Declare a subclass under `@app.intent`, with `query` and `delta`."""

    __mmsb_layout__: ClassVar[IntentLayout]
    __mmsb_plan__: ClassVar[Callable[..., Any]]

    def __init__(self, /, *args: Any, **named: Any) -> None:
        layout = layout_of(type(self))
        body = layout.pack(bind_arguments(layout, args, named))
        _set_fields(self, layout, body)
        object.__setattr__(self, "_body", body)

    def plan(self, **metadata: Any) -> Any:
        """What this intent asks for, in four parts: query, predicate, delta spec, metadata."""
        layout_of(type(self))
        return type(self).__mmsb_plan__(self, metadata)

    def packed_arguments(self) -> bytes:
        """Its fields as the layout stores them, which were packed when it was made; for MMSB itself."""
        body: bytes = self.__dict__["_body"]
        return body


def _set_fields(record: _Record, layout: Layout, body: bytes) -> None:
    record.__dict__.update(zip(layout.index_of, layout.unpack(body), strict=True))


def bind_arguments(layout: IntentLayout, args: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    """The values of an intent's fields, in order, from a call's arguments."""
    if len(args) == len(layout.fields) and not named:
        return list(args)
    if len(args) > len(layout.fields):
        raise InvalidValue(f"{layout.name}: expected at most {len(layout.fields)} arguments, found {len(args)}")
    given = dict(zip(layout.index_of, args, strict=False))
    for name, value in named.items():
        if name not in layout.index_of:
            raise _no_such_field(layout, name)
        if name in given:
            raise InvalidValue(f"{layout.name}: {name} was given twice")
        given[name] = value
    missing = [f.name for f in layout.fields if f.name not in given and f.default is None]
    if missing:
        raise InvalidValue(f"{layout.name}: missing {', '.join(missing)}")
    return [given.get(f.name, f.default) for f in layout.fields]


def _no_such_field(layout: Layout, name: str) -> InvalidValue:
    return InvalidValue(f"{layout.name} has no field {name!r}; it has {', '.join(layout.index_of) or 'none'}")


def layout_of(cls: type[Any]) -> Any:
    """The layout of a declared page or intent class."""
    layout = cls.__dict__.get("__mmsb_layout__")
    if layout is None:
        door = "@app.page(key=…)" if issubclass(cls, Page) else "@app.intent"
        raise InvalidDefinition(f"class {cls.__name__} is not declared: write {door} above it")
    return layout


def page_layout_of(cls: object) -> Any:
    """The layout of what must be a declared page class."""
    if not isinstance(cls, PageClass):
        raise InvalidValue(f"expected a page class, such as Account, found {_shown(cls)}")
    return layout_of(cls)


def intent_layout_of(cls: object) -> Any:
    """The layout of what must be a declared intent class."""
    if not isinstance(cls, type) or not issubclass(cls, Intent):
        found = _shown(cls)  # pyright: ignore[reportUnknownArgumentType] - whatever it is
        raise InvalidValue(f"expected an intent class, such as Transfer, found {found}")
    return layout_of(cls)


def _shown(value: object) -> str:
    name: str | None = getattr(value, "__name__", None)
    return repr(value) if name is None else f"the class {name}"


def epoch_of(page: Page) -> int:
    """The epoch of a page that was read: the offset of the intent that last changed it, plus 1; 0: no such page."""
    epoch: int | None = getattr(page, "_epoch", None)
    if epoch is None:
        raise InvalidValue(f"epoch_of: expected a page that was read, found {page!r}")
    return epoch
