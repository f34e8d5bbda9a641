"""One seed: a random application, a random log, and everything that must be equal between MMSB and the model.

Each comparison has a name, and a disagreement says which. The planted bugs are caught by these names.
"""

import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from mmsb.processors.bundle import Bundle
from mmsb.processors.machine import Machine, Outcome
from mmsb.processors.projection import events_of
from mmsb.schemas.batches import decode_batches
from mmsb.schemas.events import event_json, unpack_event
from mmsb.schemas.records import Records, concat
from mmsb.schemas.tlog.blocks import OutcomeRow
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.upserts import BUILT_IN
from mmsb.state.fold import Fold, Verdict
from tests.generator.bundles import random_bundle
from tests.generator.render import render
from tests.generator.traffic import random_log, random_settings, to_batches
from tests.model import fold as model_fold
from tests.model import machine as model_machine
from tests.model import writer as model_writer
from tests.model.batch import Record as ModelRecord
from tests.model.bundle import Bundle as Description
from tests.model.events import encode_events
from tests.model.events import event_json as model_event_json
from tests.proof.ways import INTERPRETED, Way

NONCE = b"the-only-writer!"
CUTS = (1, 7, 8192)


class Disagreement(AssertionError):
    """MMSB and the model differ."""


def agree(name: str, ours: object, models: object, where: str) -> None:
    if ours != models:
        raise Disagreement(f"[{name}] {where}\n  mmsb:  {ours!r}\n  model: {models!r}")


@contextmanager
def loaded(description: Description) -> Generator[Bundle]:
    """The description as a user would have written it, imported, and its bundle."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "generated_app.py"
        path.write_text(render(description))
        spec = importlib.util.spec_from_file_location("generated_app", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["generated_app"] = module
        spec.loader.exec_module(module)
        yield module.app.bundle()
        sys.modules.pop("generated_app", None)  # two may be loaded at once


@dataclass
class Case:
    """A seed's application and log, and what the model makes of them."""

    seed: int
    description: Description
    settings: dict[str, Any]
    model_records: list[ModelRecord]
    outcomes: list[model_machine.Outcome]
    model: model_machine.Machine
    records: Records
    genesis: Genesis


def make_case(seed: int, count: int) -> Case:
    rng = Random(seed)
    description = random_bundle(rng)
    settings = random_settings(rng)
    model_records, outcomes, model = random_log(rng, description, count, **settings)
    records = concat(decode_batches(b"".join(to_batches(rng, model_records))))
    genesis = Genesis(
        settings["log_id"], description.app, settings["partition"], settings["partitions"], settings["window"]
    )
    return Case(seed, description, settings, model_records, outcomes, model, records, genesis)


def check_seed(seed: int, count: int = 40, cuts: tuple[int, ...] = CUTS, way: Way = INTERPRETED) -> None:
    """Everything that one seed can show."""
    case = make_case(seed, count)
    with loaded(case.description) as bundle:
        where = f"seed {seed}"
        agree("descriptor", bundle.descriptor.pack(), case.model.compiled.descriptor_bytes(), where)
        for cut in cuts:
            check_cut(case, bundle, cut, way)


def check_cut(case: Case, bundle: Bundle, cut: int, way: Way = INTERPRETED) -> None:
    """Step the log in batches of one size; every block is what the model's writer writes."""
    where = f"seed {case.seed}, cut {cut}"
    fold, reader, before_all = way.fold(case.genesis.pack()), model_fold.Fold(), way.settled()
    reader.feed(b"genesis", case.genesis.pack())
    again = model_machine.Machine(case.description, **case.settings)
    writer = way.writer(bundle, fold, NONCE)
    claim = writer.claim()
    at = 1
    writer.read(at, claim.key, claim.value)
    agree("claim is accepted", model_fold.ACCEPTED, reader.feed(claim.key, claim.value), where)
    for start in range(0, len(case.records), cut):
        batch = case.records.slice(start, min(start + cut, len(case.records)))
        check_needs(case, writer.machine, batch)
        clock, head, before = again.state.clock, fold.head, dict(again.state.pages)
        entry, outcome = writer.step(batch)
        check_outcome(case, outcome, where)
        models = again.step(case.model_records[start : start + len(batch)])
        records = case.model_records[start : start + len(batch)]
        agree("digest", (outcome.digest.a, outcome.digest.b), again.digest(), f"{where}, after offset {outcome.last}")
        block = model_writer.make_block(NONCE, head, records, models, clock, again.state)
        agree("block bytes", entry.value, block, f"{where}, offsets {outcome.first} to {outcome.last}")
        at += 1
        verdict, settled = writer.read(at, entry.key, entry.value)
        check_events(case, bundle, verdict, before, clock, where)
        agree("writer's own block", (True, True), (verdict.accepted, settled is outcome), where)
        agree("model accepts the block", model_fold.ACCEPTED, reader.feed(entry.key, entry.value), where)
    check_folds(case, fold, reader, where)
    fold.state.check()
    check_way(case, bundle, way, before_all, where)


def check_way(case: Case, bundle: Bundle, way: Way, before: int | None, where: str) -> None:
    """Compiled code has settled all that it should: nothing of this was about the interpreter by mistake."""
    settled = way.settled()
    if before is not None and settled is not None:
        rows = zip(case.model_records, case.outcomes, strict=True)
        least = sum(way.takes(bundle, record.value, out) for record, out in rows)
        agree("compiled code ran", settled - before >= least, True, f"{where}: {settled - before} of {least}")


def check_needs(case: Case, machine: Machine, batch: Records) -> None:
    """Every page that the model's machine asks for was named beforehand."""
    named = set(machine.needs(batch))
    for index in range(len(batch)):
        asked = set(case.outcomes[batch.first + index].reads)
        missing = asked - named
        agree("needs names every page read", missing, set(), f"seed {case.seed}, offset {batch.first + index}")


def check_outcome(case: Case, outcome: Outcome, where: str) -> None:
    """Offset by offset, so that a disagreement is named as finely as possible."""
    clock = {outcome.first + index: at for index, at in outcome.rises}
    for row, offset in zip(outcome.outcomes, range(outcome.first, outcome.last + 1), strict=True):
        model, place = case.outcomes[offset], f"{where}, offset {offset}, {case.records.value(offset)!r:.300}"
        index = offset - outcome.first
        agree("outcome", _row(row), _models_row(model), place)
        deltas = [(d.type_id, d.key, d.base, int(d.kind), d.payload) for d in outcome.deltas if d.index == index]
        models = [(d.type_id, d.key, d.base, d.kind, d.payload) for d in model.deltas]
        agree("deltas", deltas, models, place)
        sent = [(f.target, f.number, f.intent) for f in outcome.follow_ups if f.index == index]
        agree("follow-ups", sent, [(f.target, f.number, f.value) for f in model.follow_ups], place)
        if offset in clock:
            agree("clock", clock[offset], model.clock, place)


def _row(row: OutcomeRow) -> tuple[Any, ...]:
    source = row.source and (row.source.kind, row.source.source, row.source.number, row.source.hops)
    rejection = row.rejection.pack() if row.rejection else None
    name = row.rejection.code.name.lower() if row.rejection else None
    return int(row.status), name, rejection, row.id, source, row.metadata, row.type_id, row.first_offset


def _models_row(out: model_machine.Outcome) -> tuple[Any, ...]:
    source = out.source and (out.source.kind, out.source.source, out.source.number, out.source.hops)
    rejection = out.row.encode() if out.row else None
    first = out.first if out.status_name == "duplicate" else None
    return out.status, out.rejection, rejection, out.id, source, out.metadata, out.intent_type, first


def check_events(
    case: Case, bundle: Bundle, verdict: Verdict, before: dict[Any, tuple[int, bytes]], clock: int, where: str
) -> None:
    """The events that follow from an accepted block, packed and as JSON."""
    assert verdict.block is not None
    block, layouts = verdict.block, bundle.pages_by_type
    ours = events_of(block, case.genesis, layouts, lambda *page: before.get(page), clock)
    settled = case.outcomes[block.header.first : block.header.last + 1]
    compiled, model = case.model.compiled, case.model
    models = [e for out in settled for e in encode_events(compiled, out, model.partition, model.log_id)]
    agree("events", [event.pack() for event in ours], models, where)
    for event, packed in zip(ours, models, strict=True):
        agree("event reads back", unpack_event(packed), event, where)
        program = bundle.find_program(event.intent_type, None)
        built_in = next((name for name, layout in BUILT_IN.items() if layout.type_id == event.intent_type), "")
        name = program.layout.name if program else built_in
        text = event_json(event, layouts[event.page_type], name)
        agree("event as JSON", text.decode(), model_event_json(compiled, packed), where)


def check_folds(case: Case, fold: Fold, reader: model_fold.Fold, where: str) -> None:
    """Our fold and the model's, after the same records."""
    agree("fold", fold_view(fold), model_view(reader), where)
    pages = {page: (epoch, body) for page, epoch, body in fold.state.pages}
    agree("pages", pages, reader.state.pages, where)


def fold_view(fold: Fold) -> dict[str, Any]:
    last = fold.last_block
    return {
        "settled": fold.settled,
        "head": fold.head,
        "head_prev": fold.head_prev,
        "accepted_at": fold.accepted_at,
        "reign": fold.reign,
        "generation": fold.generation,
        "bundle": fold.bundle,
        "repeats": fold.repeats,
        "digest": (fold.digest.a, fold.digest.b),
        "next": fold.next,
        "last_block": last and (last.first, last.last, last.checksum),
        "layouts": {name: layout.type_id for name, layout in fold.state.layouts.items()},
        "pending": {name: layout.type_id for name, layout in fold.pending.items()},
        "messages": list(fold.claim.descriptor.messages) if fold.claim else [],
        "discarded": fold.discarded.total(),
    }


def model_view(reader: model_fold.Fold) -> dict[str, Any]:
    return reader.view()
