"""`mmsb.emit(Other(…))`: a follow-up, whose class may be declared later in the file."""

import ast
from typing import Any

from mmsb.processors.language import expressions
from mmsb.processors.language.frames import UNKNOWN, ForwardReference, Frame
from mmsb.processors.language.kinds import Node
from mmsb.processors.language.values import constant, stored
from mmsb.schemas.classes import Intent
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.types import Array


def emit(frame: Frame, node: ast.Call) -> list[Node]:
    """Arguments are evaluated in the order of the call and stored in the order of the fields."""
    made = node.args[0] if len(node.args) == 1 and not node.keywords else None
    if not isinstance(made, ast.Call):
        raise frame.wrong(node, "write mmsb.emit(Other(…)), with an intent made in place")
    layout = _emitted(frame, made)
    nodes: list[Node] = []
    given: dict[str, Node] = {}
    for name, argument in _arguments(frame, made, layout):
        field = layout.fields[layout.index_of[name]]
        if isinstance(field.type, Array):
            raise frame.wrong(argument, f"{layout.name}.{name} is an array: it can only keep its default when emitted")
        slot = frame.context.new_slot()
        value = stored(frame, argument, expressions.expression(frame, argument), field.type)
        nodes.append(("let", slot, value.node))
        given[name] = ("local", slot)
    return [*nodes, ("emit", layout.name, [_filled(frame, made, layout, name, given) for name in layout.index_of])]


def _emitted(frame: Frame, made: ast.Call) -> IntentLayout:
    spelled = ast.unparse(made.func)
    by_name = isinstance(made.func, ast.Name) and spelled not in frame.locals
    cls: Any = frame.lookup(spelled) if by_name else expressions.static(frame, made.func)
    emitted: type[Intent] | None = cls if isinstance(cls, type) and issubclass(cls, Intent) else None
    layout = frame.context.intent_of(emitted) if emitted else None
    if layout:
        return layout
    if by_name and spelled == frame.context.intent.name:  # Python binds the name only after the class is declared
        return frame.context.intent
    if emitted is None and cls is not UNKNOWN:
        raise frame.wrong(made, f"{spelled} is no intent; emit a class declared with @app.intent")
    raise ForwardReference(
        spelled, frame.wrong(made, f"{spelled} is not declared in this app; write @app.intent above it")
    )


def _arguments(frame: Frame, made: ast.Call, layout: IntentLayout) -> list[tuple[str, ast.expr]]:
    if any(isinstance(a, ast.Starred) for a in made.args) or any(k.arg is None for k in made.keywords):
        raise frame.wrong(made, "the language has no `*` or `**` in calls; write each argument")
    if len(made.args) > len(layout.fields):
        raise frame.wrong(made, f"{layout.name} has {len(layout.fields)} fields, found {len(made.args)} arguments")
    named = [(str(keyword.arg), keyword.value) for keyword in made.keywords]
    given = [*zip(layout.index_of, made.args, strict=False), *named]
    for name, argument in given:
        if name not in layout.index_of:
            raise frame.wrong(argument, f"{layout.name} has no field {name!r}; it has {', '.join(layout.index_of)}")
    if len({name for name, _ in given}) < len(given):
        raise frame.wrong(made, f"{layout.name} is given one field twice")
    return given


def _filled(frame: Frame, made: ast.Call, layout: IntentLayout, name: str, given: dict[str, Node]) -> Node:
    if name in given:
        return given[name]
    field = layout.fields[layout.index_of[name]]
    if field.default is None:
        raise frame.wrong(made, f"{layout.name} needs an argument for {name!r}")
    if isinstance(field.type, Array):
        return ("const", "array", field.default)
    return stored(frame, made, constant(frame, made, field.default), field.type).node
