"""docs/language.md, section 8, and that every numbered sentence there has a test."""

import json
import re
from pathlib import Path

import pytest

from mmsb.processors.language import interpret
from mmsb.schemas.canonical import canonical
from tests.language.harness import ir

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "language.md"


def numbered_sentences() -> set[tuple[int, int]]:
    section, found = 0, set[tuple[int, int]]()
    for line in PAGE.read_text("utf-8").splitlines():
        if heading := re.match(r"## (\d+)\.", line):
            section = int(heading[1])
        elif item := re.match(r"(\d+)\. ", line):
            found.add((section, int(item[1])))
    return found


def sentences_with_a_test() -> set[tuple[int, int]]:
    texts = "\n".join(path.read_text("utf-8") for path in sorted(HERE.glob("test_*.py")))
    names = re.findall(r"^def test_(\w+)\(", texts, re.MULTILINE)
    return {(int(a), int(b)) for name in names for a, b in re.findall(r"(?:^|_)(\d+)_(\d+)(?=_)", name)}


def test_every_numbered_sentence_has_a_test_and_every_test_a_sentence():
    sentences, tests = numbered_sentences(), sentences_with_a_test()
    assert len(sentences) > 60
    assert sentences - tests == set(), "sentences without a test"
    assert {t for t in tests if t[0] <= 7} - sentences == set(), "tests without a sentence"


def test_every_node_of_the_table_is_interpreted_and_no_other():
    text = PAGE.read_text("utf-8").split("## 8.")[1].split("An intent is")[0]
    expressions, statements = text.split("Statements:")
    named = [set(re.findall(r'\["(\w+)"', part)) for part in (expressions, statements)]
    assert named[0] == set(interpret._EXPRESSIONS)
    assert named[1] == set(interpret._STATEMENTS)


ARG_I, ARG_F = ["arg", 0], ["arg", 3]
P_I = ["get", 0, 0]


@pytest.mark.parametrize(
    ("expression", "node"),
    [
        ("self.i + 1", ["op", "add", "i64", ARG_I, ["const", "i64", 1]]),
        ("p.i - -1", ["op", "sub", "i64", P_I, ["const", "i64", -1]]),
        (
            "p.i // 2 % 3",
            ["op", "mod", "i64", ["op", "floordiv", "i64", P_I, ["const", "i64", 2]], ["const", "i64", 3]],
        ),
        (
            "p.i & 1 | 2 ^ ~p.i",
            [
                "op",
                "or",
                "i64",
                ["op", "and", "i64", P_I, ["const", "i64", 1]],
                ["op", "xor", "i64", ["const", "i64", 2], ["invert", P_I]],
            ],
        ),
        ("-abs(p.i)", ["neg", "i64", ["abs", "i64", P_I]]),
        ("max(1, p.i, 2)", ["max", "i64", ["max", "i64", ["const", "i64", 1], P_I], ["const", "i64", 2]]),
        ("int(self.f / 2)", ["int", ["op", "div", "f64", ARG_F, ["const", "f64", 2.0]]]),
        ("int(mmsb.sqrt(float(p.i)))", ["int", ["sqrt", ["float", P_I]]]),
        (
            "1 if p.i < 5 else 2",
            ["if", ["cmp", "lt", "i64", P_I, ["const", "i64", 5]], ["const", "i64", 1], ["const", "i64", 2]],
        ),
        (
            "1 if p.b and self.b or not p.b else 2",
            [
                "if",
                ["any", ["all", ["get", 0, 6], ["arg", 5]], ["not", ["get", 0, 6]]],
                ["const", "i64", 1],
                ["const", "i64", 2],
            ],
        ),
        ("p.a[self.i]", ["get_at", 0, 20, ARG_I]),
        ("self.a[1]", ["arg_at", 11, ["const", "i64", 1]]),
        ("mmsb.now()", ["now"]),
        ("1 if mmsb.exists(p) else 0", ["if", ["exists", 0], ["const", "i64", 1], ["const", "i64", 0]]),
        (
            "add(self.i, p.i)",
            ["do", [["let", 0, ARG_I], ["let", 1, P_I]], ["op", "add", "i64", ["local", 0], ["local", 1]]],
        ),
        (
            "1 if 0 < p.i < self.i else 0",
            [
                "if",
                [
                    "all",
                    ["cmp", "lt", "i64", ["const", "i64", 0], ["do", [["let", 0, P_I]], ["local", 0]]],
                    ["cmp", "lt", "i64", ["local", 0], ARG_I],
                ],
                ["const", "i64", 1],
                ["const", "i64", 0],
            ],
        ),
    ],
)
def test_8_0_expressions(expression, node):
    assert ir(f"p.i = {expression}", top="def add(x, y):\n    return x + y\n")["delta"] == [["set", 0, 0, node]]


def test_8_0_constants():
    delta = ir("p.u = 5\np.f = 5\np.b = True\np.t = 'é'\np.x = b'\\x00abc'\np.c = Color.BLUE")["delta"]
    assert [node[3] for node in delta] == [
        ["const", "u64", 5],
        ["const", "f64", 5.0],
        ["const", "bool", True],
        ["const", "text", "é"],
        ["const", "blob", "00616263"],
        ["const", "enum", 2],
    ]


def test_8_0_statements():
    body = """
        x = self.i
        p.i = x
        p.a[x] = 1
        p.a[x] += 2
        if p.b:
            mmsb.delete(p)
        else:
            mmsb.reject('no')
        if self.b:
            mmsb.reject('{} is {}', x, self.c)
        for y in range(1, 9, 2):
            p.i = y
    """
    assert ir(body)["delta"] == [
        ["let", 0, ARG_I],
        ["set", 0, 0, ["local", 0]],
        ["set_at", 0, 20, ["local", 0], ["const", "i64", 1]],
        ["let", 1, ["local", 0]],
        ["set_at", 0, 20, ["local", 1], ["op", "add", "i64", ["get_at", 0, 20, ["local", 1]], ["const", "i64", 2]]],
        ["when", ["get", 0, 6], [["delete", 0]], [["refuse", "no"]]],
        ["when", ["arg", 5], [["refuse", "{} is {1=RED|2=BLUE}", ["local", 0], ["arg", 6]]], []],
        ["for", 2, 1, 9, 2, [["let", 3, ["local", 2]], ["set", 0, 0, ["local", 3]]]],
    ]


def test_8_0_an_intent_as_a_whole_is_canonical_json():
    whole = ir("mmsb.emit(Go(i=1))", predicate="x = self.i\nreturn x > 0", query="return P[self.i], P[2]", pages="p, q")
    assert whole["query"] == [["P", [ARG_I]], ["P", [["const", "i64", 2]]]]
    assert whole["predicate"] == [
        [["let", 0, ARG_I], ["let", 1, ["cmp", "gt", "i64", ["local", 0], ["const", "i64", 0]]]],
        ["local", 1],
    ]
    assert ir(predicate="return p.i > 0")["predicate"] == [[], ["cmp", "gt", "i64", P_I, ["const", "i64", 0]]]
    assert whole["delta"][0] == ["let", 0, ["const", "i64", 1]]
    assert whole["delta"][1][:2] == ["emit", "Go"]
    assert whole["delta"][1][2][11] == ["const", "array", [0, 0, 0]]
    assert json.loads(canonical(whole)) == whole
    assert ir()["predicate"] is None
