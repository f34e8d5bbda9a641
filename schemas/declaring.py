"""From a user's class to its layout, refusing what cannot work where it is written."""

import enum
import inspect
import math
import sys
from collections import ChainMap
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeVar, cast, get_args, get_origin

from mmsb.schemas.classes import RESERVED_IN_INTENTS, RESERVED_IN_PAGES, Intent, Page
from mmsb.schemas.errors import InvalidDefinition, InvalidValue
from mmsb.schemas.layouts import Bound, Field, IntentLayout, KeyType, Layout, PageLayout, boundable, place
from mmsb.schemas.limits import FIELDS_MAX, KEY_BYTES_MAX, PAGE_BYTES_MAX
from mmsb.schemas.markers import MISSING, Specifier
from mmsb.schemas.places import Place, place_of_class
from mmsb.schemas.rejections import Op
from mmsb.schemas.types import Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text, Value

NUMBERS: Final = "i8, i16, i32, i64, u8, u16, u32, u64 or f64"
_INSTEAD: Final[dict[Any, str]] = {
    int: "i64 (or i8 to u64)",
    float: "f64",
    str: "`str = mmsb.text(n)`, n being the most bytes it may take",
    bytes: "`bytes = mmsb.blob(n)`",
    list: "`list[i64] = mmsb.array(n)`",
}

L = TypeVar("L", bound=Layout)
FieldParts = tuple[str, FieldType, Value | None, tuple[Bound, ...]]


def page_layout(cls: type[Any], key: object, partition_by: object, scope: Mapping[str, Any]) -> PageLayout:
    """The layout of a page class."""
    _check_class(cls, Page, "mmsb.Page")
    here = place_of_class(cls)
    fields = _fields(cls, scope)
    if not fields:
        raise here.wrong("a page needs at least one field, for instance `count: i64`")
    for name, *_ in fields:
        if name in RESERVED_IN_PAGES:
            raise place_of_class(cls, name).wrong(f"{name!r} is taken in pages; choose another name for the field")
    kept = [(n, kind, kind.default if d is None else d, b) for n, kind, d, b in fields]
    components = _key(key, here)
    layout = PageLayout(cls.__name__, place(kept), components, _partition_by(partition_by, len(components), here))
    if layout.key_size > KEY_BYTES_MAX:
        raise here.wrong(f"its key takes {layout.key_size} bytes, more than KEY_BYTES_MAX = {KEY_BYTES_MAX}")
    return _checked_size(layout, here)


def intent_layout(cls: type[Any], on_rejected: Any, scope: Mapping[str, Any]) -> IntentLayout:
    """The layout of an intent class."""
    _check_class(cls, Intent, "mmsb.Intent")
    fields = _fields(cls, scope)
    optional: str | None = None
    if on_rejected is not None and not isinstance(on_rejected, str):
        raise place_of_class(cls).wrong(f"on_rejected takes an intent's name as text, found {on_rejected!r}")
    for name, _, default, _ in fields:
        field_place = place_of_class(cls, name)
        if isinstance(given := vars(cls).get(name), Specifier) and given.was:
            raise field_place.wrong("was= is for pages: an intent with another field is another intent; leave it out")
        if name in RESERVED_IN_INTENTS:
            raise field_place.wrong(f"{name!r} is taken in intents; choose another name for the field")
        if default is None and optional:
            raise field_place.wrong(f"a field without a default cannot follow {optional!r}, which has one; move it up")
        optional = name if default is not None else optional
    layout = IntentLayout(cls.__name__, place(fields), on_rejected)
    return _checked_size(layout, place_of_class(cls))


def _checked_size(layout: L, here: Place) -> L:
    if layout.size > PAGE_BYTES_MAX:
        raise here.wrong(f"its fields take {layout.size} bytes, more than PAGE_BYTES_MAX = {PAGE_BYTES_MAX}")
    return layout


def _check_class(cls: Any, base: type[Any], spelled: str) -> None:
    if not isinstance(cls, type):
        raise InvalidDefinition(f"{cls!r} is no class: write the decorator above `class …({spelled}):`")
    here = place_of_class(cls)
    if cls.__bases__ != (base,):
        found = ", ".join(parent.__name__ for parent in cls.__bases__)
        raise here.wrong(f"expected `class {cls.__name__}({spelled}):` with no other base, found ({found})")
    if "__mmsb_layout__" in cls.__dict__:
        raise here.wrong("it is declared already; a class belongs to one app, once")
    if "__dataclass_fields__" in cls.__dict__:
        raise here.wrong("@dataclass would replace its constructor; leave it out, the class is a record already")
    if not _is_name(cls.__name__):
        raise here.wrong("names are ASCII letters, digits and _, beginning with a letter")


def _is_name(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not name.startswith("_")


def _fields(cls: type[Any], scope: Mapping[str, Any]) -> list[FieldParts]:
    annotations = inspect.get_annotations(cls)
    for name, value in vars(cls).items():
        if isinstance(value, Specifier) and name not in annotations:
            raise place_of_class(cls, name).wrong(f"it has no type; write `{name}: i64 = mmsb.{value.kind}(…)`")
        if _marked(value) and name not in annotations:
            raise place_of_class(cls, name).wrong(f"it has a type for its value; write `{name}: …` with a colon")
    if len(annotations) > FIELDS_MAX:
        raise place_of_class(cls).wrong(f"it has {len(annotations)} fields, more than FIELDS_MAX = {FIELDS_MAX}")
    return [_field(cls, name, annotation, scope) for name, annotation in annotations.items()]


def _field(cls: type[Any], name: str, annotation: Any, scope: Mapping[str, Any]) -> FieldParts:
    here = place_of_class(cls, name)
    if not _is_name(name):
        raise here.wrong("field names are ASCII letters, digits and _, beginning with a letter")
    given = vars(cls).get(name, MISSING)
    specifier = given if isinstance(given, Specifier) else Specifier("field", default=given)
    kind = _type(_resolved(annotation, cls, scope, here), specifier, here)
    bounds = tuple(_bound(kind, bound, here) for bound in specifier.bounds)
    _check_bounds(kind, bounds, here)
    return name, kind, _default(kind, specifier, bounds, here), bounds


def _resolved(annotation: Any, cls: type[Any], scope: Mapping[str, Any], here: Place) -> Any:
    if not isinstance(annotation, str):
        return annotation
    module: dict[str, Any] = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    try:
        return eval(annotation, dict(module), ChainMap(dict(scope), module, dict(vars(cls))))
    except Exception as error:
        raise here.wrong(f"its type {annotation!r} cannot be read: {error}; define or import it above") from error


def _type(annotation: Any, specifier: Specifier, here: Place) -> FieldType:
    if specifier.kind in ("text", "blob"):
        return _sized(annotation, specifier, here)
    if specifier.kind == "array" or get_origin(annotation) is list:
        return _array(annotation, specifier, here)
    marked = _marked(annotation)
    if marked:
        return marked
    if annotation is bool:
        return Boolean()
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _enumeration(annotation, here)
    raise here.wrong(f"{_spell(annotation)} is no field type; write {_instead(annotation)}")


def _instead(annotation: Any) -> str:
    if annotation is ClassVar or get_origin(annotation) is ClassVar:
        return "a constant of the module instead, `NAME = …` above the class"
    if get_origin(annotation) is Final:
        return "the type alone: no field can be assigned to"
    if isinstance(annotation, type) and issubclass(annotation, Page):
        return f"the type of its key, and `{annotation.__name__}[self.…]` in `query`"
    known = next((text for wrong, text in _INSTEAD.items() if wrong is annotation), None)
    return known or f"one of {NUMBERS}, time, bool, an enum.IntEnum, str, bytes or list"


def _spell(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _marked(annotation: Any) -> Integer | Float | None:
    found = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Integer | Float)]
    return found[0] if found else None


def _sized(annotation: Any, specifier: Specifier, here: Place) -> Text | Blob:
    wanted = str if specifier.kind == "text" else bytes
    if annotation is not wanted:
        raise here.wrong(f"mmsb.{specifier.kind}(…) makes a {wanted.__name__}; write `: {wanted.__name__} =`")
    return _text_or_blob(specifier, here)


def _text_or_blob(specifier: Specifier, here: Place) -> Text | Blob:
    size: Any = specifier.size
    if type(size) is not int or not 1 <= size <= PAGE_BYTES_MAX:
        raise here.wrong(f"mmsb.{specifier.kind}(n) takes a size of 1 to {PAGE_BYTES_MAX} bytes, found {size!r}")
    return Text(size) if specifier.kind == "text" else Blob(size)


def _array(annotation: Any, specifier: Specifier, here: Place) -> Array:
    element = _marked(get_args(annotation)[0]) if get_origin(annotation) is list else None
    if specifier.kind != "array" or element is None or getattr(element, "spelling", "") == "time":
        raise here.wrong(f"an array is written `list[i64] = mmsb.array(n)`, with one of {NUMBERS}")
    count: Any = specifier.size
    if type(count) is not int or not 2 <= count <= PAGE_BYTES_MAX:
        raise here.wrong(f"mmsb.array(n) takes a count of 2 to {PAGE_BYTES_MAX}, found {count!r}")
    return Array(element, count)


def _enumeration(cls: type[enum.Enum], here: Place) -> Enumeration:
    if not issubclass(cls, enum.IntEnum) or not len(cls):
        raise here.wrong(f"{cls.__name__} must be an enum.IntEnum with at least one member")
    members = tuple((name, int(member)) for name, member in cls.__members__.items())
    if not all(0 <= value <= 65_535 for _, value in members):
        raise here.wrong(f"the values of {cls.__name__} must lie between 0 and 65535")
    if len({value for _, value in members}) < len(members):
        raise here.wrong(f"{cls.__name__} gives one value two names; give each member a value of its own")
    return Enumeration(members, cls)


def _bound(kind: FieldType, bound: Bound, here: Place) -> Bound:
    number = kind.element if isinstance(kind, Array) else kind
    if not boundable(kind):
        raise here.wrong(f"{kind.spelling} cannot have bounds; only integers, time and f64 can")
    limit: Any = bound.limit
    if isinstance(number, Float) and _is_f64(limit):
        return Bound(bound.op, float(limit))
    if isinstance(number, Integer) and type(limit) is int and number.minimum <= limit <= number.maximum:
        return bound
    raise here.wrong(f"the bound {bound.op.sign} {limit!r} is no value of {number.spelling}; write one that is")


def _is_f64(limit: Any) -> bool:
    if type(limit) is int:
        return abs(limit) < 2**1023 and float(limit) == limit
    return type(limit) is float and math.isfinite(limit)


def _check_bounds(kind: FieldType, bounds: tuple[Bound, ...], here: Place) -> None:
    number = kind.element if isinstance(kind, Array) else kind
    least: float
    most: float
    if isinstance(number, Integer):
        least, most = number.minimum, number.maximum
        above: dict[Op, Any] = {Op.GE: 0, Op.GT: 1, Op.LE: 0, Op.LT: -1}
        allowed = [(bound.op, bound.limit + above[bound.op]) for bound in bounds]
    else:
        least, most = -sys.float_info.max, sys.float_info.max
        towards = {Op.GT: math.inf, Op.LT: -math.inf}
        allowed = [(b.op, math.nextafter(b.limit, towards.get(b.op, b.limit))) for b in bounds]
    low = max([least, *(limit for op, limit in allowed if op in (Op.GE, Op.GT))])
    high = min([most, *(limit for op, limit in allowed if op in (Op.LE, Op.LT))])
    if low > high:
        signs = " and ".join(f"{bound.op.sign} {bound.limit}" for bound in bounds)
        raise here.wrong(f"no {kind.spelling} is {signs}; widen the bounds")


def _default(kind: FieldType, specifier: Specifier, bounds: tuple[Bound, ...], here: Place) -> Value | None:
    if specifier.default is MISSING:
        return None
    try:
        default = kind.unpack(kind.pack(specifier.default))
    except InvalidValue as error:
        raise here.wrong(f"its default does not fit: {error}") from None
    broken = Field(here.name, kind, 0, default, bounds).broken_bound(default)
    if broken:
        bound = f"{broken[0].op.sign} {broken[0].limit}"
        raise here.wrong(f"its default {broken[1]} is not {bound}; choose one that is")
    return default


def _key(key: object, here: Place) -> tuple[KeyType, ...]:
    parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
    if not parts:
        raise here.wrong("a key has at least one component; write `key=u64`")
    return tuple(_key_component(part, here) for part in parts)


def _key_component(part: Any, here: Place) -> KeyType:
    if isinstance(part, Specifier) and part.kind in ("text", "blob") and not part.was:
        return _text_or_blob(part, here)
    marked = _marked(part)
    if isinstance(marked, Integer) and marked.spelling != "time":
        return marked
    raise here.wrong(f"a key is an integer type, mmsb.text(n), mmsb.blob(n) or a tuple of them, found {_spell(part)}")


def _partition_by(wanted: object, count: int, here: Place) -> tuple[int, ...]:
    if wanted is None:
        return tuple(range(count))
    parts = cast("tuple[object, ...]", wanted) if isinstance(wanted, tuple) else (wanted,)
    indices = tuple(part for part in parts if type(part) is int and 0 <= part < count)
    if not parts or len(set(indices)) < len(parts):
        raise here.wrong(f"partition_by names components of the key by index (0 to {count - 1}), found {wanted!r}")
    return indices
