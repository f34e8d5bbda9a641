"""Runs the IR directly: each node becomes a Python closure over a `Run`. This says what is right.

Values are Python's own (int, float, bool, str, bytes; enums as integers), every operation is checked, and the first
rejection met leaves as `Refused`.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

from mmsb.processors.language.debugging import stoppable
from mmsb.processors.language.kinds import Node
from mmsb.processors.language.runs import Get, Run, Step, check_stored, checked_f64, checked_i64, checked_index
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.types import Array


def program(nodes: Sequence[Node]) -> Step:
    """Statements in a row."""
    steps = [stoppable(node, _STATEMENTS[node[0]](*node[1:])) for node in nodes]

    def run(state: Run) -> None:
        for step in steps:
            step(state)

    return run


def getter(node: Node) -> Get:
    """An expression."""
    return stoppable(node, _EXPRESSIONS[node[0]](*node[1:]))


# Expressions


def _const(kind: str, value: Any) -> Get:
    return lambda run: value


def _arg(index: int) -> Get:
    return lambda run: run.arguments[index]


def _arg_at(index: int, at: Node) -> Get:
    position = getter(at)

    def get(run: Run) -> Any:
        array = run.arguments[index]
        return array[checked_index(position(run), len(array), run.layout, index, 0)]

    return get


def _local(slot: int) -> Get:
    return lambda run: run.slots[slot]


def _get(page: int, index: int) -> Get:
    return lambda run: run.pages[page].values[index]


def _get_at(page: int, index: int, at: Node) -> Get:
    position = getter(at)

    def get(run: Run) -> Any:
        scratch = run.pages[page]
        array = scratch.values[index]
        return array[checked_index(position(run), len(array), scratch.layout, index, scratch.ordinal)]

    return get


_SPECIAL: Final = {"div": "truediv", "and": "and_", "or": "or_"}
_PLAIN: Final[dict[str, Callable[[Any, Any], Any]]] = {
    name: getattr(operator, _SPECIAL.get(name, name))
    for name in ("add", "sub", "mul", "floordiv", "mod", "div", "and", "or", "xor")
}


def _op(name: str, kind: str, a: Node, b: Node) -> Get:
    left, right, compute = getter(a), getter(b), _PLAIN[name]
    check = checked_i64 if kind == "i64" else checked_f64
    divides = name in ("floordiv", "mod", "div")

    def get(run: Run) -> Any:
        x, y = left(run), right(run)
        if divides and y == 0:
            raise run.refuse(Code.DIVISION_BY_ZERO)
        return check(run, compute(x, y))

    return get


def _neg(kind: str, a: Node) -> Get:
    value = getter(a)
    if kind == "f64":
        return lambda run: -value(run)
    return lambda run: checked_i64(run, -value(run))


def _abs(kind: str, a: Node) -> Get:
    value = getter(a)
    if kind == "f64":
        return lambda run: abs(value(run))
    return lambda run: checked_i64(run, abs(value(run)))


def _invert(a: Node) -> Get:
    value = getter(a)
    return lambda run: ~value(run)


def _sqrt(a: Node) -> Get:
    value = getter(a)

    def get(run: Run) -> float:
        x = value(run)
        if x < 0:
            raise run.refuse(Code.NON_FINITE)
        return math.sqrt(x)

    return get


def _min(kind: str, a: Node, b: Node) -> Get:
    left, right = getter(a), getter(b)

    def get(run: Run) -> Any:
        x, y = left(run), right(run)
        return y if y < x else x

    return get


def _max(kind: str, a: Node, b: Node) -> Get:
    left, right = getter(a), getter(b)

    def get(run: Run) -> Any:
        x, y = left(run), right(run)
        return y if y > x else x

    return get


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")
}


def _cmp(name: str, kind: str, a: Node, b: Node) -> Get:
    left, right, compare = getter(a), getter(b), _COMPARE[name]
    return lambda run: compare(left(run), right(run))


def _all(a: Node, b: Node) -> Get:
    left, right = getter(a), getter(b)
    return lambda run: left(run) and right(run)


def _any(a: Node, b: Node) -> Get:
    left, right = getter(a), getter(b)
    return lambda run: left(run) or right(run)


def _not(a: Node) -> Get:
    value = getter(a)
    return lambda run: not value(run)


def _if(c: Node, a: Node, b: Node) -> Get:
    test, yes, no = getter(c), getter(a), getter(b)
    return lambda run: yes(run) if test(run) else no(run)


def _float(a: Node) -> Get:
    value = getter(a)
    return lambda run: float(value(run))


def _int(a: Node) -> Get:
    value = getter(a)
    return lambda run: checked_i64(run, int(value(run)))


def _exists(page: int) -> Get:
    return lambda run: run.pages[page].exists and not run.pages[page].deleted


def _now() -> Get:
    return lambda run: run.now


def _do(nodes: Sequence[Node], a: Node) -> Get:
    before, value = program(nodes), getter(a)

    def get(run: Run) -> Any:
        before(run)
        return value(run)

    return get


_EXPRESSIONS: Final[dict[str, Callable[..., Get]]] = {
    "const": _const,
    "arg": _arg,
    "arg_at": _arg_at,
    "local": _local,
    "get": _get,
    "get_at": _get_at,
    "op": _op,
    "neg": _neg,
    "abs": _abs,
    "invert": _invert,
    "sqrt": _sqrt,
    "min": _min,
    "max": _max,
    "cmp": _cmp,
    "all": _all,
    "any": _any,
    "not": _not,
    "if": _if,
    "float": _float,
    "int": _int,
    "exists": _exists,
    "now": _now,
    "do": _do,
}

# Statements


def _let(slot: int, a: Node) -> Step:
    value = getter(a)

    def step(run: Run) -> None:
        run.slots[slot] = value(run)

    return step


def _set(page: int, index: int, a: Node) -> Step:
    value = getter(a)

    def step(run: Run) -> None:
        new, scratch = value(run), run.pages[page]
        check_stored(new, scratch.layout.fields[index].type, scratch.layout.type_id, index + 1, scratch.ordinal)
        scratch.values[index] = new

    return step


def _set_at(page: int, index: int, at: Node, a: Node) -> Step:
    position, value = getter(at), getter(a)

    def step(run: Run) -> None:
        new, scratch = value(run), run.pages[page]
        layout = scratch.layout
        array = layout.fields[index].type
        assert isinstance(array, Array)
        where = checked_index(position(run), array.count, layout, index, scratch.ordinal)
        check_stored(new, array.element, layout.type_id, index + 1, scratch.ordinal)
        scratch.values[index][where] = new

    return step


def _when(c: Node, yes: Sequence[Node], no: Sequence[Node]) -> Step:
    test, then, otherwise = getter(c), program(yes), program(no)

    def step(run: Run) -> None:
        (then if test(run) else otherwise)(run)

    return step


def _for(slot: int, start: int, stop: int, stride: int, nodes: Sequence[Node]) -> Step:
    body = program(nodes)

    def step(run: Run) -> None:
        for counter in range(start, stop, stride):
            run.slots[slot] = counter
            body(run)

    return step


def _refuse(text: str, *nodes: Node) -> Step:
    values = [getter(node) for node in nodes]

    def step(run: Run) -> None:
        value, bound = [*(int(get(run)) for get in values), None, None][:2]
        raise Refused(Rejection(Code.REFUSED, run.type_id, 0, value, bound, ordinal=run.messages[text]))

    return step


def _emit(name: str, arguments: Sequence[Node]) -> Step:
    values = [getter(node) for node in arguments]

    def step(run: Run) -> None:
        run.emit(name, [value(run) for value in values])

    return step


def _delete(page: int) -> Step:
    def step(run: Run) -> None:
        run.pages[page].deleted = True

    return step


_STATEMENTS: Final[dict[str, Callable[..., Step]]] = {
    "let": _let,
    "set": _set,
    "set_at": _set_at,
    "when": _when,
    "for": _for,
    "refuse": _refuse,
    "emit": _emit,
    "delete": _delete,
}
