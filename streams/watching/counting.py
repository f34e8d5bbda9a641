"""Counters of an application's own, for what only its code knows: shown by /metrics beside those of MMSB."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from mmsb.schemas.errors import InvalidDefinition, InvalidValue

NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*_total")
LABEL: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
OURS: Final = ("mmsb_", "process_", "python_")
SERIES_MAX: Final = 1_000
"""Of one counter: a label is of few values, as each takes memory here and in Prometheus for good."""

OTHERS: Final = "others"
"""What all labels of those beyond have as their value: counting must not keep a message from what it leads to."""


class Counter:
    """What `app.counter` gives. It counts in this process, since its start; in a processor, each attempt."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str]) -> None:
        if not NAME.fullmatch(name) or name.startswith(OURS):
            raise InvalidDefinition(
                f"counter {name!r}: a name has letters, digits and _, ends with _total, and begins with none of "
                f"{', '.join(OURS)}; such as letters_read_total"
            )
        if isinstance(labels, str) or len(set(labels)) < len(labels):
            raise InvalidDefinition(f"counter {name}: expected a list of labels, each once, found {labels!r}")
        for label in labels:
            if not LABEL.fullmatch(label) or label == "app":
                raise InvalidDefinition(f"counter {name}: a label has letters, digits and _, and is not app: {label!r}")
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        self._counts: dict[tuple[str, ...], float] = {} if self.labels else {(): 0}

    @property
    def counts(self) -> Mapping[tuple[str, ...], float]:
        """By the values of its labels."""
        return self._counts

    def add(self, count: float = 1, /, **labels: str) -> None:
        """Count so many more of what has these labels, all of which are given."""
        if labels.keys() != set(self.labels) or not 0 <= count < math.inf:
            given = ", ".join(f"{name}=" for name in self.labels) or "no labels"
            raise InvalidValue(f"{self.name}: expected {given} and a count from 0, found {labels!r} and {count!r}")
        series = tuple(str(labels[name]) for name in self.labels)
        if series not in self._counts and len(self._counts) >= SERIES_MAX:
            series = (OTHERS,) * len(self.labels)
        self._counts[series] = self._counts.get(series, 0) + float(count)  # NumPy's numbers are written otherwise
