"""What of checkpoints and logs must stay, and what need not.

    a log begins at or before the older of the two newest verified checkpoints

So there are always two ways to the state of now: from either checkpoint on through the logs; one may be damaged.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.checkpoints.folder import remove_checkpoint
from mmsb.streams.checkpoints.listing import list_checkpoints, verified
from mmsb.streams.checkpoints.manifest import Manifest, name_of
from mmsb.streams.files import Files
from mmsb.streams.log import NOTHING, Durable

KEPT: Final = 3
"""Checkpoints that stay unless said otherwise."""

KEPT_LEAST: Final = 2


def trimmable(newest: Sequence[Manifest], needed: Durable) -> Durable:
    """Below which offsets both logs may be trimmed, which is nothing with less than two checkpoints.

    `newest` are verified checkpoints, newest first. `needed` is where what others need begins: first receipts of ids
    in the window, what relay and publisher have not sent.
    """
    if len(newest) < KEPT_LEAST:
        return NOTHING
    older = newest[1].facts
    assert older.settled <= newest[0].facts.settled, "checkpoints are given newest first"
    # The record that its head hashes to and the intents of its last block are how its logs are known again.
    return Durable(min(older.block_first, needed.intents), min(older.accepted_at, needed.tlog))


def surplus(newest: Sequence[Manifest], keep: int = KEPT) -> list[str]:
    """The names of verified checkpoints that are not among the newest `keep`; what cannot be read is not counted."""
    if keep < KEPT_LEAST:
        raise InvalidValue(f"keep: expected {KEPT_LEAST} or more, since logs are trimmed by two; found {keep}")
    return [name_of(manifest.facts) for manifest in newest[keep:]]


def remove_surplus(files: Files, partition: Path, keep: int = KEPT) -> list[str]:
    """Remove checkpoints beyond the newest ones; gives their names. What is damaged stays, for somebody to look at."""
    names = surplus(verified(list_checkpoints(files, partition)), keep)
    for name in names:
        remove_checkpoint(files, partition, name)
    return names
