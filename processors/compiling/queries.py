"""The functions that come before a page is looked at: a query's keys, and the partition that they belong to."""

from collections.abc import Sequence
from typing import Any

from mmsb.kernels.intake.rejections import I64
from mmsb.processors.compiling.bodies import Body, Value
from mmsb.processors.compiling.partitions import write_partition
from mmsb.processors.compiling.statements import Statements
from mmsb.processors.language.kinds import Node
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.rejections import Code
from mmsb.schemas.types import Blob, Integer, Text


def write_query(body: Body, query: Sequence[tuple[PageLayout, Sequence[Node]]]) -> None:
    """Every page's key, in order, to `keys` from `key` on."""
    expressions = Statements(body, None).expressions
    at = 0
    for ordinal, (page, nodes) in enumerate(query):
        values = expressions.values(nodes)
        for (start, end), kind, value in zip(page.key_slots, page.key, values, strict=True):
            _store(body, page, kind, value, at + start // 8, (end - start) // 8, str(ordinal))
        at += page.key_size // 8
    body.source.line("return GO_ON")


def _store(
    body: Body, page: PageLayout, kind: Integer | Text | Blob, value: Value, at: int, words: int, ordinal: str
) -> None:
    """One component, widened to whole words."""
    if isinstance(kind, Integer):
        body.check_range(value.text, kind, page, 0, ordinal)
        bits = value.text if kind.spelling == "u64" else f"bits_of_int({value.text})"
        body.source.line(f"keys[key + {at}] = {bits}")
        return
    if isinstance(kind, Text):
        body.check_text(value, kind.size, page, 0, ordinal)
    assert value.words is not None
    shared = min(words, value.words)  # a longer text that fits has zeros behind
    body.source.line(f"copy_text(keys, key + {at}, {words}, scratch, {value.text}, {shared})")


def write_partitions(body: Body, query: Sequence[tuple[PageLayout, Sequence[Node]]]) -> None:
    """Reject what names a page of another partition than `partition` of `partitions`."""
    at = 0
    for ordinal, (page, _) in enumerate(query):
        right = write_partition(body, page, at)
        parts: dict[str, Any] = {"value": f"bits_of_int({right})", "kind": I64, "ordinal": str(ordinal)}
        type_id = body.constants.word(page.type_id)
        body.reject_if(f"{right} != partition", Code.WRONG_PARTITION, type_id, **parts)
        at += page.key_size // 8
    body.source.line("return GO_ON")
