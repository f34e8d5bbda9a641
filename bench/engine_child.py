"""What bench_engine.py and bench_soak.py run in processes of their own: `python -m bench.engine_child WHAT FOLDER`.

    one FOLDER              start, settle one intent, and say so at once
    fold FOLDER             start on the logs that are there, and stay idle for a moment
    load FOLDER SECONDS     a steady load; memory every second of it
    serve FOLDER            be the owner until it is told to stop

Each prints JSON when it is done; `one` and `serve` first a line when they are ready.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.machine import ROOT

READY: Final = "ready"
IDLE_SECONDS: Final = 1.0
STEP_SECONDS: Final = 0.1
COLUMNS: Final = 10_000  # transfers as columns in each step, ids and all
SINGLES: Final = 50  # and so many one by one


def run_child(what: str, folder: Path, *more: object) -> dict[str, Any]:
    """One of these, to its end."""
    command = _command(what, folder, more)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env=_environment())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def ready(what: str, folder: Path) -> Generator[float]:
    """Another process owns the folder meanwhile; gives the seconds from its start until it said that it is ready."""
    started = time.perf_counter()
    with subprocess.Popen(_command(what, folder, ()), stdout=subprocess.PIPE, cwd=ROOT, env=_environment()) as child:
        try:
            assert child.stdout is not None, "it is a pipe"
            assert child.stdout.readline().decode().strip() == READY, "it says why not, on its standard error"
            yield time.perf_counter() - started
        finally:
            child.terminate()
            child.communicate()


def _command(what: str, folder: Path, more: Sequence[object]) -> list[str]:
    return [sys.executable, "-m", "bench.engine_child", what, str(folder), *map(str, more)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


async def one(folder: Path) -> dict[str, Any]:
    from bench.bank import Deposit, app

    async with app.run(data=folder) as bus:
        await bus.submit(Deposit(account=1, amount=1))
        print(READY, flush=True)
    return {}


async def fold(folder: Path) -> dict[str, Any]:
    from bench.bank import app

    bus = app.run(data=folder)
    started = time.perf_counter()
    async with bus:
        took = time.perf_counter() - started
        await asyncio.sleep(IDLE_SECONDS)
        return {"open": took, **_memory()}


async def load(folder: Path, seconds: float) -> dict[str, Any]:
    """First so much that the dedupe window is full and every page there; what comes then is what is measured."""
    import numpy as np

    from bench.bank import app
    from bench.engine_bank import draw, open_accounts, transfer
    from mmsb.schemas.limits import WINDOW_DEFAULT
    from mmsb.streams.stats import resident_bytes

    rng = np.random.default_rng(1)
    async with app.run(data=folder) as bus:
        await open_accounts(bus)
        for _ in range(5):
            await transfer(bus, draw(rng, WINDOW_DEFAULT // 2))
        resident = list[int]()
        begun, settled, late = time.perf_counter(), 0, 0.0
        while (now := time.perf_counter() - begun) < seconds:
            if now >= len(resident):
                resident.append(resident_bytes())
            asked = draw(rng, COLUMNS)
            singles = (bus.submit(intent, id=id) for intent, id in draw(rng, SINGLES).intents())
            await asyncio.gather(transfer(bus, asked), *singles)
            settled += COLUMNS + SINGLES
            ahead = STEP_SECONDS - (time.perf_counter() - begun - now)
            late += max(-ahead, 0)
            await asyncio.sleep(max(ahead, 0))
        took = time.perf_counter() - begun
        await asyncio.sleep(IDLE_SECONDS)
        return {"resident": resident, "rate": settled / took, "late": late, **_memory()}


async def serve(folder: Path) -> dict[str, Any]:
    from bench.bank import app

    async with app.run(data=folder) as bus:
        print(READY, flush=True)
        await bus.until_stopped()
    return {}


def _memory() -> dict[str, int]:
    """What the process holds, and what dedupe window and pages take of it."""
    from bench.process_child import state_bytes
    from mmsb.state.arrays import ArrayState
    from mmsb.streams.stats import resident_bytes

    gc.unfreeze()  # the engine has hidden what is there to stay
    [state] = [found for found in gc.get_objects() if isinstance(found, ArrayState)]
    return {"idle": resident_bytes(), **state_bytes(state)}


def main(what: str, folder: Path, *more: str) -> None:
    runs = {"one": one, "fold": fold, "serve": serve}
    done = load(folder, float(more[0])) if what == "load" else runs[what](folder)
    print(json.dumps(asyncio.run(done)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
