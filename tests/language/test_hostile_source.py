# ruff: noqa: E501 - the pieces that are planted stand many on a line
"""Whatever is written in a function, its class is declared or refused by name: never a traceback of ours."""

import ast
import random
from typing import Any

import pytest

import mmsb
from tests.language.harness import app_of, load, perform, source_of

DELTA = """
x = self.i + 3
for k in range(3):
    p.a[k] += x * 2
    if p.a[k] > 5 and not self.b:
        p.i = min(p.i, helper(x, y=k))
y = 1.5 if self.b else self.f / 2.0
if 0 < x <= 10:
    p.f = mmsb.sqrt(abs(y))
elif self.s == "abc":
    mmsb.emit(Go(i=x, s="é"))
    return
else:
    mmsb.reject("no")
p.c = Color.BLUE
for v in self.a:
    move(p, v)
mmsb.delete(p)
"""
TOP = """
LIMIT, RATE, NAN, HUGE, ITEMS = 7, 0.5, float("nan"), 10**400, [1]

def helper(x, y=2):
    if x > y:
        return x - y
    return LIMIT

def move(page, n):
    page.j -= n
    page.w = mmsb.now()
"""
PIECES = [
    "self", "p", "self.i", "p.a", "self.u", "LIMIT", "NAN", "HUGE", "ITEMS", "mmsb", "Color", "Color.RED", "P", "Go", "helper", "print", "None", "True",
    "...", "-0.0", "b''", "'\\ud800'", "f'{x}'", "[x]", "(1, 2)", "{}", "lambda: 1", "(z := 1)", "p.a[0:1]", "p.a[x]", "self.i.j", "x()", "range(3)", "2**63",
    "helper(p)", "move(self, 1)", "mmsb.exists(p)", "mmsb.emit(Go())", "mmsb.delete(p)", "mmsb.reject('a')", "super()", "__class__", "x if x else x", "a @ b", "not x",
    "int", "float(x)", "len(p.a)", "max(*p.a)", "p[0]", "self[0]", "5[0]", "x.y.z", "await_", "~x", "x in p.a", "x is None", "'%d' % x", "1j", "10**10",
]  # fmt: skip
STATEMENTS = [
    "while x: pass", "break", "continue", "return", "return x", "return None", "pass", "x: int", "x: int = 1", "del x", "global x", "import os", "raise", "assert x",
    "p = 1", "self.i = 1", "x = y = 1", "x, y = 1, 2", "x.y = 1", "p.zzz = 1", "mmsb.x = 1", "with x: pass", "def f(): pass", "class C: pass", "x += p", "p.a += 1",
    "for p in range(2): pass", "for i in p: pass", "for i in range(x): pass", "for i in range(2): return", "yield x", "'text'", "x", "try:\n    pass\nfinally:\n    pass",
    "match x:\n    case 1: pass", "x @= 2", "p.a[0], p.i = 1, 2", "if p: pass", "nonlocal_ = 1", "move(p, p)", "helper()", "helper(1, 2, 3)", "max()", "p.i = p.i = 1",
]  # fmt: skip


class Mutator(ast.NodeTransformer):
    """Replaces one expression or statement, chosen by its number."""

    def __init__(self, target: int, chooser: random.Random) -> None:
        self.left = target
        self.chooser = chooser

    def visit(self, node: ast.AST):
        self.left -= 1
        if self.left == 0 and isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store):
            return ast.parse(self.chooser.choice(PIECES), mode="eval").body
        if self.left == 0 and isinstance(node, ast.stmt):
            return ast.parse(f"{self.chooser.choice(STATEMENTS)}").body
        return super().visit(node)


def mutated(text: str, chooser: random.Random) -> str:
    tree: Any = ast.parse(text)
    for _ in range(chooser.randint(1, 3)):
        tree = Mutator(chooser.randint(2, len(list(ast.walk(tree)))), chooser).visit(tree)
    try:
        return ast.unparse(ast.fix_missing_locations(tree)) or "pass"
    except ValueError:  # an f-string of what cannot stand in one
        return "pass"


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(3, 8))])
def test_mutated_functions_are_declared_or_refused(seed):
    chooser = random.Random(seed)
    declared, messages = 0, list[str]()
    for _ in range(120):
        delta = mutated(DELTA, chooser) if chooser.random() < 0.7 else DELTA
        top = (
            TOP
            if delta != DELTA
            else TOP.split("def ", maxsplit=1)[0] + mutated("def " + TOP.split("def ", 1)[1], chooser)
        )
        source = source_of(delta, top=top)
        try:
            compile(source, "mutated", "exec")
        except (SyntaxError, ValueError):
            continue
        try:
            module = load(source)
            app_of(module).bundle()
        except mmsb.InvalidDefinition as refusal:
            messages.append(str(refusal))
        except Exception as error:
            frames = error.__traceback__
            while frames is not None and frames.tb_next is not None:
                frames = frames.tb_next
            assert frames is not None
            assert "declared_" in frames.tb_frame.f_code.co_filename, source  # the user's own module level
        else:
            declared += 1
            for i in (-4, 0, 3, 2**63 - 1):
                perform(module, module.Go(i=i, f=2.0, a=[1, 2, 3]), {1: {"i": 4}})
    assert declared > 2
    assert len(messages) > 20
    assert all(".py:" in message for message in messages)
