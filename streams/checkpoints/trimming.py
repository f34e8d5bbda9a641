"""Removes log that nobody needs: what lies before the older of the two newest verified checkpoints.

The TLog also keeps the blocks of the ids that are still remembered, and those whose follow-ups are still on their way.
"""

from collections.abc import Sequence
from pathlib import Path

from mmsb.processors.intake import read_batches
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.streams.checkpoints.keeping import trimmable
from mmsb.streams.checkpoints.listing import list_checkpoints, verified
from mmsb.streams.files import Files
from mmsb.streams.log import Durable, Log


def trim_logs(files: Files, partition: Path, intents: Log, tlog: Log, window: int, relaying: Sequence[int]) -> Durable:
    """Whole segments only; gives where both logs begin now. `relaying` are TLog offsets of blocks still needed."""
    newest = verified(list_checkpoints(files, partition))
    if newest:
        remembered = tlog_of(tlog, newest[0].facts.settled - window)
        below = trimmable(newest, Durable(intents.end, min([remembered, *relaying[:1]])))
        intents.trim(below.intents)
        tlog.trim(below.tlog)
    return Durable(intents.first, tlog.first)


def tlog_of(tlog: Log, offset: int) -> int:
    """A TLog offset that the block of an intent's outcome does not lie before."""
    low, high = tlog.first, tlog.end  # every block before `low` settles lower intents only
    while high - low > 1:
        middle = (low + high) // 2
        if _settles_below(tlog, middle, high, offset):
            low = middle
        else:
            high = middle
    return low


def _settles_below(tlog: Log, start: int, stop: int, offset: int) -> bool:
    """Whether the first block from one TLog offset up to another settles no intent from `offset` on."""
    at = start
    while at < stop:
        records = read_batches(tlog.read(at, 1))
        for index in range(at - records.first, len(records)):
            value = records.value(index)
            if value is not None and peek(value) in (TlogKind.BLOCK, TlogKind.QUARANTINE):
                header = unpack_block_header(value)
                return header is not None and header.first <= offset
        at = records.first + len(records)
    return False
