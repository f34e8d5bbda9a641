"""Finding a key's partition: the bytes that are hashed, component by component."""

from mmsb.processors.compiling.bodies import Body
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.types import Blob, Integer, Text, padded


def write_partition(body: Body, page: PageLayout, at: int, keys: str = "keys", key: str = "key") -> str:
    """The partition of the key at word `at` of a row of keys, as a name."""
    source = body.source
    source.line("end = 0")
    several = len(page.partition_by) > 1
    for number in page.partition_by:
        kind, (start, _) = page.key[number], page.key_slots[number]
        if several:
            source.line("length_at = end")
            source.line("end = end + 4")
        _put(body, kind, keys, f"{key} + {at + start // 8}")
        if several:
            source.line("put_length(text8, length_at, end - length_at - 4)")
    return source.assign("partition_of(text8, end, partitions)")


def _put(body: Body, kind: Integer | Text | Blob, keys: str, at: str) -> None:
    if isinstance(kind, Integer):
        body.source.line(f"end = put_decimal(text8, end, {keys}[{at}], {kind.signed})")
    elif isinstance(kind, Text):
        body.source.line(f"end = put_text(text8, end, {keys}, {at}, {padded(kind.size) // 8})")
    else:
        body.source.line(f"end = put_blob(text8, end, {keys}, {at}, {kind.size})")
