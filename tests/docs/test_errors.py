"""docs/errors.md is the whole truth about errors, and nothing else is raised."""

import ast
import builtins
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsb
from mmsb.schemas import errors
from tests.docs.tables import blocks, code, table, text_of
from tests.project.tree import CODE_FOLDERS, ROOT, run

PAGE = text_of("docs/errors.md")
ROWS = {code(row[0]): row for row in table(PAGE, "error", "means", "command", "what to do")}
DECLARED = {name: error for name, error in vars(errors).items() if inspect.isclass(error)}
PARENTS = {"MmsbError", "CallerError", "Conflict"}

# Where a built-in exception is what Python itself would raise.
BUILT_IN = {  # what Python's own protocols ask for, and what only a bug of ours can raise
    ("kernels/jit.py", "TypeError"),
    ("processors/intake.py", "AssertionError"),
    ("processors/language/debugging.py", "AttributeError"),
    ("processors/machine.py", "IndexError"),
    ("processors/receipts.py", "IndexError"),
    ("schemas/layouts.py", "NotImplementedError"),
    ("src/mmsb/__init__.py", "AttributeError"),
    ("state/arrays.py", "KeyError"),
    ("streams/bus.py", "SystemExit"),  # a program that SIGTERM ended says so
    ("streams/edges/calling.py", "TimeoutError"),  # as asyncio's own, with the limit in its words
    ("streams/events/reader.py", "StopAsyncIteration"),
    ("streams/past/differing.py", "AssertionError"),
    ("streams/serving/client.py", "TimeoutError"),
    ("streams/submitting.py", "TimeoutError"),
    ("streams/serving/link.py", "NotImplementedError"),
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_each_command_provokes_its_error(name):
    result = run(sys.executable, "-c", code(ROWS[name][2]), cwd=ROOT)

    last = result.stdout.splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith(f"mmsb.schemas.errors.{name}: "), result.stdout
    assert len(last.split(": ", 1)[1]) > 20


def test_every_public_error_is_documented_and_every_error_is_public():
    public = {name for name in mmsb.__all__ if name in DECLARED}

    assert set(ROWS) | PARENTS == set(DECLARED) == public
    assert all(cell for row in ROWS.values() for cell in row)


def test_the_tree_is_that_of_the_code():
    [tree] = blocks(PAGE, "text")
    lines = [(re.search(r"\w", line), re.search(r"\w+", line), line) for line in tree.splitlines()]
    path: list[str] = []
    for start, name, line in lines:
        assert start is not None
        assert name is not None
        del path[start.start() // 4 :]
        parent = path[-1] if path else "Exception"
        bases = [base.__name__ for base in DECLARED[name[0]].__bases__]
        also = re.search(r"also an? (\w+)", line)
        assert bases == [parent, *([also[1]] if also else [])]
        path.append(name[0])
    assert {name[0] for _, name, _ in lines if name} == set(DECLARED)


def sources() -> Iterator[Path]:
    for folder in CODE_FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))
    yield from sorted((ROOT / "src" / "mmsb").glob("*.py"))
    yield from sorted((ROOT / "src" / "mmsb" / "cli").glob("*.py"))


def built_ins_raised(source: str) -> set[str]:
    """The built-in exceptions that a source raises by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            kind = getattr(builtins, raised.id, None) if isinstance(raised, ast.Name) else None
            if inspect.isclass(kind) and issubclass(kind, BaseException):
                found.add(kind.__name__)
    return found


def test_no_bare_error_is_raised():
    found = {
        (file.relative_to(ROOT).as_posix(), name)
        for file in sources()
        for name in built_ins_raised(file.read_text("utf-8"))
    }

    assert found == BUILT_IN


def test_abstract_errors_are_never_raised_and_every_other_one_is():
    raised = "\n".join(file.read_text("utf-8") for file in sources())

    for name in DECLARED:
        made = "raise|return" if name in PARENTS else "raise|return|->"  # a function may give any of a parent's
        assert bool(re.search(rf"({made}) {name}\b", raised)) is (name not in PARENTS), name


def test_the_scan_sees_what_it_looks_for():
    source = "raise ValueError\nraise RuntimeError('x')\nraise Exception from None\nraise InvalidValue('fine')\nraise"

    assert built_ins_raised(source) == {"ValueError", "RuntimeError", "Exception"}
