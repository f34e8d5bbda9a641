"""What every benchmark shares: warm-up, repeats in turns, and where results go.

`measure` for one figure, `measure_all` for figures that are compared with each other: those take turns, so that
whatever else the machine does meets all of them alike. `report` once, at the end: it measures the roofline as well.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from bench import page
from bench.clocks import seconds_of
from bench.figures import Figure, StageTable, figure
from bench.machine import commit, machine
from bench.roofline import measure_roofline

RESULTS: Final = Path(__file__).parent / "results"
REPEATS: Final = 9

P = TypeVar("P")


class StagesDoNotAddUp(Exception):
    """A stage table misses its total by more than it may: some stage is not in it, or the stopwatch costs too much."""


@dataclass(frozen=True)
class Case(Generic[P]):
    """`amount` of `unit` done by each call of `run`; each gets what `prepare` made, which is not timed.

    Given as a rate, or `in_ns` as the nanoseconds that one unit takes.
    """

    name: str
    unit: str
    amount: float
    run: Callable[[P], object]
    prepare: Callable[[], P]
    condition: str = ""
    at_least: float | None = None
    at_most: float | None = None
    traffic: float | None = None
    in_ns: bool = False

    def sample(self) -> float:
        seconds = seconds_of(self.run, self.prepare())
        return 1e9 * seconds / self.amount if self.in_ns else self.amount / seconds

    def figure(self, samples: Sequence[float]) -> Figure:
        return figure(
            self.name,
            f"ns/{self.unit}" if self.in_ns else f"{self.unit}/s",
            samples,
            condition=self.condition,
            at_least=self.at_least,
            at_most=self.at_most,
            traffic=self.traffic,
        )


def measure(
    name: str, unit: str, amount: float, run: Callable[[P], object], prepare: Callable[[], P], **more: Any
) -> Figure:
    """One figure; `more` is what else a Case has."""
    return measure_all(Case(name, unit, amount, run, prepare, **more))[0]


def measure_all(*cases: Case[Any], repeats: int = REPEATS, warm_ups: int = 1) -> list[Figure]:
    """Figures of cases that take turns; the first turns are warm-ups."""
    samples: list[list[float]] = [[] for _ in cases]
    for turn in range(warm_ups + repeats):
        for case, taken in zip(cases, samples, strict=True):
            progress(f"{turn}/{warm_ups + repeats - 1} {case.name}")
            taken.append(case.sample())
    progress("")
    return show(*(case.figure(taken[warm_ups:]) for case, taken in zip(cases, samples, strict=True)))


def show(*figures: Figure) -> list[Figure]:
    """Print figures, for those who watch."""
    for found in figures:
        print(page.line(found), flush=True)
    return list(figures)


def progress(text: str) -> None:
    """One line on the terminal that the next one overwrites; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)


def report(
    name: str, settings: Mapping[str, object], figures: Sequence[Figure], stages: Sequence[StageTable] = ()
) -> None:
    """Write the result file and the page; raises StagesDoNotAddUp once that is done."""
    names = [found.name for found in figures]
    assert len(set(names)) == len(names), "figures are told apart by their names"
    roofline = measure_roofline()
    show(*roofline)
    revision, dirty = commit()
    content = {
        "name": name,
        "machine": machine(),
        "commit": revision,
        "dirty": dirty,
        "settings": dict(settings),
        "roofline": [_saved(found) for found in roofline],
        "figures": [_saved(found) for found in figures],
        "stages": [asdict(table) for table in stages],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    page.write()
    wrong = [f"{table.name}: the stages sum to {table.sum_share:.0%}" for table in stages if not table.adds_up]
    if wrong:
        raise StagesDoNotAddUp("; ".join(wrong))


def _saved(found: Figure) -> dict[str, object]:
    """Six digits are more than any of these deserves."""
    values = asdict(found)
    for key in ("median", "minimum", "maximum"):
        values[key] = float(f"{values[key]:.6g}")
    del values["samples"]
    return values
