"""How a way is measured, whichever machine it leads through: as a rate, as a fold of its blocks, and stage by stage."""

from collections.abc import Callable
from dataclasses import dataclass

import mmsb
from bench.figures import Figure, StageTable, figure
from bench.harness import Case, measure_all
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
    """From raw batches to chained blocks."""
    name, condition = f"{way.name}, {form.name}", f"{form.condition}, raw batches to chained blocks"
    return Case(
        name, "intents", len(form.asked), lambda log: log.settle(form.batches), form.ready(way), condition, at_least
    )


def in_dicts(name: str, plain: Traffic, settle: Callable[[Bank], None]) -> Case[Bank]:
    """The same rules in plain Python."""
    condition = f"{len(plain):,} intents, {plain.accounts:,} accounts"
    return Case(name, "intents", len(plain), settle, lambda: Bank(plain.accounts), condition)


def cut_into_stages(way: Way, form: Form) -> StageTable:
    """Where the time goes."""
    amount = len(form.asked)
    name = f"{way.name}, {form.name}"
    return stage_table(name, "intents", amount, lambda log: log.settle(form.batches), form.ready(way), way.stages)


def measure_fold(way: Way) -> list[Figure]:
    """What becomes of the blocks: a reader folds them, in deltas and in bytes, and their writer reads them back."""
    asked = traffic(way.folded, way.folded // 10)
    batches = list(asked.packed())

    def stepped() -> Log:
        log = Log(way, asked.opening)
        log.read_back()
        log.settle(batches)
        return log

    log = stepped()
    start, stop = log.writer.fold.next - 1, len(log.entries)
    size = sum(len(entry.value) for entry in log.entries[start:])
    condition = f"{stop - start} blocks of {len(asked):,} intents, {size / asked.deltas:.0f} bytes a delta"

    def opened() -> mmsb.Fold:
        return log.fold(way.make_fold(), 0, start)

    def run(folded: mmsb.Fold) -> None:
        log.fold(folded, start, stop)

    deltas, read_back = measure_all(
        Case(f"{way.name}, fold of blocks", "deltas", asked.deltas, run, opened, condition, way.deltas_at_least),
        Case(f"{way.name}, read back by the writer", "deltas", asked.deltas, Log.read_back, stepped, condition),
    )
    megabytes = [sample * size / asked.deltas / 1e6 for sample in deltas.samples]
    in_bytes = figure(f"{deltas.name}, in bytes", "MB/s", megabytes, condition=condition, at_least=way.fold_mb_at_least)
    return [deltas, in_bytes, read_back]
