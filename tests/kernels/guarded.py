"""Arrays with guards around what a kernel may touch, so that a byte too many is seen."""

from typing import Any

import numpy as np

GUARD = b"\xa5\x5a\xc3" * 23  # no multiple of a word, so that pages begin in the middle of one
WORD_GUARD = np.frombuffer(b"\xa5" * 64, np.uint64)
SIZES = (1, 7, 4095, 4096, 4097)


def guarded(content: bytes) -> Any:
    """A u8 array in which the content begins at len(GUARD)."""
    return np.frombuffer(GUARD + content + GUARD, np.uint8).copy()


def unguarded(array: Any) -> bytes:
    """The content afterwards; the guards are as they were."""
    data = array.tobytes()
    assert data[: len(GUARD)] == GUARD, "something was written before the page"
    assert data[-len(GUARD) :] == GUARD, "something was written behind the page"
    return data[len(GUARD) : -len(GUARD)]


def guarded_words(content: bytes) -> Any:
    """A u64 array in which the content begins at len(WORD_GUARD)."""
    return np.concatenate((WORD_GUARD, np.frombuffer(content, np.uint64), WORD_GUARD))


def unguarded_words(array: Any) -> bytes:
    """The content afterwards; the guards are as they were."""
    assert array[: len(WORD_GUARD)].tobytes() == WORD_GUARD.tobytes(), "something was written before the page"
    assert array[-len(WORD_GUARD) :].tobytes() == WORD_GUARD.tobytes(), "something was written behind the page"
    content: bytes = array[len(WORD_GUARD) : -len(WORD_GUARD)].tobytes()
    return content
