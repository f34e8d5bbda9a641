"""What of checkpoints and logs is kept in a partition's folder, and whether that suffices to come back to now.

Names and manifests are looked up on the simulated disk; which of them must be there, is said here once more.
"""

import re
from pathlib import Path

from mmsb.schemas.tlog.records import TlogKind
from mmsb.streams.checkpoints.folder import CHECKPOINTS, MANIFEST
from mmsb.streams.checkpoints.folder import ROWS as STORE
from mmsb.streams.checkpoints.manifest import Facts, decode_manifest
from mmsb.streams.log import NOTHING
from mmsb.streams.store.model import ROWS
from tests.model.tlog import decode_header
from tests.simulation.claims import require
from tests.simulation.disk import VirtualFiles
from tests.simulation.watch import Watch

NAME = re.compile(r"\d{20}-\d{20}")


def listed(files: VirtualFiles, place: Path) -> list[Path]:
    """The folders of a partition's checkpoints, the newest first."""
    found = (
        path.parent for path in files._names if path.name == MANIFEST and path.parent.parent == place / CHECKPOINTS
    )
    return sorted((folder for folder in found if NAME.fullmatch(folder.name)), reverse=True)


def rows_of(checkpoint: Path) -> Path:
    """The one file that a checkpoint's rows are in."""
    return checkpoint / STORE / ROWS


def facts_in(files: VirtualFiles, checkpoint: Path) -> Facts:
    return decode_manifest(files.content(checkpoint / MANIFEST)).facts


def settled_in(checkpoint: Path) -> int:
    """The last intent that a checkpoint has, says its name."""
    return int(checkpoint.name[:20]) - 1


def judge_kept(files: VirtualFiles, place: Path, window: int) -> None:
    """`files` is the disk as the next process finds it. Nothing may be missing that somebody may still need."""
    watch = Watch(files, place, durable=False)
    first = watch.first
    if first == NOTHING:
        return
    newest = [facts_in(files, each) for each in listed(files, place)[:2]]
    begin = f"the logs begin at {first}"
    require("logs begin before two checkpoints", len(newest) == 2, f"{begin}, and there are {len(newest)}")
    older = newest[1]
    reached = first.intents <= older.block_first and first.tlog <= older.accepted_at
    require("logs begin before two checkpoints", reached, f"{begin}, and the older of two needs {older}")
    remembered = newest[0].settled - window
    _ = watch.settled  # which reads the log
    for record in watch.tlog[: first.tlog]:
        if record.key in (TlogKind.BLOCK.key, TlogKind.QUARANTINE.key) and record.value is not None:
            last = decode_header(record.value).last
            require("blocks of remembered ids are kept", last < remembered, f"{begin}, without the outcome of {last}")
