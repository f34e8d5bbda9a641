"""More seeds than the suite has time for: `python -m tests.proof.campaign FIRST LAST [WHAT]`.

WHAT is `agreement` (the default), `compiled`, `interleavings`, `compiled-interleavings`, `forgeries`, `folded`
(forgeries that compiled code folds), `decoders` or `deltas`. Compiled campaigns run generated code as plain Python, at
thousands of seeds in the time that compiling takes for ten; NUMBA_DISABLE_JIT=0 compiles nevertheless.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable

from tests.proof.agreement import Disagreement, check_seed
from tests.proof.decoders import check_decoders
from tests.proof.deltas import check_bad_deltas
from tests.proof.forgeries import check_forgeries
from tests.proof.interleavings import check_interleaving
from tests.proof.ways import FOLDED, CompiledWay

COMPILED = CompiledWay()

CHECKS: dict[str, Callable[[int], object]] = {
    "agreement": check_seed,
    "compiled": lambda seed: check_seed(seed, way=COMPILED),
    "compiled-interleavings": lambda seed: check_interleaving(seed, way=COMPILED),
    "interleavings": check_interleaving,
    "forgeries": lambda seed: check_forgeries(seed, 20),
    "folded": lambda seed: check_forgeries(seed, 20, FOLDED),
    "decoders": lambda seed: check_decoders(seed, 300),
    "deltas": lambda seed: check_bad_deltas(seed, 20_000),
}


def main(first: int, last: int, what: str = "agreement") -> int:
    with tempfile.TemporaryDirectory() as folder:
        if what.startswith("compiled"):
            os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
            os.environ.setdefault("MMSB_CACHE", folder)
        return run(first, last, what)


def report() -> str:
    return f"; compiled code settled {COMPILED.count} records" if COMPILED.count else ""


def run(first: int, last: int, what: str) -> int:
    started, failed = time.perf_counter(), 0
    for seed in range(first, last):
        try:
            CHECKS[what](seed)
        except Disagreement as difference:
            failed += 1
            print(f"seed {seed}: {difference}", flush=True)
        if (seed - first) % 100 == 99:
            rate = (seed + 1 - first) / (time.perf_counter() - started)
            print(f"{seed + 1 - first} of {last - first} seeds, {rate:.0f}/s, {failed} failed", file=sys.stderr)
    print(f"{last - first - failed} passed, {failed} failed" + report())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
