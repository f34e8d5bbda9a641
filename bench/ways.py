"""How a way is measured, whichever machine it leads through: as a rate, as a fold of its blocks, and stage by stage."""

from collections.abc import Callable
from dataclasses import dataclass

import mmsb
from bench.figures import Figure, StageTable, figure
from bench.harness import Case, measure_all, show
from bench.plain import Bank, values_of
from bench.stages import stage_table
from bench.traffic import ACTOR, Traffic, traffic
from bench.whole import Log, Way


@dataclass(frozen=True)
class Form:
    """The same traffic as one kind of bytes."""

    name: str
    asked: Traffic
    batches: list[bytes]

    @property
    def condition(self) -> str:
        return f"{len(self.asked):,} intents, {self.asked.accounts:,} accounts"

    def ready(self, way: Way) -> Callable[[], Log]:
        opening = self.asked.opening
        return lambda: Log(way, opening)


def forms_of(way: Way) -> tuple[Form, Form, Form]:
    """Packed; JSON; JSON with metadata."""
    asked, as_text = traffic(way.intents, way.accounts), traffic(way.texts, way.accounts)
    texts, long = list(as_text.json()), list(as_text.json(ACTOR))
    return (
        Form("packed, with ids", asked, list(asked.packed())),
        Form(f"JSON of {mean_size(texts)} bytes, without ids", as_text, texts),
        Form(f"JSON of {mean_size(long)} bytes, with metadata", as_text, long),
    )


def mean_size(batches: list[bytes]) -> int:
    sizes = [len(value) for value in values_of(batches[0])]
    return round(sum(sizes) / len(sizes))


def whole(way: Way, form: Form, at_least: float | None = None) -> Case[Log]:
    """From raw batches to blocks that count."""
    name, condition = f"{way.name}, {form.name}", f"{form.condition}, raw batches to blocks read back"
    return Case(
        name, "intents", len(form.asked), lambda log: log.settle(form.batches), form.ready(way), condition, at_least
    )


def in_dicts(name: str, form: Form, settle: Callable[[Bank], None]) -> Case[Bank]:
    """The same rules in plain Python."""
    return Case(name, "intents", len(form.asked), settle, lambda: Bank(form.asked.accounts), form.condition)


def cut_into_stages(way: Way, form: Form) -> StageTable:
    """Where the time goes."""
    amount = len(form.asked)
    name = f"{way.name}, {form.name}"
    return stage_table(name, "intents", amount, lambda log: log.settle(form.batches), form.ready(way), way.stages)


def measure_fold(way: Way) -> tuple[list[Figure], StageTable]:
    """What another reader does with the blocks, in deltas and in bytes: decode, check, apply, digest."""
    asked = traffic(way.intents, way.accounts)
    log = Log(way, asked.opening, keep=True)
    start = len(log.entries)
    log.settle(asked.packed())
    stop, size = len(log.entries), sum(len(entry.value) for entry in log.entries[start:])
    condition = f"{stop - start} blocks of {len(asked):,} intents, {size / asked.deltas:.0f} bytes a delta"

    def opened() -> mmsb.Fold:
        return log.fold(way.make_fold(), 0, start)

    def run(folded: mmsb.Fold) -> None:
        log.fold(folded, start, stop)

    name = f"{way.name}, fold of blocks"
    [deltas] = measure_all(Case(name, "deltas", asked.deltas, run, opened, condition, way.deltas_at_least))
    megabytes = [sample * size / asked.deltas / 1e6 for sample in deltas.samples]
    in_bytes = figure(f"{name}, in bytes", "MB/s", megabytes, condition=condition, at_least=way.fold_mb_at_least)
    return [deltas, *show(in_bytes)], stage_table(name, "deltas", asked.deltas, run, opened, way.fold_stages)
