"""Page types for tests: one that is easy to read, and one with a field of every type, gaps and bounds."""

from typing import Any

from hypothesis import strategies as st

from mmsb.schemas.layouts import Bound, PageLayout, place
from mmsb.schemas.rejections import Op
from mmsb.schemas.types import (
    BOOLEAN,
    FLOAT,
    INTEGERS,
    TIME,
    Array,
    Blob,
    Boolean,
    Enumeration,
    FieldType,
    Float,
    Integer,
    Text,
)

I64, U64, I8, U8, U16, I32 = (INTEGERS[name] for name in ("i64", "u64", "i8", "u8", "u16", "i32"))
COLOURS = Enumeration((("RED", 1), ("GREEN", 7), ("BLUE", 300)))

ACCOUNT = PageLayout(
    "Account",
    place([("owner", Text(24), "", ()), ("balance", I64, 0, (Bound(Op.GE, 0),)), ("moves", I64, 0, ())]),
    (U64,),
    (0,),
)

EVERY = PageLayout(
    "Every",
    place(
        [
            ("tiny", I8, 0, (Bound(Op.GT, -100), Bound(Op.LT, 100))),
            ("colour", COLOURS, 1, ()),
            ("yes", BOOLEAN, False, ()),
            ("ratio", FLOAT, 0.0, (Bound(Op.LE, 1e9),)),
            ("name", Text(5), "", ()),
            ("steps", Array(I32, 3), (0, 0, 0), (Bound(Op.GE, -5),)),
            ("raw", Blob(3), bytes(3), ()),
            ("at", TIME, 0, ()),
            ("waves", Array(FLOAT, 2), (0.0, 0.0), ()),
            ("big", U64, 0, ()),
            ("small", U16, 0, ()),
        ]
    ),
    (I8, Text(9), Blob(3)),
    (0, 1, 2),
)

LAYOUTS = {layout.type_id: layout for layout in (ACCOUNT, EVERY)}

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def text_of(size):
    return NAMES.filter(lambda text: len(text.encode()) <= size)


def values_of(kind: FieldType) -> st.SearchStrategy[Any]:
    """Values that a field of this type takes, whatever its bounds."""
    match kind:
        case Integer():
            return st.integers(kind.minimum, kind.maximum)
        case Float():
            return FINITE
        case Boolean():
            return st.booleans()
        case Enumeration():
            return st.sampled_from([value for _, value in kind.members])
        case Text():
            return text_of(kind.size)
        case Blob():
            return st.binary(min_size=kind.size, max_size=kind.size)
        case Array():
            return st.lists(values_of(kind.element), min_size=kind.count, max_size=kind.count)


def bodies_of(layout):
    """Bodies of right values, within the bounds."""
    return (
        st.tuples(*(values_of(field.type) for field in layout.fields))
        .map(layout.pack)
        .filter(lambda body: layout.problem(body, 46) is None)
    )


def keys_of(layout):
    return st.tuples(*(values_of(kind) for kind in layout.key)).map(layout.pack_key)


EVERY_BODY = EVERY.pack(
    [-7, 300, True, -0.5, "ä\n", [1, -5, 3], b"\x00\xab\xff", 1_700_000_000_000_000, [1.0, 0.1], 2**64 - 1, 9]
)
EVERY_KEY = EVERY.pack_key((-3, 'é"\\', b"\x01\x02\x03"))
