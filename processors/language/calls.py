"""Calls: the built-ins and verbs that the language knows, and helpers, whose bodies are written into the caller's IR.

Verbs that change something (`emit`, `delete`, `reject`) are statements and live in `statements`.
"""

import ast
import builtins
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any, Final

from mmsb.processors.language import expressions, statements
from mmsb.processors.language.frames import Binding, Frame, PageName, SelfName, SlotName, open_function, scope_of
from mmsb.processors.language.kinds import BOOL, F64, I64, Node, Typed
from mmsb.processors.language.values import constant, integer, matched, paired, settled
from mmsb.schemas.places import FunctionNode
from mmsb.schemas.verbs import VERBS

_CALLABLE: Final = "the language knows abs, min, max, len, float, int, mmsb.sqrt, mmsb.now, mmsb.exists and helpers"


def call(frame: Frame, node: ast.Call) -> Typed:
    """A call that has a value."""
    function = callee(frame, node)
    known = _known(function)
    if known:
        return known(frame, node)
    if verb_of(function):
        raise frame.wrong(node, f"{_spelled(node)}(…) has no value; write it as a statement of its own")
    done, result = helper(frame, node, function)
    if result is None:
        raise frame.wrong(node, f"{_spelled(node)}(…) returns nothing; call it as a statement of its own")
    return Typed(("do", done, result.node), result.kind)


def callee(frame: Frame, node: ast.Call) -> Any:
    """The Python object that is called."""
    if isinstance(node.func, ast.Name) and node.func.id in frame.locals:
        raise frame.wrong(node, f"{node.func.id!r} is a local name here, not a function; {_CALLABLE}")
    if expressions.is_field(frame, node.func):
        raise frame.wrong(node, f"`{_spelled(node)}` is a method; write a helper function")
    if isinstance(node.func, ast.Name | ast.Attribute):
        return expressions.static(frame, node.func)
    raise frame.wrong(node, f"`{_spelled(node)}` is no function; {_CALLABLE}")


def _spelled(node: ast.Call) -> str:
    return ast.unparse(node.func)


def verb_of(function: Any) -> str | None:
    """The name of a verb of mmsb, if this is one."""
    return VERBS.get(function) if isinstance(function, FunctionType) else None


def has_value(function: Any) -> bool:
    """Whether this is a built-in or verb that only computes."""
    return _known(function) is not None


def _known(function: Any) -> Callable[[Frame, ast.Call], Typed] | None:
    """By identity: what a user's module calls by such a name may be anything, and not even hashable."""
    return next((translate for known, translate in _FUNCTIONS if known is function), None)


def operands(frame: Frame, node: ast.Call, least: int, most: int | None) -> list[ast.expr]:
    """The arguments of a built-in or verb: by position only."""
    count = len(node.args)
    if node.keywords or count < least or (most is not None and count > most):
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise frame.wrong(node, f"{_spelled(node)} takes {wanted} arguments, by position")
    return node.args


def _abs(frame: Frame, node: ast.Call) -> Typed:
    (operand,) = operands(frame, node, 1, 1)
    given = expressions.value(frame, operand)
    if given.kind not in (I64, F64):
        raise frame.wrong(node, f"abs is for i64 and f64, found {given.kind}")
    return Typed(("abs", given.kind.name, given.node), given.kind)


def _extreme(name: str, frame: Frame, node: ast.Call) -> Typed:
    given = [expressions.expression(frame, operand) for operand in operands(frame, node, 2, None)]
    wanted = next((one for one in given if one.literal is None), given[0])
    first, *others = (paired(frame, node, one, wanted)[0] for one in given)
    if first.kind not in (I64, F64):
        raise frame.wrong(node, f"{name} is for i64 and f64, found {first.kind}")
    for other in others:
        first = Typed((name, first.kind.name, first.node, other.node), first.kind)
    return first


def _len(frame: Frame, node: ast.Call) -> Typed:
    (operand,) = operands(frame, node, 1, 1)
    return integer(frame, node, expressions.array_at(frame, operand)[2].count)


def _float(frame: Frame, node: ast.Call) -> Typed:
    (operand,) = operands(frame, node, 1, 1)
    given = expressions.value(frame, operand)
    if given.kind == F64:
        return given
    return Typed(("float", matched(frame, node, given, I64).node), F64)


def _int(frame: Frame, node: ast.Call) -> Typed:
    (operand,) = operands(frame, node, 1, 1)
    given = expressions.value(frame, operand)
    if given.kind == I64:
        return given
    return Typed(("int", matched(frame, node, given, F64).node), I64)


def _sqrt(frame: Frame, node: ast.Call) -> Typed:
    (operand,) = operands(frame, node, 1, 1)
    return Typed(("sqrt", matched(frame, operand, expressions.expression(frame, operand), F64).node), F64)


def _now(frame: Frame, node: ast.Call) -> Typed:
    operands(frame, node, 0, 0)
    if frame.context.part == "query":
        raise frame.wrong(node, "`query` knows the intent alone, not the time; pass the time as an argument")
    return Typed(("now",), I64)


def _exists(frame: Frame, node: ast.Call) -> Typed:
    (operand,) = operands(frame, node, 1, 1)
    return Typed(("exists", page_argument(frame, operand)), BOOL)


def page_argument(frame: Frame, node: ast.expr) -> int:
    """The page that a verb is about."""
    binding = frame.names.get(node.id) if isinstance(node, ast.Name) else None
    if not isinstance(binding, PageName):
        raise frame.wrong(node, f"expected a page that `query` returned, found `{ast.unparse(node)}`")
    return binding.index


_VERB_OF: Final = {name: function for function, name in VERBS.items()}
_FUNCTIONS: Final[tuple[tuple[Any, Callable[[Frame, ast.Call], Typed]], ...]] = (
    (builtins.abs, _abs),
    (builtins.min, partial(_extreme, "min")),
    (builtins.max, partial(_extreme, "max")),
    (builtins.len, _len),
    (builtins.float, _float),
    (builtins.int, _int),
    (_VERB_OF["sqrt"], _sqrt),
    (_VERB_OF["now"], _now),
    (_VERB_OF["exists"], _exists),
)


def helper(frame: Frame, node: ast.Call, function: Any) -> tuple[list[Node], Typed | None]:
    """The body of a helper, written in: what to run, and the value it then has."""
    if not isinstance(function, FunctionType):
        raise frame.wrong(node, f"`{_spelled(node)}` cannot be called here; {_CALLABLE}")
    if function in frame.context.helpers:
        raise frame.wrong(node, f"{function.__name__} calls itself; the language has no recursion, write a `for` loop")
    title = f"{frame.place.name} → {function.__name__}"
    body, place = open_function(function, title, frame.place.at(node.lineno))
    entering, names = _bind(frame, node, function, body)
    values = {name for name, binding in names.items() if isinstance(binding, SlotName)}
    inner = Frame(frame.context, scope_of(function), body, place, names, values)
    frame.context.helpers.append(function)
    done, result = statements.function_body(inner)
    frame.context.helpers.pop()
    return entering + done, result


def _bind(
    frame: Frame, node: ast.Call, function: FunctionType, body: FunctionNode
) -> tuple[list[Node], dict[str, Binding]]:
    """The helper's parameters: pages by name, values in slots of their own, in the order of the call."""
    entering: list[Node] = []
    names: dict[str, Binding] = {}
    for name, argument in _arguments(frame, node, body):
        page = frame.names.get(argument.id) if isinstance(argument, ast.Name) else None
        if isinstance(page, PageName | SelfName):
            names[name] = page
        else:
            given = expressions.value(frame, argument)
            names[name] = _enter(frame, entering, given)
    for name, default in _defaults(function).items():
        if name not in names:
            names[name] = _enter(frame, entering, settled(frame, node, constant(frame, node, default)))
    for name in _parameters(body):
        if name not in names:
            raise frame.wrong(node, f"{function.__name__}(…) needs an argument for {name!r}")
    return entering, names


def _enter(frame: Frame, entering: list[Node], given: Typed) -> SlotName:
    slot = frame.context.new_slot()
    entering.append(("let", slot, given.node))
    return SlotName(slot, given.kind)


def _parameters(body: FunctionNode) -> list[str]:
    return [p.arg for p in (*body.args.posonlyargs, *body.args.args, *body.args.kwonlyargs)]


def _defaults(function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    by_position = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(by_position) : code.co_argcount]
    return {**dict(zip(names, by_position, strict=True)), **(function.__kwdefaults__ or {})}


def _arguments(frame: Frame, node: ast.Call, body: FunctionNode) -> list[tuple[str, ast.expr]]:
    """Each argument with the parameter that it fills, in the order of the call."""
    spelled = _spelled(node)
    by_name = {p.arg for p in (*body.args.args, *body.args.kwonlyargs)}
    positional = [p.arg for p in (*body.args.posonlyargs, *body.args.args)]
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        raise frame.wrong(node, "the language has no `*` or `**` in calls; write each argument")
    if len(node.args) > len(positional):
        raise frame.wrong(node, f"{spelled} takes {len(positional)} arguments by position, found {len(node.args)}")
    bound = [*zip(positional, node.args, strict=False), *((str(k.arg), k.value) for k in node.keywords)]
    for keyword in node.keywords:
        if keyword.arg not in by_name:
            raise frame.wrong(node, f"{spelled} has no parameter {keyword.arg!r}")
    if len({name for name, _ in bound}) < len(bound):
        raise frame.wrong(node, f"{spelled} is given one parameter twice")
    return bound
