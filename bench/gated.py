"""What the regression gate watches: each stage of each way, against something else measured in the same moment.

The reference must not change when MMSB does, and should suffer from the same things: plain Python beside what is
interpreted, memory or hashing beside what is bound by them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plain import Bank
from bench.stages import Stage
from bench.traffic import traffic
from bench.whole import INTERPRETED, Log


@dataclass(frozen=True)
class Gated:
    """A way cut into stages, and what it is held against; `prepare` makes what each run of it gets."""

    name: str
    run: Callable[[Any], object]
    prepare: Callable[[], Any]
    stages: Sequence[Stage]
    reference_name: str
    reference: Callable[[], object]


def gated() -> list[Gated]:
    """Small enough that all of it takes seconds, large enough for a clock."""
    asked = traffic(intents=400, accounts=200)
    packed, texts, opening = list(asked.packed()), list(asked.json()), asked.opening
    many = traffic(intents=20_000, accounts=1_000)
    beside_packed, beside_texts = list(many.packed()), list(many.json())

    def plain_packed() -> None:
        bank = Bank(many.accounts)
        bank.settle_batches(beside_packed, bank.settle_packed)

    def plain_json() -> None:
        bank = Bank(many.accounts)
        bank.settle_batches(beside_texts, bank.settle_json)

    def ready() -> Log:
        return Log(INTERPRETED, opening)

    stages = INTERPRETED.stages
    return [
        Gated("interpreted, packed", lambda log: log.settle(packed), ready, stages, "plain dicts", plain_packed),
        Gated("interpreted, JSON", lambda log: log.settle(texts), ready, stages, "plain dicts, JSON", plain_json),
    ]
