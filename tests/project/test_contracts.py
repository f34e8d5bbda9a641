"""Architecture rules fire: each contract is broken on purpose in a copy of the tree."""

import ast
import textwrap
from pathlib import Path

import pytest

from tests.project.tree import CODE_FOLDERS, ROOT, copy_code, run, tool

# The model and what generates its traffic: they judge mmsb, so they may lean on each other and never on it.
INDEPENDENT = ("tests.model", "tests.generator")


def lint_imports(tree: Path):
    return run(tool("lint-imports"), "--no-cache", cwd=tree, env={"PYTHONPATH": str(tree / "src")})


@pytest.mark.guards(1, 6, 7)
@pytest.mark.parametrize(
    ("folder", "statement", "named"),
    [
        ("kernels", "import asyncio", "mmsb.kernels.planted.deeper.module -> asyncio"),
        ("processors", "import time", "mmsb.processors.planted.deeper.module -> time"),
        ("state", "from random import random", "mmsb.state.planted.deeper.module -> random"),
        ("schemas", "import urllib.request", "mmsb.schemas.planted.deeper.module -> urllib"),
        ("state", "import rocksdict", "mmsb.state.planted.deeper.module -> rocksdict"),
        ("processors", "import torch.nn", "mmsb.processors.planted.deeper.module -> torch"),
        ("schemas", "import mmsb.kernels", "mmsb.schemas.planted.deeper.module -> mmsb.kernels"),
        ("kernels", "from mmsb import state", "mmsb.kernels.planted.deeper.module -> mmsb.state"),
        ("processors", "import mmsb.streams", "mmsb.processors.planted.deeper.module -> mmsb.streams"),
        ("state", "from mmsb import __version__", "mmsb.state.planted.deeper.module -> mmsb"),
    ],
)
def test_a_forbidden_import_in_a_nested_module_is_refused_by_name(tmp_path, folder, statement, named):
    tree = copy_code(tmp_path)
    package = tree / folder / "planted" / "deeper"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "module.py").write_text(statement + "\n")

    result = lint_imports(tree)

    assert result.returncode == 1, result.stdout
    assert named in " ".join(result.stdout.split()), result.stdout


@pytest.mark.guards(1, 6, 7)
def test_an_unplanted_copy_keeps_every_contract(tmp_path):
    result = lint_imports(copy_code(tmp_path))

    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("source", "rule"),
    [("from . import pages", "TID252"), *((f"import {name}", "TID251") for name in CODE_FOLDERS)],
)
def test_relative_and_bare_imports_are_refused_by_ruff(tmp_path, source, rule):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "planted.py").write_text(source + "\n")

    result = run(
        tool("ruff"),
        "check",
        "--no-cache",
        "--config",
        ROOT / "pyproject.toml",
        "--select",
        rule,
        folder,
        cwd=tmp_path,
    )

    assert result.returncode == 1
    assert rule in result.stdout


def model_breaches(source: str) -> list[str]:
    """What in this source would let the model borrow an answer from the code it is the judge of."""
    breaches: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(level=0, module=str(module), names=names):
                modules = [f"{module}.{alias.name}" for alias in names]
            case ast.ImportFrom():
                modules = ["."]
            case ast.Name(id=("__import__" | "exec" | "eval") as name):
                modules = [name]
            case _:
                continue
        for module in modules:
            top = module.split(".")[0]
            from_tests = top == "tests" and not f"{module}.".startswith(tuple(f"{name}." for name in INDEPENDENT))
            if from_tests or top in {"mmsb", "importlib", "__import__", "exec", "eval", "", *CODE_FOLDERS}:
                breaches.append(f"line {node.lineno}: {module}")
    return breaches


def test_the_model_and_the_generator_import_nothing_from_mmsb():
    breaches = {
        str(file.relative_to(ROOT)): found
        for package in INDEPENDENT
        for file in sorted(ROOT.joinpath(*package.split(".")).rglob("*.py"))
        if (found := model_breaches(file.read_text(encoding="utf-8")))
    }

    assert breaches == {}


def test_the_model_rule_sees_every_way_in():
    source = """\
        import mmsb.schemas as s
        from mmsb import schemas
        from kernels.spec import merge
        from . import helper
        from tests.project import tree
        import importlib
        __import__("mmsb")
        import struct
        from tests.model import fold
        from tests.model.fold import step
        from tests.generator.hostile import damaged
    """

    assert [breach.split(":")[0] for breach in model_breaches(textwrap.dedent(source))] == [
        f"line {number}" for number in range(1, 8)
    ]
