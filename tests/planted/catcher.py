"""Runs what should catch a planted bug, in a damaged copy of the tree, and says what it met.

`python -m tests.planted.catcher agree FIRST LAST…`, `interleave FIRST LAST…` (ranges of seeds) or `pytest NODE…`;
`compiled FIRST LAST…` and `plain NODE…` do the same with generated code and kernels, as plain Python.
`simulate CLAIM FIRST LAST` looks for a seed that breaks that claim of the simulation, `simulate-kafka` for one behind
Kafka. The exit status tells a failed
assertion (CAUGHT) from anything else: a bug that makes the code crash has not been caught by a test that knows it.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

MISSED, CAUGHT, CRASHED = 0, 10, 11
ROOT = Path(__file__).resolve().parents[2]
PLAIN = ("compiled", "plain")  # what runs kernels as plain Python
SIMULATIONS = {"simulate": "", "simulate-kafka": "k"}


class _Watcher:
    """Remembers the first failure that pytest meets."""

    failure: BaseException | None = None
    where = ""

    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if self.failure is None and call.excinfo is not None:
            self.failure, self.where = call.excinfo.value, node.nodeid


def run_pytest(nodes: Sequence[str]) -> tuple[str, BaseException | None]:
    watcher = _Watcher()
    status = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *nodes], plugins=[watcher])
    assert watcher.failure or status == pytest.ExitCode.OK, f"pytest: {status!r}"
    return watcher.where, watcher.failure


def run_seeds(kind: str, bounds: Sequence[str]) -> tuple[str, BaseException | None]:
    seeds = {seed for at in range(0, len(bounds), 2) for seed in range(int(bounds[at]), int(bounds[at + 1]))}
    try:
        for seed in sorted(seeds):
            _check(kind, seed)
    except Exception as failure:
        return kind, failure
    return "", None


def find_claim(claim: str, first: str, last: str, kind: str) -> tuple[str, BaseException | None]:
    """One bug breaks several claims, each in some seeds: go on until it has broken this one."""
    from tests.simulation.campaign import run_seeds as simulate

    for seed in range(int(first), int(last)):
        try:
            simulate([seed], kind)
        except Exception as failure:
            if claim in str(failure):
                return f"seed {seed}", failure
    return "", None


def _check(kind: str, seed: int) -> None:
    if kind == "compiled":
        from tests.proof.agreement import check_seed
        from tests.proof.ways import CompiledWay

        check_seed(seed, way=CompiledWay())
    elif kind == "agree":
        from tests.proof.agreement import check_seed

        check_seed(seed)
    else:
        from tests.proof.interleavings import check_interleaving

        check_interleaving(seed)


def is_assertion(failure: BaseException) -> bool:
    """A comparison that failed, an assert, or a `pytest.raises` that waited in vain."""
    return isinstance(failure, AssertionError | pytest.fail.Exception)


def main(kind: str, *arguments: str) -> int:
    if kind in PLAIN:
        os.environ["NUMBA_DISABLE_JIT"] = "1"  # before anything imports kernels
        os.environ["MMSB_CACHE"] = str(ROOT / ".cache" / "mmsb")
    if kind in SIMULATIONS:
        claim, first, last = arguments
        where, failure = find_claim(claim, first, last, SIMULATIONS[kind])
    else:
        where, failure = run_pytest(arguments) if kind in ("pytest", "plain") else run_seeds(kind, arguments)
    _check_origin()
    if failure is None:
        print("missed: everything passed")
        return MISSED
    if not is_assertion(failure):
        traceback.print_exception(failure)
        print(f"crashed: {where}: {type(failure).__name__}: {failure}")
        return CRASHED
    print(f"caught: {where}: {type(failure).__name__}: {failure}")
    return CAUGHT


def _check_origin() -> None:
    """What ran is the code of this tree, not that of an installation."""
    loaded = {name: module.__file__ for name, module in list(sys.modules.items()) if name.split(".")[0] == "mmsb"}
    assert loaded, "nothing of mmsb was run"
    strangers = [name for name, file in loaded.items() if not file or not Path(file).resolve().is_relative_to(ROOT)]
    assert not strangers, f"not of {ROOT}: {strangers}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
