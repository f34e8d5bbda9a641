"""docs/faults.md is the whole truth: its tests are there, its classes and codes fit, and all that removes is in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from mmsb.cli.exits import Exit, exit_of
from mmsb.schemas import errors
from tests.docs.tables import code, table, text_of
from tests.project.tree import ROOT

PAGE = text_of("docs/faults.md")
FAULTS = table(
    PAGE, "fault", "where it is met", "reaction", "error", "exit code of `mmsb run`", "what to do", "test"
)  # fmt: skip
REMOVALS = table(PAGE, "where", "what goes", "proof that it is redundant")
REACTIONS = tuple(row[0] for row in table(PAGE, "reaction", "means"))

REMOVING = {
    "remove", "remove_folder", "unlink", "rmdir", "truncate", "ftruncate", "trim", "trim_logs", "remove_tree",
    "remove_checkpoint", "rmtree",
}  # fmt: skip
QUEUES = {"_tickets", "_room", "_waiting"}  # lists of what waits, whose `remove` is not of files


def test_every_row_names_a_reaction_and_a_test_that_is_there() -> None:
    for fault, where, reaction, *_, test in FAULTS:
        assert reaction.startswith(REACTIONS), (fault, where)
        file, _, name = code(test).partition("::")
        functions = {node.name for node in ast.walk(parsed(ROOT / "tests/faults" / file)) if is_function(node)}
        assert name in functions, test


def test_every_test_of_a_fault_is_in_the_table() -> None:
    named = {code(row[-1]) for row in FAULTS}
    for path in sorted((ROOT / "tests/faults").glob("test_*.py")):
        if path.name != Path(__file__).name:
            there = {f"{path.name}::{node.name}" for node in parsed(path).body if is_function(node)}
            assert {each for each in there if "::test_" in each} <= named


def test_classes_and_exit_codes_go_together() -> None:
    for fault, where, reaction, error, number, *_ in FAULTS:
        if error == "–":
            continue
        kind = getattr(errors, code(error))
        if number not in ("–", "0"):
            assert int(number) == exit_of(kind("")), (fault, where)
        assert number != str(int(Exit.DONE)) or reaction == "reject", (fault, where)


def test_no_call_removes_anything_without_a_proof_in_the_table() -> None:
    found = set(removals())
    named = {code(row[0]) for row in REMOVALS}
    assert found - named == set(), "these calls remove something: say in docs/faults.md why it is redundant"
    assert named - found == set(), "these remove nothing any more"
    assert all(re.search(r"\w{3}", row[2]) for row in REMOVALS)


def removals() -> Iterator[str]:
    for path in sorted((ROOT / "streams").rglob("*.py")):
        for function in ast.walk(parsed(path)):
            if is_function(function) and any(removes(node) for node in ast.walk(function)):
                yield f"{path.relative_to(ROOT)}: {function.name}"


def removes(node: ast.AST) -> bool:
    """Whether a function that removes is called, or handed to somebody."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        of = node.func.value
        return node.func.attr in REMOVING and not (isinstance(of, ast.Attribute) and of.attr in QUEUES)
    return isinstance(node, ast.Name) and node.id in REMOVING and isinstance(node.ctx, ast.Load)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def is_function(node: ast.AST) -> "TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]":
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
