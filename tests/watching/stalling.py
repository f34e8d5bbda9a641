"""`mmsb run` whose TLog cannot be made durable as long as a file is there: `python -m tests.watching.stalling FILE …`.

So its steps go on, and nothing settles, as on a disk that hangs.
"""

import sys
import time
from pathlib import Path
from unittest.mock import patch

from mmsb.cli.main import main
from mmsb.streams.files import RealFile
from mmsb.streams.watching import progress, watched

STILL_SECONDS = 0.4
STATS_SECONDS = 0.3
LOOK_SECONDS = 0.05


def stalled(gate: Path, words: list[str]) -> int:
    sync = RealFile.sync

    def sync_in_time(file: RealFile) -> None:
        while file._path.parent.name == "tlog" and gate.exists():
            time.sleep(0.01)
        sync(file)

    with (
        patch.object(RealFile, "sync", sync_in_time),
        patch.object(progress, "STILL_SECONDS", STILL_SECONDS),
        patch.object(progress, "LOOK_SECONDS", LOOK_SECONDS),
        patch.object(watched, "STATS_SECONDS", STATS_SECONDS),
    ):
        return main(words)


if __name__ == "__main__":
    sys.exit(stalled(Path(sys.argv[1]), sys.argv[2:]))
