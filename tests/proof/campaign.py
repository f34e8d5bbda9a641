"""More seeds than the suite has time for: `python -m tests.proof.campaign FIRST LAST`."""

import sys
import time

from tests.proof.agreement import Disagreement, check_seed


def main(first: int, last: int) -> int:
    started, failed = time.perf_counter(), 0
    for seed in range(first, last):
        try:
            check_seed(seed)
        except Disagreement as difference:
            failed += 1
            print(f"seed {seed}: {difference}", flush=True)
        if (seed - first) % 100 == 99:
            rate = (seed + 1 - first) / (time.perf_counter() - started)
            print(f"{seed + 1 - first} of {last - first} seeds, {rate:.0f}/s, {failed} failed", file=sys.stderr)
    print(f"{last - first - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
