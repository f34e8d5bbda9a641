"""docs/language.md, section 5."""

import pytest

from tests.language.harness import go, ir, refused, source_of

PAIR = "@app.page(key=(mmsb.text(3), u8))\nclass Pair(mmsb.Page):\n    n: i64\n"
MORE = """
@app.page(key=u64)
class U(mmsb.Page):
    n: i64


@app.page(key=mmsb.text(3))
class T(mmsb.Page):
    n: i64


@app.page(key=mmsb.blob(4))
class B(mmsb.Page):
    n: i64
"""


def test_5_1_one_reference_or_a_tuple_of_up_to_8():
    eight = ", ".join(f"P[{n}]" for n in range(8))
    assert len(ir(query=f"return {eight}", pages=", ".join("abcdefgh"))["query"]) == 8
    assert go("p.n = 1", query="'''Why.'''\nreturn Pair[self.s, 7]", top=PAIR, s="ab").pages == {
        "Pair[('ab', 7)]": {"n": 1}
    }
    assert ir(query="return (P[1],)")["query"] == [["P", [["const", "i64", 1]]]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("return P[1], " * 1 + ", ".join(["P[1]"] * 8), ["1 to 8 pages, found 9"]),
        ("return ()", ["found 0"]),
        ("return P", ["expected a page by its key"]),
        ("return P[1, 2]", ["the key of P is (i64), found 2"]),
        ("return [P[1]]", ["expected a page"]),
        ("return int[1]", ["`int` is no page"]),
        ("return Go[1]", ["there is no 'Go'"]),
        ("return P[1] if self.b else P[2]", ["expected a page"]),
        ("return *P[1],", ["expected a page"]),
        ("return Lost[1]", ["Lost is not declared in this app"]),
        ("return P[1:2]", ["slice"]),
        ("return P(1)", ["expected a page"]),
        ("return P[P[1].i]", []),
        ("return P[mmsb.now()]", ["not the time"]),
        ("return P[self.f]", ["expected i64, found f64"]),
        ("return P[self.u]", ["u64"]),
    ],
)
def test_5_1_other_queries_are_refused(query, words):
    refused(*words, query=query + "  # here", at="Go.query", top="class Lost(mmsb.Page):\n    n: i64\n")


@pytest.mark.parametrize(
    "query", ["x = 1\nreturn P[x]", "P[1]", "pass", "return", "if self.b:\n    return P[1]\nreturn P[2]"]
)
def test_5_1_query_is_a_single_return(query):
    mark = "def query(self):"
    refused(
        "single `return`",
        "return Account[self.src]",
        source=source_of(query=query).replace(mark, mark + "  # here"),
        at="Go.query",
    )


def test_5_2_keys_are_expressions_over_self_and_constants():
    top = "N = 3\n\ndef slot(x):\n    if x < 0:\n        return -x\n    return x * N\n"
    assert go("p.i = 1", query="return P[slot(self.i) + N]", top=top, i=4).pages.keys() == {"P[15]"}
    assert go("p.i = 1", query="return P[self.i // self.j]").code == "division_by_zero"
    assert go("p.n = 1", query="return U[self.u]", top=MORE, u=2**64 - 1).pages.keys() == {f"U[{2**64 - 1}]"}
    assert go("p.n = 1", query="return U[5]", top=MORE).pages.keys() == {"U[5]"}
    assert go("p.n = 1", query="return B[self.x]", top=MORE, x=b"abcd").pages.keys() == {"B[b'abcd']"}


def test_5_3_key_components_are_stored_as_into_a_field():
    rejection = go(query="return P[1], Pair['a', self.i]", pages="p, q", top=PAIR, i=256).rejection
    assert (rejection.code.name, rejection.field, rejection.ordinal, rejection.value, rejection.bound) == (
        "STORE_RANGE",
        0,
        1,
        256,
        255,
    )
    rejection = go(query="return T[self.s]", top=MORE, s="abcd").rejection
    assert (rejection.code.name, rejection.field, rejection.value, rejection.bound) == ("STORE_TEXT_TOO_LONG", 0, 4, 3)


def test_5_4_a_page_named_twice_is_one_record():
    found = go("p.i = 5\nq.i += 1\nr.b = True", query="return P[self.i], P[self.j], P[2]", pages="p, q, r", i=1, j=1)
    assert list(found.pages) == ["P[1]", "P[2]"]
    assert found["i"] == 6
    found = go(
        "mmsb.delete(p)\nq.i = 2\nr.b = mmsb.exists(q)",
        query="return P[1], P[1], P[2]",
        pages="p, q, r",
        before={1: {}},
    )
    assert found.pages["P[1]"] is None
    assert found.pages["P[2]"]["b"] is False


def test_5_5_a_page_that_does_not_exist_reads_as_defaults():
    top = "@app.page(key=i64)\nclass D(mmsb.Page):\n    n: i64 = 41\n    c: Color\n"
    found = go("d.n += 1\np.b = d.c == Color.RED", query="return D[1], P[1]", pages="d, p", top=top)
    assert (found.pages["D[1]"], found["b"]) == ({"n": 42, "c": 1}, True)
    assert go("pass", query="return D[1]", pages="d", top=top).pages == {"D[1]": {"n": 41, "c": 1}}
    assert go("mmsb.delete(d)", query="return D[1]", pages="d", top=top).pages == {}
