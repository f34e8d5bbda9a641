"""What a user declares, as plain data. The language's trees are nested tuples; language.py lists them.

Expressions
    ("lit", value, text)            a constant: int, float, bool, str, bytes or an enum's number; `text` writes it
    ("name", n)                     a local variable or a value parameter
    ("arg", field)                  self.field
    ("arg_at", field, index)        self.field[index]
    ("get", page, field)            page.field, page being a parameter's name
    ("get_at", page, field, index)  page.field[index]
    ("len", page or "self", field)
    ("bin", op, a, b)               + - * / // % & | ^
    ("neg", a) ("invert", a) ("not", a) ("abs", a) ("sqrt", a) ("float", a) ("int", a)
    ("min", (a, ...)) ("max", (a, ...)) ("and", (a, ...)) ("or", (a, ...))
    ("compare", a, ((op, b), ...))  a chain
    ("ternary", c, a, b)            a if c else b
    ("exists", page) ("now",)
    ("call", helper, args)          args: ((parameter's name or None, expression or ("page", name)), ...)

Statements
    ("assign", name, a) ("set", page, field, a) ("set_at", page, field, index, a)
    ("aug", op, target, a)          target: ("name", n), ("get", ...) or ("get_at", ...)
    ("if", ((c, body), ...), else)  if, elif..., else (possibly empty)
    ("for_range", name, (start, stop, step), body)
    ("for_array", name, page or "self", field, body)
    ("return", a or None) ("reject", text) ("delete", page) ("call", helper, args) ("pass",)
    ("emit", intent, ((field's name or None, a), ...))
"""

from dataclasses import dataclass, field
from typing import Any

type_name = str  # as in formats.md, section 1: "i64", "text(24)", "i64[12]", "enum"
Tree = tuple[Any, ...]
Body = tuple[Tree, ...]


@dataclass(frozen=True)
class Field:
    name: str
    type: type_name
    bounds: tuple[tuple[str, Any], ...] = ()  # ("ge", 0), …: in the order ge gt le lt
    default: Any = None  # None: required (intents), zero (pages)
    enum: str = ""  # the name of the enum's class
    members: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Page:
    name: str
    key: tuple[type_name, ...]
    fields: tuple[Field, ...]
    partition_by: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Param:
    name: str
    page: str = ""  # the page's class, for a page; otherwise it is a value
    default: Tree | None = None  # a "lit"


@dataclass(frozen=True)
class Helper:
    name: str
    params: tuple[Param, ...]
    body: Body


@dataclass(frozen=True)
class Intent:
    name: str
    fields: tuple[Field, ...]
    query: tuple[tuple[str, tuple[Tree, ...]], ...]  # (page's class, its key's components)
    pages: tuple[str, ...]  # the parameters' names
    delta: Body
    predicate: Body | None = None
    on_rejected: str | None = None


@dataclass(frozen=True)
class Bundle:
    app: str
    pages: tuple[Page, ...]
    intents: tuple[Intent, ...]
    helpers: tuple[Helper, ...] = ()
    hops_max: int = 8
    constants: tuple[tuple[str, str], ...] = field(default=())  # (NAME, how its value is written)

    def helper(self, name: str) -> Helper:
        return next(h for h in self.helpers if h.name == name)

    def messages(self) -> tuple[str, ...]:
        """The texts of every reject that an intent can reach: by code point, each once."""
        found: set[str] = set()
        for intent in self.intents:
            self._collect(intent.delta, found)
            self._collect(intent.predicate or (), found)
        return tuple(sorted(found))

    def _collect(self, tree: Any, found: set[str]) -> None:
        if not isinstance(tree, tuple) or not tree:
            return
        if tree[0] == "reject" and isinstance(tree[1], str):
            found.add(tree[1])
            for child in tree[2:]:
                self._collect(child, found)
            return
        if tree[0] == "lit":
            return
        if tree[0] == "call" and len(tree) == 3 and isinstance(tree[1], str):
            self._collect(self.helper(tree[1]).body, found)
        for child in tree:
            self._collect(child, found)
