"""Pages converted all at once, and pages converted one by one: the same bytes, keys, epochs and digests."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.digest import Digest, page_term
from mmsb.schemas.layouts import PageLayout, place
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS, TIME, Array, Blob, Enumeration, FieldType, Float, Integer, Text
from mmsb.state import converting
from mmsb.state.arrays import ArrayState
from mmsb.state.migrations import migrate
from mmsb.state.partition import PartitionState
from mmsb.state.terms import add_terms
from tests.state.logs import GENESIS

KIND = Enumeration((("CLOSED", 2), ("OPEN", 1)))
KEY = (INTEGERS["i32"], Text(9))
WIDER: dict[str, list[FieldType]] = {
    "i8": [INTEGERS["i16"], INTEGERS["i64"]],
    "u16": [INTEGERS["u32"], INTEGERS["i32"]],
    "i32": [INTEGERS["i64"]],
    "text(3)": [Text(4), Text(17)],
    "i16[3]": [Array(INTEGERS["i16"], 4), Array(INTEGERS["i64"], 3), Array(INTEGERS["i32"], 5)],
    "f64[2]": [Array(FLOAT, 3)],
}
TYPES: tuple[FieldType, ...] = (
    *INTEGERS.values(), TIME, FLOAT, BOOLEAN, KIND, Text(3), Blob(5), Array(INTEGERS["i16"], 3), Array(FLOAT, 2),
)  # fmt: skip


def values_of(kind: FieldType) -> st.SearchStrategy[Any]:
    match kind:
        case Integer():
            return st.integers(kind.minimum, kind.maximum)
        case Float():
            return st.floats(allow_nan=False, allow_infinity=False)
        case Text():
            return st.text("xyz", max_size=kind.size)
        case Blob():
            return st.binary(min_size=kind.size, max_size=kind.size)
        case Array():
            return st.lists(values_of(kind.element), min_size=kind.count, max_size=kind.count)
        case Enumeration():
            return st.sampled_from([1, 2])
        case _:
            return st.booleans()


@st.composite
def migrations(draw: st.DrawFn) -> tuple[PageLayout, PageLayout, tuple[Step, ...]]:
    """A layout, another one, and steps from one to the other."""
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=6))
    fields = {f"old{index}": kind for index, kind in enumerate(kinds)}
    old = layout_of(draw, fields)
    steps: list[Step] = []
    for name, kind in list(fields.items()):
        ops = ["keep", "rename", "drop", *(["widen"] if kind.spelling in WIDER else [])]
        match draw(st.sampled_from(ops)):
            case "rename":
                fields[f"new{name}"] = fields.pop(name)
                steps.append(Step("rename", name, f"new{name}"))
            case "drop":
                del fields[name]
                steps.append(Step("drop", name))
            case "widen":
                fields[name] = draw(st.sampled_from(WIDER[kind.spelling]))
                steps.append(Step("widen", name, fields[name].spelling))
            case _:
                pass
    for index, kind in enumerate(draw(st.lists(st.sampled_from(TYPES), min_size=not fields, max_size=3))):
        fields[f"added{index}"] = kind
        steps.append(Step("add", f"added{index}"))
    order = draw(st.permutations(list(fields)))
    return old, layout_of(draw, {name: fields[name] for name in order}), tuple(steps)


def layout_of(draw: st.DrawFn, fields: dict[str, FieldType]) -> PageLayout:
    placed = [(name, kind, kind.unpack(kind.pack(draw(values_of(kind)))), ()) for name, kind in fields.items()]
    return PageLayout("P", place(placed), KEY, (0,))


def pages_of(layout: PageLayout) -> st.SearchStrategy[dict[bytes, tuple[int, bytes] | None]]:
    """By key; None is a page that was deleted again."""
    keys = st.tuples(st.integers(-20, 20), st.sampled_from(["", "k"])).map(layout.pack_key)
    bodies = st.tuples(*(values_of(field.type) for field in layout.fields)).map(layout.pack)
    return st.dictionaries(keys, st.tuples(st.integers(1, 2**63), bodies) | st.none(), max_size=12)


@st.composite
def filled(draw: st.DrawFn) -> tuple[list[PartitionState], PageLayout, PageLayout, tuple[Step, ...]]:
    """The same pages in both kinds of state."""
    old, new, steps = draw(migrations())
    pages = draw(pages_of(old))
    states = [PartitionState(GENESIS), ArrayState(GENESIS)]
    for state in states:
        state.add_layout(old)
        for key, page in pages.items():
            state.write_page(old.type_id, key, *(page or (1, old.default_body)))
        for key, page in pages.items():
            if page is None:
                state.write_page(old.type_id, key, 0, None)
    return states, old, new, steps


def content(state: PartitionState) -> dict[Any, Any]:
    return {page: (epoch, body) for page, epoch, body in state.pages}


@given(filled())
def test_both_ways_give_the_same_pages_and_digest(case) -> None:
    (plain, arrays), old, new, steps = case
    if old.type_id == new.type_id:
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(converting, "ROWS_AT_ONCE", 3)
        for state in (plain, arrays):
            migrate(state, [Migration("P", old.type_id, new.type_id, steps)], {"P": new})
            state.check()
    assert content(arrays) == content(plain)
    assert arrays.digest == plain.digest
    assert [new.stored_problem(body) for _, body in content(arrays).values()] == [None] * arrays.page_count


@given(filled())
def test_a_conversion_is_taken_back_whole_and_can_be_done_again(case) -> None:
    (_, state), old, new, steps = case
    if old.type_id == new.type_id:
        return
    before, digest = content(state), state.digest
    plan = [Migration("P", old.type_id, new.type_id, steps)]
    state.begin()
    migrate(state, plan, {"P": new})
    after, digest_after = content(state), state.digest
    state.rollback()
    state.check()
    assert (content(state), state.digest, state.layouts) == (before, digest, {"P": old})
    migrate(state, plan, {"P": new})
    state.check()
    assert (content(state), state.digest) == (after, digest_after)


@given(filled())
def test_pages_are_made_found_and_deleted_behind_a_conversion(case) -> None:
    states, old, new, steps = case
    if old.type_id == new.type_id:
        return
    for state in states:
        migrate(state, [Migration("P", old.type_id, new.type_id, steps)], {"P": new})
        for key in [key for (_, key), _, _ in list(state.pages)][::2]:
            state.write_page(new.type_id, key, 0, None)
        for number in range(-20, 20, 3):
            state.write_page(new.type_id, new.pack_key((number, "k")), 7, new.default_body)
        state.check()
    assert content(states[0]) == content(states[1])


@given(filled())
def test_the_sum_of_all_terms_is_that_of_each(case) -> None:
    (plain, arrays), old, *_ = case
    expected = sum(
        (page_term(page[0], page[1], epoch, body) for page, epoch, body in plain.pages),
        start=Digest(),
    )
    pages = arrays.array_pages.of(old)
    assert add_terms(old.type_id, converting._rows(pages, 0), pages.key_words) == expected
