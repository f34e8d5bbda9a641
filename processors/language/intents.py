"""One intent class → the IR of its query, predicate and delta."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final, cast

from mmsb.processors.language import expressions, statements
from mmsb.processors.language.frames import (
    TOO_LONG,
    Binding,
    Context,
    Frame,
    Origin,
    PageName,
    SelfName,
    open_function,
    scope_of,
)
from mmsb.processors.language.kinds import BOOL, Node
from mmsb.processors.language.values import matched, stored
from mmsb.schemas.classes import Page
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.limits import IR_DEPTH_MAX, IR_NODES_MAX, PAGES_PER_INTENT_MAX
from mmsb.schemas.places import place_of_class

TOO_DEEP: Final = (
    f"its functions are nested deeper than IR_DEPTH_MAX = {IR_DEPTH_MAX}; keep parts in variables, and write fewer "
    "branches and calls inside one another"
)


@dataclass(frozen=True)
class Code:
    """The IR of one intent: page keys, the predicate with its value, and the delta's statements."""

    query: tuple[tuple[PageLayout, tuple[Node, ...]], ...]
    predicate: tuple[list[Node], Node] | None
    delta: list[Node]
    origins: tuple[Origin, ...] = field(default=(), compare=False, repr=False)  # no part of the code's meaning

    def to_json(self) -> dict[str, Any]:
        """As docs/language.md, section 8, spells it."""
        query = [[page.name, [_json(key) for key in keys]] for page, keys in self.query]
        return {"delta": _json(self.delta), "predicate": _json(self.predicate), "query": query}


def _json(node: Any) -> Any:
    if isinstance(node, tuple | list):
        return [_json(part) for part in cast("Sequence[Any]", node)]
    return node.hex() if isinstance(node, bytes) else node


def translate(
    cls: type[Any],
    layout: IntentLayout,
    page_of: Callable[[type[Any]], PageLayout | None],
    intent_of: Callable[[type[Any]], IntentLayout | None],
) -> Code:
    """Translate an intent class; raises InvalidDefinition, or ForwardReference where it emits what is yet to come."""

    origins: list[Origin] = []

    def context(part: str, pages: tuple[PageLayout, ...]) -> Context:
        return Context(part, layout, pages, page_of, intent_of, origins=origins)

    try:
        query = _query(cls, context("query", ()))
        pages = tuple(page for page, _ in query)
        predicate = _predicate(cls, context("predicate", pages)) if "predicate" in vars(cls) else None
        code = Code(query, predicate, _delta(cls, context("delta", pages)), tuple(origins))
    except RecursionError:
        raise place_of_class(cls).wrong(TOO_DEEP) from None
    _check_size(cls, code)
    return code


def _check_size(cls: type[Any], code: Code) -> None:
    """Count the nodes, and how deep they stand inside one another, without going deep here."""
    count = 0
    level: list[Any] = [*(keys for _, keys in code.query), code.predicate, code.delta]
    for _ in range(IR_DEPTH_MAX + 1):
        nodes = list(_nodes_in(level))
        count += len(nodes)
        if count > IR_NODES_MAX:
            raise place_of_class(cls).wrong(TOO_LONG)
        level = [part for node in nodes for part in node[1:]]
    if level:
        raise place_of_class(cls).wrong(TOO_DEEP)


def _nodes_in(parts: Iterable[Any]) -> Iterator[Node]:
    """The nodes in these parts of a node, also those in lists."""
    for part in parts:
        if isinstance(part, tuple | list):
            items = cast("Sequence[Any]", part)
            if items and isinstance(items[0], str) and isinstance(part, tuple):
                yield part
            else:
                yield from _nodes_in(items)


def _function(cls: type[Any], part: str) -> FunctionType:
    found = vars(cls).get(part)
    here = place_of_class(cls)
    if found is None:
        raise here.wrong(f"it has no `{part}`; write `def {part}(self{', …' if part == 'delta' else ''}):`")
    if not isinstance(found, FunctionType):
        raise here.wrong(
            f"`{part}` must be a plain function, found {type(found).__name__}; write `def {part}(self, …):`"
        )
    return found


def _open(cls: type[Any], context: Context) -> Frame:
    function = _function(cls, context.part)
    node, place = open_function(function, f"{cls.__name__}.{context.part}", place_of_class(cls))
    arguments = node.args
    special = (arguments.vararg, arguments.kwarg, *arguments.kwonlyargs, *arguments.posonlyargs, *arguments.defaults)
    wanted = 1 + len(context.pages)
    if any(special) or len(arguments.args) != wanted:
        pages = "".join(f", {page.name.lower()}" for page in context.pages)
        raise place.wrong(
            f"expected the parameters (self{pages}), self and the {wanted - 1} pages that `query` returns"
        )
    bindings: list[Binding] = [SelfName(), *(PageName(index) for index in range(len(context.pages)))]
    names = {parameter.arg: binding for parameter, binding in zip(arguments.args, bindings, strict=True)}
    return Frame(context, scope_of(function), node, place, names)


def _query(cls: type[Any], context: Context) -> tuple[tuple[PageLayout, tuple[Node, ...]], ...]:
    frame = _open(cls, context)
    body = statements.without_docstring(frame.node)
    returned = body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
    if returned is None:
        raise frame.wrong(frame.node, "`query` is a single `return` of pages, for instance `return Account[self.src]`")
    parts = returned.elts if isinstance(returned, ast.Tuple) else [returned]
    if not 1 <= len(parts) <= PAGES_PER_INTENT_MAX:
        raise frame.wrong(returned, f"`query` names 1 to {PAGES_PER_INTENT_MAX} pages, found {len(parts)}")
    return tuple(_reference(frame, part) for part in parts)


def _reference(frame: Frame, node: ast.expr) -> tuple[PageLayout, tuple[Node, ...]]:
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name | ast.Attribute):
        raise frame.wrong(node, f"expected a page by its key, `Account[self.src]`, found `{ast.unparse(node)}`")
    cls = expressions.static(frame, node.value)
    if not isinstance(cls, type) or not issubclass(cls, Page):
        raise frame.wrong(node, f"`{ast.unparse(node.value)}` is no page; declare it with @app.page(key=…)")
    layout = frame.context.page_of(cls)
    if layout is None:
        raise frame.wrong(node, f"{cls.__name__} is not declared in this app; write @app.page(key=…) above it")
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if len(parts) != len(layout.key):
        wanted = ", ".join(component.spelling for component in layout.key)
        raise frame.wrong(node, f"the key of {layout.name} is ({wanted}), found {len(parts)} components")
    return layout, tuple(
        stored(frame, part, expressions.expression(frame, part), component).node
        for part, component in zip(parts, layout.key, strict=True)
    )


def _predicate(cls: type[Any], context: Context) -> tuple[list[Node], Node]:
    frame = _open(cls, context)
    nodes, result = statements.function_body(frame)
    if result is None:
        raise frame.wrong(frame.node, "a predicate returns a bool on every way through it")
    return nodes, matched(frame, frame.node, result, BOOL).node


def _delta(cls: type[Any], context: Context) -> list[Node]:
    frame = _open(cls, context)
    nodes, result = statements.function_body(frame)
    if result is not None:
        raise frame.wrong(frame.node, "`delta` returns nothing: it changes the pages that it is given")
    return nodes
