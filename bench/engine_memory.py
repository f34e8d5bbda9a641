"""What a running engine holds in memory: beyond the state itself, and over a load that goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.engine_child import COLUMNS, SINGLES, STEP_SECONDS, run_child
from bench.figures import Figure, figure
from bench.harness import progress, show

AT_MOST_MB: Final = 150
GROWTH_MB: Final = 16  # what still counts as flat


def beyond_state(name: str, found: Sequence[dict[str, Any]], condition: str) -> list[Figure]:
    """Resident memory of idle processes, without dedupe window and pages."""
    beyond = [(each["idle"] - each["window"] - each["pages"]) / 1e6 for each in found]
    state = [(each["window"] + each["pages"]) / 1e6 for each in found]
    return [
        figure(f"{name}, beyond dedupe window and pages", "MB", beyond, condition=condition, at_most=AT_MOST_MB),
        figure(f"{name}, dedupe window and pages", "MB", state, condition=condition),
    ]


def steady_load(data: Path, seconds: int) -> list[Figure]:
    """Memory while intents keep coming, at a rate that the disk has room for."""
    progress(f"a load of {seconds} s")
    found = run_child("load", data, seconds)
    progress("")
    resident = [size / 1e6 for size in found["resident"]]
    rate = found["rate"]
    condition = (
        f"{seconds} s of {COLUMNS:,} transfers as columns and {SINGLES} single ones every {STEP_SECONDS} s: "
        f"{rate:,.0f}/s; dedupe window and pages were full before"
    )
    growth = resident[-1] - resident[0]
    return show(
        figure("memory under load, each second", "MB", resident, condition=condition),
        figure("memory under load, last second less first", "MB", [growth], condition=condition, at_most=GROWTH_MB),
        *beyond_state("memory, idle after the load", [found], condition),
    )
