"""More seeds than the suite has time for: `python -m tests.proof.campaign FIRST LAST [WHAT]`.

WHAT is `agreement` (the default), `interleavings`, `forgeries`, `decoders` or `deltas`.
"""

import sys
import time
from collections.abc import Callable

from tests.proof.agreement import Disagreement, check_seed
from tests.proof.decoders import check_decoders
from tests.proof.deltas import check_bad_deltas
from tests.proof.forgeries import check_forgeries
from tests.proof.interleavings import check_interleaving

CHECKS: dict[str, Callable[[int], object]] = {
    "agreement": check_seed,
    "interleavings": check_interleaving,
    "forgeries": lambda seed: check_forgeries(seed, 20),
    "decoders": lambda seed: check_decoders(seed, 300),
    "deltas": lambda seed: check_bad_deltas(seed, 20_000),
}


def main(first: int, last: int, what: str = "agreement") -> int:
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
    print(f"{last - first - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
