"""`python -m bench` runs every benchmark, `python -m bench core` the one of that name."""

import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"bench: there is no {', '.join(unknown)}; there is {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted or NAMES:
        importlib.import_module(f"bench.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
