"""The evaluator against the sentences of language.md."""

import math
from typing import Any

import pytest

from tests.model.bundle import Bundle, Field, Intent, Page
from tests.model.compiled import Compiled
from tests.model.constants import I64_MAX, I64_MIN
from tests.model.language import Evaluator, Scratch
from tests.model.rows import Rejected

PAGE = Page("P", ("u64",), (Field("n", "i8"), Field("xs", "i16[3]"), Field("t", "text(3)"), Field("f", "f64")))
COMPILED = Compiled(Bundle("t", (PAGE,), (Intent("I", (Field("a", "i64"),), (), (), ()),)))


def lit(value):
    return ("lit", value, repr(value))


def run(*body, page=None) -> Any:
    """What the statements leave in the page, or the name of their rejection."""
    evaluator = Evaluator(COMPILED, COMPILED.intents["I"], {"a": 5}, now=77)
    scratch = page or Scratch(COMPILED.pages["P"], bytes(8), 0, 0, b"")
    try:
        evaluator.delta(body, {"p": scratch})
    except Rejected as rejection:
        return rejection.row.name
    return scratch.values


def value(tree) -> Any:
    """The value of an expression, or the name of its rejection."""
    evaluator = Evaluator(COMPILED, COMPILED.intents["I"], {"a": 5}, now=77)
    try:
        return evaluator.expression(tree, {"p": Scratch(COMPILED.pages["P"], bytes(8), 0, 0, b"")})
    except Rejected as rejection:
        return rejection.row.name


@pytest.mark.parametrize(
    ("op", "a", "b", "expected"),
    [
        ("+", I64_MAX, 1, "overflow"),
        ("-", I64_MIN, 1, "overflow"),
        ("*", 2**32, 2**31, "overflow"),
        ("*", -(2**32), 2**31, I64_MIN),
        ("//", -7, 2, -4),
        ("%", -7, 2, 1),
        ("%", 7, -2, -1),
        ("//", I64_MIN, -1, "overflow"),
        ("%", I64_MIN, -1, 0),
        ("//", 1, 0, "division_by_zero"),
        ("%", 0, 0, "division_by_zero"),
        ("&", -1, 12, 12),
        ("^", -1, 0, -1),
        ("/", 1.0, 4.0, 0.25),
        ("/", 1.0, -0.0, "division_by_zero"),
        ("*", 1e200, 1e200, "non_finite"),
        ("+", -1.7976931348623157e308, -1e308, "non_finite"),
    ],
)
def test_arithmetic(op, a, b, expected):
    assert value(("bin", op, lit(a), lit(b))) == expected


def test_the_rest_of_the_numbers():
    assert value(("neg", lit(I64_MIN))) == "overflow"
    assert value(("abs", lit(I64_MIN))) == "overflow"
    assert value(("invert", lit(0))) == -1
    assert value(("sqrt", lit(-1.0))) == "non_finite"
    assert math.copysign(1, value(("sqrt", lit(-0.0)))) == -1
    assert math.copysign(1, value(("min", (lit(0.0), lit(-0.0))))) == 1
    assert value(("int", lit(-2.9))) == -2
    assert value(("int", lit(9.3e18))) == "overflow"
    assert value(("int", lit(-(2.0**63)))) == I64_MIN
    assert value(("float", lit(2**53 + 1))) == 2.0**53
    assert value(("now",)) == 77


def test_only_what_is_needed_is_evaluated():
    bad = ("compare", ("bin", "//", lit(1), lit(0)), (("==", lit(1)),))
    assert value(("or", (lit(True), bad))) is True
    assert value(("and", (lit(False), bad))) is False
    assert value(("ternary", lit(False), bad, lit(3))) == 3
    assert value(("compare", lit(1), ((">", lit(2)), (">", ("bin", "//", lit(1), lit(0)))))) is False
    assert value(("and", (lit(True), bad))) == "division_by_zero"


def test_stores():
    assert run(("set", "p", "n", lit(128))) == "store_range"
    assert run(("set", "p", "t", lit("éé"))) == "store_text_too_long"
    assert run(("set_at", "p", "xs", lit(3), lit(1))) == "index_out_of_range"
    assert run(("set_at", "p", "xs", lit(-1), lit(1))) == "index_out_of_range"
    # The right side before the index, the target of an augmented assignment before the right side.
    assert run(("set_at", "p", "xs", lit(3), ("bin", "//", lit(1), lit(0)))) == "division_by_zero"
    assert run(("aug", "+", ("get_at", "p", "xs", lit(3)), ("bin", "//", lit(1), lit(0)))) == "index_out_of_range"


def test_loops():
    add = ("aug", "+", ("get", "p", "n"), ("name", "i"))
    assert run(("for_range", "i", (5, 0, -2), (add,)))["n"] == 9
    grow = ("set_at", "p", "xs", lit(2), ("bin", "+", ("name", "i"), lit(4)))
    assert run(("for_array", "i", "p", "xs", (grow, add)))["n"] == 4  # 0, 0, then the 4 written by the second turn
    assert run(("for_range", "i", (0, 3, 1), (("assign", "i", lit(9)), add)))["n"] == 27


def test_deleted_pages():
    page = Scratch(COMPILED.pages["P"], bytes(8), 0, 3, bytes(24))
    assert run(("delete", "p"), ("set", "p", "n", lit(4)), page=page)["n"] == 4
    assert page.deleted
    new = run(("if", ((("exists", "p"), (("set", "p", "n", lit(1)),)),), (("set", "p", "n", lit(2)),)))
    assert new["n"] == 2
