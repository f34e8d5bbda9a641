"""Makes what a log holds after a crash durable, and removes what is no longer part of it.

Valid bytes that are not known to be durable are written once more. They may be what a failed fdatasync left behind:
Linux then keeps pages that read well, count as clean and never reached the disk, so syncing alone would do nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mmsb.streams.files import File, Files
from mmsb.streams.log.segments import Segment, remove_index, write_index

_CHUNK_BYTES: Final = 1_048_576


def mend(
    files: Files,
    folder: Path,
    segments: Sequence[Segment],
    position: int,
    dropped: Sequence[Segment],
    unindexed: Sequence[Segment],
) -> File | None:
    """Leave `segments` and nothing else, all durable; gives the last one's file, open for writing.

    From `position` on the last one is not known to be durable yet. Whatever happens on the way, a start after it finds
    a log without gaps: the last segment goes first, and a name is durably gone before the one in front of it goes.
    """
    files.make_folder(folder)
    files.sync_folder(folder.parent)
    for segment in reversed(dropped):
        files.remove(segment.path)
        remove_index(files, segment)
        files.sync_folder(folder)
    for segment in unindexed:
        if segment.base < segments[-1].base:
            write_index(files, segment)
    files.sync_folder(folder)
    return _mend_last(files, segments[-1], position) if segments else None


def _mend_last(files: Files, segment: Segment, position: int) -> File:
    if remove_index(files, segment):  # of a segment that was sealed before it was cut: it will grow again
        files.sync_folder(segment.folder)
    file = files.open(segment.path)
    try:
        while position < segment.size:
            data = file.read(position, min(_CHUNK_BYTES, segment.size - position))
            assert data, "what was valid is still there"
            file.write(position, data)
            position += len(data)
        file.truncate(segment.size)
        file.sync()
    except BaseException:
        file.close()
        raise
    return file
