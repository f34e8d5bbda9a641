"""Measure: `python -m bench` runs every benchmark, `python -m bench core` the one of that name."""

import argparse
import importlib
import subprocess
import sys
import time
from pathlib import Path

from bench import gate, page
from bench.figures import disagreements
from bench.harness import StagesDoNotAddUp

LONG = ("soak",)  # only when asked for by name
NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))

EPILOG = f"""\
names: {", ".join(NAMES)}

  python -m bench                  everything but {", ".join(LONG)}, each in a process of its own
  python -m bench core             one of them
  python -m bench core --twice     run it twice: exit status 1 unless both agree within the printed spread
  python -m bench page             write docs/benchmarks.md again from bench/results/
  python -m bench gate             compare ratios with bench/results/baseline.json; says what got slower, exit status 1
  python -m bench gate --update    measure that baseline, and its noise over several runs

Results go to bench/results/NAME.json and docs/benchmarks.md. {gate.__doc__}"""


def main(arguments: list[str]) -> int:
    asked = _parser().parse_args(arguments)
    names: list[str] = asked.names
    if names == ["gate"]:
        return gate.update() if asked.update else gate.check()
    if names == ["page"]:
        page.write()
        return 0
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"bench: there is no {', '.join(unknown)}; there is {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if len(names) == 1 and not asked.twice:
        return run_here(names[0])
    return max([_run_apart(name, asked.twice) for name in names or [name for name in NAMES if name not in LONG]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; or `gate`, or `page`")
    parser.add_argument("--twice", action="store_true", help="run each twice and compare")
    parser.add_argument("--update", action="store_true", help="with `gate`: write the baseline")
    return parser


def run_here(name: str) -> int:
    """One benchmark in this process."""
    print(f"{name}:", flush=True)
    started = time.perf_counter()
    try:
        importlib.import_module(f"bench.bench_{name}").main()
    except StagesDoNotAddUp as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    print(f"  took {time.perf_counter() - started:.0f} s; bench/results/{name}.json, docs/benchmarks.md", flush=True)
    return 0


def _run_apart(name: str, twice: bool) -> int:
    """One benchmark in a process that nothing has run in before."""
    command = [sys.executable, "-m", "bench", name]
    status = subprocess.run(command, check=False, cwd=Path(__file__).parents[1]).returncode
    if not twice:
        return status
    before = page.figures_of(name)
    status = max(status, subprocess.run(command, check=False, cwd=Path(__file__).parents[1]).returncode)
    apart = disagreements(before, page.figures_of(name))
    for text in apart:
        print(f"bench: {name}: {text}", file=sys.stderr)
    return max(status, int(bool(apart)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
