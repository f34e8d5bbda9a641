"""The table of metrics in docs/operations.md, out of the table that the code exposes."""

from mmsb.streams.watching.metrics import METRICS

BEGIN = "<!-- made by tests/docs/metrics.py -->\n"
END = "<!-- end -->\n"


def with_metrics(page: str) -> str:
    """The page with the table as it must be."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + _table() + END + rest.partition(END)[2]


def _table() -> str:
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join(lines) + "\n"
