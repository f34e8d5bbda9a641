"""Simulates seeds and says which of them fail: `python -m tests.simulation.campaign FIRST LAST`.

`python -m tests.simulation.campaign SEED` repeats one and prints all that happens; `k7` is seed 7 behind Kafka.
"""

import gc
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from unittest.mock import patch

from tests.simulation.cells import CELLS, COUNTS
from tests.simulation.kafka.cells import CELLS as KAFKA_CELLS
from tests.simulation.kafka.life import KafkaLife
from tests.simulation.life import Life

KEPT = Path(__file__).with_name("seeds.txt")
SEEDS_MAX = 200  # in which every cell has to be reached
LINES = 60  # of a trace that a failure shows
BEHIND_KAFKA = "k"  # before a seed's number
LIVES: dict[str, type[Life] | type[KafkaLife]] = {"": Life, BEHIND_KAFKA: KafkaLife}


def kept(kind: str = "") -> list[int]:
    """Seeds that failed once."""
    lines = (line.split("#")[0].strip() for line in KEPT.read_text().splitlines())
    return [int(line.removeprefix(kind)) for line in lines if line and line.startswith(BEHIND_KAFKA) == bool(kind)]


def run_seeds(seeds: Iterable[int], kind: str = "") -> Counter[str]:
    """How often each cell of the crash matrix was reached; a failure carries its seed and the end of its trace."""
    cells: Counter[str] = Counter()
    with frozen():
        for seed in seeds:
            life = LIVES[kind](seed)
            try:
                life.run()
            except BaseException as error:
                error.add_note(f"seed {kind}{seed}: `make sim SEED={kind}{seed}` repeats it and prints what ends so:")
                error.add_note("\n".join(life.trace.lines[-LINES:]))
                raise
            finally:
                gc.collect()
            cells.update(life.cells)
    return cells


def reach(cells: Sequence[str], first: int, fewest: int, kind: str = "") -> Counter[str]:
    """So many seeds, and more until each of these cells was reached: a change of the engine moves what a seed meets."""
    reached = run_seeds(range(first, first + fewest), kind)
    more = iter(range(first + fewest, first + SEEDS_MAX))
    while missing := [cell for cell in cells if not reached[cell]]:
        seed = next(more, None)
        assert seed is not None, f"{SEEDS_MAX} seeds from {first} on do not reach {missing}"
        reached += run_seeds([seed], kind)
    return reached


@contextmanager
def frozen() -> Generator[None]:
    """What is alive now is frozen until the end, so that what each life leaves is collected at little cost.

    Engines that start would freeze what others left, and those that crash never thaw it.
    """
    gc.collect()  # what a life left that failed, and whose failure was still held
    gc.freeze()
    try:
        with patch.object(gc, "freeze"), patch.object(gc, "unfreeze"):
            yield
    finally:
        gc.unfreeze()


def repeat(name: str) -> int:
    kind = BEHIND_KAFKA if name.startswith(BEHIND_KAFKA) else ""
    life = LIVES[kind](int(name.removeprefix(kind)))
    try:
        life.run()
    except Exception as error:
        life.trace.add(f"{type(error).__name__}: {error}")
        return 1
    finally:
        print("\n".join(life.trace.lines))
    return 0


def campaign(first: int, last: int) -> int:
    started, failed, cells = monotonic(), list[str](), Counter[str]()
    for kind in LIVES:
        for seed in (*kept(kind), *range(first, last)):
            try:
                cells.update(run_seeds([seed], kind))
            except Exception as error:
                failed.append(f"{kind}{seed}")
                print(f"seed {kind}{seed}: {type(error).__name__}: {error}", flush=True)
    print(f"{monotonic() - started:.0f} s; failed: {failed or 'none'}")
    for cell in (*CELLS, *KAFKA_CELLS):
        print(f"{cells[cell]:6} crashes: {cell}")
    for count in COUNTS:
        print(f"{cells[count]:6} {count}")
    return bool(failed)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(repeat(arguments[0]) if len(arguments) == 1 else campaign(*map(int, arguments)))
