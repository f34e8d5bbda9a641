"""Rules 7 and 8 about values: what arguments may hold, and what a page may hold after an intent."""

from typing import Any, Final

from mmsb.kernels.intake.rejections import F64, I64
from mmsb.processors.compiling.accesses import Access, PagePlan
from mmsb.processors.compiling.bodies import Body, element, literal, number_of
from mmsb.schemas.layouts import Bound, Field, Layout
from mmsb.schemas.rejections import Code, Op
from mmsb.schemas.types import Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text

_BROKEN: Final = {Op.GE: "<", Op.GT: "<=", Op.LE: ">", Op.LT: ">="}


def check_arguments(body: Body) -> None:
    """Rule 7 for packed arguments of `size` bytes at `at`."""
    layout = body.layout
    found: dict[str, Any] = {"value": "bits_of_int(size)", "bound": body.constants.word(layout.size), "kind": I64}
    body.reject_if(f"size != {layout.size}", Code.WRONG_SIZE, body.constants.word(layout.type_id), **found)
    for index, field in enumerate(layout.fields):
        _check_argument(body, index, field)
    for start, end in layout.gaps:
        for offset in range(start, end):
            body.reject_if(f"buffer[at + {offset}] != 0", Code.BAD_PADDING, body.constants.word(layout.type_id))


def _check_argument(body: Body, index: int, field: Field) -> None:
    kind = field.type
    if isinstance(kind, Text):
        condition = f"not is_padded_text(buffer, at + {field.offset}, {kind.size})"
        body.reject_if(condition, Code.BAD_TEXT, body.constants.word(body.layout.type_id), field=index + 1)
    elif isinstance(kind, Array):
        _check_array_argument(body, index, field, kind)
    elif not isinstance(kind, Blob) and (not isinstance(kind, Integer) or field.bounds):
        bits = body.source.assign(f"load_bits(buffer, at, {field.offset}, {kind.size})")
        check_value(body, bits, kind, body.layout, index, Code.BAD_ENUM, "0")
        check_bounds(body, bits, field, body.layout, index, Code.BOUND, "0")


def _check_array_argument(body: Body, index: int, field: Field, kind: Array) -> None:
    """First every element's value, then every element's bounds."""
    place = f"load_bits(buffer, at, {field.offset} + {kind.element.size} * item, {kind.element.size})"
    if isinstance(kind.element, Float):
        with body.source.block(f"for item in range({kind.count}):"):
            check_value(body, body.source.assign(place), kind.element, body.layout, index, Code.BAD_ENUM, "0")
    if field.bounds:
        with body.source.block(f"for item in range({kind.count}):"):
            check_bounds(body, body.source.assign(place), field, body.layout, index, Code.BOUND, "0")


def check_value(
    body: Body, bits: str, kind: FieldType, layout: Layout, index: int, enum_code: Code, ordinal: str
) -> None:
    """A field's own rule: finite, a boolean, a member."""
    type_id = body.constants.word(layout.type_id)
    parts: dict[str, Any] = {"field": index + 1, "ordinal": ordinal}
    if isinstance(kind, Float):
        body.reject_if(f"{bits} & EXPONENT == EXPONENT", Code.BAD_FLOAT, type_id, **parts)
    if isinstance(kind, Boolean):
        body.reject_if(f"{bits} > ONE", Code.BAD_BOOL, type_id, value=bits, kind=I64, **parts)
    if isinstance(kind, Enumeration):
        members = [body.constants.word(value) for _, value in kind.members]
        strange = " and ".join(f"{bits} != {member}" for member in members)
        body.reject_if(strange, enum_code, type_id, value=bits, kind=I64, **parts)


def check_bounds(body: Body, bits: str, field: Field, layout: Layout, index: int, code: Code, ordinal: str) -> None:
    """A number against its field's bounds, in their order."""
    kind = element(field.type)
    if not field.bounds:
        return
    value = body.source.assign(number_of(bits, kind))
    for bound in field.bounds:
        _check_bound(body, bits, value, kind, bound, layout, index, code, ordinal)


def _check_bound(
    body: Body,
    bits: str,
    value: str,
    kind: FieldType,
    bound: Bound,
    layout: Layout,
    index: int,
    code: Code,
    ordinal: str,
) -> None:
    limit = literal(bound.limit, kind, body.constants)
    parts: dict[str, Any] = {"op": bound.op, "field": index + 1, "ordinal": ordinal}
    type_id = body.constants.word(layout.type_id)
    with body.source.block(f"if {value} {_BROKEN[bound.op]} {limit}:"):
        if isinstance(kind, Float):
            body.reject(code, type_id, value=bits, bound=f"bits_of({limit})", kind=F64, **parts)
        elif isinstance(kind, Integer) and kind.spelling == "u64":
            body.reject_unsigned(code, type_id, value, limit, **parts)
        else:
            shown = f"bits_of_int({value})"
            body.reject(code, type_id, value=shown, bound=body.constants.word(int(bound.limit)), kind=I64, **parts)


def check_invariants(body: Body, access: Access, plan: PagePlan, ordinal: str) -> None:
    """What must hold of a page that an intent creates or changes, field by field."""
    layout = plan.layout
    for index, field in enumerate(layout.fields):
        kind = field.type
        if isinstance(kind, Array):
            if field.bounds:
                _check_array(body, plan, index, field, kind, ordinal)
        elif isinstance(kind, Enumeration) or field.bounds:
            bits = body.source.assign(access.current_bits(plan, index))
            check_value(body, bits, kind, layout, index, Code.BAD_ENUM, ordinal)
            check_bounds(body, bits, field, layout, index, Code.INVARIANT, ordinal)


def _check_array(body: Body, plan: PagePlan, index: int, field: Field, kind: Array, ordinal: str) -> None:
    size = kind.element.size
    with body.source.block(f"for item in range({kind.count}):"):
        bits = body.source.assign(f"get_bits(scratch, {plan.row}, {field.offset} + {size} * item, {size})")
        check_bounds(body, bits, field, plan.layout, index, Code.INVARIANT, ordinal)
