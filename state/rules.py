"""A page layout's rules as one flat array, which compiled code reads (mmsb.kernels.folding.body_rules)."""

from typing import Final

import numpy as np

from mmsb.kernels.folding import body_rules
from mmsb.kernels.memory import Words
from mmsb.schemas.layouts import Field, PageLayout
from mmsb.schemas.types import Array, Boolean, Enumeration, Float, Integer, Text

_ALL_BITS: Final = b"\xff"
_ALL_BUT_THE_LOWEST: Final = 0xFE


def make_rules(layout: PageLayout) -> Words:
    """What keys and bodies of these pages may contain."""
    head = [0] * body_rules.FLAGS
    head[body_rules.KEY_WORDS], head[body_rules.BODY_WORDS] = layout.key_size // 8, layout.word_count
    head[body_rules.TYPE_ID] = layout.type_id
    tables = _words(layout)
    enums: list[list[int]] = []
    for field in layout.fields:
        if isinstance(field.type, Enumeration):
            members = sorted(value for _, value in field.type.members)
            enums.append([field.offset, len(head) + len(tables), len(members)])
            tables += members
    texts = [[field.offset, field.type.size] for field in layout.fields if isinstance(field.type, Text)]
    for place, rows in ((body_rules.KEYS, _keys(layout)), (body_rules.TEXTS, texts), (body_rules.ENUMS, enums)):
        head[place], head[place + 1] = len(head) + len(tables), len(rows)
        tables += [number for row in rows for number in row]
    head[body_rules.ALWAYS] = body_rules.HAS_ENUMS if enums else 0
    return np.array([number % 2**64 for number in head + tables], np.uint64)


def _keys(layout: PageLayout) -> list[list[int]]:
    rows: list[list[int]] = []
    for kind, (start, _) in zip(layout.key, layout.key_slots, strict=True):
        if isinstance(kind, Integer):
            sign = body_rules.SIGNED if kind.signed else body_rules.UNSIGNED
            rows.append([sign, start // 8, kind.minimum, kind.maximum])
        else:
            rows.append([body_rules.TEXT if isinstance(kind, Text) else body_rules.BLOB, start // 8, kind.size, 0])
    return rows


def _words(layout: PageLayout) -> list[int]:
    """For each word of a body its flags, then the bits of each that must be zero."""
    zeros = bytearray(layout.size)
    flags = [0] * layout.word_count
    for start, end in layout.gaps:
        zeros[start:end] = _ALL_BITS * (end - start)
    for field in layout.fields:
        if isinstance(field.type, Boolean):
            zeros[field.offset] = _ALL_BUT_THE_LOWEST
        for word in range(field.offset // 8, -(-field.end // 8)):
            flags[word] |= _flag(field)
    masks: list[int] = np.frombuffer(bytes(zeros), np.uint64).tolist()
    flags = [flag | (body_rules.HAS_ZEROS if mask else 0) for flag, mask in zip(flags, masks, strict=True)]
    return flags + masks


def _flag(field: Field) -> int:
    kind = field.type.element if isinstance(field.type, Array) else field.type
    if isinstance(kind, Float):
        return body_rules.IS_FLOAT
    return body_rules.HAS_TEXT if isinstance(kind, Text) else 0
