"""docs/language.md, section 4."""

import pytest

from mmsb.schemas.rejections import unpack_rejection
from tests.language.harness import ARGUMENTS, go, ir, refused

BUMP = "def bump(p, x):\n    p.j = p.j * 10 + x\n    return x\n"
OTHER = """

@app.intent
class Other(mmsb.Intent):
    n: i8
    t: str = mmsb.text(4, default='ab')
    u: u64 = 3
    c: Color = Color.BLUE
    a: list[i64] = mmsb.array(2, default=[4, 5])
    f: f64 = 1

    def query(self):
        return P[self.n]

    def delta(self, p):
        pass
"""


@pytest.mark.parametrize(
    ("operator", "result"), [("+", 9), ("-", 5), ("*", 14), ("//", 3), ("%", 1), ("&", 2), ("|", 7), ("^", 5)]
)
def test_4_1_assignments(operator, result):
    found = go(f"x = 7\nx {operator}= 2\np.i = x\np.j = 7\np.j {operator}= 2\np.a[1] = 7\np.a[1] {operator}= 2")
    assert (found["i"], found["j"], found["a"]) == (result, result, (0, result, 0))


def test_4_1_order_of_evaluation():
    found = go("p.a[bump(p, 1)] = bump(p, 2)", top=BUMP)
    assert (found["j"], found["a"]) == (21, (0, 2, 0))
    found = go("p.a[bump(p, 1)] += bump(p, 2)", top=BUMP)
    assert (found["j"], found["a"]) == (12, (0, 2, 0))
    assert go("p.j += bump(p, 2)", top=BUMP, before={1: {"j": 1}})["j"] == 3
    assert go("p.f = 3\np.f /= 2\nx: f64 = p.f\np.g = x")["g"] == 1.5
    assert go("p.k[self.i] = 256", i=2).code == "index_out_of_range"
    assert go("p.k[self.i] = self.j // 0", i=2).code == "division_by_zero"


@pytest.mark.parametrize(
    "delta",
    [
        "self.i = 1",
        "p = 1",
        "self = 1",
        "a = b = 1",
        "a, b = 1, 2",
        "p.a[0:1] = 1",
        "p.a = 1",
        "self.a[0] = 1",
        "[a] = 1",
        "p.a += 1",
        "p += 1",
        "self.i += 1",
        "x: int",
        "p.i, p.j = 1, 2",
        "self.i.x = 1",
        "x.y = 1",
        "for p in range(2): pass",
        "for self.i in range(2): pass",
        "for p.i in range(2): pass",
        "P.i = 1",
        "mmsb.now = 1",
        "p.nothing = 1",
        "f(p).i = 1",
        "p.i[0] = 1",
    ],
)
def test_4_2_other_targets_are_refused(delta):
    refused(delta=f"{delta}  # here")


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("n8", -128, 127),
        ("n16", -(2**15), 2**15 - 1),
        ("n32", -(2**31), 2**31 - 1),
        ("m8", 0, 255),
        ("m16", 0, 65535),
        ("m32", 0, 2**32 - 1),
    ],
)
def test_4_3_narrow_fields_reject_store_range(field, low, high):
    for value in (low, high):
        assert go(f"p.{field} = self.i\np.b = True", i=value)[field] == value
    for value, bound, op in ((low - 1, low, "GE"), (high + 1, high, "LE")):
        rejection = go(f"p.{field} = self.i", i=value).rejection
        assert (rejection.code.name, rejection.value, rejection.bound, rejection.op.name) == (
            "STORE_RANGE",
            value,
            bound,
            op,
        )
    assert go("p.k[1] = self.i", i=256).code == "store_range"


def test_4_4_texts_must_fit_and_blobs_and_enums_match():
    assert go("p.t = self.s", s="éé")["t"] == "éé"
    rejection = go("p.t = self.s", s="ééx").rejection
    assert (rejection.code.name, rejection.value, rejection.bound) == ("STORE_TEXT_TOO_LONG", 5, 4)
    refused("expected blob(2), found blob(4)", delta="p.y = self.x  # here")
    refused("expected Mood, found Color", delta="p.m = self.c  # here")
    refused("expected text, found i64", delta="p.t = self.i  # here")


@pytest.mark.parametrize(("i", "result"), [(1, 10), (2, 20), (3, 30)])
def test_4_5_branches(i, result):
    assert go("if self.i == 1:\n    p.i = 10\nelif self.i == 2:\n    p.i = 20\nelse:\n    p.i = 30", i=i)["i"] == result


@pytest.mark.parametrize(
    ("loop", "seen"),
    [
        ("range(4)", "123"),
        ("range(1, 3)", "12"),
        ("range(5, 0, -2)", "531"),
        ("range(3, 3)", ""),
        ("range(0, N, 2)", "2"),
        ("self.a", "789"),
        ("p.a", "456"),
        ("range(len(p.a))", "12"),
    ],
)
def test_4_6_loops(loop, seen):
    found = go(
        f"for x in {loop}:\n    p.i = p.i * 10 + x\np.b = True", top="N = 4", a=[7, 8, 9], before={1: {"a": [4, 5, 6]}}
    )
    assert str(found["i"] or "") == seen


def test_4_6_elements_are_read_when_their_turn_comes():
    assert go("for x in p.a:\n    p.a[2] = 9\n    p.i = p.i * 10 + x", before={1: {"a": [1, 2, 3]}})["i"] == 129


def test_4_6_assigning_to_the_loop_variable_does_no_harm():
    assert go("x = 0\nfor x in range(3):\n    p.i += 1\n    x = 100\np.j = x")["j"] == 100
    assert go("for x in range(3):\n    p.i += 1\n    x = 100")["i"] == 3


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        ("range(self.i)", ["constant integer"]),
        ("range(0, 5, 0)", ["step"]),
        ("self.s", ["no array"]),
        ("range(1.5)", ["constant"]),
        ("(1, 2)", ["range"]),
        ("self", ["range"]),
        ("range()", ["1 to 3"]),
        ("range(1, 2, 3, 4)", ["1 to 3"]),
        ("reversed(self.a)", ["range"]),
        ("enumerate(p.a)", ["range"]),
        ("range(-2**63, 3)", []),
        ("range(True)", []),
    ],
)
def test_4_6_other_loops_are_refused(loop, words):
    refused(*words, delta=f"for x in {loop}:  # here\n    pass")
    refused("no `else`", delta="for x in range(2):  # here\n    pass\nelse:\n    pass")
    refused("one name", delta="for x, y in range(2):  # here\n    pass")


def test_4_7_the_product_of_loops_is_limited():
    assert (
        go("for x in range(256):\n    for y in range(256):\n        p.i += 1\nfor z in range(65536):\n    pass")["i"]
        == 65536
    )
    refused("65792 steps", "65536", delta="for x in range(257):\n    for y in range(256):  # here\n        pass")
    refused("steps", delta="for x in range(-9223372036854775807, 9223372036854775807):  # here\n    pass")
    refused(
        "steps",
        at="Go.delta → f",
        delta="for x in range(300):\n    f()",
        top="def f():\n    for y in range(300):  # here\n        pass\n",
    )


@pytest.mark.parametrize(
    "delta",
    [
        "while True:  # here\n    pass",
        "for x in range(2):\n    break  # here",
        "for x in range(2):\n    continue  # here",
        "try:  # here\n    pass\nexcept ValueError:\n    pass",
        "try:  # here\n    pass\nfinally:\n    pass",
        "try:  # here\n    pass\nexcept* ValueError:\n    pass",
        "raise ValueError  # here",
        "with open('x'):  # here\n    pass",
        "import os  # here",
        "from os import path  # here",
        "global x  # here",
        "x = lambda: 1  # here",
        "x = [y for y in p.a]  # here",
        "x = f'{self.i}'  # here",
        "match self.i:  # here\n    case 1:\n        pass",
        "assert self.b  # here",
        "del p  # here",
        "yield 1  # here",
        "x = yield  # here",
        "def f():  # here\n    pass",
        "class A:  # here\n    pass",
        "(x := 3)  # here",
        "async def f():  # here\n    pass",
    ],
)
def test_4_8_other_statements_are_refused(delta):
    refused("the language does not have", delta=delta)


def test_4_8_async_functions_and_decorators_are_refused():
    from tests.language.harness import source_of

    source = source_of("await x")
    source = source.replace("    def delta(self, p):", "    async def delta(self, p):  # here")
    refused("it is async; write `def`", source=source)
    source = source_of("pass").replace("    def delta(self, p):", "    @plain\n    def delta(self, p):  # here")
    refused("decorator", source=source.replace("app = ", "def plain(f):\n    return f\n\n\napp = "))


def test_4_9_pass_and_a_docstring_do_nothing():
    assert ir('"""Why."""\npass\np.i = 1')["delta"] == ir("p.i = 1")["delta"]
    refused("has no effect", delta="p.i = 1\n'''not a docstring'''  # here")
    refused("has no effect", delta="...  # here")


RETURNS = """
def sign(x):
    if x < 0:
        return -1
    elif x == 0:
        return 0
    y = x * 2
    if y > 10:
        if y > 20:
            return 3
        y = 2
    else:
        return 1
    return y
"""


@pytest.mark.parametrize(("i", "result"), [(-5, -1), (0, 0), (3, 1), (7, 2), (50, 3)])
def test_4_10_return_ends_a_function(i, result):
    assert go("p.i = sign(self.i)\np.b = True", top=RETURNS, i=i)["i"] == result


def test_4_10_return_ends_a_delta():
    assert go("p.i = 1\nif self.b:\n    return\np.i = 2\nreturn None", b=True)["i"] == 1
    assert go("p.i = 1\nif self.b:\n    return\np.i = 2")["i"] == 2


@pytest.mark.parametrize(
    "body",
    ["if self.b:\n    return True", "pass", "return", "if self.b:\n    return True\nreturn", "p.b == True and self.b"],
)
def test_4_10_a_predicate_returns_a_bool_on_every_way(body):
    from tests.language.harness import source_of

    mark = "def predicate(self, p):"
    if body.startswith("p.b"):
        refused("no effect", delta="pass", predicate=body + "  # here", at="Go.predicate")
    else:
        refused(source=source_of(predicate=body).replace(mark, mark + "  # here"), at="Go.predicate")


def test_4_10_refused_returns():
    from tests.language.harness import source_of

    refused("inside a loop", "keep the result in a variable", delta="for x in range(3):\n    return  # here")
    refused("inside a loop", delta="for x in range(3):\n    if self.b:\n        return  # here")
    mark = "def delta(self, p):"
    refused("`delta` returns nothing", source=source_of("return 5").replace(mark, mark + "  # here"))
    refused("expected bool", predicate="if self.b:\n    return True\nreturn 3  # here", at="Go.predicate")


@pytest.mark.parametrize(
    "delta",
    [
        "return\nwhile True:  # here\n    pass",
        "mmsb.reject('x')\nx = nothing  # here",
        "if self.b:\n    return\nelse:\n    return\np.i = 1.5  # here",
        "if self.b:\n    mmsb.reject('a')\n    import os  # here\np.i = 1",
    ],
)
def test_4_10_what_cannot_be_reached_must_be_in_the_subset(delta):
    refused(delta=delta)


def test_4_10_what_cannot_be_reached_is_left_out():
    assert ir("p.i = 1\nreturn\np.i = 2\nx = 5\nx += 1")["delta"] == ir("p.i = 1")["delta"]
    assert go("if self.b:\n    mmsb.reject('a')\n    p.i = 1\np.i = 2")["i"] == 2


def test_4_11_reject():
    found = go("if self.b:\n    mmsb.reject('b')\nmmsb.reject('a')")
    assert (found.code, found.rejection.ordinal) == ("refused", 0)
    assert (
        go("mmsb.reject('a')", predicate="if self.b:\n    mmsb.reject('b')\nreturn True", b=True).rejection.ordinal == 1
    )
    for delta, value, bound, words in (
        ("mmsb.reject('at most {}, not {} cents', 5, self.i)", 5, 7, "at most 5, not 7 cents"),
        ("mmsb.reject('{}!', self.i)", 7, 0, "7!"),
        ("mmsb.reject('from {} to {}', p.c, self.c)", 1, 2, "from RED to BLUE"),
        ("mmsb.reject('{} to {}', Color.RED, self.c)", 1, 2, "RED to BLUE"),
    ):
        shown = go(delta, i=7, c=2)
        assert shown.rejection.value == value
        assert unpack_rejection(shown.rejection.pack()).bound == bound
        assert shown.words == words
    assert go("mmsb.reject('{} {}', 1 // self.j, self.i * 2)", i=2**62).code == "division_by_zero"
    assert go("mmsb.reject('{} {}', self.i * 2, 1 // self.j)", i=2**62).code == "overflow"
    least = "def least(x):\n    if x <= 0:\n        mmsb.reject('negative')\n    return x\n"
    assert go("mmsb.reject('at least {}', least(self.i))", top=least).words == "negative"
    assert go("mmsb.reject('at least {}', least(self.i))", top=least, i=3).words == "at least 3"
    odd = "Odd = enum.IntEnum('Odd', {'a|b': 1})\nWHAT = Odd(1)"
    refused("has one that is no name", delta="mmsb.reject('{}', WHAT)  # here", top=odd)
    for wrong in ("TEXT", "'a' + 'b'", "''", "5", "", "'a', 'b'", "reason='a'", "f'{p.i}'"):
        refused(delta=f"mmsb.reject({wrong})  # here", top="TEXT = 'a'")
    for wrong in ("'a {} {}', self.i", "'a', self.i", "'{} {', self.i", "'{i}', self.i", "'{}{}{}', 1, 2, 3", "'{}'"):
        refused("mmsb.reject takes", delta=f"mmsb.reject({wrong})  # here")
    for wrong, kind in (("self.f", "f64"), ("self.b", "bool"), ("self.s", "text"), ("self.u", "u64")):
        refused(f"shows i64 and members of enums, found {kind}", delta=f"mmsb.reject('{{}}', {wrong})  # here")
    refused("no value", delta="p.i = mmsb.reject('a')  # here")
    refused(
        "`query` cannot reject",
        query="return P[f()]",
        at="Go.query → f",
        top="def f():\n    mmsb.reject('x')  # here\n    return 1\n",
    )


def test_4_12_emit():
    found = go("mmsb.emit(Other(self.i, u=9))", top=OTHER, i=5)
    assert found.emitted == [("Other", {"n": 5, "t": "ab", "u": 9, "c": 2, "a": (4, 5), "f": 1.0})]
    found = go("mmsb.emit(Go(i=self.i + 1, c=Color.BLUE, s='x'))", i=5)
    assert (found.emitted[0][1]["i"], found.emitted[0][1]["s"]) == (6, "x")


def test_4_12_an_intent_declared_later_can_be_emitted():
    assert go("mmsb.emit(Other(self.i))", bottom=OTHER, i=5).emitted[0][0] == "Other"
    refused("Later is not declared in this app", "@app.intent", delta="mmsb.emit(Later(1))  # here", declared=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("Other()", ["needs an argument for 'n'"]),
        ("Other(1, 'a', 2, Color.RED, 5)", ["array"]),
        ("Other(1, a=2)", ["array", "default"]),
        ("Other(1, n=2)", ["twice"]),
        ("Other(1, z=2)", ["no field 'z'"]),
        ("Other(1.5)", ["expected i64, found f64"]),
        ("Other(*self.a)", ["`*`"]),
        ("Other(**x)", ["`**`"]),
        ("Other", ["mmsb.emit(Other(…))"]),
        ("P(1)", ["no intent"]),
        ("5", ["mmsb.emit(Other(…))"]),
        ("Other(1, 'a', 2, Color.RED, 5, 6, 7, 8)", ["6 fields"]),
        ("print(1)", ["no intent"]),
        ("Other(1), 2", ["in place"]),
        ("Other(self)", ["no value"]),
    ],
)
def test_4_12_other_calls_are_refused(call, words):
    refused(*words, delta=f"mmsb.emit({call})  # here", top=OTHER)


def test_4_12_a_local_name_is_no_intent():
    refused("local name", delta="Other = 1\nmmsb.emit(Other(1))  # here", top=OTHER)


def test_4_12_limits():
    assert len(go("for x in range(16):\n    mmsb.emit(Other(x))", top=OTHER).emitted) == 16
    assert go("for x in range(17):\n    mmsb.emit(Other(x))", top=OTHER).code == "too_many_follow_ups"
    assert len(go("mmsb.emit(Other(1))", top=OTHER, hops=2).emitted) == 1
    rejection = go("mmsb.emit(Other(1))", top=OTHER, hops=3).rejection
    assert (rejection.code.name, rejection.value, rejection.bound) == ("HOPS_EXCEEDED", 4, 3)
    rejection = go("mmsb.emit(Other(self.i))", top=OTHER, i=128).rejection
    assert (rejection.code.name, rejection.field, rejection.value, rejection.bound) == ("STORE_RANGE", 1, 128, 127)
    assert go("mmsb.emit(Other(1, self.s))", top=OTHER, s="12345").code == "store_text_too_long"


def test_4_13_delete():
    assert go("mmsb.delete(p)", before={1: {"i": 5}}).pages == {"P[1]": None}
    assert go("mmsb.delete(p)").pages == {}
    found = go("mmsb.delete(p)\np.i += 1\nq.i = p.i", query="return P[1], P[2]", pages="p, q", before={1: {"i": 5}})
    assert found.pages["P[1]"] is None
    assert found.pages["P[2]"]["i"] == 6
    refused("expected a page", delta="mmsb.delete(self)  # here")


@pytest.mark.parametrize(
    "delta",
    ["self.i", "p.i == 1", "abs(1)", "mmsb.exists(p)", "mmsb.now()", "5", "'a' == 'b'", "print(1)", "p", "None"],
)
def test_4_14_an_expression_alone_is_refused(delta):
    refused(delta=f"x = 1\n{delta}  # here")


def test_4_14_helpers_may_stand_alone():
    assert go("bump(p, 3)", top=BUMP)["j"] == 3


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        ("p.i = 1  # here\nreturn True", ["`predicate` only reads; change pages in `delta`"]),
        ("p.i += 1  # here\nreturn True", ["only reads"]),
        ("p.a[0] = 1  # here\nreturn True", ["only reads"]),
        ("mmsb.emit(Go())  # here\nreturn True", ["mmsb.emit belongs in `delta`"]),
        ("mmsb.delete(p)  # here\nreturn True", ["mmsb.delete belongs in `delta`"]),
        ("p.a[0] += 1  # here\nreturn True", ["only reads"]),
    ],
)
def test_4_15_a_predicate_changes_nothing(predicate, words):
    refused(*words, predicate=predicate, at="Go.predicate")


def test_4_15_nor_do_its_helpers():
    refused(
        "only reads",
        predicate="return bump(p, 1) == 1",
        at="Go.predicate → bump",
        top=BUMP.replace("+ x\n", "+ x  # here\n"),
    )
    assert "i: i64" in ARGUMENTS
