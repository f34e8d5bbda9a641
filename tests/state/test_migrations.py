"""Migrations: steps lead from one layout to the other, or nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import PageLayout, place
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS, TIME, Array, Blob, Enumeration, FieldType, Text
from mmsb.state.migrations import convert, follow, migrate
from mmsb.state.partition import PartitionState
from tests.state.logs import ACCOUNT, GENESIS, KEY, WIDER, body

OPEN = Enumeration((("CLOSED", 2), ("OPEN", 1)))
ONLY_OPEN = Enumeration((("OPEN", 1),))


def page(*fields: tuple[str, FieldType], **defaults) -> PageLayout:
    placed = place([(name, kind, defaults.get(name, kind.default), ()) for name, kind in fields])
    return PageLayout("P", placed, (INTEGERS["u64"],), (0,))


def moved(old: PageLayout, new: PageLayout, values, *steps: Step):
    """What becomes of a page with these values."""
    after = convert(old.pack(values), new, follow(old, new, steps))
    assert not any(any(after[start:end]) for start, end in new.gaps)
    return new.unpack(after)


def refused(old: PageLayout, new: PageLayout, *steps: Step, match: str = "P") -> None:
    with pytest.raises(InvalidValue, match=match):
        follow(old, new, steps)


I64, I32, U8 = INTEGERS["i64"], INTEGERS["i32"], INTEGERS["u8"]
A = page(("a", I32))


def test_no_steps_put_fields_into_another_order():
    old = page(("a", U8), ("b", I64), ("c", Text(3)))
    new = page(("c", Text(3)), ("a", U8), ("b", I64))
    assert moved(old, new, [7, -8, "xyz"]) == ("xyz", 7, -8)


def test_a_field_is_added_with_the_new_default():
    assert moved(A, page(("b", Text(4)), ("a", I32), b="new"), [5], Step("add", "b")) == ("new", 5)


def test_a_field_is_dropped():
    assert moved(page(("a", I32), ("b", I64)), A, [5, 6], Step("drop", "b")) == (5,)


def test_a_field_is_renamed():
    assert moved(A, page(("b", I32)), [-5], Step("rename", "a", "b")) == (-5,)


def test_names_are_swapped_through_a_third():
    both = page(("a", I32), ("b", I32))
    steps = [Step("rename", "a", "c"), Step("rename", "b", "a"), Step("rename", "c", "b")]
    assert moved(both, both, [1, 2], *steps) == (2, 1)


def test_a_field_is_begun_anew():
    assert moved(A, page(("a", I32), a=9), [5], Step("drop", "a"), Step("add", "a")) == (9,)


def test_a_new_field_may_have_the_name_of_one_that_went_and_another_type():
    new = page(("a", BOOLEAN), ("b", I32), a=True)
    assert moved(A, new, [5], Step("rename", "a", "b"), Step("add", "a")) == (True, 5)


def test_what_is_added_has_the_default_of_the_name_under_which_it_was_added():
    new = page(("b", I32), ("c", I32), b=1, c=2)
    steps = [Step("drop", "a"), Step("add", "b"), Step("rename", "b", "x"), Step("add", "c"), Step("rename", "c", "b")]
    assert moved(A, new, [5], *steps, Step("rename", "x", "c")) == (2, 1)


WIDENINGS = [
    (narrow, wide)
    for narrow in INTEGERS
    for wide in INTEGERS
    if int(wide[1:]) > int(narrow[1:]) and (narrow[0], wide[0]) != ("i", "u")
]


@pytest.mark.parametrize(("narrow", "wide"), WIDENINGS)
def test_an_integer_keeps_its_value_in_a_wider_type(narrow, wide):
    old, new = page(("a", INTEGERS[narrow])), page(("a", INTEGERS[wide]))
    for value in (INTEGERS[narrow].minimum, 0, 1, INTEGERS[narrow].maximum):
        assert moved(old, new, [value], Step("widen", "a", wide)) == (value,)


@pytest.mark.parametrize("narrow", INTEGERS)
@pytest.mark.parametrize("wide", INTEGERS)
def test_an_integer_is_not_widened_to_what_cannot_hold_it(narrow, wide):
    if (narrow, wide) not in WIDENINGS:
        refused(page(("a", INTEGERS[narrow])), page(("a", INTEGERS[wide])), Step("widen", "a", wide), match="hold")


def test_an_integer_is_widened_by_degrees():
    old, new = page(("a", INTEGERS["i8"])), page(("b", I64))
    steps = [Step("widen", "a", "i16"), Step("rename", "a", "b"), Step("widen", "b", "i32"), Step("widen", "b", "i64")]
    assert moved(old, new, [-128], *steps) == (-128,)


def test_a_text_gets_more_room():
    old, new = page(("a", Text(3))), page(("a", Text(9)))
    assert moved(old, new, ["äx"], Step("widen", "a", "text(5)"), Step("widen", "a", "text(9)")) == ("äx",)


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        (Array(I32, 2), Array(I64, 2), (-5, 7), (-5, 7)),
        (Array(I32, 2), Array(I32, 4), (-5, 7), (-5, 7, 0, 0)),
        (Array(U8, 2), Array(INTEGERS["i16"], 3), (0, 255), (0, 255, 0)),
        (Array(FLOAT, 2), Array(FLOAT, 3), (-0.0, 1.5), (-0.0, 1.5, 0.0)),
    ],
)
def test_an_array_gets_more_places_and_wider_numbers(old, new, before, after):
    layouts = page(("x", U8), ("a", old)), page(("a", new), ("x", U8))
    assert repr(moved(*layouts, [1, before], Step("widen", "a", new.spelling))) == repr((after, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Text(3), Text(3)),
        (Text(3), Text(2)),
        (Text(3), Blob(9)),
        (Blob(3), Blob(9)),
        (Blob(3), Text(9)),
        (I32, TIME),
        (TIME, I64),
        (I32, FLOAT),
        (BOOLEAN, U8),
        (OPEN, I32),
        (U8, Text(9)),
        (Array(I64, 2), Array(I32, 2)),
        (Array(I32, 2), Array(I32, 2)),
        (Array(I64, 3), Array(I64, 2)),
        (Array(I32, 3), Array(I64, 2)),
        (Array(I32, 2), Array(FLOAT, 2)),
        (Array(I32, 2), I64),
        (I32, Array(I32, 2)),
    ],
)
def test_nothing_else_is_widened(old, new):
    refused(page(("a", old)), page(("a", new)), Step("widen", "a", new.spelling), match="hold")


def test_a_type_that_is_none_is_not_widened_to():
    for spelling in ("i65", "", "enum", "text(0)", "text(-1)"):
        refused(A, page(("a", I64)), Step("widen", "a", spelling))


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [Step("add", "a")],
        [Step("drop", "b")],
        [Step("rename", "b", "c")],
        [Step("widen", "b", "i64")],
        [Step("rename", "a", "b")],
        [Step("add", "c")],  # not in the new layout, which has no default for it
        [Step("add", "b"), Step("add", "b")],
        [Step("add", "b"), Step("rename", "a", "b")],
        [Step("add", "b"), Step("drop", "a")],
        [Step("add", "b"), Step("widen", "a", "i64")],  # to another type than the new layout's
        [Step("add", "b"), Step("drop", "b")],
        [Step("rename", "b", "b")],
    ],
)
def test_steps_that_lead_elsewhere_are_refused(steps):
    new = page(("a", I32), ("b", I32))
    assert follow(A, new, [Step("add", "b")])
    refused(A, new, *steps)


def test_members_of_an_enum_are_no_part_of_its_type():
    old, new = page(("a", OPEN)), page(("a", ONLY_OPEN), ("b", I32))
    after = convert(old.pack([2]), new, follow(old, new, [Step("add", "b")]))
    assert after[:2] == b"\x02\x00"


VALUES = st.tuples(st.text("xyé", max_size=4), st.integers(-(2**63), 2**63 - 1), st.sampled_from([1, 2]))
STEPS = (Step("rename", "owner", "holder"), Step("widen", "holder", "text(16)"), Step("add", "limit"))
TO_WIDER = Migration("Account", ACCOUNT.type_id, WIDER.type_id, STEPS)


@given(st.dictionaries(st.integers(-9, 9), st.tuples(st.integers(1, 99), VALUES), max_size=5))
def test_all_pages_of_a_type_keep_key_epoch_and_values(pages):
    state = PartitionState(GENESIS)
    state.add_layout(ACCOUNT)
    for key, (epoch, values) in pages.items():
        state.write_page(ACCOUNT.type_id, ACCOUNT.pack_key(key), epoch, ACCOUNT.pack(list(values)))
    migrate(state, [TO_WIDER], {"Account": WIDER})
    assert state.page_count == len(pages)
    assert state.layouts == {"Account": WIDER}
    for key, (epoch, (owner, balance, kind)) in pages.items():
        expected = WIDER.pack([balance, owner, kind, 7])
        assert state.read_page(WIDER.type_id, WIDER.pack_key(key)) == (epoch, expected)
    state.check()


def test_a_key_stays_as_it_is():
    other = PageLayout("Account", WIDER.fields, (INTEGERS["i64"],), (0,))
    state = PartitionState(GENESIS)
    state.add_layout(ACCOUNT)
    state.write_page(ACCOUNT.type_id, KEY, 1, body("ann", 1))
    plan = Migration("Account", ACCOUNT.type_id, other.type_id, STEPS)
    with pytest.raises(InvalidValue, match="cannot change the key"):
        migrate(state, [plan], {"Account": other})
