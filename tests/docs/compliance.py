"""docs/compliance.md: the seven rules, each with the tests that guard it, found by their marker `guards(rule, …)`; and
what was promised of home, past, Kafka and the edges, with the tests that hold it (tests/docs/promises.py).

`python -m tests.docs.compliance` runs all of them, and writes the page only if all pass.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.promises import PROMISES, Promise, missing, tests
from tests.docs.reference import filled
from tests.project.tree import ROOT

PAGE = ROOT / "docs" / "compliance.md"
HEAD = """\
# The seven rules

What MMSB promises about itself comes down to seven rules. Each is held by tests, not by memory: a test that guards a
rule carries the marker `guards` with the rule's number, and this page is made of those markers. `python -m
tests.docs.compliance` runs all guards, and writes the page only when every one of them has passed; `make test` runs
them each time, and fails when a rule has no guard, or when this page lists one that is gone. The same is true of what
stands below them: what was promised of the home, of the past, of what is behind Kafka, where a broker is needed, and of
the edges.
"""

PROMISED = """\
## What was promised of home, past, Kafka and the edges

The numbers are those of the list of all that MMSB is to do, by which `tests/rows/` is named as well. How fast it is
stands in [benchmarks.md](benchmarks.md).

| | what | held by |
|---|---|---|
"""


@dataclass(frozen=True)
class Rule:
    title: str
    here: str  # what it means in this repository


RULES = {
    1: Rule(
        "Execution never reasons",
        "Kernels get arrays and scalars, and give arrays. They know no user code, no IO, no clock and no policy; "
        "the import contracts say so of everything below `streams/`.",
    ),
    2: Rule(
        "Reasoning never mutates",
        "`query`, `predicate` and `delta` see pages that cannot be assigned to, or scratch copies. What differs "
        "in a scratch copy is the delta; only `state/` writes a page.",
    ),
    3: Rule(
        "Every state change is a delta",
        "There is one mutating door, and each block carries the digest of the whole state after it. A byte that "
        "changed any other way is found.",
    ),
    4: Rule(
        "An intent is not its execution",
        "It is recorded first, and executed later: by this process, by the next one, once. A plan is looked at "
        "without running it.",
    ),
    5: Rule(
        "Replay is deterministic",
        "The same log gives the same bytes, in batches of any size, interpreted or compiled, and by a model that "
        "was written from the documents alone.",
    ),
    6: Rule(
        "No learning in the core",
        "`schemas/`, `state/`, `kernels/` and `processors/` import no optimiser and no library that learns. What "
        "tunes or learns stands above them, and may only submit intents.",
    ),
    7: Rule(
        "No cognition below the edge",
        "The same folders reach no model and no network. Reasoning about what to do comes before the log, and "
        "leaves intents in it.",
    ),
}


@dataclass(frozen=True)
class Guard:
    file: str
    test: str
    rules: tuple[int, ...]


def guards(folder: Path) -> Iterator[Guard]:
    """The marked tests below a folder, in the order of files and lines."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            rules = tuple(_rules(node)) if isinstance(node, ast.FunctionDef) else ()
            if rules and isinstance(node, ast.FunctionDef):
                yield Guard(path.relative_to(folder.parent).as_posix(), node.name, rules)


def _rules(node: ast.FunctionDef) -> Iterator[int]:
    for marker in node.decorator_list:
        if isinstance(marker, ast.Call) and ast.unparse(marker.func) == "pytest.mark.guards":
            yield from map(ast.literal_eval, marker.args)


def compliance(found: list[Guard]) -> str:
    """The page; raises if a rule has no evidence, or a guard guards what is no rule."""
    strange = sorted({rule for guard in found for rule in guard.rules} - set(RULES))
    if strange:
        raise LookupError(f"tests guard rules {strange}, and there are rules 1 to {len(RULES)}")
    return "\n".join([HEAD, *(_section(number, rule, found) for number, rule in RULES.items()), _promised()])


def _section(number: int, rule: Rule, found: list[Guard]) -> str:
    mine = [guard for guard in found if number in guard.rules]
    if not mine:
        raise LookupError(f"rule {number}, {rule.title.lower()}, has no guard: mark one with `guards({number})`")
    rows = [f"| {_words(guard.test)} | [{guard.file}](../{guard.file}) |" for guard in mine]
    here = filled(rule.here)
    return "\n".join([f"## Rule {number}. {rule.title}", "", here, "", "| guard | in |", "|---|---|", *rows, ""])


def _promised() -> str:
    """Raises if a test is named that there is not."""
    gone = list(missing())
    if gone:
        raise LookupError(f"tests/docs/promises.py names what is not there: {', '.join(gone)}")
    rows = (f"| {number} | {promise.what} | {_links(promise)} |\n" for number, promise in PROMISES.items())
    return PROMISED + "".join(rows)


def _links(promise: Promise) -> str:
    parts = [name.partition("::") for name in promise.held_by]
    return "; ".join(f"[{_words(test) if test else path}](../{path})" for path, _, test in parts)


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


if __name__ == "__main__":
    for wanted in (["-m", "guards"], tests()):
        if subprocess.run([sys.executable, "-m", "pytest", "-q", *wanted], cwd=ROOT, check=False).returncode:
            sys.exit("compliance: a test failed, so there is no evidence; the page stays as it is")
    PAGE.write_text(compliance(list(guards(ROOT / "tests"))), "utf-8")
    print(f"{PAGE.relative_to(ROOT)}: all of them passed")
