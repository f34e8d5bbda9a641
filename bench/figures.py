"""What a measurement says: its median, how far its repeats lie apart, and whether that is what was wanted."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SUM_WITHIN: Final = 0.10
"""By how much a stage table's sum may miss the total that was measured without a stopwatch."""


@dataclass(frozen=True)
class Figure:
    """`condition` says over what; `traffic` is how many bytes of memory one unit reads and writes, if known."""

    name: str
    unit: str
    median: float
    minimum: float
    maximum: float
    repeats: int
    condition: str = ""
    at_least: float | None = None
    at_most: float | None = None
    traffic: float | None = None
    samples: tuple[float, ...] = field(default=(), repr=False, compare=False)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where no target was set."""
        if self.at_least is None and self.at_most is None:
            return ""
        low_enough = self.at_most is None or self.median <= self.at_most
        high_enough = self.at_least is None or self.median >= self.at_least
        return "met" if low_enough and high_enough else "missed"

    def agrees(self, other: "Figure") -> bool:
        """Whether each median lies within the other's spread."""
        return other.minimum <= self.median <= other.maximum and self.minimum <= other.median <= self.maximum


def figure(
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    condition: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    traffic: float | None = None,
) -> Figure:
    """A figure of values measured elsewhere: megabytes, seconds, ratios."""
    median, least, most = statistics.median(samples), min(samples), max(samples)
    return Figure(name, unit, median, least, most, len(samples), condition, at_least, at_most, traffic, tuple(samples))


def times(name: str, measured: Figure, reference: Figure, *, at_least: float | None = None) -> Figure:
    """How many times the reference one figure is, from samples taken in turn."""
    pairs = zip(measured.samples, reference.samples, strict=True)
    condition = f"{measured.name} / {reference.name}"
    return figure(name, "×", [above / below for above, below in pairs], condition=condition, at_least=at_least)


def disagreements(before: Sequence[Figure], after: Sequence[Figure]) -> list[str]:
    """Figures of two runs, each of which has its median outside of what the other run has seen."""
    known = {found.name: found for found in before}
    return [
        f"{found.name}: {known[found.name].median:.6g} and then {found.median:.6g} {found.unit}, outside of the spread"
        for found in after
        if found.name in known and not found.agrees(known[found.name])
    ]


@dataclass(frozen=True)
class StageTable:
    """Where the time of `amount` units goes. Both are the fastest of their repeats, and the
    total was measured without the stopwatch that gave the parts."""

    name: str
    unit: str
    amount: int
    total: float
    parts: Mapping[str, float]
    counters: Mapping[str, float] = field(default_factory=dict[str, float])
    counters_missing: str = ""

    @property
    def sum_share(self) -> float:
        return sum(self.parts.values()) / self.total

    @property
    def adds_up(self) -> bool:
        return abs(self.sum_share - 1) <= SUM_WITHIN
