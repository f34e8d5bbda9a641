"""Statements of the IR as Python that Numba compiles."""

from collections.abc import Sequence

from mmsb.kernels.intake.rejections import I64
from mmsb.processors.compiling.accesses import Access, element_place
from mmsb.processors.compiling.bodies import Body, Value, bits_of_number, in_scratch
from mmsb.processors.compiling.emits import write_emit
from mmsb.processors.compiling.expressions import Expressions
from mmsb.processors.language.kinds import Node
from mmsb.schemas.rejections import Code
from mmsb.schemas.types import Array


class Statements:
    """Writes statements into a body, and through `expressions` what they compute."""

    def __init__(self, body: Body, access: Access | None) -> None:
        self.body = body
        self.access = access
        self.expressions = Expressions(body, access, self.write)

    def write(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            getattr(self, f"_{node[0]}")(*node[1:])

    @property
    def pages(self) -> Access:
        assert self.access is not None, "only a delta writes pages"
        return self.access

    def _let(self, slot: int, a: Node) -> None:
        value = self.expressions.value(a)
        if value.words is None:
            self.body.slots[slot] = None
            self.body.source.line(f"{self.body.prefix}{slot} = {value.text}")
        else:
            self.body.slots[slot] = self.body.room
            self.expressions.copied(value, self.body.slot_place(slot), self.body.room)

    def _set(self, page: int, index: int, a: Node) -> None:
        value = self.expressions.value(a)
        layout = self.pages.plans[page].layout
        kind = layout.fields[index].type
        if in_scratch(kind):
            self._set_text(page, index, value)
            return
        text = self.body.source.assign(value.text)
        self.body.check_range(text, kind, layout, index + 1, self.pages.ordinal(page))
        self.pages.set(page, index, text)

    def _set_text(self, page: int, index: int, value: Value) -> None:
        layout = self.pages.plans[page].layout
        found = layout.fields[index]
        self.body.check_text(value, found.type.size, layout, index + 1, self.pages.ordinal(page))
        place = f"scratch, {self.pages.row(page)}, {found.offset}, {found.type.size}"
        self.body.source.line(f"set_text({place}, scratch, {value.text}, {value.words})")

    def _set_at(self, page: int, index: int, at: Node, a: Node) -> None:
        """The value comes before its place, and is checked after it."""
        layout = self.pages.plans[page].layout
        array = layout.fields[index].type
        assert isinstance(array, Array)
        value = self.body.source.assign(self.expressions.number(a))
        where = self.body.source.assign(self.expressions.number(at))
        ordinal = self.pages.ordinal(page)
        self.body.check_index(where, array.count, layout, index + 1, ordinal)
        self.body.check_range(value, array.element, layout, index + 1, ordinal)
        place = element_place(self.pages, page, index, where)
        self.body.source.line(f"set_bits({place}, {bits_of_number(value, array.element)})")

    def _when(self, c: Node, yes: Sequence[Node], no: Sequence[Node]) -> None:
        test = self.expressions.number(c)
        with self.body.source.block(f"if {test}:"):
            self.write(yes)
        if no:
            with self.body.source.block("else:"):
                self.write(no)

    def _for(self, slot: int, start: int, stop: int, step: int, nodes: Sequence[Node]) -> None:
        counter = f"{self.body.prefix}{slot}"
        self.body.slots[slot] = None
        with self.body.source.block(f"for {counter} in range({start}, {stop}, {step}):"):
            self.write(nodes)

    def _refuse(self, text: str, *nodes: Node) -> None:
        ordinal = str(self.body.messages[text])
        if not nodes:
            self.body.reject(Code.REFUSED, ordinal=ordinal)
            return
        bits = [f"bits_of_int({self.body.source.assign(value.text)})" for value in self.expressions.values(nodes)]
        value, bound = [*bits, None, None][:2]
        self.body.reject(Code.REFUSED, value=value, bound=bound, ordinal=ordinal, kind=I64)

    def _emit(self, name: str, arguments: Sequence[Node]) -> None:
        write_emit(self.body, self.expressions, name, arguments)

    def _delete(self, page: int) -> None:
        self.pages.delete(page)
