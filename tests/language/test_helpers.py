"""docs/language.md, section 6."""

import pytest

import mmsb
from tests.language.harness import PRELUDE, go, load, perform, refused, source_of


def test_6_1_helpers_are_written_in_wherever_they_come_from():
    other = load("LIMIT = 7\n\ndef capped(x):\n    return min(x, LIMIT)\n", "language_helpers")
    assert (
        go(
            "p.i = capped(self.i) + language_helpers.capped(1)",
            i=50,
            top="import language_helpers\nfrom language_helpers import capped\nLIMIT = 1\n",
        )["i"]
        == 8
    )
    other.LIMIT = 9


def test_6_1_a_helper_outside_the_subset_is_refused_in_its_own_file():
    refused(
        "the language does not have `try`",
        delta="p.i = f(1)",
        at="Go.delta → f",
        top="def f(x):\n    try:  # here\n        return x\n    finally:\n        pass\n",
    )


@pytest.mark.parametrize("call", ["f(1, 2)", "f(x=1, y=2)", "f(1, y=2)", "f(y=2, x=1)", "f(1)", "f(x=1)"])
def test_6_2_arguments_find_their_parameters(call):
    top = "def f(x, y=2):\n    return x * 10 + y\n"
    assert go(f"p.i = {call}", top=top)["i"] == 12


def test_6_2_all_kinds_of_parameters():
    top = "def f(a, /, b, *args, c, d=4, **rest):\n    return a * 1000 + b * 100 + c * 10 + d\n"
    assert go("p.i = f(1, 2, c=3)", top=top)["i"] == 1234
    assert go("p.i = f(1, c=3, b=2, d=5)", top=top)["i"] == 1235


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("f(1, 2, 3, c=3)", ["2 arguments by position, found 3"]),
        ("f(a=1, b=2, c=3)", ["no parameter 'a'"]),
        ("f(1, 2)", ["needs an argument for 'c'"]),
        ("f(1, 2, c=3, z=1)", ["no parameter 'z'"]),
        ("f(1, 2, b=2, c=3)", ["twice"]),
        ("f(*p.a, c=1)", ["`*`"]),
        ("f(1, 2, **x)", ["`**`"]),
        ("g(1)", ["found P[1]"]),
        ("h(1)", ["found [1]"]),
    ],
)
def test_6_2_other_calls_are_refused(call, words):
    top = "def f(a, /, b, *args, c, **rest):\n    return a\n\n"
    top += "def g(a, page=P[1]):\n    return a\n\ndef h(a, many=[1]):\n    return a\n"
    refused(*words, delta=f"p.i = {call}  # here", top=top)


def test_6_2_collected_arguments_have_no_value():
    refused("'args'", at="Go.delta → f", delta="p.i = f()", top="args = 3\n\ndef f(*args):\n    return args  # here\n")


def test_6_3_pages_and_self_may_be_passed():
    top = "def move(a, b, n):\n    a.i -= n\n    b.i += n\n\ndef twice(intent):\n    return intent.i * 2\n"
    found = go("move(p, b=q, n=twice(self))", query="return P[1], P[2]", pages="p, q", top=top, i=3)
    assert (found.pages["P[1]"]["i"], found.pages["P[2]"]["i"]) == (-6, 6)
    assert (
        go("pass", predicate="return low(p)", top="def low(x):\n    return x.i < 3\n", before={1: {"i": 3}}).code
        == "predicate"
    )


def test_6_3_a_name_is_what_the_function_makes_of_it():
    top = "def f(p, q):\n    p.i = q\n    q = 5\n    return q\n"
    found = go("x = f(q, 7)\np.i = x", query="return P[1], P[2]", pages="p, q", top=top)
    assert (found.pages["P[1]"]["i"], found.pages["P[2]"]["i"]) == (5, 7)
    refused("'p' is a parameter", at="Go.delta → f", delta="f(p)", top="def f(p):\n    p = 1  # here\n")


def test_6_4_parameters_belong_to_the_helper():
    found = go("x = 1\ny = change(x)\np.i = x\np.j = y", top="def change(x):\n    x += 10\n    return x\n")
    assert (found["i"], found["j"]) == (1, 11)
    assert go("x = 1\np.i = x + change(x) + x", top="def change(x):\n    x += 10\n    return x\n")["i"] == 13


def test_6_5_one_type_on_every_way_or_none():
    mark = "# here"
    refused(
        "some ways",
        at="Go.delta → f",
        delta="p.i = f(self.i)",
        top=f"def f(x):  {mark}\n    if x > 0:\n        return 1\n",
    )
    refused(
        "expected i64, found f64",
        at="Go.delta → f",
        delta="p.i = f(self.i)",
        top=f"def f(x):\n    if x > 0:\n        return x\n    return 1.0  {mark}\n",
    )
    refused("f(…) returns nothing", delta="p.i = f(self.i)  # here", top="def f(x):\n    x = 2\n")
    assert (
        go("p.i = f(self.i)", i=1, top="def f(x):\n    if x > 0:\n        return 1\n    mmsb.reject('low')\n")["i"] == 1
    )


def test_6_6_recursion_is_refused():
    refused(
        "f calls itself",
        "`for` loop",
        at="Go.delta → f",
        delta="p.i = f(1)",
        top="def f(x):\n    return f(x)  # here\n",
    )
    refused(
        "f calls itself",
        at="Go.delta → f → g",
        delta="p.i = f(1)",
        top="def f(x):\n    return g(x)\n\ndef g(x):\n    return f(x)  # here\n",
    )
    assert go("p.i = f(f(f(1)))", top="def f(x):\n    return x + 1\n")["i"] == 4


def marked(delta: str, **parts: str) -> str:
    return source_of(delta, **parts).replace("class Go(mmsb.Intent):", "class Go(mmsb.Intent):  # here")


def test_6_6_size_is_limited():
    line = "p.i = self.i + 1"  # a set, an op, an arg and a const; the query has one more const
    assert go("\n".join([line] * 4999), i=1)["i"] == 2
    refused("IR_NODES_MAX = 20000", "split the intent", source=marked("\n".join([line] * 5000)), at="Go")
    chain = "def f0(x):\n    return x + 1\n" + "".join(
        f"\ndef f{n}(x):\n    return f{n - 1}(x) + f{n - 1}(x)\n" for n in range(1, 30)
    )
    with pytest.raises(mmsb.InvalidDefinition, match="IR_NODES_MAX"):
        load(source_of("p.i = f29(1)", top=chain))
    guards = "\n".join(f"if self.i == {n}:\n    x = 1\n    if self.b:\n        return" for n in range(40))
    with pytest.raises(mmsb.InvalidDefinition, match="IR_NODES_MAX"):
        load(source_of(guards))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "p.i = " + "+".join(["self.i"] * (n - 1)),
        lambda n: "p.b = " + " and ".join(["self.b"] * (n - 1)),
        lambda n: "p.i = " + "-" * (n - 2) + "self.i",
        lambda n: "\n".join([f"if self.i == {k}:\n    return" for k in range(n - 2)]),
        lambda n: "if self.i == 0:\n    pass\n" + "\n".join(f"elif self.i == {k}:\n    pass" for k in range(1, n - 2)),
    ],
    ids=["sum", "and", "minus", "guards", "elif"],
)
def test_6_6_depth_is_limited(make):
    assert go(make(128), before={1: {}}).code in ("applied", "overflow")
    refused("IR_DEPTH_MAX = 128", source=marked(make(129)), at="Go")
    for n in (400, 900, 3000, 20000):
        try:
            compile(make(n), "x", "exec")
        except (RecursionError, MemoryError, SyntaxError):
            break
        with pytest.raises((mmsb.InvalidDefinition, RecursionError)) as caught:
            load(source_of(make(n)))
        assert caught.type is mmsb.InvalidDefinition or "compilation" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "top", "words"),
    [
        ("self.i.bit_length()", "", []),
        ("P(1)", "", ["cannot be called"]),
        ("sum(p.a)", "", ["cannot be called"]),
        ("abs(1)", "abs = 3", ["cannot be called"]),
        ("f(1)", "import functools\nf = functools.partial(max, 1)", ["cannot be called"]),
        ("f(1)", "f = ([1],)", ["cannot be called"]),
        ("f(1)", "f = []", ["cannot be called"]),
        ("f(1)", "import functools\n@functools.lru_cache\ndef f(x):\n    return x\n", ["cannot be called"]),
        ("Color(1)", "", ["cannot be called"]),
        ("p.i()", "", ["method"]),
        ("x(1)", "", ["local name"]),
        ("(f)(1)(2)", "f = 1", ["no function"]),
        ("round(1.5)", "", ["cannot be called"]),
        ("str(1)", "", ["cannot"]),
        ("super().x", "", []),
        ("eval('1')", "", ["cannot"]),
        ("f(1)", "class F:\n    def __call__(self, x):\n        return x\nf = F()", ["cannot"]),
    ],
)
def test_6_7_other_calls_are_refused(call, top, words):
    refused(*words, delta=f"x = 1\np.i = {call}  # here", top=top)


def closure(body: str) -> str:
    text = source_of("p.i = limit  # here").split("@app.intent", 1)[1]
    indented = "\n".join("    " + line for line in ("@app.intent" + text).splitlines())
    return f"{PRELUDE}\ndef make(given=1):\n{body}\n{indented}\n    return Go\n\nGo = make()\n"


@pytest.mark.parametrize(
    "body",
    [
        "    limit = 1\n    limit += 1",
        "    for limit in (1, 2):\n        pass",
        "    limit = 1\n    limit = 2",
        "    limit = 1\n    def f():\n        nonlocal limit\n        limit = 3",
        "    while (limit := 1) > 1:\n        pass",
    ],
)
def test_6_7_a_closure_over_a_variable_that_changes_is_refused(body):
    refused("'limit' of the enclosing function is assigned more than once", source=closure(body))


@pytest.mark.parametrize(
    "body", ["    limit = 4", "    (limit, other) = (4, 5)", "    import enum as e\n    limit = 4"]
)
def test_6_7_a_closure_over_a_constant_is_read(body):
    module = load(closure(body))
    assert perform(module, module.Go())["i"] == 4
