"""`emit` in a delta: arguments are stored as into fields, limits are looked at, and the target is found."""

from collections.abc import Sequence
from typing import Any, Final

from mmsb.kernels.intake.rejections import I64
from mmsb.processors.compiling.bodies import Body, Value, bits_of_number, in_scratch, words_of
from mmsb.processors.compiling.expressions import Expressions
from mmsb.processors.compiling.partitions import write_partition
from mmsb.processors.compiling.source import Uncompilable
from mmsb.processors.language.kinds import Node
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.limits import FOLLOW_UPS_PER_INTENT_MAX
from mmsb.schemas.rejections import Code
from mmsb.schemas.types import Array

BEGIN: Final = "emitted = 0", "emitted_words = 0"
"""What a function with an emit in it begins with."""


def write_emit(body: Body, expressions: Expressions, name: str, arguments: Sequence[Node]) -> None:
    if name not in body.targets:
        raise Uncompilable(f"it emits {name}, which is not compiled")
    layout = body.targets[name].layout
    values = _values(expressions, layout, arguments)
    _check(body, layout, values)
    _check_limits(body)
    source = body.source
    place = source.assign("begin_of(counts, emitted_words) + ARGUMENTS")
    _store(body, layout, values, place)
    body.source.line(
        f"aimed = query_{name}(block8, 8 * {place}, {body.cause}, aside, AIM, aside, rejections, reject_at)"
    )
    with source.block("if aimed != GO_ON:"):
        source.line(f"return {body.rejected}")
    source.line("target = 0")
    with source.block("if partitions > 1:"):
        source.line(f"target = {write_partition(body, body.targets[name].page, 0, 'aside', 'AIM')}")
    around = f"{body.constants.word(layout.type_id)}, {layout.size // 8}, target, sent"
    cause = "buffer, envelopes, i, offset, log, partition"
    source.line(f"emitted_words += emit(block, counts, emitted, emitted_words, {around}, {cause})")
    source.line("emitted += 1")


def _values(expressions: Expressions, layout: IntentLayout, arguments: Sequence[Node]) -> list[Value | None]:
    """All of them before any is stored; None for an array, which has its default."""
    given = [node for node, field in zip(arguments, layout.fields, strict=True) if not isinstance(field.type, Array)]
    found = iter(expressions.values(given))
    return [None if isinstance(field.type, Array) else next(found) for field in layout.fields]


def _check(body: Body, layout: IntentLayout, values: Sequence[Value | None]) -> None:
    for index, (field, value) in enumerate(zip(layout.fields, values, strict=True)):
        if value is not None and value.words is None:
            body.check_range(value.text, field.type, layout, index + 1, "0")
        elif value is not None:
            body.check_text(value, field.type.size, layout, index + 1, "0")


def _check_limits(body: Body) -> None:
    hops = body.source.assign("hops_of(buffer, envelopes, i) + 1")
    limit = body.constants.word(body.hops_max)
    parts: dict[str, Any] = {"value": f"bits_of_int({hops})", "bound": limit, "kind": I64}
    body.reject_if(f"{hops} > {body.hops_max}", Code.HOPS_EXCEEDED, **parts)
    most: dict[str, Any] = {"bound": body.constants.word(FOLLOW_UPS_PER_INTENT_MAX), "kind": I64}
    body.reject_if(f"emitted == {FOLLOW_UPS_PER_INTENT_MAX}", Code.TOO_MANY_FOLLOW_UPS, **most)


def _store(body: Body, layout: IntentLayout, values: Sequence[Value | None], place: str) -> None:
    """The arguments, packed into the block."""
    for word, content in enumerate(_default_words(layout)):
        body.source.line(f"block[{place} + {word}] = {body.constants.word(content)}")
    for field, value in zip(layout.fields, values, strict=True):
        if value is not None and in_scratch(field.type):
            text = f"scratch, {value.text}, {value.words}"
            body.source.line(f"set_text(block, {place}, {field.offset}, {field.type.size}, {text})")
        elif value is not None:
            bits = bits_of_number(value.text, field.type)
            body.source.line(f"set_bits(block, {place}, {field.offset}, {field.type.size}, {bits})")


def _default_words(layout: IntentLayout) -> list[int]:
    """Arrays with their defaults, zeros elsewhere."""
    packed = bytearray(layout.size)
    for field in layout.fields:
        if isinstance(field.type, Array) and field.default is not None:
            packed[field.offset : field.end] = field.type.pack(field.default)
    return [int.from_bytes(packed[8 * word : 8 * word + 8], "little") for word in range(words_of(layout.size))]
