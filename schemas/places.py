"""Where a class, field or function stands in the user's source, so that an error can point at it.

Files are parsed once for each content; a class or function without readable source simply has no place.
"""

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

from mmsb.schemas.errors import InvalidDefinition

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Place:
    """A file and line, and the name of what stands there."""

    file: str | None
    line: int | None
    name: str

    def at(self, line: int) -> "Place":
        return Place(self.file, line, self.name)

    def wrong(self, message: str) -> InvalidDefinition:
        """An error that points here."""
        where = f"{self.file}:{self.line}: " if self.file and self.line else ""
        return InvalidDefinition(f"{where}{self.name}: {message}")


@lru_cache(maxsize=64)
def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def _module(file: str) -> ast.Module | None:
    source = "".join(linecache.getlines(file))
    return _parse(source) if source else None


def _nodes(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every class and function with its qualified name, as Python forms it."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, child
            yield from _nodes(child, f"{prefix}{child.name}.")
        elif isinstance(child, FunctionNode):
            yield prefix + child.name, child
            yield from _nodes(child, f"{prefix}{child.name}.<locals>.")
        else:
            yield from _nodes(child, prefix)


def place_of_class(cls: type[Any], field: str | None = None) -> Place:
    """Where a class, or one of its fields, is written."""
    name = f"{cls.__name__}.{field}" if field else cls.__name__
    file = _file_of_class(cls)
    node = _class_node(cls, file) if file else None
    if node is None:
        return Place(None, None, f"{cls.__module__}.{name}")
    lines = [item.lineno for item in node.body if field and _assigns(item, field)]
    return Place(file, lines[0] if lines else node.lineno, name)


def _file_of_class(cls: type[Any]) -> str | None:
    """The module's file, or (typed into a prompt or a notebook) that of one of its functions."""
    for value in vars(cls).values():
        if inspect.isfunction(value):
            return value.__code__.co_filename
    file: str | None = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return file


def _class_node(cls: type[Any], file: str) -> ast.ClassDef | None:
    tree = _module(file)
    found = [node for name, node in _nodes(tree) if name == cls.__qualname__] if tree else []
    classes = [node for node in found if isinstance(node, ast.ClassDef)]
    first: int | None = getattr(cls, "__firstlineno__", None)  # from Python 3.13 on
    exact = [node for node in classes if first in _first_lines(node)]
    candidates = exact or classes
    return candidates[-1] if candidates else None


def _first_lines(node: ast.ClassDef | FunctionNode) -> set[int]:
    """The lines at which Python may say that it begins: its own, or that of a decorator."""
    return {node.lineno, *(decorator.lineno for decorator in node.decorator_list)}


def _assigns(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def function_node(function: FunctionType) -> tuple[FunctionNode | None, str]:
    """A function's syntax tree and file; no tree where the source cannot be read."""
    code = function.__code__
    tree = _module(code.co_filename)
    for _, node in _nodes(tree) if tree else ():
        if isinstance(node, FunctionNode) and node.name == code.co_name and code.co_firstlineno in _first_lines(node):
            return node, code.co_filename
    return None, code.co_filename
