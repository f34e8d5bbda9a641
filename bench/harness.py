"""What every benchmark shares: repeats, spread, the machine's description, and where results go."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

RESULTS = Path(__file__).parent / "results"
REPEATS = 5

P = TypeVar("P")


@dataclass
class Figure:
    """One measured rate: the median of its repeats, and how far they lie apart."""

    name: str
    unit: str
    median: float
    minimum: float
    maximum: float
    repeats: int


def measure(name: str, unit: str, amount: float, run: Callable[[P], object], prepare: Callable[[], P]) -> Figure:
    """`amount` of `unit` done by each call of `run`, per second; each gets what `prepare` made, which is not timed."""
    run(prepare())  # warm-up
    rates: list[float] = []
    for _ in range(REPEATS):
        prepared = prepare()
        started = time.perf_counter()
        run(prepared)
        rates.append(amount / (time.perf_counter() - started))
    return Figure(name, f"{unit}/s", statistics.median(rates), min(rates), max(rates), REPEATS)


def report(name: str, settings: dict[str, object], figures: list[Figure]) -> None:
    """Print the table and write the result file."""
    about = {"machine": machine(), "commit": commit(), "settings": settings}
    RESULTS.mkdir(exist_ok=True)
    content = {**about, "figures": [asdict(figure) for figure in figures]}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    print(f"{name}: {about['machine']}, commit {about['commit']}, {settings}")
    for figure in figures:
        spread = f"{figure.minimum:,.0f} to {figure.maximum:,.0f}"
        print(f"  {figure.name:<44} {figure.median:>14,.0f} {figure.unit:<12} ({spread})")


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return found.stdout.strip() or "unknown"
