"""Simulates seeds and says which of them fail: `python -m tests.simulation.campaign FIRST LAST`.

`python -m tests.simulation.campaign SEED` repeats one and prints all that happens.
"""

import gc
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

from tests.simulation.cells import BEGUN_AT_STORE, CELLS, EVICTED
from tests.simulation.life import Life

KEPT = Path(__file__).with_name("seeds.txt")
LINES = 60  # of a trace that a failure shows


def kept() -> list[int]:
    """Seeds that failed once."""
    lines = (line.split("#")[0].strip() for line in KEPT.read_text().splitlines())
    return [int(line) for line in lines if line]


def run_seeds(seeds: Iterable[int]) -> Counter[str]:
    """How often each cell of the crash matrix was reached; a failure carries its seed and the end of its trace."""
    cells: Counter[str] = Counter()
    for seed in seeds:
        life = Life(seed)
        try:
            life.run()
        except BaseException as error:
            error.add_note(f"seed {seed}: `make sim SEED={seed}` repeats it and prints all of what ends so:")
            error.add_note("\n".join(life.trace.lines[-LINES:]))
            raise
        finally:
            gc.unfreeze()  # engines freeze what is alive when they start; those that crash never thaw it
            gc.collect()
        cells.update(life.cells)
    return cells


def repeat(seed: int) -> int:
    life = Life(seed)
    try:
        life.run()
    except Exception as error:
        life.trace.add(f"{type(error).__name__}: {error}")
        return 1
    finally:
        print("\n".join(life.trace.lines))
    return 0


def campaign(seeds: Iterable[int]) -> int:
    started, failed, cells = monotonic(), list[int](), Counter[str]()
    for seed in seeds:
        try:
            cells.update(run_seeds([seed]))
        except Exception as error:
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
    print(f"{monotonic() - started:.0f} s; failed: {failed or 'none'}")
    for cell in CELLS:
        print(f"{cells[cell]:6} crashes: {cell}")
    for count in (BEGUN_AT_STORE, EVICTED):
        print(f"{cells[count]:6} {count}")
    return bool(failed)


if __name__ == "__main__":
    bounds = [int(argument) for argument in sys.argv[1:]]
    sys.exit(repeat(bounds[0]) if len(bounds) == 1 else campaign([*kept(), *range(*bounds)]))
