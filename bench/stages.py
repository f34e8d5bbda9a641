"""A stopwatch on functions: how long each stage takes inside of a run that nobody changed for it.

A stage is a function where its caller looks it up. Time inside of a stage that another stage calls belongs to the inner
one, so that nothing is counted twice. A stage can also be made slower on purpose, which is how the regression gate is
itself tested: `MMSB_BENCH_SLOW='encode the block=1.3'`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from time import perf_counter, thread_time
from typing import Any, Final, TypeVar
from unittest.mock import patch

from bench.clocks import seconds_of, without_core
from bench.counters import counted
from bench.figures import StageTable
from bench.harness import progress

SLOW: Final = "MMSB_BENCH_SLOW"
REPEATS: Final = 7
NOTICED: Final = 20e-6  # seconds off the core that are worth asking the kernel about

P = TypeVar("P")


@dataclass(frozen=True)
class Stage:
    """`owner` is the module or class in which the function's caller finds it under `attribute`."""

    name: str
    owner: Any
    attribute: str

    def function(self) -> Callable[..., Any]:
        found: Callable[..., Any] | None = getattr(self.owner, self.attribute, None)
        if found is None:
            raise LookupError(
                f"stage {self.name!r}: {self.owner} has no {self.attribute} (any more); say where it went"
            )
        return found


class Stopwatch:
    """While entered, every call of a stage is timed; `seconds` has the sums.

    Time in which others had the core is left out. What reading the clocks costs is taken off again.
    """

    def __init__(
        self, stages: Sequence[Stage], slowed: Mapping[str, float] | None = None, cost: "Cost | None" = None
    ) -> None:
        self.seconds = dict.fromkeys((stage.name for stage in stages), 0.0)
        self._stages = stages
        self._slowed = slow_stages() if slowed is None else slowed
        self._cost = cost or cost_of_watching()
        self._inner = [[0.0, 0.0]]  # for each stage that runs now: wall and core time of stages inside of it
        self._waited = 0.0
        self._patches = ExitStack()

    def __enter__(self) -> "Stopwatch":
        for stage in self._stages:
            timed = self._timed(stage.name, stage.function())
            self._patches.enter_context(patch.object(stage.owner, stage.attribute, timed))
        self._waited = without_core()
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        extra, inside, outside = self._slowed.get(name, 1.0) - 1.0, self._cost.inside, self._cost.outside

        def timed(*args: Any, **kwargs: Any) -> Any:
            wall, core = perf_counter(), thread_time()
            self._inner.append([0.0, 0.0])
            try:
                return function(*args, **kwargs)
            finally:
                if extra:
                    inner_wall, inner_core = self._inner[-1]
                    _spin(extra * self._own(perf_counter() - wall - inner_wall, thread_time() - core - inner_core))
                wall, core = perf_counter() - wall, thread_time() - core
                inner_wall, inner_core = self._inner.pop()
                self.seconds[name] += self._own(wall - inner_wall, core - inner_core) - inside
                self._inner[-1][0] += wall + outside
                self._inner[-1][1] += core + outside

        return timed

    def _own(self, wall: float, core: float) -> float:
        """Time on the core, and asleep: what was off it, but for what the kernel knows as waiting for one."""
        off = wall - core
        if off < NOTICED:
            return core
        waited, self._waited = self._waited, without_core()
        return core + max(off - (self._waited - waited), 0.0)


@dataclass(frozen=True)
class Cost:
    """Seconds that one watched call takes more: between its readings of the clocks, and before and after them."""

    inside: float
    outside: float


@cache
def cost_of_watching(calls: int = 2_000, repeats: int = 5) -> Cost:
    """What watching a function costs that does nothing."""

    class Nothing:
        def happens(self) -> None:
            """Costs a call, which is left in: 30 ns."""

    nothing = Nothing()

    def call(target: Nothing) -> None:
        for _ in range(calls):
            target.happens()

    found: list[Cost] = []
    for _ in range(repeats):
        with Stopwatch([Stage("nothing", Nothing, "happens")], {}, Cost(0.0, 0.0)) as stopwatch:
            total = seconds_of(call, nothing)
        inside = stopwatch.seconds["nothing"]
        found.append(Cost(inside / calls, (total - inside) / calls))
    return min(found, key=lambda cost: cost.inside + cost.outside)


def _spin(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def slow_stages() -> dict[str, float]:
    """From `STAGE=1.3,OTHER=2` in the environment."""
    pairs = (part.split("=") for part in os.environ.get(SLOW, "").split(",") if part)
    return {name.strip(): float(factor) for name, factor in pairs}


def stage_table(
    name: str,
    unit: str,
    amount: int,
    run: Callable[[P], object],
    prepare: Callable[[], P],
    stages: Sequence[Stage],
    repeats: int = REPEATS,
) -> StageTable:
    """Runs with and without the stopwatch in turns; the fastest of both, which others disturbed least."""
    totals: list[float] = []
    watched: list[Mapping[str, float]] = []
    for turn in range(1 + repeats):
        progress(f"{turn}/{repeats} stages of {name}")
        total = seconds_of(run, prepare())
        prepared = prepare()
        with Stopwatch(stages if turn else ()) as stopwatch:
            run(prepared)
        if turn:  # the first one warms up, and code compiles then
            totals.append(total)
            watched.append(stopwatch.seconds)
    progress("")
    prepared = prepare()
    counts, missing = counted(lambda: run(prepared))
    fastest = min(watched, key=lambda seconds: sum(seconds.values()))
    happened = {stage: seconds for stage, seconds in fastest.items() if seconds}
    return StageTable(name, unit, amount, min(totals), happened, counts, missing)
