"""The embedded log: one partition's record batches in files of this machine (docs/formats.md, section 15).

`log.py` is the writer's door, `reader.py` that of other processes; `mark.py` says between them what is durable. From
the top: recovery (what is there), mending (make it so), reading, segments (one file), index, frames (one batch).
"""

from mmsb.streams.log.log import SEGMENT_BYTES, Log
from mmsb.streams.log.mark import NOTHING, Durable, Mark, MarkReader
from mmsb.streams.log.reader import Reader

__all__ = ["NOTHING", "SEGMENT_BYTES", "Durable", "Log", "Mark", "MarkReader", "Reader"]
