"""What a translation knows: the intent around it, and the names in the function at hand."""

import ast
import builtins
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CellType, FunctionType
from typing import Any, Final

from mmsb.processors.language.kinds import Kind, Node
from mmsb.schemas.errors import InvalidDefinition
from mmsb.schemas.layouts import IntentLayout, Layout, PageLayout
from mmsb.schemas.limits import IR_NODES_MAX, LOOP_STEPS_MAX
from mmsb.schemas.places import FunctionNode, Place, changing_names, function_node

TOO_LONG: Final = f"it and its helpers are longer than IR_NODES_MAX = {IR_NODES_MAX} nodes; split the intent"

UNKNOWN: Final = object()
"""What `lookup` gives for a name that has no value yet."""


class ForwardReference(Exception):
    """An emitted intent that is not declared yet: the translation is tried again when more is."""

    def __init__(self, name: str, error: InvalidDefinition) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


@dataclass(frozen=True, slots=True)
class PageName:
    """A name that stands for a page of the query."""

    index: int


@dataclass(frozen=True, slots=True)
class SelfName:
    """The name that stands for the intent."""


@dataclass(frozen=True, slots=True)
class SlotName:
    """A name that stands for a local variable."""

    slot: int
    kind: Kind


Binding = PageName | SelfName | SlotName


@dataclass(frozen=True, slots=True)
class Origin:
    """Which statement a node comes from, and what its function's names meant there."""

    node: Node
    file: str | None
    line: int
    function: str
    names: dict[str, Binding]


@dataclass
class Context:
    """One function of an intent with all helpers that are written into it."""

    part: str  # query, predicate or delta
    intent: IntentLayout
    pages: tuple[PageLayout, ...]
    page_of: Callable[[type[Any]], PageLayout | None]
    intent_of: Callable[[type[Any]], IntentLayout | None]
    slots: int = 0
    nodes: int = 0
    loop_steps: int = 1
    helpers: list[FunctionType] = field(default_factory=list[FunctionType])
    origins: "list[Origin]" = field(default_factory=list["Origin"])

    def new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1


@dataclass(frozen=True, slots=True)
class Scope:
    """What a function sees beyond its own names: variables of enclosing functions, and its module's."""

    cells: dict[str, CellType]
    module: dict[str, Any]
    changing: set[str]


def scope_of(function: FunctionType) -> Scope:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return Scope(cells, function.__globals__, changing_names(function))


@dataclass
class Frame:
    """One function's names while its body is translated."""

    context: Context
    scope: Scope
    node: FunctionNode
    place: Place
    names: dict[str, Binding]
    assigned: set[str] = field(default_factory=set[str])
    returns: SlotName | None = None
    falls_through: bool = False
    loop_depth: int = 0
    reached: set[ast.stmt] = field(default_factory=set[ast.stmt])
    locals: set[str] = field(init=False)

    def __post_init__(self) -> None:
        """Like Python: what a function assigns anywhere is local everywhere in it."""
        nodes = list(ast.walk(self.node))
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        self.locals = stored | {node.arg for node in nodes if isinstance(node, ast.arg)}

    def wrong(self, node: ast.AST, message: str) -> InvalidDefinition:
        return self.place.at(getattr(node, "lineno", self.node.lineno)).wrong(message)

    def count(self, node: ast.AST) -> None:
        """Stop early where branches or helpers multiply; the IR itself is measured when it is there."""
        self.context.nodes += 1
        if self.context.nodes > 4 * IR_NODES_MAX:
            raise self.wrong(node, TOO_LONG)

    def remember(self, node: Node, statement: ast.stmt) -> None:
        """Where a node comes from, for whoever debugs."""
        origin = Origin(node, self.place.file, statement.lineno, self.node.name, dict(self.names))
        self.context.origins.append(origin)

    @contextmanager
    def loop(self, node: ast.AST, length: int) -> Generator[None]:
        outer = self.context.loop_steps
        self.context.loop_steps = outer * length
        self.loop_depth += 1
        if self.context.loop_steps > LOOP_STEPS_MAX:
            steps = self.context.loop_steps
            limit = f"LOOP_STEPS_MAX = {LOOP_STEPS_MAX}"
            raise self.wrong(node, f"its nested loops take {steps} steps, more than {limit}; write shorter ones")
        yield
        self.context.loop_steps = outer
        self.loop_depth -= 1

    def layout_of(self, binding: PageName | SelfName) -> Layout:
        return self.context.intent if isinstance(binding, SelfName) else self.context.pages[binding.index]

    def lookup(self, name: str) -> Any:
        """The Python value of a name that is not local: enclosing functions, the module, built-ins."""
        if name in self.scope.cells:
            try:
                return self.scope.cells[name].cell_contents
            except ValueError:  # not assigned yet
                return UNKNOWN
        if name in self.scope.module:
            return self.scope.module[name]
        return getattr(builtins, name, UNKNOWN)


def open_function(function: FunctionType, title: str, error_place: Place) -> tuple[FunctionNode, Place]:
    """The syntax tree of a function; refuses what has none or is not a plain function."""
    node, file = function_node(function)
    if node is None and function.__name__ == "<lambda>":
        raise error_place.wrong(f"{title} is a lambda; write it with `def`")
    if node is None:
        raise error_place.wrong(
            f"the source of {title} cannot be read ({file}); write the class in a file and import it"
        )
    place = Place(file, node.lineno, title)
    if isinstance(node, ast.AsyncFunctionDef):
        raise place.wrong("it is async; write `def`: await before you submit the intent")
    if node.decorator_list:
        raise place.wrong("it has a decorator; write it without")
    return node, place
