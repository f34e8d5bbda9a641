"""What a process costs: compiling the bank's bundle, starting when that is done already, and memory once it is warm."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure, figure
from bench.harness import progress, report, show
from bench.machine import ROOT
from bench.traffic import traffic

COLD_REPEATS: Final = 3
WARM_REPEATS: Final = 9
ACCOUNTS: Final = 100_000
INTENTS: Final = 1_000_000


def main() -> None:
    asked = traffic(INTENTS, ACCOUNTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = folder / "few", folder / "many"
        write(few, asked.opening[:1])
        write(many, [*asked.opening, *asked.packed()])
        cold = [child(few, f"cold {turn}", folder / f"cold-{turn}") for turn in range(COLD_REPEATS)]
        warm = [child(few, f"warm {turn}", folder / "cold-0") for turn in range(WARM_REPEATS)]
        large = [child(many, f"large {turn}", folder / "cold-0") for turn in range(COLD_REPEATS)]
    settings = {"accounts": ACCOUNTS, "intents": INTENTS}
    report("process", settings, [*starting(cold, warm), *memory(large)])


def write(folder: Path, batches: Iterable[bytes]) -> None:
    folder.mkdir()
    for number, batch in enumerate(batches):
        (folder / f"{number:06}").write_bytes(batch)


def child(batches: Path, what: str, cache: Path) -> dict[str, Any]:
    """One process over these batches; `all` is how long it took, from the outside."""
    progress(what)
    started = time.perf_counter()
    command = (sys.executable, "-m", "bench.process_child", str(batches))
    env = {**os.environ, "MMSB_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env=env)
    progress("")
    return {**json.loads(done.stdout), "all": time.perf_counter() - started}


def starting(cold: list[dict[str, Any]], warm: list[dict[str, Any]]) -> list[Figure]:
    ready = [found["build"] + found["first block"] for found in warm]
    return show(
        figure(
            "compile the bank's bundle", "s", [found["build"] for found in cold], at_most=10,
            condition="empty cache, with all that bundles share, in child processes side by side",
        ),
        figure("first block after compiling", "s", [found["first block"] for found in cold], condition="same process"),
        figure("ready in the next process", "s", ready, at_most=0.5, condition="from the cache, and a first block"),
        figure("imports", "s", [found["import"] for found in warm], condition="with NumPy and Numba"),
        figure("a process, from its start to its end", "s", [found["all"] for found in warm], condition="one block"),
    )  # fmt: skip


def memory(large: list[dict[str, Any]]) -> list[Figure]:
    """Resident memory after everything was settled."""
    condition = f"{ACCOUNTS:,} accounts, {INTENTS:,} intents settled, code from the cache"
    state = [sum(found["state"].values()) / 1e6 for found in large]
    beyond = [found["resident"] / 1e6 - size for found, size in zip(large, state, strict=True)]
    return show(
        figure("memory beyond dedupe window and pages", "MB", beyond, at_most=150, condition=condition),
        figure("dedupe window", "MB", [found["state"]["window"] / 1e6 for found in large], condition=condition),
        figure("pages and their index", "MB", [found["state"]["pages"] / 1e6 for found in large], condition=condition),
    )


if __name__ == "__main__":
    main()
