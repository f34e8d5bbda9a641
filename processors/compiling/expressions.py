"""Expressions of the IR as Python that Numba compiles: one line for each operation that may be rejected.

The order is the interpreter's (mmsb.processors.language.interpret): operands from left to right, the first rejection
is the intent's. Names stand for what was read, so a value is copied where what is evaluated next may change it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from mmsb.processors.compiling.accesses import Access, element_place
from mmsb.processors.compiling.bodies import (
    Body,
    Value,
    element,
    in_scratch,
    integer,
    number_of,
    words_of,
)
from mmsb.processors.compiling.walking import has, literal_bytes
from mmsb.processors.language.kinds import Node
from mmsb.schemas.rejections import Code
from mmsb.schemas.types import Array

F64_MAX: Final = "1.7976931348623157e308"

_SYMBOLS: Final = {"add": "+", "sub": "-", "mul": "*", "div": "/", "and": "&", "or": "|", "xor": "^"}
_COMPARISONS: Final = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}


class Expressions:
    """Writes expressions into a body; `access` is None in a query, which knows no pages."""

    def __init__(self, body: Body, access: Access | None, statements: Callable[[Sequence[Node]], None]) -> None:
        self.body = body
        self._access = access
        self._statements = statements

    @property
    def access(self) -> Access:
        assert self._access is not None, "queries know the intent alone"
        return self._access

    def value(self, node: Node) -> Value:
        """The value of an expression; what must run first is written."""
        found: Value = getattr(self, f"_{node[0]}")(*node[1:])
        return found

    def number(self, node: Node) -> str:
        found = self.value(node)
        assert found.words is None, "a number was expected"
        return found.text

    def values(self, nodes: Sequence[Node]) -> list[Value]:
        """Several, from left to right."""
        found: list[Value] = []
        for at, node in enumerate(nodes):
            value = self.value(node)
            found.append(self._kept(value) if has(nodes[at + 1 :], "do") else value)
        return found

    def _kept(self, value: Value) -> Value:
        """A value that stays what it is, whatever runs next."""
        if value.words is None:
            return Value(self.body.source.assign(value.text))
        return self.copied(value, self.body.take(value.words), value.words)

    def copied(self, value: Value, place: int, room: int) -> Value:
        assert value.words is not None
        self.body.source.line(f"copy_text(scratch, {place}, {room}, scratch, {value.text}, {value.words})")
        return Value(str(place), room)

    # Leaves

    def _const(self, kind: str, value: Any) -> Value:
        if kind in ("text", "blob"):
            return self._text_literal(literal_bytes(value))
        if kind == "u64":
            return Value(self.body.constants.word(value))
        if kind == "f64":
            return Value(f"({value!r})")
        return Value(repr(value) if kind == "bool" else integer(int(value)))

    def _text_literal(self, data: bytes) -> Value:
        words = words_of(len(data))
        place = self.body.take(max(words, 1))
        padded = data.ljust(8 * words, b"\0")
        for word in range(words):
            constant = self.body.constants.word(int.from_bytes(padded[8 * word : 8 * word + 8], "little"))
            self.body.source.line(f"scratch[{place} + {word}] = {constant}")
        return Value(str(place), words)

    def _arg(self, index: int) -> Value:
        field = self.body.layout.fields[index]
        if in_scratch(field.type):
            words = words_of(field.type.size)
            place = self.body.take(words)
            self.body.source.line(f"load_text(buffer, at + {field.offset}, {field.type.size}, scratch, {place})")
            return Value(str(place), words)
        bits = f"load_bits(buffer, at, {field.offset}, {field.type.size})"
        return Value(self.body.source.assign(number_of(bits, field.type)))

    def _arg_at(self, index: int, at: Node) -> Value:
        field = self.body.layout.fields[index]
        assert isinstance(field.type, Array)
        kind = element(field.type)
        where = self.body.source.assign(self.number(at))
        self.body.check_index(where, field.type.count, self.body.layout, index + 1, "0")
        bits = f"load_bits(buffer, at, {field.offset} + {kind.size} * {where}, {kind.size})"
        return Value(self.body.source.assign(number_of(bits, kind)))

    def _local(self, slot: int) -> Value:
        words = self.body.slots[slot]
        if words is not None:
            return Value(str(self.body.slot_place(slot)), words)
        return Value(f"{self.body.prefix}{slot}")

    def _get(self, page: int, index: int) -> Value:
        return self.access.get(page, index)

    def _get_at(self, page: int, index: int, at: Node) -> Value:
        layout = self.access.plans[page].layout
        array = layout.fields[index].type
        assert isinstance(array, Array)
        where = self.body.source.assign(self.number(at))
        self.body.check_index(where, array.count, layout, index + 1, self.access.ordinal(page))
        bits = f"get_bits({element_place(self.access, page, index, where)})"
        return Value(self.body.source.assign(number_of(bits, array.element)))

    def _exists(self, page: int) -> Value:
        return Value(self.body.source.assign(self.access.exists(page)))

    def _now(self) -> Value:
        return Value("now")

    # Arithmetic

    def _op(self, name: str, kind: str, a: Node, b: Node) -> Value:
        left, right = (value.text for value in self.values((a, b)))
        if name in ("floordiv", "mod", "div"):
            zero = "0.0" if kind == "f64" else "0"
            self.body.reject_if(f"{right} == {zero}", Code.DIVISION_BY_ZERO)
        if kind == "f64":
            return self._finite(f"{left} {_SYMBOLS[name]} {right}")
        if name in ("and", "or", "xor"):
            return Value(self.body.source.assign(f"{left} {_SYMBOLS[name]} {right}"))
        return self._checked(f"{name}({left}, {right})")

    def _finite(self, computed: str) -> Value:
        found = self.body.source.assign(computed)
        self.body.reject_if(f"not abs({found}) <= {F64_MAX}", Code.NON_FINITE)
        return Value(found)

    def _checked(self, computed: str) -> Value:
        found, wrong = self.body.source.temp(), self.body.source.temp()
        self.body.source.line(f"{found}, {wrong} = {computed}")
        self.body.reject_if(wrong, Code.OVERFLOW)
        return Value(found)

    def _neg(self, kind: str, a: Node) -> Value:
        given = self.number(a)
        return Value(self.body.source.assign(f"-{given}")) if kind == "f64" else self._checked(f"neg({given})")

    def _abs(self, kind: str, a: Node) -> Value:
        given = self.number(a)
        if kind == "f64":
            return Value(self.body.source.assign(f"abs({given})"))
        return self._checked(f"absolute({given})")

    def _invert(self, a: Node) -> Value:
        return Value(self.body.source.assign(f"~{self.number(a)}"))

    def _sqrt(self, a: Node) -> Value:
        given = self.number(a)
        self.body.reject_if(f"{given} < 0.0", Code.NON_FINITE)
        return Value(self.body.source.assign(f"math.sqrt({given})"))

    def _min(self, kind: str, a: Node, b: Node) -> Value:
        left, right = (value.text for value in self.values((a, b)))
        return Value(self.body.source.assign(f"{right} if {right} < {left} else {left}"))

    def _max(self, kind: str, a: Node, b: Node) -> Value:
        left, right = (value.text for value in self.values((a, b)))
        return Value(self.body.source.assign(f"{right} if {right} > {left} else {left}"))

    def _float(self, a: Node) -> Value:
        return Value(self.body.source.assign(f"float({self.number(a)})"))

    def _int(self, a: Node) -> Value:
        return self._checked(f"to_i64({self.number(a)})")

    # Conditions

    def _cmp(self, name: str, kind: str, a: Node, b: Node) -> Value:
        left, right = self.values((a, b))
        if left.words is None or right.words is None:
            return Value(self.body.source.assign(f"{left.text} {_COMPARISONS[name]} {right.text}"))
        sides = f"scratch, {left.text}, {left.words}, scratch, {right.text}, {right.words}"
        negation = "not " if name == "ne" else ""
        return Value(self.body.source.assign(f"{negation}same_text({sides})"))

    def _short(self, a: Node, b: Node, condition: str) -> Value:
        found = self.body.source.assign(self.number(a))
        with self.body.source.block(f"if {condition}{found}:"):
            self.body.source.line(f"{found} = {self.number(b)}")
        return Value(found)

    def _all(self, a: Node, b: Node) -> Value:
        return self._short(a, b, "")

    def _any(self, a: Node, b: Node) -> Value:
        return self._short(a, b, "not ")

    def _not(self, a: Node) -> Value:
        return Value(self.body.source.assign(f"not {self.number(a)}"))

    def _if(self, c: Node, a: Node, b: Node) -> Value:
        """Both arms have one type; the longer text says how much room the result needs."""
        test = self.number(c)
        name, place = self.body.source.temp(), self.body.take(self.body.room)
        words: int | None = None
        for header, arm in ((f"if {test}:", a), ("else:", b)):
            with self.body.source.block(header):
                value = self.value(arm)
                if value.words is None:
                    self.body.source.line(f"{name} = {value.text}")
                else:
                    words = self.body.room
                    self.copied(value, place, words)
        return Value(name) if words is None else Value(str(place), words)

    def _do(self, nodes: Sequence[Node], a: Node) -> Value:
        self._statements(nodes)
        return self.value(a)
