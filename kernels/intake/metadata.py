"""Whether a metadata block is one, compiled; mmsb.schemas.metadata reads them (docs/formats.md, section 3)."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, load_u32
from mmsb.kernels.utf8 import is_text
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.limits import ACTOR_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from mmsb.schemas.metadata import VERSION
from mmsb.schemas.rejections import Code

_NONE: Final = int(Code.NONE)
_OTHER_VERSION: Final = int(Code.METADATA_VERSION)
_MALFORMED: Final = int(Code.MALFORMED_METADATA)

_HEADER: Final = 8
_ENTRY: Final = 4  # tag and length
_ACTOR: Final = 1
_REASON: Final = 2
_TRACE: Final = 5


@inlined
def load_u16(buffer: Bytes, at: int) -> Any:
    return np.int64(buffer[at]) | (np.int64(buffer[at + 1]) << 8)


@kernel
def metadata_problem(buffer: Bytes, at: int, size: int) -> Any:
    """The code with which a block of `size` bytes is refused; 0 for one that `Metadata.pack` writes."""
    if size < 2:
        return _MALFORMED
    if load_u16(buffer, at) != VERSION:
        return _OTHER_VERSION
    if size < _HEADER or np.int64(load_u32(buffer, at + 4)) != size:
        return _MALFORMED
    end, count, tag = at + size, 0, 0
    position = at + _HEADER
    while position < end:
        position, tag = _read_entry(buffer, position, end, tag)
        count += 1
    return _NONE if position == end and 0 < count == load_u16(buffer, at + 2) else _MALFORMED


@inlined
def _read_entry(buffer: Bytes, at: int, end: int, last_tag: int) -> tuple[Any, Any]:
    """Where the next entry begins, which is behind the end if this one is wrong, and the tag of this one."""
    wrong = end + 1
    if end - at < _ENTRY:
        return wrong, 0
    tag, size = load_u16(buffer, at), load_u16(buffer, at + 2)
    content = at + _ENTRY
    following = content + ((size + _ENTRY + 7) & -8) - _ENTRY
    if tag <= last_tag or following > end or not _is_content(buffer, tag, content, size):
        return wrong, 0
    for index in range(content + size, following):
        if buffer[index] != 0:
            return wrong, 0
    return following, tag


@inlined
def _is_content(buffer: Bytes, tag: int, at: int, size: int) -> Any:
    if tag == _ACTOR:
        size_max = ACTOR_BYTES_MAX
    elif tag == _REASON:
        size_max = REASON_BYTES_MAX
    elif tag == _TRACE:
        size_max = TRACE_BYTES_MAX
    else:
        return tag < _TRACE and size == ID_BYTES
    return 0 < size <= size_max and is_text(buffer, at, size)
