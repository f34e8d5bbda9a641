"""Rows of buckets for tests."""

from typing import Any, Final

import numpy as np

from mmsb.state.array_pages import ArrayPageType
from mmsb.state.home.bucket_rows import copy_rows

SALT: Final = np.uint64(0x5EED)
TYPE_ID: Final = 0x0123_4567_89AB_CDEF
ALL: Final[Any] = np.zeros(1, np.int64)  # the only bucket of depth 0


def bucket(type_id: int, key_words: int, body_words: int, pages: list[tuple[bytes, int, bytes]]) -> bytes:
    """The row of pages that are all of a type."""
    found = ArrayPageType(key_words, body_words, SALT)
    for page in pages:
        found.put(*page)
    return copy_rows(found, type_id, ALL).row(0)


def page(number: int, key_words: int, body_words: int) -> tuple[bytes, int, bytes]:
    return number.to_bytes(8, "little") * key_words, number + 1, bytes([number]) * 8 * body_words
