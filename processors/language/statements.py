"""Statements: syntax tree → IR (docs/language.md, section 4).

There is no `return` in the IR. What follows an `if` that may return is moved into the branches that do not, so that a
function's value is simply what stands in its result slot at the end.
"""

import ast
from collections.abc import Callable, Sequence
from typing import Any, Final

from mmsb.processors.language import calls, expressions
from mmsb.processors.language.emits import emit
from mmsb.processors.language.frames import Frame, SelfName, SlotName
from mmsb.processors.language.kinds import I64, Kind, Node, Typed, kind_of
from mmsb.processors.language.values import matched, stored, text_literal
from mmsb.schemas.places import FunctionNode
from mmsb.schemas.types import Array

REFUSED_VALUES_MAX: Final = 2  # of mmsb.reject, beside its text: as many as a rejection carries

_INSTEAD: Final[dict[type[ast.stmt], str]] = {
    ast.While: "`while`: write `for i in range(n)` with a constant n",
    ast.Break: "`break`: put the rest of the body under an `if`",
    ast.Continue: "`continue`: put the rest of the body under an `if`",
    ast.Try: "`try`: test before you compute",
    ast.TryStar: "`try`: test before you compute",
    ast.Raise: "`raise`: write mmsb.reject(…)",
    ast.With: "`with`: there is nothing to close",
    ast.Import: "`import`: import at the top of the file",
    ast.ImportFrom: "`import`: import at the top of the file",
    ast.Global: "`global`: state lives in pages",
    ast.Nonlocal: "`nonlocal`: state lives in pages",
    ast.Assert: "`assert`: write `if not …: mmsb.reject(…)`",
    ast.Delete: "`del`: write mmsb.delete(page)",
    ast.FunctionDef: "nested functions: write a helper at the top of the file",
    ast.ClassDef: "nested classes: declare it at the top of the file",
    ast.Match: "`match`: write `if` and `elif`",
}


def function_body(frame: Frame) -> tuple[list[Node], Typed | None]:
    """A function's statements, and the value it then has (None: it returns nothing)."""
    body = without_docstring(frame.node)
    if len(body) == 1 and isinstance(body[0], ast.Return) and (only := _returned(body[0])):
        value = expressions.value(frame, only)
        frame.remember(value.node, body[0])
        return [], value
    nodes, _ = block(frame, body, tail=True)
    _check_unreached(frame, body)
    if frame.returns is None:
        return nodes, None
    if frame.falls_through:
        raise frame.wrong(frame.node, "it returns a value on some ways through it and none on others")
    return nodes, Typed(("local", frame.returns.slot), frame.returns.kind)


def block(frame: Frame, body: Sequence[ast.stmt], *, tail: bool) -> tuple[list[Node], bool]:
    """Statements in a row, and whether they always end the function. `tail`: nothing of the function follows them."""
    nodes: list[Node] = []
    for index, statement in enumerate(body):
        frame.count(statement)
        frame.reached.add(statement)
        if isinstance(statement, ast.If) and _may_return(statement):
            nodes.append(_split(frame, statement, body[index + 1 :]))
            frame.remember(nodes[-1], statement)
            return nodes, True
        done, ends = _statement(frame, statement)
        for node in done[:1]:
            frame.remember(node, statement)
        nodes.extend(done)
        if ends:
            return nodes, True
    frame.falls_through = frame.falls_through or tail
    return nodes, False


def _may_return(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Return) for node in ast.walk(statement))


def _split(frame: Frame, statement: ast.If, rest: Sequence[ast.stmt]) -> Node:
    """An `if` that may return: each branch goes on with what follows, unless it has returned."""
    test = expressions.condition(frame, statement.test)
    before = set(frame.assigned)
    yes, _ = block(frame, [*statement.body, *rest], tail=True)
    frame.assigned = set(before)
    no, _ = block(frame, [*statement.orelse, *rest], tail=True)
    frame.assigned = before
    return ("when", test, yes, no)


def _statement(frame: Frame, statement: ast.stmt) -> tuple[list[Node], bool]:
    translate = _TRANSLATORS.get(type(statement))
    if translate is None:
        what = _INSTEAD.get(type(statement), f"`{type(statement).__name__.lower()}`")
        raise frame.wrong(statement, f"the language does not have {what}")
    return translate(frame, statement)


def _check_unreached(frame: Frame, body: Sequence[ast.stmt]) -> None:
    """Statements that never run have no IR, but must be in the language: each is translated and dropped."""
    for statement in body:
        if statement in frame.reached:
            for inner in (getattr(statement, "body", ()), getattr(statement, "orelse", ())):
                _check_unreached(frame, inner)
        else:
            before = frame.context.slots, frame.returns, frame.falls_through
            frame.assigned = set(frame.names)
            block(frame, [statement], tail=False)
            frame.context.slots, frame.returns, frame.falls_through = before


def without_docstring(function: FunctionNode) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body


def _pass(frame: Frame, statement: ast.stmt) -> tuple[list[Node], bool]:
    return [], False


def _return(frame: Frame, statement: ast.Return) -> tuple[list[Node], bool]:
    if frame.loop_depth:
        raise frame.wrong(statement, "`return` inside a loop is not in the language; keep the result in a variable")
    source = _returned(statement)
    if source is None:
        frame.falls_through = True
        return [], True
    given = expressions.expression(frame, source)
    given = matched(frame, statement, given, frame.returns.kind if frame.returns else given.kind)
    if frame.returns is None:
        frame.returns = SlotName(frame.context.new_slot(), given.kind)
    return [("let", frame.returns.slot, given.node)], True


def _returned(statement: ast.Return) -> ast.expr | None:
    """What is returned; None is nothing."""
    source = statement.value
    return None if isinstance(source, ast.Constant) and source.value is None else source


def _assign(frame: Frame, statement: ast.Assign) -> tuple[list[Node], bool]:
    if len(statement.targets) != 1:
        raise frame.wrong(statement, "assign to one target at a time")
    return _store(frame, statement.targets[0], statement.value), False


def _annotated(frame: Frame, statement: ast.AnnAssign) -> tuple[list[Node], bool]:
    if statement.value is None:
        raise frame.wrong(statement, "an annotation without a value assigns nothing; leave it out or assign")
    return _store(frame, statement.target, statement.value), False


def _store(frame: Frame, target: ast.expr, source: ast.expr) -> list[Node]:
    if isinstance(target, ast.Name):
        return [_let(frame, target, expressions.expression(frame, source))]
    if isinstance(target, ast.Subscript):
        page, index, array = _writable_array(frame, target)
        given = stored(frame, source, expressions.expression(frame, source), array.element)
        at = expressions.array_index(frame, target.slice, array)
        return [("set_at", page, index, at, given.node)]
    page, index, kind = _writable(frame, target)
    given = stored(frame, source, expressions.expression(frame, source), kind)
    return [("set", page, index, given.node)]


def _let(frame: Frame, target: ast.Name, given: Typed) -> Node:
    binding = frame.names.get(target.id)
    if binding is not None and not isinstance(binding, SlotName):
        raise frame.wrong(target, f"{target.id!r} is a parameter; assign to another name")
    wanted = binding.kind if binding else given.kind
    given = matched(frame, target, given, wanted)
    if binding is None:
        binding = SlotName(frame.context.new_slot(), wanted)
        frame.names[target.id] = binding
    frame.assigned.add(target.id)
    return ("let", binding.slot, given.node)


def _writable(frame: Frame, target: ast.expr) -> tuple[int, int, Any]:
    if isinstance(target, ast.Tuple | ast.List | ast.Starred):
        raise frame.wrong(target, "assign to one target at a time")
    binding, index, found = expressions.field_at(frame, target)
    if isinstance(binding, SelfName):
        raise frame.wrong(target, "an intent's arguments cannot be assigned to; use a local variable")
    if frame.context.part != "delta":
        raise frame.wrong(target, f"`{frame.context.part}` only reads; change pages in `delta`")
    if isinstance(found.type, Array) and not isinstance(target, ast.Subscript):
        raise frame.wrong(target, f"{found.name!r} is an array: assign to one element, `{ast.unparse(target)}[i] = …`")
    return binding.index, index, found.type


def _writable_array(frame: Frame, target: ast.Subscript) -> tuple[int, int, Array]:
    if isinstance(target.slice, ast.Slice):
        raise frame.wrong(target, "the language has no slices; write a `for` loop")
    binding, index, array = expressions.array_at(frame, target.value)
    if isinstance(binding, SelfName):
        raise frame.wrong(target, "an intent's arguments cannot be assigned to; use a local variable")
    if frame.context.part != "delta":
        raise frame.wrong(target, f"`{frame.context.part}` only reads; change pages in `delta`")
    return binding.index, index, array


def _augmented(frame: Frame, statement: ast.AugAssign) -> tuple[list[Node], bool]:
    target = statement.target
    if isinstance(target, ast.Name):
        computed = _computed(frame, statement, expressions.expression(frame, target))
        return [_let(frame, target, computed)], False
    if isinstance(target, ast.Subscript):
        page, index, array = _writable_array(frame, target)
        slot = frame.context.new_slot()
        place: Node = ("local", slot)
        let: Node = ("let", slot, expressions.array_index(frame, target.slice, array))
        read = Typed(("get_at", page, index, place), kind_of(array))
        computed = stored(frame, statement, _computed(frame, statement, read), array.element)
        return [let, ("set_at", page, index, place, computed.node)], False
    page, index, kind = _writable(frame, target)
    read = Typed(("get", page, index), kind_of(kind))
    computed = stored(frame, statement, _computed(frame, statement, read), kind)
    return [("set", page, index, computed.node)], False


def _computed(frame: Frame, statement: ast.AugAssign, read: Typed) -> Typed:
    right = expressions.expression(frame, statement.value)
    return expressions.arithmetic(frame, statement, statement.op, read, right)


def _if(frame: Frame, statement: ast.If) -> tuple[list[Node], bool]:
    test = expressions.condition(frame, statement.test)
    before = set(frame.assigned)
    yes, yes_ends = block(frame, statement.body, tail=False)
    after_yes, frame.assigned = frame.assigned, set(before)
    no, no_ends = block(frame, statement.orelse, tail=False)
    if yes_ends:
        pass  # only the other branch goes on
    elif no_ends:
        frame.assigned = after_yes
    else:
        frame.assigned &= after_yes
    return [("when", test, yes, no)], yes_ends and no_ends


def _for(frame: Frame, statement: ast.For) -> tuple[list[Node], bool]:
    if statement.orelse or not isinstance(statement.target, ast.Name):
        raise frame.wrong(statement, "write `for name in …:` with one name and no `else`")
    start, stop, step, element = _iteration(frame, statement)
    before = set(frame.assigned)
    counter = frame.context.new_slot()
    with frame.loop(statement, max(0, -((start - stop) // step))):  # len() of a long range would overflow
        first = _let(frame, statement.target, element(counter))
        nodes, _ = block(frame, statement.body, tail=False)
    frame.assigned = before
    return [("for", counter, start, stop, step, [first, *nodes])], False


def _iteration(frame: Frame, statement: ast.For) -> tuple[int, int, int, Callable[[int], Typed]]:
    """The range of a hidden counter, and what the loop variable is at each of its values."""
    over = statement.iter
    if isinstance(over, ast.Call) and calls.callee(frame, over) is range:
        bounds = [_constant_int(frame, operand) for operand in calls.operands(frame, over, 1, 3)]
        start, stop = (0, bounds[0]) if len(bounds) == 1 else bounds[:2]
        step = bounds[2] if len(bounds) == 3 else 1
        if step == 0:
            raise frame.wrong(over, "expected a step other than 0")
        return start, stop, step, lambda counter: Typed(("local", counter), I64)
    if not expressions.is_field(frame, over):
        raise frame.wrong(over, "a loop runs over `range(…)` with constant integers, or over an array field")
    binding, index, array = expressions.array_at(frame, over)
    read = ("arg_at", index) if isinstance(binding, SelfName) else ("get_at", binding.index, index)
    kind = kind_of(array)
    return 0, array.count, 1, lambda counter: Typed((*read, ("local", counter)), kind)


def _constant_int(frame: Frame, node: ast.expr) -> int:
    found = expressions.expression(frame, node).literal
    if found is None or abs(found) >= 2**63:
        raise frame.wrong(node, f"expected a constant integer of 64 bits, found `{ast.unparse(node)}`")
    return found


def _expression(frame: Frame, statement: ast.Expr) -> tuple[list[Node], bool]:
    node = statement.value
    if isinstance(node, ast.Yield | ast.YieldFrom | ast.Await | ast.NamedExpr):
        expressions.expression(frame, node)
    if not isinstance(node, ast.Call):
        raise frame.wrong(statement, f"`{ast.unparse(node)}` has no effect; assign it or leave it out")
    function = calls.callee(frame, node)
    verb = calls.verb_of(function)
    if verb == "reject":
        return [_reject(frame, node)], True
    if verb == "delete":
        _only_in_delta(frame, node, verb)
        (page,) = calls.operands(frame, node, 1, 1)
        return [("delete", calls.page_argument(frame, page))], False
    if verb == "emit":
        _only_in_delta(frame, node, verb)
        return emit(frame, node), False
    if verb or calls.has_value(function):
        raise frame.wrong(statement, f"`{ast.unparse(node)}` has no effect; assign it or leave it out")
    done, result = calls.helper(frame, node, function)
    return done if result is None else [*done, ("let", frame.context.new_slot(), result.node)], False


def _reject(frame: Frame, node: ast.Call) -> Node:
    reason, *operands = calls.operands(frame, node, 1, 1 + REFUSED_VALUES_MAX)
    if frame.context.part == "query":
        raise frame.wrong(node, "`query` cannot reject; write the condition into `predicate`")
    if not isinstance(reason, ast.Constant) or not isinstance(reason.value, str) or not reason.value:
        raise frame.wrong(node, 'mmsb.reject takes a literal text, for instance mmsb.reject("insufficient funds")')
    values = [expressions.value(frame, operand) for operand in operands]
    text = _with_names(frame, node, reason.value, [value.kind for value in values])
    return ("refuse", text_literal(frame, reason, text), *(value.node for value in values))


def _with_names(frame: Frame, node: ast.Call, text: str, kinds: Sequence[Kind]) -> str:
    """The text as it is recorded: between the braces for an enum stands what its numbers are called."""
    first, *others = text.split("{}")
    if len(others) != len(kinds) or (kinds and any(brace in part for part in (first, *others) for brace in "{}")):
        found = f"{len(kinds)} values beside {text!r}"
        raise frame.wrong(node, f"mmsb.reject takes as many values as there are {{}} in its text, found {found}")
    for kind in kinds:
        if kind != I64 and kind.python is None:
            raise frame.wrong(node, f"mmsb.reject shows i64 and members of enums, found {kind}")
        if kind.python and not all(member.name.isidentifier() for member in kind.python):
            raise frame.wrong(node, f"mmsb.reject shows members by name, and {kind} has one that is no name")
    return first + "".join(f"{{{_names(kind)}}}{part}" for kind, part in zip(kinds, others, strict=True))


def _names(kind: Kind) -> str:
    return "" if kind.python is None else "|".join(f"{int(member)}={member.name}" for member in kind.python)


def _only_in_delta(frame: Frame, node: ast.Call, verb: str) -> None:
    if frame.context.part != "delta":
        raise frame.wrong(node, f"mmsb.{verb} belongs in `delta`; `{frame.context.part}` only reads")


_TRANSLATORS: Final[dict[type[ast.stmt], Callable[[Frame, Any], tuple[list[Node], bool]]]] = {
    ast.Pass: _pass,
    ast.Return: _return,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.For: _for,
    ast.Expr: _expression,
}
