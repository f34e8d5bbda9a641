"""Plans for migrations: what a class says leads to steps that work; what it leaves open is a problem, with advice."""

import pytest
from hypothesis import given

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import Bound, KeyType, PageLayout, place
from mmsb.schemas.origins import Origins
from mmsb.schemas.rejections import Op
from mmsb.schemas.tlog.migrations import Step
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS, TIME, Array, Blob, FieldType, Text
from mmsb.state.migrations import follow
from mmsb.state.planning import Plan, make_plans
from tests.state.test_converting import migrations

I64, I32, U8 = INTEGERS["i64"], INTEGERS["i32"], INTEGERS["u8"]


def page(*fields: tuple[str, FieldType], key: KeyType = I64, name: str = "P", by: int = 0, bounds=()) -> PageLayout:
    return PageLayout(name, place([(name, kind, kind.default, bounds) for name, kind in fields]), (key, U8), (by,))


def plan(old: PageLayout, new: PageLayout, was=None, dropped: tuple[str, ...] = (), partitions: int = 1) -> Plan:
    origins = Origins({name: (old,) if isinstance(old, str) else old for name, old in (was or {}).items()}, dropped)
    (found,) = make_plans({old.name: old}, [new], {new.name: origins}, partitions)
    return found


def steps(*given, **more) -> list[Step]:
    found = plan(*given, **more)
    follow(found.old, found.new, found.migration.steps)  # raises if they lead elsewhere
    return list(found.steps)


A = page(("a", I32))


def test_what_keeps_its_name_needs_nothing_said() -> None:
    assert steps(page(("a", I32), ("b", U8)), page(("b", U8), ("a", I32))) == []


def test_a_new_field_is_added() -> None:
    assert steps(A, page(("b", U8), ("a", I32))) == [Step("add", "b")]


def test_a_field_that_is_named_goes() -> None:
    assert steps(page(("a", I32), ("b", U8)), A, dropped=("b",)) == [Step("drop", "b")]


def test_a_field_that_says_what_it_was_goes_on() -> None:
    assert steps(A, page(("b", I32)), was={"b": "a"}) == [Step("rename", "a", "b")]


def test_any_earlier_name_will_do() -> None:
    assert steps(A, page(("c", I32)), was={"c": ("b", "a")}) == [Step("rename", "a", "c")]


def test_what_was_said_of_older_data_does_not_matter_for_newer_data() -> None:
    old, new = page(("b", I32)), page(("b", I32), ("new", U8))
    assert steps(old, new, was={"b": "a"}, dropped=("c",)) == [Step("add", "new")]


def test_a_name_may_be_used_again_once_its_field_has_moved_on() -> None:
    old, new = page(("b", I32)), page(("b", I32), ("a", U8))
    assert steps(old, new, was={"b": "a"}) == [Step("add", "a")]
    assert steps(new, page(("b", I32), ("a", U8), ("c", U8)), was={"b": "a"}) == [Step("add", "c")]


def test_all_at_once() -> None:
    old = page(("a", I32), ("b", Text(3)), ("c", Array(U8, 2)), ("d", FLOAT))
    new = page(("n", BOOLEAN), ("c", Array(INTEGERS["u16"], 3)), ("text", Text(9)), ("a", I64))
    assert steps(old, new, was={"text": "b"}, dropped=("d",)) == [
        Step("drop", "d"), Step("rename", "b", "text"), Step("widen", "c", "u16[3]"), Step("widen", "text", "text(9)"),
        Step("widen", "a", "i64"), Step("add", "n"),
    ]  # fmt: skip


@given(migrations())
def test_whatever_steps_can_do_can_be_said_and_is_planned(case) -> None:
    old, new, wanted = case
    if old.type_id == new.type_id:
        return
    was = {str(step.argument): step.field for step in wanted if step.op == "rename"}
    dropped = tuple(step.field for step in wanted if step.op == "drop")
    assert follow(old, new, steps(old, new, was=was, dropped=dropped)) == follow(old, new, wanted)


def test_pages_that_have_their_layout_and_new_pages_are_not_migrated() -> None:
    other = page(("a", I32), name="Other")
    assert make_plans({"P": A}, [A, other], {}, 3) == []


@pytest.mark.parametrize(
    ("old", "new", "more", "message"),
    [
        (page(("a", I32), ("b", U8)), A, {}, r"b is no field .*; write was='b' .* or dropped=\('b',\)"),
        (A, page(("b", I32)), {}, r"a is no field"),
        (A, page(("a", I32), ("b", I32)), {"was": {"b": "a"}}, "the class has a field a as well"),
        (A, page(("a", U8)), {}, r"a was i32 and is u8, .* give it back its type"),
        (page(("a", Text(4))), page(("a", Text(3))), {}, r"a was text\(4\) and is text\(3\)"),
        (page(("a", Blob(3))), page(("a", Blob(4))), {}, r"a was blob\(3\) and is blob\(4\)"),
        (page(("a", Array(I32, 3))), page(("a", Array(I32, 2))), {}, r"a was i32\[3\] and is i32\[2\]"),
        (page(("a", I64)), page(("a", TIME)), {}, r"a was i64 and is time"),
        (A, page(("b", Text(3))), {"was": {"b": "a"}}, r"b was i32 and is text\(3\), .*dropped=\('a',\)"),
        (page(("a", I32), ("b", I32)), page(("c", I32)), {"was": {"c": ("a", "b")}, "dropped": ("b",)}, "was a and b"),
        (A, page(("a", I32), key=I32), {}, r"a page keeps its key"),
        (
            page(("a", Array(I32, 2)), bounds=(Bound(Op.GE, 1),)),
            page(("a", Array(I32, 3)), bounds=(Bound(Op.GE, 1),)), {}, "its new places are 0, which its bounds refuse",
        ),
        (page(("a", I32), ("c", U8)), page(("a", I32), ("c", U8), by=1), {"partitions": 2}, "partition_by was"),
    ],
)  # fmt: skip
def test_what_is_open_or_would_lose_something_is_refused_with_advice(old, new, more, message) -> None:
    found = plan(old, new, **more)
    assert len(found.problems) == 1
    with pytest.raises(InvalidValue, match=message) as raised:
        print(found.migration)
    assert old.signature in str(raised.value)
    assert new.signature in str(raised.value)


def test_all_problems_are_named_at_once() -> None:
    old, new = page(("a", I32), ("b", U8), ("c", U8)), page(("a", U8), key=I32)
    assert [text.split()[0] for text in plan(old, new).problems] == ["a", "b", "c", "a"]


def test_with_one_partition_its_rule_may_change() -> None:
    assert make_plans({"P": A}, [page(("a", I32), by=1)], {}, 1) == []
