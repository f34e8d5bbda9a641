"""Expressions: syntax tree → typed IR (docs/language.md, section 3)."""

import ast
import enum
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from mmsb.processors.language import calls
from mmsb.processors.language.frames import UNKNOWN, Frame, PageName, SelfName, SlotName
from mmsb.processors.language.kinds import BOOL, F64, I64, U64, Node, Typed, kind_of
from mmsb.processors.language.values import constant, integer, matched, paired, settled
from mmsb.schemas.layouts import Field
from mmsb.schemas.types import Array

ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Div: "div",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
_FLOAT_OPS: Final = ("add", "sub", "mul", "div")
_EQUALITY: Final = "it knows == and != only"
_KNOWS: Final = {"i64": "it knows + - * // % & | ^, unary - and ~", "f64": "it knows + - * / and unary -"}
_COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
}
_INSTEAD: Final[dict[type[ast.AST], str]] = {
    ast.Lambda: "a lambda: write a helper with `def`",
    ast.ListComp: "a comprehension: write a `for` loop",
    ast.SetComp: "a comprehension: write a `for` loop",
    ast.DictComp: "a comprehension: write a `for` loop",
    ast.GeneratorExp: "a generator: write a `for` loop",
    ast.JoinedStr: "an f-string: texts are stored and compared, never built",
    ast.NamedExpr: "`:=`: assign in a statement of its own",
    ast.Await: "`await`: await before you submit the intent",
    ast.Yield: "`yield`: a `delta` assigns to its pages",
    ast.YieldFrom: "`yield`: a `delta` assigns to its pages",
    ast.Tuple: "a tuple: assign one value at a time",
    ast.List: "a list: write array fields element by element",
    ast.Dict: "a dict: use pages",
    ast.Set: "a set: use pages",
    ast.Starred: "`*`: name each argument",
    ast.Slice: "a slice: write a `for` loop",
}


def expression(frame: Frame, node: ast.expr) -> Typed:
    """Translate one expression; a literal keeps the freedom to become u64 or f64."""
    frame.count(node)
    translate = _TRANSLATORS.get(type(node))
    if translate is None:
        what = _INSTEAD.get(type(node), f"`{ast.unparse(node)}`")
        raise frame.wrong(node, f"the language does not have {what}")
    return translate(frame, node)


def value(frame: Frame, node: ast.expr) -> Typed:
    """Translate an expression whose kind must be decided now."""
    return settled(frame, node, expression(frame, node))


def condition(frame: Frame, node: ast.expr) -> Node:
    """Translate an expression that must be a bool."""
    return matched(frame, node, value(frame, node), BOOL).node


def _constant(frame: Frame, node: ast.Constant) -> Typed:
    return constant(frame, node, node.value)


def _name(frame: Frame, node: ast.Name) -> Typed:
    binding = frame.names.get(node.id)
    if isinstance(binding, SlotName):
        if node.id not in frame.assigned:
            raise frame.wrong(node, f"{node.id!r} is not assigned on every way to here; assign it before the branch")
        return Typed(("local", binding.slot), binding.kind)
    if binding is not None:
        raise frame.wrong(node, f"{node.id!r} is no value by itself; read one of its fields")
    if node.id in frame.locals:
        raise frame.wrong(node, f"{node.id!r} is not assigned on every way to here; assign it before")
    found = constant(frame, node, static(frame, node))
    if node.id in frame.scope.changing:
        raise frame.wrong(node, f"{node.id!r} of the enclosing function is assigned more than once; give it one value")
    return found


def static(frame: Frame, node: ast.expr) -> Any:
    """The Python object that a name, or an attribute of a module or enum, stands for."""
    if isinstance(node, ast.Name):
        if node.id in frame.locals:
            raise frame.wrong(node, f"{node.id!r} is a local name here; only fields of self and pages are read by `.`")
        found = frame.lookup(node.id)
        if found is UNKNOWN:
            raise frame.wrong(node, f"there is no {node.id!r}; define or import it above the class")
        return found
    if isinstance(node, ast.Attribute):
        owner = static(frame, node.value)
        if isinstance(owner, ModuleType) or (isinstance(owner, type) and issubclass(owner, enum.Enum)):
            found = _attribute_of(owner, node.attr)
            if found is not UNKNOWN:
                return found
        raise frame.wrong(node, f"`{ast.unparse(node)}` is no field, constant, enum member or function known here")
    raise frame.wrong(node, f"`{ast.unparse(node)}` is not a name")


def _attribute_of(owner: ModuleType | type[enum.Enum], name: str) -> Any:
    """What a module has may be loaded only when it is asked for."""
    return getattr(owner, name, UNKNOWN) if isinstance(owner, ModuleType) else owner.__members__.get(name, UNKNOWN)


def _attribute(frame: Frame, node: ast.Attribute) -> Typed:
    if not is_field(frame, node):
        return constant(frame, node, static(frame, node))
    binding, index, found = field_at(frame, node)
    if isinstance(found.type, Array):
        raise frame.wrong(node, f"{node.attr!r} is an array: read one element, `{ast.unparse(node)}[i]`")
    read = ("arg", index) if isinstance(binding, SelfName) else ("get", binding.index, index)
    return Typed(read, kind_of(found.type))


def is_field(frame: Frame, node: ast.expr) -> bool:
    """Whether this is `self.x` or `page.x`."""
    owner = node.value if isinstance(node, ast.Attribute) else None
    return isinstance(owner, ast.Name) and isinstance(frame.names.get(owner.id), PageName | SelfName)


def field_at(frame: Frame, node: ast.expr) -> tuple[PageName | SelfName, int, Field]:
    """The page or intent, the index and the field that `page.x` or `self.x` names."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or not is_field(frame, node):
        raise frame.wrong(node, f"expected a field of self or of a page, found `{ast.unparse(node)}`")
    binding = frame.names[node.value.id]
    assert isinstance(binding, PageName | SelfName)
    layout = frame.layout_of(binding)
    if node.attr not in layout.index_of:
        has = ", ".join(layout.index_of) or "none"
        raise frame.wrong(node, f"{layout.name} has no field {node.attr!r}; it has {has}")
    index = layout.index_of[node.attr]
    return binding, index, layout.fields[index]


def _subscript(frame: Frame, node: ast.Subscript) -> Typed:
    binding, index, array = array_at(frame, node.value)
    at = array_index(frame, node.slice, array)
    read = ("arg_at", index, at) if isinstance(binding, SelfName) else ("get_at", binding.index, index, at)
    return Typed(read, kind_of(array))


def array_at(frame: Frame, node: ast.expr) -> tuple[PageName | SelfName, int, Array]:
    """The array field that is indexed or iterated."""
    binding, index, found = field_at(frame, node)
    if not isinstance(found.type, Array):
        raise frame.wrong(node, f"{found.name!r} is no array; read it as it is, `{ast.unparse(node)}`")
    return binding, index, found.type


def array_index(frame: Frame, node: ast.expr, array: Array) -> Node:
    at = expression(frame, node)
    if at.literal is not None and not 0 <= at.literal < array.count:
        raise frame.wrong(node, f"expected an index of 0 to {array.count - 1}, found {at.literal}")
    return matched(frame, node, at, I64).node


def _binary(frame: Frame, node: ast.BinOp) -> Typed:
    return arithmetic(frame, node, node.op, expression(frame, node.left), expression(frame, node.right))


def arithmetic(frame: Frame, node: ast.AST, operator: ast.operator, left: Typed, right: Typed) -> Typed:
    """`left operator right`, of numbers of one kind."""
    name = ARITHMETIC.get(type(operator))
    if name is None:
        raise frame.wrong(node, "the language has no `**`, `@`, `<<` or `>>`; write * and //")
    left, right = paired(frame, node, left, right)
    if left.kind == F64 and name in _FLOAT_OPS:
        return Typed(("op", name, "f64", left.node, right.node), F64)
    if left.kind == I64 and name != "div":
        return Typed(("op", name, "i64", left.node, right.node), I64)
    if left.kind == I64:
        raise frame.wrong(node, "`/` is for floats; write `//`, or float(…) on both sides")
    if left.kind == U64:
        raise frame.wrong(node, "u64 knows ==, != and assignment only: declare what you compute with as i64")
    raise frame.wrong(node, f"{left.kind} does not know `{ast.unparse(node)}`; {_KNOWS.get(left.kind.name, _EQUALITY)}")


def _unary(frame: Frame, node: ast.UnaryOp) -> Typed:
    if isinstance(node.op, ast.Not):
        return Typed(("not", condition(frame, node.operand)), BOOL)
    operand = expression(frame, node.operand)
    if operand.literal is not None and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return integer(frame, node, -operand.literal)
    operand = settled(frame, node, operand)
    if isinstance(node.op, ast.USub) and operand.kind in (I64, F64):
        return Typed(("neg", operand.kind.name, operand.node), operand.kind)
    if isinstance(node.op, ast.Invert) and operand.kind == I64:
        return Typed(("invert", operand.node), I64)
    knows = _KNOWS.get(operand.kind.name, _EQUALITY)
    raise frame.wrong(node, f"{operand.kind} does not know `{ast.unparse(node)[0]}`; {knows}")


def _compare(frame: Frame, node: ast.Compare) -> Typed:
    left = expression(frame, node.left)
    terms: list[tuple[list[Node], Node]] = []  # what to run before a comparison, and the comparison
    for index, (operator, operand) in enumerate(zip(node.ops, node.comparators, strict=True)):
        if type(operator) not in _COMPARISONS:
            raise frame.wrong(operand, "the language has no `in` or `is`; write `a == x or a == y`")
        right = expression(frame, operand)
        prelude: list[Node] = []
        if index + 1 < len(node.ops) and right.literal is None:
            slot = frame.context.new_slot()
            prelude, right = [("let", slot, right.node)], Typed(("local", slot), right.kind)
        terms.append((prelude, _comparison(frame, operand, operator, left, right)))
        left = right
    return Typed(_all_of(terms), BOOL)


def _all_of(terms: list[tuple[list[Node], Node]]) -> Node:
    prelude, first = terms[0]
    first = _in_order(prelude[0], first) if prelude else first
    return first if len(terms) == 1 else ("all", first, _all_of(terms[1:]))


def _in_order(let: Node, comparison: Node) -> Node:
    """`a < (b kept in a slot)`: the slot is filled where b stands, after a."""
    _, name, kind, left, right = comparison
    return ("cmp", name, kind, left, ("do", [let], right))


def _comparison(frame: Frame, node: ast.AST, operator: ast.cmpop, left: Typed, right: Typed) -> Node:
    name = _COMPARISONS[type(operator)]
    left, right = paired(frame, node, left, right)
    if name not in ("eq", "ne") and left.kind not in (I64, F64):
        raise frame.wrong(node, f"{left.kind} knows == and != only; declare what has an order as i64 or f64")
    return ("cmp", name, left.kind.name, left.node, right.node)


def _bool_op(frame: Frame, node: ast.BoolOp) -> Typed:
    name = "all" if isinstance(node.op, ast.And) else "any"
    parts = [condition(frame, operand) for operand in node.values]
    joined = parts[-1]
    for part in reversed(parts[:-1]):
        joined = (name, part, joined)
    return Typed(joined, BOOL)


def _ternary(frame: Frame, node: ast.IfExp) -> Typed:
    chosen = condition(frame, node.test)
    left, right = paired(frame, node, expression(frame, node.body), expression(frame, node.orelse))
    return Typed(("if", chosen, left.node, right.node), left.kind)


def _call(frame: Frame, node: ast.Call) -> Typed:
    return calls.call(frame, node)


_TRANSLATORS: Final[dict[type[ast.expr], Callable[[Frame, Any], Typed]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _bool_op,
    ast.IfExp: _ternary,
    ast.Call: _call,
}
