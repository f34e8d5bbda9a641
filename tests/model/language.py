"""The user language, evaluated from its trees (bundle.py lists them): language.md, sections 2 to 6."""

import math
from collections.abc import Callable
from typing import Any

from tests.model.bundle import Body, Tree
from tests.model.compiled import Compiled
from tests.model.constants import I64_MAX, I64_MIN
from tests.model.layout import FieldLayout, IntentLayout, PageLayout
from tests.model.rows import rejected

Emit = Callable[[str, list[tuple[str | None, Any]]], None]
NOTHING = object()  # what a body gives that ends without `return`


class Scratch:
    """The one working copy of a page that an intent names once or more."""

    def __init__(self, layout: PageLayout, key: bytes, ordinal: int, epoch: int, body: bytes) -> None:
        self.layout, self.key, self.ordinal, self.epoch, self.before = layout, key, ordinal, epoch, body
        self.values = layout.decode(body) if epoch else layout.defaults()
        for f in layout.fields:
            if f.length:
                self.values[f.name] = list(self.values[f.name])
        self.deleted = False


class Evaluator:
    def __init__(
        self,
        compiled: Compiled,
        intent: IntentLayout,
        arguments: dict[str, Any],
        now: int = 0,
        emit: Emit | None = None,
    ) -> None:
        self.compiled, self.intent, self.arguments, self.now, self.emit = compiled, intent, arguments, now, emit
        self.type_id = intent.type_id  # whose intent it is that a rejection speaks of

    def fail(self, name: str, **more: Any) -> Exception:
        return rejected(name, **({"type_id": self.type_id} | more))

    # Entry points

    def query(self) -> list[tuple[PageLayout, bytes]]:
        """The pages, with their keys in bytes."""
        out = []
        for ordinal, (name, components) in enumerate(self.intent.intent.query):
            layout = self.compiled.pages[name]
            values = [self.expression(tree, {}) for tree in components]
            for f, value in zip(layout.key_fields, values, strict=True):
                check_store(f, value, layout.type_id, field=0, ordinal=ordinal)
            out.append((layout, layout.encode_key(tuple(values))))
        return out

    def predicate(self, body: Body, pages: dict[str, Scratch]) -> None:
        if self.run(body, dict(pages)) is not True:
            raise self.fail("predicate")

    def delta(self, body: Body, pages: dict[str, Scratch]) -> None:
        self.run(body, dict(pages))

    def run(self, body: Body, names: dict[str, Any]) -> Any:
        return self.statements(body, names)

    # Statements: NOTHING, or what was returned

    def statements(self, body: Body, names: dict[str, Any]) -> Any:
        for tree in body:
            result = self.statement(tree, names)
            if result is not NOTHING:
                return result
        return NOTHING

    def statement(self, tree: Tree, names: dict[str, Any]) -> Any:
        kind = tree[0]
        if kind == "assign":
            names[tree[1]] = self.expression(tree[2], names)
        elif kind == "set":
            self.store(names[tree[1]], tree[2], self.expression(tree[3], names))
        elif kind == "set_at":
            value = self.expression(tree[4], names)
            index = self.expression(tree[3], names)
            self.store_at(names[tree[1]], tree[2], index, value)
        elif kind == "aug":
            self.augment(tree[1], tree[2], tree[3], names)
        elif kind == "if":
            for condition, body in tree[1]:
                if self.expression(condition, names):
                    return self.statements(body, names)
            return self.statements(tree[2], names)
        elif kind == "for_range":
            for i in range(*tree[2]):
                names[tree[1]] = i
                self.statements(tree[3], names)
        elif kind == "for_array":
            layout, values = self.owner(tree[2], names)
            for i in range(layout.by_name[tree[3]].length):
                names[tree[1]] = values[tree[3]][i]
                self.statements(tree[4], names)
        elif kind == "return":
            return None if tree[1] is None else self.expression(tree[1], names)
        elif kind == "reject":
            shown = [self.expression(part, names) for part in tree[2:]]
            more = dict(zip(("value", "bound"), shown, strict=False))
            raise self.fail("refused", ordinal=self.compiled.messages.index(tree[1]), **more)
        elif kind == "delete":
            names[tree[1]].deleted = True
        elif kind == "call":
            self.call(tree, names)
        elif kind == "emit":
            assert self.emit is not None
            self.emit(tree[1], [(name, self.expression(argument, names)) for name, argument in tree[2]])
        elif kind != "pass":
            raise AssertionError(f"no such statement: {kind}")
        return NOTHING

    def augment(self, op: str, target: Tree, right: Tree, names: dict[str, Any]) -> None:
        if target[0] == "name":
            names[target[1]] = self.binary(op, names[target[1]], self.expression(right, names))
        elif target[0] == "get":
            left = self.expression(target, names)
            self.store(names[target[1]], target[2], self.binary(op, left, self.expression(right, names)))
        else:
            page, name = names[target[1]], target[2]
            index = self.expression(target[3], names)
            left = self.element(page, name, index, names)
            self.store_at(page, name, index, self.binary(op, left, self.expression(right, names)))

    def store(self, page: Scratch, name: str, value: Any) -> None:
        f = page.layout.by_name[name]
        check_store(f, value, page.layout.type_id, field=f.index + 1, ordinal=page.ordinal)
        page.values[name] = value

    def store_at(self, page: Scratch, name: str, index: int, value: Any) -> None:
        f = page.layout.by_name[name]
        self.check_index(f, index, page.layout.type_id, page.ordinal)
        check_store(f, value, page.layout.type_id, field=f.index + 1, ordinal=page.ordinal)
        page.values[name][index] = value

    # Expressions

    def expression(self, tree: Tree, names: dict[str, Any]) -> Any:
        return getattr(self, "e_" + tree[0])(tree, names)

    def e_lit(self, tree: Tree, _names: dict[str, Any]) -> Any:
        return tree[1]

    def e_name(self, tree: Tree, names: dict[str, Any]) -> Any:
        return names[tree[1]]

    def e_arg(self, tree: Tree, _names: dict[str, Any]) -> Any:
        return self.arguments[tree[1]]

    def e_arg_at(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.element("self", tree[1], self.expression(tree[2], names), names)

    def e_get(self, tree: Tree, names: dict[str, Any]) -> Any:
        return names[tree[1]].values[tree[2]]

    def e_get_at(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.element(names[tree[1]], tree[2], self.expression(tree[3], names), names)

    def e_len(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.owner(tree[1], names)[0].by_name[tree[2]].length

    def e_bin(self, tree: Tree, names: dict[str, Any]) -> Any:
        left = self.expression(tree[2], names)
        return self.binary(tree[1], left, self.expression(tree[3], names))

    def e_neg(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.number(-self.expression(tree[1], names))

    def e_invert(self, tree: Tree, names: dict[str, Any]) -> Any:
        return ~self.expression(tree[1], names)

    def e_abs(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.number(abs(self.expression(tree[1], names)))

    def e_sqrt(self, tree: Tree, names: dict[str, Any]) -> Any:
        value = self.expression(tree[1], names)
        if value < 0:
            raise self.fail("non_finite")
        return math.sqrt(value)

    def e_float(self, tree: Tree, names: dict[str, Any]) -> Any:
        return float(self.expression(tree[1], names))

    def e_int(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.number(int(self.expression(tree[1], names)))

    def e_min(self, tree: Tree, names: dict[str, Any]) -> Any:
        best, *others = [self.expression(a, names) for a in tree[1]]
        for other in others:
            best = other if other < best else best
        return best

    def e_max(self, tree: Tree, names: dict[str, Any]) -> Any:
        best, *others = [self.expression(a, names) for a in tree[1]]
        for other in others:
            best = other if other > best else best
        return best

    def e_not(self, tree: Tree, names: dict[str, Any]) -> Any:
        return not self.expression(tree[1], names)

    def e_and(self, tree: Tree, names: dict[str, Any]) -> Any:
        return all(self.expression(a, names) for a in tree[1])

    def e_or(self, tree: Tree, names: dict[str, Any]) -> Any:
        return any(self.expression(a, names) for a in tree[1])

    def e_compare(self, tree: Tree, names: dict[str, Any]) -> Any:
        left = self.expression(tree[1], names)
        for op, operand in tree[2]:
            right = self.expression(operand, names)
            if not compare(op, left, right):
                return False
            left = right
        return True

    def e_ternary(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.expression(tree[2] if self.expression(tree[1], names) else tree[3], names)

    def e_exists(self, tree: Tree, names: dict[str, Any]) -> Any:
        return names[tree[1]].epoch > 0 and not names[tree[1]].deleted

    def e_now(self, _tree: Tree, _names: dict[str, Any]) -> Any:
        return self.now

    def e_call(self, tree: Tree, names: dict[str, Any]) -> Any:
        return self.call(tree, names)

    def call(self, tree: Tree, names: dict[str, Any]) -> Any:
        helper = self.compiled.helpers[tree[1]]
        inner: dict[str, Any] = {}
        for position, (name, argument) in enumerate(tree[2]):
            name = name or helper.params[position].name
            inner[name] = names[argument[1]] if argument[0] == "page" else self.expression(argument, names)
        for param in helper.params:
            if param.name not in inner:
                assert param.default
                inner[param.name] = param.default[1]
        return self.run(helper.body, inner)

    # Arithmetic

    def number(self, value: Any) -> Any:
        """An exact result, or a rounded f64 that is finite."""
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.fail("non_finite")
        elif not I64_MIN <= value <= I64_MAX:
            raise self.fail("overflow")
        return value

    def binary(self, op: str, a: Any, b: Any) -> Any:
        if op in ("/", "//", "%") and b == 0:
            raise self.fail("division_by_zero")
        if op == "+":
            return self.number(a + b)
        if op == "-":
            return self.number(a - b)
        if op == "*":
            return self.number(a * b)
        if op == "/":
            return self.number(a / b)
        if op == "//":
            return self.number(a // b)
        if op == "%":
            return a % b
        return {"&": a & b, "|": a | b, "^": a ^ b}[op]

    # Fields

    def owner(self, name: str, names: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if name == "self":
            return self.intent, self.arguments
        return names[name].layout, names[name].values

    def element(self, page: Scratch | str, name: str, index: int, names: dict[str, Any]) -> Any:
        if isinstance(page, Scratch):
            self.check_index(page.layout.by_name[name], index, page.layout.type_id, page.ordinal)
            return page.values[name][index]
        self.check_index(self.intent.by_name[name], index, self.intent.type_id, 0)
        return self.arguments[name][index]

    def check_index(self, f: FieldLayout, index: int, type_id: int, ordinal: int) -> None:
        if not 0 <= index < f.length:
            raise rejected("index_out_of_range", type_id=type_id, field=f.index + 1, ordinal=ordinal, value=index,
                           op="lt", bound=f.length)  # fmt: skip


def check_store(f: FieldLayout, value: Any, type_id: int, field: int, ordinal: int) -> None:
    """May this value be stored into a field, or into an element of it?"""
    if f.base == "text":
        size = len(value.encode())
        if size > f.width:
            raise rejected(
                "store_text_too_long", type_id=type_id, field=field, ordinal=ordinal, value=size, bound=f.width
            )
    elif f.base not in ("blob", "enum", "bool", "f64"):
        outside = f.integer_problem(value)
        if outside:
            op, bound = outside
            raise rejected(
                "store_range", type_id=type_id, field=field, ordinal=ordinal, op=op, value=value, bound=bound
            )


def compare(op: str, a: Any, b: Any) -> bool:
    if op == "==":
        return a == b
    if op == "!=":
        return a != b
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]
