"""A TLog of large changes in real files, and its replay: what `mmsb replay` does."""

from pathlib import Path
from typing import Final

import numpy as np

from bench.bench_fold import BYTES, PAGES, Put, app
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import TLOG
from mmsb.streams.past.folding import fold_partition

AT_ONCE: Final = 20_000
SEED: Final = 1


async def written(folder: Path, megabytes: int) -> int:
    """A log of so much, about: how many bytes it has."""
    rng = np.random.default_rng(SEED)
    values = [rng.bytes(BYTES) for _ in range(AT_ONCE)]
    async with app.run(data=folder) as bus:
        for _ in range(megabytes * 1_000_000 // BYTES // AT_ONCE):
            keys = rng.integers(0, PAGES, AT_ONCE, np.uint64)
            await bus.submit_many(Put, {"key": keys, "content": rng.permutation(np.array(values, object)).tolist()})
    return sum(path.stat().st_size for path in (folder / "0" / TLOG).glob("*.log"))


def replayed(folder: Path) -> None:
    fold = fold_partition(RealFiles(), folder / "0")
    assert fold.settled > 0, "there is something in it"
