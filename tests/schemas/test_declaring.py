# ruff: noqa: E501 - small classes read best on one line, beside what their refusal says
"""Declaring pages and intents: what each line of a class comes to, and how what cannot work is refused."""

import enum
import math
import struct
import sys
import types
from typing import Any

import pytest

import mmsb
from mmsb.schemas.classes import layout_of
from mmsb.schemas.layouts import Bound
from mmsb.schemas.rejections import Op
from tests.language.harness import app_of, load, refused

HEAD = "import enum\nimport mmsb\nfrom mmsb import *\nfrom mmsb import time\n\napp = mmsb.App('test')\n\n\n"
INTENT = "\n\n    def query(self):\n        return P[1]\n\n    def delta(self, p):\n        pass\n"


class Level(enum.IntEnum):
    LOW = 3
    HIGH = 65_535


def field_of(annotation: Any, value: Any = None) -> Any:
    """The declared field of a one-field page."""
    body: dict[str, Any] = {"__annotations__": {"x": annotation}, "__module__": __name__}
    if value is not None:
        body["x"] = value
    cls: Any = types.new_class("One", (mmsb.Page,), exec_body=lambda names: names.update(body))
    return mmsb.App("one").page(key=mmsb.u64)(cls)


LIMITS = {
    **{f"i{8 * n}": (-(2 ** (8 * n - 1)), 2 ** (8 * n - 1) - 1) for n in (1, 2, 4, 8)},
    **{f"u{8 * n}": (0, 2 ** (8 * n) - 1) for n in (1, 2, 4, 8)},
    "time": (-(2**63), 2**63 - 1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_integers_take_exactly_their_range(name):
    cls = field_of(getattr(mmsb, name))
    low, high = LIMITS[name]
    for good in (low, high, 0):
        assert cls(x=good).x == good
    for bad in (low - 1, high + 1):
        with pytest.raises(mmsb.InvalidValue, match=f"One.x: expected {name}, {low} to {high}, found {bad}"):
            cls(x=bad)
    for bad in (1.0, True, "1", None, math.nan):
        with pytest.raises(mmsb.InvalidValue, match="expected an integer"):
            cls(x=bad)


def test_floats_are_finite_and_keep_their_bits():
    cls = field_of(mmsb.f64)
    for good in (0.0, -0.0, sys.float_info.max, -sys.float_info.max, 5e-324, 0.1):
        assert struct.pack("<d", cls(x=good).x) == struct.pack("<d", good)
    assert isinstance(cls(x=3).x, float)
    for bad in (math.nan, math.inf, -math.inf, 10**400, True, "1"):
        with pytest.raises(mmsb.InvalidValue, match=r"One\.x: expected a (finite f64|number)"):
            cls(x=bad)


def test_bools_enums_texts_and_blobs():
    assert field_of(bool)(x=True).x is True
    assert field_of(Level)().x is Level.LOW
    assert field_of(Level)(x=65_535).x is Level.HIGH
    assert field_of(str, mmsb.text(4))(x="éé").x == "éé"
    assert field_of(bytes, mmsb.blob(2))().x == b"\0\0"
    for annotation, value, bad in [
        (bool, None, 1),
        (bool, None, 0.0),
        (Level, None, 4),
        (Level, None, True),
        (Level, None, "LOW"),
        (str, mmsb.text(4), "ééx"),
        (str, mmsb.text(4), "a\0"),
        (str, mmsb.text(4), "\ud800"),
        (str, mmsb.text(4), b"ab"),
        (bytes, mmsb.blob(2), b"abc"),
        (bytes, mmsb.blob(2), b"a"),
        (bytes, mmsb.blob(2), "ab"),
    ]:
        with pytest.raises(mmsb.InvalidValue, match=r"One\.x: expected"):
            field_of(annotation, value)(x=bad)


@pytest.mark.parametrize("name", [*(name for name in LIMITS if name != "time"), "f64"])
def test_arrays_hold_numbers(name):
    cls = field_of(types.GenericAlias(list, getattr(mmsb, name)), mmsb.array(2))
    assert cls().x == (0, 0)
    assert cls(x=[1, 2]).x == (1, 2)
    for bad in ([1], [1, 2, 3], [1, "2"], 5, [1, math.nan], [1, 2**64]) if name != "f64" else ([1], [1, math.inf]):
        with pytest.raises(mmsb.InvalidValue, match=r"One\.x: expected"):
            cls(x=bad)


def test_a_layout_is_what_a_c_compiler_makes_of_it():
    module = load(
        HEAD + "@app.page(key=u64)\nclass P(mmsb.Page):\n    a: u8\n    b: i64\n    c: bool\n    d: i16 = 5\n"
        "    e: str = mmsb.text(3)\n    g: list[u32] = mmsb.array(2)\n"
    )
    layout = layout_of(module.P)
    assert [field.offset for field in layout.fields] == [0, 8, 16, 18, 20, 24]
    assert layout.size == 32
    assert layout.signature == "page P(u64){a:u8,b:i64,c:bool,d:i16,e:text(3),g:u32[2]}"


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("u64", [0, 2**64 - 1], [-1, 2**64, "1", 1.0, (1, 2), True]),
        ("i8", [-128, 127], [128, -129]),
        ("mmsb.text(3)", ["", "abc"], ["abcd", "a\0", b"a"]),
        ("mmsb.blob(2)", [b"ab"], [b"a", b"abc", "ab"]),
        ("(u64, mmsb.text(3))", [(1, "a")], [1, (1,), (1, 2), (1, "a", 2)]),
        ("(i16,)", [-5], [2**15]),
    ],
)
def test_keys(key, good, bad):
    module = load(HEAD + f"@app.page(key={key})\nclass P(mmsb.Page):\n    a: u8\n")
    for value in good:
        assert module.P[value].key == value
        assert len(module.P[value].packed_key) == layout_of(module.P).key_size
    for value in bad:
        with pytest.raises(mmsb.InvalidValue, match=r"P\[…\]: expected"):
            module.P[value]


def test_defaults_bounds_and_documentation():
    text = "@app.page(key=u64)\nclass P(mmsb.Page):\n    a: i8 = mmsb.field(default=4, ge=-5, le=10, doc='why')\n    b: f64 = mmsb.field(gt=1, lt=2.5)\n    c: i64 = 7\n"
    module = load(HEAD + text)
    fields = layout_of(module.P).fields
    assert (fields[0].default, fields[0].bounds) == (4, (Bound(Op.GE, -5), Bound(Op.LE, 10)))
    assert fields[1].bounds == (Bound(Op.GT, 1.0), Bound(Op.LT, 2.5))
    page = module.P()
    assert (page.a, page.b, page.c, mmsb.epoch_of(page)) == (4, 0.0, 7, 0)


def test_annotations_kept_as_text_and_classes_inside_functions():
    source = (
        "from __future__ import annotations\n"
        + HEAD
        + (
            "def make():\n    class Kind(enum.IntEnum):\n        A = 2\n\n    @app.page(key=u64)\n    class P(mmsb.Page):\n        kind: Kind\n        at: time\n"
            "        many: list[i64] = mmsb.array(2)\n\n    @app.intent\n    class Go(mmsb.Intent):\n        kind: Kind\n"
            "        def query(self):\n            return P[1]\n        def delta(self, p: P) -> None:\n            p.kind = self.kind\n            mmsb.emit(Late(1))\n\n"
            "    @app.intent\n    class Late(mmsb.Intent):\n        n: u64\n        def query(self):\n            return P[self.n]\n        def delta(self, p):\n            pass\n"
            "    return P, Go, Kind\n\nP, Go, Kind = make()\n"
        )
    )
    module = load(source)
    assert module.P().kind is module.Kind.A
    assert [program.layout.name for program in app_of(module).bundle().programs] == ["Go", "Late"]
    nested = HEAD.replace("import enum", "from __future__ import annotations\nimport enum")
    nested += "@app.page(key=u64)\nclass P(mmsb.Page):\n    class Kind(enum.IntEnum):\n        A = 2\n    time: time = 5\n    kind: Kind\n"
    assert load(nested).P().kind == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a: int", ["int is no field type", "write i64"]),
        ("a: float", ["f64"]),
        ("a: str", ["`str = mmsb.text(n)`"]),
        ("a: bytes", ["mmsb.blob(n)"]),
        ("a: list", ["mmsb.array(n)"]),
        ("a: list[int] = mmsb.array(3)", ["list[i64] = mmsb.array(n)"]),
        ("a: list[i64]", ["mmsb.array(n)"]),
        ("a: dict", ["one of i8"]),
        ("a: [i64]", ["no field type"]),
        ("a: {}", ["no field type"]),
        ("a: 5", ["5 is no field type"]),
        ("a: i64 | None", ["no field type"]),
        ("a: 'nothing'", ["'nothing' cannot be read", "define or import"]),
        ("a: '1 +'", ["cannot be read"]),
        ("a: i64 = mmsb.text(3)", ["write `: str =`"]),
        ("a: str = mmsb.blob(3)", ["write `: bytes =`"]),
        ("a: i64 = mmsb.array(3)", ["list[i64]"]),
        ("a: str = mmsb.text(0)", ["1 to 65536", "found 0"]),
        ("a: str = mmsb.text(True)", ["found True"]),
        ("a: bytes = mmsb.blob('2')", ["found '2'"]),
        ("a: list[i64] = mmsb.array(1)", ["2 to 65536", "found 1"]),
        ("a: list[time] = mmsb.array(2)", ["list[i64]"]),
        ("a: list[bool] = mmsb.array(2)", ["list[i64]"]),
        ("a: Wrong", ["must be an enum.IntEnum"]),
        ("a: Empty", ["at least one member"]),
        ("a: Negative", ["between 0 and 65535"]),
        ("a: Doubled", ["two names"]),
        ("a: Q", ["the type of its key", "`Q[self.…]` in `query`"]),
        ("_a: i64", ["beginning with a letter"]),
        ("é: i64", ["ASCII"]),
        ("a = mmsb.field(ge=1)", ["it has no type", "write `a: i64 ="]),
        ("a = i64", ["with a colon"]),
        ("a: u64 = mmsb.field(ge=-1)", [">= -1 is no value of u64"]),
        ("a: bool = mmsb.field(ge=1)", ["bool cannot have bounds"]),
        ("a: i8 = mmsb.field(ge=128)", [">= 128 is no value of i8"]),
        ("a: i8 = mmsb.field(ge=1.0)", ["1.0 is no value of i8"]),
        ("a: f64 = mmsb.field(ge=float('nan'))", ["nan is no value of f64"]),
        ("a: f64 = mmsb.field(le=10**400)", ["no value of f64"]),
        ("a: f64 = mmsb.field(le=2**53 + 1)", ["no value of f64"]),
        ("a: i64 = mmsb.field(ge=True)", ["True is no value"]),
        ("a: i64 = mmsb.field(ge=5, lt=5)", ["no i64 is >= 5 and < 5", "widen"]),
        ("a: i64 = mmsb.field(gt=5, lt=6)", ["no i64 is > 5 and < 6"]),
        ("a: u8 = mmsb.field(lt=0)", ["no u8 is < 0"]),
        ("a: f64 = mmsb.field(gt=1, lt=1)", ["no f64 is > 1.0 and < 1.0"]),
        ("a: i64 = 'x'", ["its default does not fit: expected an integer, found 'x'"]),
        ("a: i8 = 200", ["-128 to 127, found 200"]),
        ("a: i64 = mmsb.field(gt=0, default=0)", ["its default 0 is not > 0", "choose one"]),
        ("a: list[i64] = mmsb.array(2, ge=1, default=[1, 0])", ["its default 0 is not >= 1"]),
        ("a: list[i64] = mmsb.array(2, default=[1])", ["expected 2 numbers, found 1"]),
        ("a: str = mmsb.text(2, default='abc')", ["at most 2 bytes"]),
        ("a: f64 = float('inf')", ["finite"]),
        ("a: Color = 3", ["expected one of RED"]),
        ("a: bool = 1", ["True or False"]),
        ("a: i64 = mmsb.field(was='a')", ["was= takes another name that the field had", "found 'a'"]),
        ("a: str = mmsb.text(2, was=5)", ["as text, found 5"]),
        ("a: bytes = mmsb.blob(2, was='not a name')", ["found 'not a name'"]),
        ("a: list[i64] = mmsb.array(2, was=['b'])", ["found ['b']"]),
    ],
)
def test_a_field_that_cannot_work_is_refused_on_its_line(line, words):
    top = (
        "class Wrong(enum.Enum):\n    A = 1\n\nclass Empty(enum.IntEnum):\n    pass\n\nclass Negative(enum.IntEnum):\n    A = -1\n\nclass Doubled(enum.IntEnum):\n    A = 1\n    B = 1\n\n"
        "class Color(enum.IntEnum):\n    RED = 1\n\n@app.page(key=u64)\nclass Q(mmsb.Page):\n    z: i64\n\n"
    )
    name = line.split(" ")[0].rstrip(":")
    refused(
        *words,
        source=f"{HEAD}{top}@app.page(key=u64)\nclass P(mmsb.Page):\n    z: i64\n    {line}  # here\n",
        at=f"P.{name}",
    )


@pytest.mark.parametrize(
    ("decorator", "words"),
    [
        ("key=int", ["found int"]),
        ("key=f64", ["integer type, mmsb.text(n)"]),
        ("key=time", ["integer type"]),
        ("key=()", ["at least one component"]),
        ("key=[u64]", ["or a tuple"]),
        ("key=(u64, (u64,))", ["tuple"]),
        ("key=mmsb.text(0)", ["1 to 65536"]),
        ("key=mmsb.text(300)", ["takes 304 bytes, more than KEY_BYTES_MAX = 256"]),
        ("key=mmsb.array(3)", ["integer type"]),
        ("key=u64, partition_by=1", ["0 to 0", "found 1"]),
        ("key=u64, partition_by=()", ["by index"]),
        ("key=(u64, u64), partition_by=(0, 0)", ["by index"]),
        ("key=u64, partition_by=True", ["by index"]),
        ("key=u64, partition_by='a'", ["by index"]),
        ("key=u64, partition_by=[0]", ["by index"]),
        ("key=None", ["found None"]),
        ("key=mmsb.text(3, was='b')", ["integer type, mmsb.text(n)"]),
    ],
)
def test_a_key_that_cannot_work_is_refused(decorator, words):
    refused(*words, source=f"{HEAD}@app.page({decorator})\nclass P(mmsb.Page):  # here\n    z: i64\n", at="P")


@pytest.mark.parametrize(
    ("dropped", "fields", "at", "words"),
    [
        ("5", "a: i64  # here", "P", ["dropped= takes names of fields, as text, found 5"]),
        ("('b', 'c d')", "a: i64  # here", "P", ["found 'c d'"]),
        ("['b']", "a: i64  # here", "P", ["found ['b']"]),
        ("'a'", "a: i64  # here", "P.a", ["'a' is dropped, and a field of the class"]),
        ("'b'", "a: i64 = mmsb.field(was='b')  # here", "P.a", ["it says was='b', and 'b' is dropped"]),
        (
            "()",
            "a: i64 = mmsb.field(was='c')  # here\n    b: i64 = mmsb.field(was=('d', 'c'))",
            "P.a",
            ["two fields say"],
        ),
    ],
)
def test_what_is_said_of_earlier_fields_agrees_with_itself(dropped, fields, at, words):
    head = f"{HEAD}@app.page(key=u64, dropped={dropped})\nclass P(mmsb.Page):"
    if at == "P":
        head, fields = f"{head}  # here", fields.replace("  # here", "")
    refused(*words, source=f"{head}\n    {fields}\n", at=at)


def test_what_a_field_was_is_for_pages_alone():
    source = f"{HEAD}{P}@app.intent\nclass Go(mmsb.Intent):\n    a: i64 = mmsb.field(was='b')  # here\n{INTENT}"
    refused("was= is for pages", "another intent", source=source, at="Go.a")


def test_a_class_may_say_several_names_of_the_past():
    source = (
        f"{HEAD}@app.page(key=u64, dropped=('x', 'y'))\nclass P(mmsb.Page):\n    a: i64 = mmsb.field(was=('b', 'c'))\n"
    )
    origins = app_of(load(source)).bundle().origins["P"]
    assert (origins.was, origins.dropped) == ({"a": ("b", "c")}, ("x", "y"))


P = "@app.page(key=u64)\nclass P(mmsb.Page):\n    z: i64\n\n\n"


@pytest.mark.parametrize(
    ("source", "at", "words"),
    [
        ("@app.page(key=u64)\nclass P(mmsb.Page):  # here\n    pass\n", "P", ["at least one field", "`count: i64`"]),
        (
            "@app.page(key=u64)\nclass P:  # here\n    a: i64\n",
            "P",
            ["expected `class P(mmsb.Page):`", "found (object)"],
        ),
        (P + "@app.page(key=u64)\nclass R(P):  # here\n    a: i64\n", "R", ["found (P)"]),
        (P + "@app.page(key=u64)\nclass P(mmsb.Page):  # here\n    a: i64\n", "P", ["another class P; rename one"]),
        ("@app.page(key=u64)\nclass _P(mmsb.Page):  # here\n    a: i64\n", "_P", ["beginning with a letter"]),
        (
            "@app.page(key=u64)\nclass P(mmsb.Page):  # here\n    a: str = mmsb.text(65536)\n    b: i64\n",
            "P",
            ["65544 bytes, more than PAGE_BYTES_MAX"],
        ),
        (
            "@app.page(key=u64)\nclass P(mmsb.Page):  # here\n" + "".join(f"    a{n}: i8\n" for n in range(1025)),
            "P",
            ["1025 fields, more than FIELDS_MAX"],
        ),
        (
            "@app.page(key=u64)\n@app.page(key=u64)\nclass P(mmsb.Page):  # here\n    a: i64\n",
            "P",
            ["declared already"],
        ),
        (P + "@app.intent\nclass Go(mmsb.Page):  # here\n    a: i64\n", "Go", ["mmsb.Intent"]),
        (
            P + "@app.intent\nclass Go(mmsb.Intent):\n    a: i64 = 1\n    b: i64  # here" + INTENT,
            "Go.b",
            ["cannot follow 'a'", "move it up"],
        ),
        (
            P + "@app.intent\nclass Go(mmsb.Intent):\n    layout: i64  # here" + INTENT,
            "Go.layout",
            ["'layout' is taken"],
        ),
        (P + "@app.intent\nclass Go(mmsb.Intent):\n    plan: i64  # here" + INTENT, "Go.plan", ["'plan' is taken"]),
        (
            P + "@app.intent(on_rejected=5)\nclass Go(mmsb.Intent):  # here\n    a: i64" + INTENT,
            "Go",
            ["name as text", "found 5"],
        ),
        (P + "@app.intent\nclass P(mmsb.Intent):  # here\n    a: i64" + INTENT, "P", ["rename one"]),
    ],
)
def test_a_class_that_cannot_work_is_refused(source, at, words):
    refused(*words, source=HEAD + source, at=at)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "@app.intent(on_rejected='Lost')\nclass Go(mmsb.Intent):  # here\n    a: i64" + INTENT,
            ["on_rejected='Lost' is no intent"],
        ),
        ("@app.intent(on_rejected='Go')\nclass Go(mmsb.Intent):  # here\n    a: i64" + INTENT, ["circle: Go → Go"]),
        (
            "@app.intent(on_rejected='Un')\nclass Go(mmsb.Intent):  # here\n    a: i64"
            + INTENT
            + "\n@app.intent\nclass Un(mmsb.Intent):\n    b: i64"
            + INTENT,
            ["needs a field `b: i64`"],
        ),
        (
            "@app.intent(on_rejected='Un')\nclass Go(mmsb.Intent):  # here\n    b: i8"
            + INTENT
            + "\n@app.intent\nclass Un(mmsb.Intent):\n    b: i64 = 4"
            + INTENT,
            ["needs a field `b: i64`"],
        ),
    ],
)
def test_compensations_are_checked_when_the_bundle_is_made(source, words):
    refused(*words, source=HEAD + P + source, at="Go", declared=True)


def test_what_is_no_class_is_refused():
    several: list[Any] = [5, "Go", lambda: 1]
    for wrong in several:
        with pytest.raises(mmsb.InvalidDefinition, match="is no class: write the decorator above"):
            mmsb.App("x").intent(wrong)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("", {}),
        ("a b", {}),
        ("x" * 201, {}),
        ("é", {}),
        (5, {}),
        ("a", {"generation": 0}),
        ("a", {"generation": True}),
        ("a", {"generation": 2**63}),
        ("a", {"hops_max": 0}),
        ("a", {"hops_max": 256}),
        ("a", {"hops_max": 1.0}),
    ],
)
def test_apps_are_checked(name, options):
    with pytest.raises(mmsb.InvalidDefinition, match=r"^App\("):
        mmsb.App(name, **options)


BANK = HEAD + P + "@app.intent\nclass Go(mmsb.Intent):\n    a: i64\n    b: str = mmsb.text(3, default='x')" + INTENT


def test_pages_are_read_only_and_intents_too():
    module = load(BANK)
    for record, name in ((module.P(z=3), "z"), (module.Go(1), "a")):
        for change in (lambda r, n: setattr(r, n, 1), delattr, lambda r, n: setattr(r, "new", 1)):
            with pytest.raises(mmsb.ReadOnly, match=r"cannot be assigned to: state changes only through intents"):
                change(record, name)
    assert module.P(z=3) == module.P(z=3) != module.P(z=4)
    assert hash(module.P(z=3)) == hash(module.P(z=3))
    assert (repr(module.P(z=3)), repr(module.P[3]), repr(module.Go(1))) == ("P(z=3)", "P[3]", "Go(a=1, b='x')")
    with pytest.raises(mmsb.InvalidValue, match="P has no field 'y'; it has z"):
        module.P(y=1)


def test_equal_records_have_equal_hashes():
    cls = field_of(mmsb.f64)
    assert cls(x=0.0) == cls(x=-0.0)
    assert hash(cls(x=0.0)) == hash(cls(x=-0.0))


@pytest.mark.parametrize(
    ("args", "named", "words"),
    [
        ((), {}, "Go: missing a"),
        ((1, "x", 3), {}, "Go: expected at most 2 arguments, found 3"),
        ((1,), {"a": 2}, "Go: a was given twice"),
        ((1,), {"z": 2}, "Go has no field 'z'; it has a, b"),
        ((2**63,), {}, r"Go\.a: expected i64"),
        ((1, "abcd"), {}, r"Go\.b: expected at most 3 bytes"),
    ],
)
def test_constructors_say_what_is_wrong(args, named, words):
    with pytest.raises(mmsb.InvalidValue, match=words):
        load(BANK).Go(*args, **named)


def test_undeclared_classes_say_so():
    class Lost(mmsb.Page):
        a: mmsb.i64

    class Gone(mmsb.Intent):
        a: mmsb.i64

    with pytest.raises(mmsb.InvalidDefinition, match=r"class Lost is not declared: write @app.page\(key=…\) above it"):
        Lost[1]
    with pytest.raises(mmsb.InvalidDefinition, match=r"class Gone is not declared: write @app.intent above it"):
        Gone(1)


def test_a_refused_intent_leaves_the_app_as_it_was():
    module = load(
        HEAD + P + "@app.intent\nclass First(mmsb.Intent):\n    a: i64\n\n    def query(self):\n        return P[1]\n\n"
        "    def delta(self, p):\n        mmsb.emit(Second(self.a))\n"
    )
    second = "@app.intent\nclass Second(mmsb.Intent):\n    a: f64" + INTENT
    with pytest.raises(mmsb.InvalidDefinition, match=r"expected f64, found i64|cannot be read"):
        exec(second, vars(module))
    assert "Second" not in [layout.name for layout in module.app._intents.values()]
    assert all(cls in module.app._intents for cls in module.app._programs)


def test_two_apps_with_classes_of_one_name_are_told_apart():
    text = "def make(first):\n    if first:\n        @app.page(key=u64)\n        class P(mmsb.Page):\n            a: i64\n    else:\n        @app.page(key=u64)\n        class P(mmsb.Page):\n            b: i64\n    return P\n\nP = make(True)\n"
    assert layout_of(load(HEAD + text).P).index_of == {"a": 0}
