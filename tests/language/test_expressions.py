"""docs/language.md, section 3."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.harness import app_of, go, load, perform, refused, source_of

LOW, HIGH = -(2**63), 2**63 - 1
BUMP = """
def bump(p, x):
    p.j = p.j * 10 + x
    return x
"""


def bits(x: float) -> bytes:
    return struct.pack("<d", x)


@pytest.mark.parametrize(
    ("expression", "value", "order"),
    [
        ("bump(p, 1) + bump(p, 2) * bump(p, 3)", 7, 123),
        ("p.j + bump(p, 4)", 4, 4),
        ("bump(p, 4) + p.j", 8, 4),
        ("max(bump(p, 2), bump(p, 1), bump(p, 3))", 3, 213),
        ("p.a[bump(p, 1)] + p.a[bump(p, 2)]", 0, 12),
        ("1 if bump(p, 1) < bump(p, 2) < bump(p, 1) < bump(p, 9) else 0", 0, 121),
        ("both(y=bump(p, 1), x=bump(p, 2))", 3, 12),
    ],
)
def test_3_1_operands_go_from_left_to_right(expression, value, order):
    found = go(f"p.i = {expression}", top=BUMP + "\ndef both(x, y):\n    return x + y\n")
    assert (found["i"], found["j"]) == (value, order)


def test_3_1_the_first_rejection_met_is_the_intents():
    assert go("p.i = self.i // 0 + (self.j + 1)", j=HIGH).code == "division_by_zero"
    assert go("p.i = (self.j + 1) + self.i // 0", j=HIGH).code == "overflow"


@pytest.mark.parametrize(
    ("expression", "i", "j"),
    [
        ("self.i + self.j", HIGH, 1),
        ("self.i + self.j", LOW, -1),
        ("self.i - self.j", LOW, 1),
        ("self.i * self.j", HIGH, 2),
        ("self.i * self.j", LOW, -1),
        ("-self.i", LOW, 0),
        ("self.i - self.j", 0, LOW),
    ],
)
def test_3_2_plus_minus_times_are_exact_or_reject_overflow(expression, i, j):
    found = go(f"p.i = {expression}", i=i, j=j)
    assert found.code == "overflow"
    assert found.rejection.pack()[3] == 0


MODULES = {name: load(source_of(f"p.i = self.i {name} self.j")) for name in ("+", "-", "*", "//", "%", "&", "|", "^")}
edges = st.sampled_from([LOW, LOW + 1, -1, 0, 1, 2, HIGH - 1, HIGH]) | st.integers(LOW, HIGH) | st.integers(-20, 20)


@settings(max_examples=150)
@given(st.sampled_from(sorted(MODULES)), edges, edges)
def test_3_2_and_3_3_and_3_4_agree_with_exact_arithmetic(name, i, j):
    module = MODULES[name]
    found = perform(module, module.Go(i=i, j=j))
    if name in ("//", "%") and j == 0:
        assert found.code == "division_by_zero"
        return
    exact = eval(f"({i}) {name} ({j})")
    if LOW <= exact <= HIGH:
        assert found["i"] == exact
    else:
        assert found.code == "overflow"


@pytest.mark.parametrize(
    ("i", "j", "quotient", "rest"), [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1)]
)
def test_3_3_division_rounds_toward_minus_infinity(i, j, quotient, rest):
    found = go("p.i = self.i // self.j\np.j = self.i % self.j", i=i, j=j)
    assert (found["i"], found["j"]) == (quotient, rest)


def test_3_3_the_edges_of_division():
    assert go("p.i = self.i // self.j", i=LOW, j=-1).code == "overflow"
    assert go("p.i = self.i % self.j\np.b = True", i=LOW, j=-1)["i"] == 0
    assert go("p.i = self.i // self.j").code == go("p.i = self.i % self.j").code == "division_by_zero"


def test_3_4_bits_are_twos_complement():
    found = go("p.a[0] = self.i & 255\np.a[1] = self.i | 1\np.a[2] = self.i ^ self.j\np.i = ~self.i", i=-2, j=LOW)
    assert (found["a"], found["i"]) == ((254, -1, -2 ^ LOW), 1)


@pytest.mark.parametrize("operator", ["<<", ">>", "**", "@"])
def test_3_4_shifts_powers_and_matrices_are_refused(operator):
    refused("`**`, `@`, `<<` or `>>`", "write * and //", delta=f"p.i = self.i {operator} 2  # here")
    refused(delta=f"p.i {operator}= 2  # here")


def test_3_5_true_division_of_integers_is_refused():
    refused("`/` is for floats; write `//`, or float(…)", delta="p.i = self.i / 2  # here")
    refused("`/` is for floats", delta="p.i /= 2  # here")


@pytest.mark.parametrize(
    ("expression", "f", "g", "result"),
    [
        ("self.f + self.g", 0.1, 0.2, 0.1 + 0.2),
        ("self.f - self.g", 1.0, 1e-17, 1.0),
        ("self.f * self.g", -0.0, 5.0, -0.0),
        ("self.f / self.g", 1.0, 3.0, 1 / 3),
        ("-self.f", 0.0, 0.0, -0.0),
        ("-0.0", 0.0, 0.0, -0.0),
        ("mmsb.sqrt(self.f)", 2.0, 0.0, math.sqrt(2)),
        ("mmsb.sqrt(self.f)", -0.0, 0.0, -0.0),
        ("NEGATIVE", 0.0, 0.0, -0.0),
        ("mmsb.sqrt(4)", 0.0, 0.0, 2.0),
    ],
)
def test_3_6_floats_round_to_nearest_and_keep_the_sign_of_zero(expression, f, g, result):
    found = go(f"p.f = {expression}\np.i = 1", top="NEGATIVE = -0.0", f=f, g=g)
    assert bits(found["f"]) == bits(result)


@pytest.mark.parametrize(
    ("expression", "f", "g", "code"),
    [
        ("self.f / self.g", 1.0, 0.0, "division_by_zero"),
        ("self.f / self.g", 0.0, -0.0, "division_by_zero"),
        ("self.f * self.g", 1e308, 10.0, "non_finite"),
        ("self.f + self.f", 1.7e308, 0.0, "non_finite"),
        ("self.f - self.g", -1.7e308, 1.7e308, "non_finite"),
        ("self.f / self.g", 1e308, 0.1, "non_finite"),
        ("mmsb.sqrt(self.f)", -1e-300, 0.0, "non_finite"),
    ],
)
def test_3_6_what_is_not_finite_is_rejected(expression, f, g, code):
    assert go(f"p.f = {expression}", f=f, g=g).code == code


@pytest.mark.parametrize("operator", ["//", "%", "&", "|", "^"])
def test_3_7_floor_division_of_floats_is_refused(operator):
    refused("f64 does not know", "it knows + - * /", delta=f"p.f = self.f {operator} self.g  # here")


@pytest.mark.parametrize(
    "expression",
    [
        "self.u + 1",
        "self.u - self.u",
        "self.u * 2",
        "self.u // 2",
        "-self.u",
        "~self.u",
        "abs(self.u)",
        "max(self.u, self.u)",
        "float(self.u)",
        "int(self.u)",
        "plus(self.u)",
    ],
)
def test_3_8_u64_knows_equality_and_assignment_only(expression):
    top = "def plus(x):\n    return x + 1  # here\n"
    at = "Go.delta → plus" if "plus" in expression else "Go.delta"
    mark = "" if "plus" in expression else "  # here"
    refused("u64", delta=f"p.u = {expression}{mark}", top=top if not mark else "", at=at)


def test_3_8_u64_is_compared_for_equality():
    assert go("p.b = self.u == p.u and self.u != 4", u=5, before={1: {"u": 5}})["b"] is True
    refused("u64 knows == and != only", delta="p.b = self.u < 5  # here")


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize(("i", "j"), [(1, 2), (2, 2), (3, 2)])
def test_3_9_numbers_are_compared(operator, i, j):
    found = go(
        f"p.b = self.i {operator} self.j\np.a[0] = 1 if self.f {operator} self.g else 0\np.i = 1", i=i, j=j, f=i, g=j
    )
    assert (found["b"], found["a"][0]) == (eval(f"{i} {operator} {j}"),) * 2


@pytest.mark.parametrize("pair", ["p.s {} self.s", "p.x {} self.x", "p.b {} self.b", "p.c {} Color.RED"])
def test_3_9_other_types_know_equality_only(pair):
    assert go(f"p.b = {pair.format('==')} or {pair.format('!=')}")["b"] is True
    refused("knows == and != only", delta=f"p.b = {pair.format('<')}  # here")


@pytest.mark.parametrize("expression", ["self.i in (1, 2)", "self.i is None", "self.s not in self.s"])
def test_3_9_in_and_is_are_refused(expression):
    refused(delta=f"p.b = {expression}  # here")


def test_3_10_chains_evaluate_the_middle_once_and_stop_early():
    found = go("p.b = bump(p, 1) < bump(p, 2) <= bump(p, 2) != 5", top=BUMP)
    assert (found["b"], found["j"]) == (True, 122)
    found = go("p.b = bump(p, 2) < bump(p, 1) < bump(p, 3)", top=BUMP)
    assert (found["b"], found["j"]) == (False, 21)
    assert go("p.b = 0 < self.f < 10", f=5)["b"] is True
    assert go("p.b = 1 == self.u == 1", u=1)["b"] is True


def test_3_11_short_circuits_evaluate_what_they_need():
    assert go("p.b = self.b or self.i // 0 == 0", b=True)["b"] is True
    assert go("p.b = self.b and self.i // 0 == 0\np.i = 1")["b"] is False
    assert go("p.i = 5 if self.i == 0 else 1 // self.i")["i"] == 5
    assert go("p.f = 5 if self.i == 0 else self.f")["f"] == 5.0
    refused("i64 does not go with f64", delta="p.i = self.i if self.b else 2.0  # here")


def test_3_12_abs_min_and_max():
    found = go("p.i = abs(self.i)\np.a[0] = min(3, self.i, 2)\np.a[1] = max(self.i, 3, 9)\np.f = abs(-1.5)", i=-7)
    assert (found["i"], found["a"], found["f"]) == (7, (-7, 9, 0), 1.5)
    assert go("p.i = abs(self.i)", i=LOW).code == "overflow"
    assert bits(go("p.f = min(self.f, self.g)\np.i = 1", f=0.0, g=-0.0)["f"]) == bits(0.0)
    assert bits(go("p.f = max(self.f, self.g)\np.i = 1", f=-0.0, g=0.0)["f"]) == bits(-0.0)
    assert bits(go("p.f = abs(self.f)\np.i = 1", f=-0.0)["f"]) == bits(0.0)
    assert go("p.i = biggest(1, 2)", top="from builtins import max as biggest")["i"] == 2


@pytest.mark.parametrize(
    "expression",
    [
        "abs(self.b)",
        "min(self.s, self.s)",
        "max(1, self.u)",
        "min(1.5, self.i)",
        "min(1)",
        "max()",
        "abs(1, 2)",
        "abs(x=1)",
        "max(self.a)",
        "min(1, 2, key=abs)",
    ],
)
def test_3_12_other_arguments_are_refused(expression):
    refused(delta=f"p.i = {expression}  # here")


@pytest.mark.parametrize(
    ("f", "result"), [(1.9, 1), (-1.9, -1), (-0.5, 0), (-(2.0**63), LOW), (9223372036854774784.0, 2**63 - 1024)]
)
def test_3_13_int_cuts_toward_zero(f, result):
    assert go("p.i = int(self.f)\np.b = True", f=f)["i"] == result


def test_3_13_conversions():
    assert go("p.i = int(self.f)", f=2.0**63).code == "overflow"
    assert go("p.i = int(self.f)", f=-9223372036854777856.0).code == "overflow"
    assert go("p.f = float(self.i)", i=2**53 + 1)["f"] == 2.0**53
    assert go("p.f = float(self.i)", i=2**53 + 3)["f"] == 2.0**53 + 4
    assert go("p.f = float(self.f)\np.i = int(self.i)", f=1.5, i=3)["f"] == 1.5
    refused("expected f64, found bool", delta="p.i = int(self.b)  # here")


def test_3_14_fields_and_elements_are_read_as_they_stand():
    found = go("p.a[self.i] = 5\np.i = p.a[self.i] + self.a[2]\np.j = p.i", i=1, a=[0, 0, 9])
    assert (found["a"], found["i"], found["j"]) == ((0, 5, 0), 14, 14)


@pytest.mark.parametrize("index", [-1, 3, HIGH, LOW])
@pytest.mark.parametrize(
    ("delta", "field"), [("p.i = p.a[self.i]", 21), ("p.a[self.i] = 1", 21), ("p.a[self.i] += 1", 21)]
)
def test_3_14_an_index_outside_is_rejected(index, delta, field):
    rejection = go(delta, i=index).rejection
    assert (rejection.code.name, rejection.field, rejection.value, rejection.bound) == (
        "INDEX_OUT_OF_RANGE",
        field,
        index,
        3,
    )


def test_3_14_an_argument_index_outside_is_rejected_by_the_intents_type():
    module = load(source_of("p.i = self.a[self.i]"))
    rejection = perform(module, module.Go(i=3)).rejection
    layout = app_of(module).bundle().program_named("Go").layout
    assert (rejection.type_id, rejection.field) == (layout.type_id, layout.index_of["a"] + 1)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        ("p.i = p.a[3]", ["0 to 2", "found 3"]),
        ("p.a[-1] = 5", ["found -1"]),
        ("p.i = p.a[LIMIT]", ["found 7"]),
        ("p.i = p.a", ["is an array", "p.a[i]"]),
        ("p.i = p.i[0]", ["'i' is no array"]),
        ("p.i = p.zzz", ["P has no field 'zzz'"]),
        ("p.i = self.zzz", ["Go has no field 'zzz'"]),
        ("p.i = p.a[1.0]", ["expected i64"]),
        ("p.i = p.a[self.u]", ["u64"]),
        ("p.i = p.a[0:2]", ["slice"]),
        ("p.i = p", ["no value by itself"]),
        ("p.i = self.i.real", ["'self' is a local name", "only fields of self and pages"]),
        ("x = 1\np.i = x.real", ["local name"]),
        ("q = p", ["no value by itself"]),
        ("p.i = self.i()", ["method"]),
        ("p.i = self.query()", ["method"]),
        ("p.s = p.s.upper()", ["p"]),
        ("p.i = nothing", ["there is no 'nothing'"]),
        ("p.i = (self.i)[0]", ["no array"]),
        ("p.i = 5[0]", ["expected a field"]),
        ("p.i = p.a[0][0]", ["expected a field"]),
    ],
)
def test_3_14_what_is_no_field_is_refused(delta, words):
    lines = delta.split("\n")
    lines[-1] += "  # here"
    if "5[0]" in delta:
        with pytest.warns(SyntaxWarning):
            refused(*words, delta="\n".join(lines))
    else:
        refused(*words, delta="\n".join(lines), top="LIMIT = 7")


def test_3_15_len_is_constant():
    assert go("for i in range(len(p.a)):\n    p.a[i] = len(self.h)\np.f = len(p.a)")["a"] == (2, 2, 2)
    refused("'s' is no array", delta="p.i = len(p.s)  # here")


def test_3_16_exists_asks_about_before_and_deletion():
    body = "p.b = mmsb.exists(p)\nq.b = mmsb.exists(q)\nmmsb.delete(q)\np.i = 2 if mmsb.exists(q) else 1"
    found = go(body, query="return P[1], P[2]", pages="p, q", before={2: {}})
    assert (found["b"], found["i"]) == (False, 1)
    assert go("p.i = 1\np.b = mmsb.exists(p)")["b"] is False
    assert go("p.i = 1\np.b = mmsb.exists(p)", before={1: {}})["b"] is True
    refused("expected a page", delta="p.b = mmsb.exists(self)  # here")


def test_3_17_now_is_the_partition_clock():
    assert go("p.w = mmsb.now()", now=1_700_000_000_000_000)["w"] == 1_700_000_000_000_000


def test_3_18_constants_are_read_once():
    top = "import sys\nN, F, B, S, X, C = 5, 2.5, True, 'ab', b'wxyz', Color.BLUE\n"
    module = load(source_of("p.i = N\np.f = F\np.b = B\np.s = S\np.x = X\np.c = C\np.j = sys.maxsize", top=top))
    before = app_of(module).bundle().hash
    module.N = 6
    found = perform(module, module.Go())
    assert [found[name] for name in "ifbsxcj"] == [5, 2.5, True, "ab", b"wxyz", 2, HIGH]
    assert app_of(module).bundle().hash == before


def test_3_18_constants_of_enclosing_functions_and_modules():
    inside = source_of("p.i = limit + colors.BLUE_PLUS").split("@app.intent", 1)[1]
    indented = "\n".join("    " + line for line in ("@app.intent" + inside).splitlines())
    source = (
        PRELUDE_OF(inside)
        + "\nimport types\ncolors = types.ModuleType('colors')\ncolors.BLUE_PLUS = 30\n\ndef make():\n    limit = 4\n"
        + indented
        + "\n    return Go\n\nGo = make()\n"
    )
    module = load(source)
    assert perform(module, module.Go())["i"] == 34


def PRELUDE_OF(_: str) -> str:  # noqa: N802
    from tests.language.harness import PRELUDE

    return PRELUDE


@pytest.mark.parametrize(
    "value",
    [
        "float('nan')",
        "float('inf')",
        "[1]",
        "None",
        "object()",
        "10**400",
        "1j",
        "b''",
        "'a\\0b'",
        "'\\ud800'",
        "enum.Enum('E', 'A').A",
        "type('Bad', (), {'__repr__': lambda s: 1 / 0})()",
    ],
)
def test_3_18_other_values_are_refused(value):
    word = "neither" if value == "10**400" else "IntEnum" if "enum" in value else "expected"
    refused(word, delta="x = LIMIT  # here", top=f"LIMIT = {value}\n")


def test_3_19_texts_and_bytes():
    assert go("p.t = 'é'\np.x = b'\\x00\\x01\\x02\\x03'")["x"] == b"\x00\x01\x02\x03"
    refused("NUL", delta="p.t = 'a\\0'  # here")
    refused("expected blob(4), found blob(3)", delta="p.x = b'abc'  # here")


def test_3_20_texts_compare_by_content():
    assert go("p.b = p.t == p.s and p.s == 'ab' and p.t != 'ab '", before={1: {"t": "ab", "s": "ab"}})["b"] is True


@pytest.mark.parametrize(
    "expression",
    [
        "f'{self.i}'",
        "(x := 1)",
        "[1]",
        "(1, 2)",
        "{1}",
        "{1: 2}",
        "lambda: 1",
        "[i for i in (1,)]",
        "(i for i in (1,))",
        "...",
        "None",
        "print",
        "Color",
        "mmsb",
        "+self.i",
        "*self.a",
        "1j",
    ],
)
def test_other_expressions_are_refused(expression):
    refused(delta=f"p.i = {expression}  # here") if expression != "*self.a" else refused(
        delta="p.i = max(*self.a)  # here"
    )
