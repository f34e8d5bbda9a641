"""Removes what is in front of a log.

Whatever happens on the way, a start after it finds a log without gaps: first it is durable that nothing before is
needed, then segments go one by one from the front, and a name is durably gone before the one behind it goes.
"""

from collections.abc import Sequence
from pathlib import Path

from mmsb.streams.files import Files
from mmsb.streams.log.begin import write_begin
from mmsb.streams.log.segments import Segment


def trim(files: Files, folder: Path, dropped: Sequence[Segment], begin: int) -> None:
    """Remove segments, which are the first ones, with what lies beside them; the log begins at `begin` then."""
    write_begin(files, folder, begin)
    for segment in dropped:
        _remove_beside(files, segment)
        files.remove(segment.path)
        _remove_beside(files, segment)  # an index that was finished meanwhile
        files.sync_folder(folder)


def _remove_beside(files: Files, segment: Segment) -> None:
    for name in files.names(segment.folder):
        if name.startswith(f"{segment.base:020}.") and name != segment.path.name:
            files.remove(segment.folder / name)
