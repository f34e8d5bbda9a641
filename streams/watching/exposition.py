"""Prometheus' text format, version 0.0.4: what is declared in a table, and a line for each figure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


class Histogram:
    """How many values were at or below each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """The same value, so many times."""
        self.counts[bisect_left(self.bounds, value)] += count
        self.sum += value * count


class Exposition:
    """Figures of the metrics of a table, to be written in its order."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._lines: dict[str, list[str]] = {name: [] for name in self._metrics}

    def add(self, name: str, value: float, *labels: str) -> None:
        """`labels` are the values of those that the table names, in its order."""
        metric = self._metrics[name]
        assert metric.kind != "histogram", "a histogram has many lines"
        self._lines[name].append(f"{name}{_braced(metric.labels, labels)} {value!r}")

    def add_histogram(self, name: str, histogram: Histogram, *labels: str) -> None:
        metric = self._metrics[name]
        assert metric.kind == "histogram", "declared as one"
        lines, counts = self._lines[name], list(accumulate(histogram.counts))
        bounds = [*(repr(float(bound)) for bound in histogram.bounds), "+Inf"]
        for bound, count in zip(bounds, counts, strict=True):
            lines.append(f"{name}_bucket{_braced((*metric.labels, 'le'), (*labels, bound))} {count}")
        braced = _braced(metric.labels, labels)
        lines.append(f"{name}_sum{braced} {histogram.sum!r}")
        lines.append(f"{name}_count{braced} {counts[-1]}")

    def text(self) -> bytes:
        """All metrics of the table: also those without a figure yet, so that whoever looks knows them."""
        lines: list[str] = []
        for name, metric in self._metrics.items():
            meaning = metric.meaning.replace("\\", r"\\").replace("\n", r"\n")
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {metric.kind}", *self._lines[name]]
        return ("\n".join(lines) + "\n").encode()


def _braced(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""
