"""What the regression gate watches: each stage of each way, against something else measured in the same moment.

The reference must not change when MMSB does: the bank's rules in plain Python dicts, over traffic of its own. Single
kernels, start-up and memory are not gated; `make bench` measures them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plain import Bank
from bench.stages import Stage
from bench.traffic import Traffic, traffic
from bench.whole import INTERPRETED, Log, Way, compiled


@dataclass(frozen=True)
class Gated:
    """A way cut into stages, and what it is held against; `prepare` makes what each run of it gets."""

    name: str
    run: Callable[[Any], object]
    prepare: Callable[[], Any]
    stages: Sequence[Stage]
    reference: Callable[[], object]


def gated() -> list[Gated]:
    """Small enough that all of it takes seconds, large enough for a clock."""
    return [
        watched(INTERPRETED, "packed", traffic(400, 200)),
        watched(INTERPRETED, "JSON", traffic(400, 200)),
        watched(compiled(), "packed", traffic(100_000, 20_000)),
        watched(compiled(), "JSON", traffic(100_000, 20_000)),
    ]


def watched(way: Way, form: str, asked: Traffic) -> Gated:
    """A way beside plain dicts that do the same kind of thing for about as long."""
    batches = list(asked.packed() if form == "packed" else asked.json())
    plain = traffic(20_000, 1_000)
    beside = list(plain.packed() if form == "packed" else plain.json())
    opening = asked.opening

    def reference() -> None:
        bank = Bank(plain.accounts)
        bank.settle_batches(beside, bank.settle_packed if form == "packed" else bank.settle_json)

    name = f"{way.name}, {form}"
    return Gated(name, lambda log: log.settle(batches), lambda: Log(way, opening), way.stages, reference)
