"""The results as one page, docs/benchmarks.md: nothing on it was written by hand, and what was missed stays on it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure, StageTable
from bench.roofline import LATENCY, MEMCPY

RESULTS: Final = Path(__file__).parent / "results"
PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BASELINE: Final = "baseline"  # lies beside the results and is none

_SECONDS: Final = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}

_HEAD: Final = """\
# Benchmarks

Written by `make bench` from `bench/results/`; edit neither. How figures are taken, and what the words mean:
[bench/README.md](../bench/README.md).

- A figure is the median of its repeats, with the least and the most of them behind it; a rate counts units a second.
- **missed** is a target that was not reached, and stays here until it is.
- The roofline was measured in the same run. *Beside it* sets each figure against it: the time that one unit takes, in
  dependent random loads from memory; and where the bytes that a unit reads and writes are known, these a second, as a
  part of what copying moves (memcpy reads and writes, so it moves twice the bytes that it copies).
"""


def write() -> None:
    """Write the page from all results that there are."""
    PAGE.write_text(render(load()), "utf-8")


def load() -> list[dict[str, Any]]:
    paths = sorted(path for path in RESULTS.glob("*.json") if path.stem != BASELINE)
    return [json.loads(path.read_text("utf-8")) for path in paths]


def figures_of(name: str) -> list[Figure]:
    """What the result file of this name says."""
    return [Figure(**found) for found in json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["figures"]]


def render(results: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join([_HEAD, *(_section(result) for result in results)])


def _section(result: Mapping[str, Any]) -> str:
    figures = [Figure(**found) for found in result["figures"]]
    roofline = [Figure(**found) for found in result["roofline"]]
    tables = [StageTable(**table) for table in result["stages"]]
    dirty = ", with changes that are not in it" if result["dirty"] else ""
    parts = [
        f"## {result['name']}\n",
        f"Commit {result['commit']}{dirty}. {_list(result['machine'])}\n",
        f"Settings: {_list(result['settings'])}\n",
        _table(_FIGURE_COLUMNS, [_row(found, roofline) for found in figures]),
        "Roofline of this run:\n",
        _table(_FIGURE_COLUMNS[:5], [_row(found, roofline)[:5] for found in roofline]),
        *map(_stages, tables),
    ]
    return "\n".join(parts)


_FIGURE_COLUMNS: Final = ["figure", "condition", "unit", "median", "spread (repeats)", "target", "verdict", "beside it"]


def _row(found: Figure, roofline: Sequence[Figure]) -> list[str]:
    spread = f"{short(found.minimum)} to {short(found.maximum)} ({found.repeats})"
    verdict = f"**{found.verdict}**" if found.verdict == "missed" else found.verdict or "–"
    beside_it = beside(found, roofline)
    return [found.name, found.condition, found.unit, short(found.median), spread, target(found), verdict, beside_it]


def target(found: Figure) -> str:
    bounds = [("≥", found.at_least), ("≤", found.at_most)]
    return " and ".join(f"{sign} {short(bound)}" for sign, bound in bounds if bound is not None) or "–"


def beside(found: Figure, roofline: Sequence[Figure]) -> str:
    """The figure in units of what this machine can do."""
    bounds = {bound.name: bound.median for bound in roofline}
    seconds = _seconds_of_one(found)
    if found.unit == "GB/s":
        return f"{found.median / bounds[MEMCPY]:.0%} of memcpy"
    if seconds is None:
        return "–"
    texts = [f"{duration(seconds)} = {short(seconds * 1e9 / bounds[LATENCY])} loads"]
    if found.traffic:
        moved = found.traffic / seconds / 1e9
        texts.append(f"{short(moved)} GB/s, {moved / (2 * bounds[MEMCPY]):.0%} of memcpy")
    return "; ".join(texts)


def _seconds_of_one(found: Figure) -> float | None:
    """How long one unit takes, if the figure says so."""
    whole, _, part = found.unit.partition("/")
    if whole in _SECONDS:
        return found.median * _SECONDS[whole]
    if part == "s" and whole[1:] != "B":  # neither MB/s nor GB/s
        return 1 / found.median
    return None


def _stages(table: StageTable) -> str:
    per = 1e9 / table.amount
    rows = [[name, short(seconds * per), f"{seconds / table.total:.1%}"] for name, seconds in table.parts.items()]
    rows.append(["sum", short(sum(table.parts.values()) * per), f"{table.sum_share:.1%}"])
    rows.append(["total, measured alone", short(table.total * per), "100 %"])
    verdict = "which is within 10 %" if table.adds_up else "**which is more than 10 % away: a stage is missing**"
    counted = ", ".join(f"{name} {short(value / table.amount)}" for name, value in table.counters.items())
    missing = f" {table.counters_missing[0].upper()}{table.counters_missing[1:]}." if table.counters_missing else ""
    return "\n".join(
        [
            f"Stages of *{table.name}*: they sum to {table.sum_share:.0%} of the total, {verdict}.\n",
            _table(["stage", f"ns for one of the {table.unit}", "of the total"], rows),
            f"Counted, for one of the {table.unit}: {counted}.{missing}\n",
        ]
    )


def _list(values: Mapping[str, object]) -> str:
    return "; ".join(f"{name} {_value(value)}" for name, value in values.items()) + "."


def _value(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def line(found: Figure) -> str:
    """A figure for people who watch."""
    spread = f"{short(found.minimum)} to {short(found.maximum)}"
    wanted = f"  {target(found)}: {found.verdict}" if found.verdict else ""
    return f"  {found.name:<52} {short(found.median):>9} {found.unit:<12} ({spread}){wanted}"


def short(value: float) -> str:
    """Three digits, with k, M or G."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor * 0.9995:
            return _digits(value / factor) + suffix
    return _digits(value)


def duration(seconds: float) -> str:
    unit = next((unit for unit in ("s", "ms", "µs") if seconds >= _SECONDS[unit] * 0.9995), "ns")
    return f"{short(seconds / _SECONDS[unit])} {unit}"


def _digits(value: float) -> str:
    """Three digits without an exponent, and no zeros behind them."""
    text = f"{float(f'{value:.3g}'):.6f}" if abs(value) < 100 else f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
