"""Where a class, field or function stands in the user's source, so that an error can point at it.

Files are parsed once for each content; a class or function without readable source simply has no place.
"""

import ast
import inspect
import linecache
import sys
import warnings
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python has warned of this source already
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _module(file: str) -> ast.Module | None:
    linecache.checkcache(file)
    source = "".join(linecache.getlines(file))
    return _parse(source) if source else None


def _nodes(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every class and function with its qualified name, as Python forms it; without recursion, for code may be deep."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, node = waiting.pop()
        children: list[tuple[str, ast.AST]] = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | FunctionNode):
                yield prefix + child.name, child
                inside = "." if isinstance(child, ast.ClassDef) else ".<locals>."
                children.append((f"{prefix}{child.name}{inside}", child))
            elif not isinstance(child, ast.expr):  # which holds neither
                children.append((prefix, child))
        waiting.extend(reversed(children))


def place_of_class(cls: type[Any], field: str | None = None) -> Place:
    """Where a class, or one of its fields, is written."""
    name = f"{cls.__name__}.{field}" if field else cls.__name__
    for file in _files_of_class(cls):
        node = _class_node(cls, file)
        if node:
            lines = [item.lineno for item in node.body if field and _assigns(item, field)]
            return Place(file, lines[0] if lines else node.lineno, name)
    return Place(None, None, f"{cls.__module__}.{name}")


def _functions(cls: type[Any]) -> list[FunctionType]:
    return [value for value in vars(cls).values() if inspect.isfunction(value)]


def _files_of_class(cls: type[Any]) -> list[str]:
    """Those of its functions (its own may have been typed into a notebook, where the module has none), its module's."""
    files = [function.__code__.co_filename for function in _functions(cls)]
    module: str | None = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return list(dict.fromkeys([*files, module] if module else files))


def _class_node(cls: type[Any], file: str) -> ast.ClassDef | None:
    tree = _module(file)
    found = [node for name, node in _nodes(tree) if name == cls.__qualname__] if tree else []
    classes = [node for node in found if isinstance(node, ast.ClassDef)]
    first: int | None = getattr(cls, "__firstlineno__", None)  # from Python 3.13 on
    inside = [function.__code__.co_firstlineno for function in _functions(cls)]
    exact = [node for node in classes if first in _first_lines(node)]
    holding = [node for node in classes if any(node.lineno < line <= (node.end_lineno or 0) for line in inside)]
    candidates = exact or holding or classes
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


def changing_names(function: FunctionType) -> set[str]:
    """Variables of enclosing functions that this one reads and that are bound more than once there."""
    read = set(function.__code__.co_freevars)
    node, file = function_node(function) if read else (None, "")
    tree = _module(file) if node else None
    if node is None or tree is None:
        return set()
    around = [outer for _, outer in _nodes(tree) if isinstance(outer, FunctionNode) and _holds(outer, node)]
    bound = [name for outer in around for name in _bindings(outer)]
    return {name for name in read if bound.count(name) > 1}


def _holds(outer: FunctionNode, node: FunctionNode) -> bool:
    return outer is not node and outer.lineno <= node.lineno and (outer.end_lineno or 0) >= (node.end_lineno or 0)


def _bindings(outer: FunctionNode) -> list[str]:
    """The names that a function binds: one entry for each time, two for what may happen again."""
    arguments = outer.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    names = [parameter.arg for parameter in given if parameter]
    for node in ast.walk(outer):
        if isinstance(node, ast.Nonlocal):
            names.extend(node.names * 2)
        elif isinstance(node, ast.For | ast.While | ast.AsyncFor):
            names.extend(_stored(node))
    return names + list(_stored(outer))


def _stored(node: ast.AST) -> Iterator[str]:
    """The names assigned below a node, not in functions and classes inside it."""
    waiting = [node]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                yield child.id
            elif not isinstance(child, ast.ClassDef | ast.Lambda | FunctionNode):
                waiting.append(child)
