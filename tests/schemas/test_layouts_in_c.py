"""A layout is a C struct: `ctypes` puts every field at the same place, and reads the same values."""

import ctypes
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.layouts import PageLayout, place
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
from tests.schemas.pages import ACCOUNT, COLOURS, EVERY, EVERY_BODY

INTEGERS_IN_C = {
    (1, True): ctypes.c_int8,
    (2, True): ctypes.c_int16,
    (4, True): ctypes.c_int32,
    (8, True): ctypes.c_int64,
    (1, False): ctypes.c_uint8,
    (2, False): ctypes.c_uint16,
    (4, False): ctypes.c_uint32,
    (8, False): ctypes.c_uint64,
}

numbers = st.sampled_from([*INTEGERS.values(), FLOAT])
types = st.one_of(
    numbers,
    st.sampled_from([TIME, BOOLEAN, COLOURS]),
    st.builds(Text, st.integers(1, 20)),
    st.builds(Blob, st.integers(1, 20)),
    st.builds(Array, numbers, st.integers(2, 9)),
)


def in_c(kind: FieldType) -> Any:
    match kind:
        case Integer():
            return INTEGERS_IN_C[kind.size, kind.signed]
        case Float():
            return ctypes.c_double
        case Boolean():
            return ctypes.c_uint8
        case Enumeration():
            return ctypes.c_uint16
        case Text() | Blob():
            return ctypes.c_uint8 * kind.size
        case Array():
            return in_c(kind.element) * kind.count


def mirror(layout: PageLayout) -> type[ctypes.Structure]:
    """The struct that a C programmer would write: the fields in order, then padding to 8 bytes."""
    members = [(field.name, in_c(field.type)) for field in layout.fields]
    tail = layout.size - layout.fields[-1].end
    if tail:
        members.append(("padding", ctypes.c_uint8 * tail))
    return type(layout.name, (ctypes.LittleEndianStructure,), {"_fields_": tuple(members)})


def agrees(layout: PageLayout) -> None:
    struct = mirror(layout)
    assert ctypes.sizeof(struct) == layout.size
    for field in layout.fields:
        member = getattr(struct, field.name)
        assert (member.offset, member.size) == (field.offset, field.type.size)


@given(st.lists(types, min_size=1, max_size=12))
def test_any_layout_has_the_offsets_and_the_size_of_its_struct(kinds):
    fields = place([(f"f{index}", kind, kind.default, ()) for index, kind in enumerate(kinds)])
    agrees(PageLayout("Any", fields, (INTEGERS["u64"],), (0,)))


def test_a_struct_reads_what_a_layout_wrote():
    agrees(ACCOUNT)
    agrees(EVERY)
    read = mirror(EVERY).from_buffer_copy(EVERY_BODY)
    assert (read.tiny, read.colour, read.yes, read.ratio) == (-7, 300, 1, -0.5)
    assert bytes(read.name) == "ä\n".encode().ljust(5, b"\x00")
    assert list(read.steps) == [1, -5, 3]
    assert (bytes(read.raw), read.big, read.small) == (b"\x00\xab\xff", 2**64 - 1, 9)
