"""What bench_process.py runs in processes of their own: `python -m bench.process_child FOLDER`, which prints JSON.

The folder has batches in files, in order; each is read, settled and forgotten, so that nothing but the machine remains.
"""

import json
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()


def main(folder: Path) -> None:
    from bench.whole import Log, compiled

    imported = time.perf_counter()
    way = compiled()
    built = time.perf_counter()
    log = Log(way, ())
    paths = sorted(folder.iterdir())
    log.settle([paths[0].read_bytes()])
    first = time.perf_counter()
    for path in paths[1:]:
        log.settle([path.read_bytes()])
    seconds = {"import": imported - STARTED, "build": built - imported, "first block": first - built}
    print(json.dumps({**seconds, "resident": _resident(), "state": state_bytes(log.writer.fold.state)}))


def _resident() -> int:
    """Bytes of memory that this process has."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0


def state_bytes(state: object) -> dict[str, int]:
    """What the dedupe window and the pages take of it."""
    from mmsb.kernels.tables import page_index
    from mmsb.state.arrays import ArrayState

    assert isinstance(state, ArrayState)
    kinds = state.array_pages.types.values()
    pages = sum(8 * kind.stride * int(kind.index[page_index.USED]) + kind.index.nbytes for kind in kinds)
    return {"window": state.array_ids.window.nbytes, "pages": pages}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
