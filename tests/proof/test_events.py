"""Events of random logs: the bytes and the JSON that the model writes; damaged ones are refused, or read back whole."""

from collections import Counter
from random import Random

import pytest

from mmsb.processors.machine import Machine
from mmsb.processors.projection import events_of
from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.schemas.events import Event, event_json, unpack_event
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.state.partition import PartitionState
from tests.model import events as model_events
from tests.model import machine as model_machine
from tests.model.compiled import Compiled
from tests.proof.agreement import NONCE, Case, agree, loaded, make_case
from tests.proof.decoders import mutated

BATCHES = (1, 7, 8192)


def events_in(case: Case, machine: Machine, batch: int) -> list[Event]:
    """What a projection finds in the blocks of this log."""
    found: list[Event] = []
    while machine.settled < case.records.last:
        before = {page: (epoch, body) for page, epoch, body in machine.state.pages}
        clock, at = machine.state.clock, machine.settled + 1
        outcome = machine.step(case.records.slice(at, min(at + batch, len(case.records))))
        block = unpack_block(outcome.block(NONCE, bytes(32)))
        layouts = machine.bundle.pages_by_type
        found += events_of(block, case.genesis, layouts, lambda *page, known=before: known.get(page), clock)
    return found


def check_events(seed: int) -> Counter[str]:
    case, found, events = make_case(seed, 60), Counter[str](), list[Event]()
    compiled = Compiled(case.description)
    partition, log_id = case.settings["partition"], case.settings["log_id"]
    models = [data for out in case.outcomes for data in model_events.encode_events(compiled, out, partition, log_id)]
    names = {type_id: name for name, type_id in model_machine.BUILT_IN.items()}
    names |= {type_id: layout.name for type_id, layout in compiled.intents_by_id.items()}
    with loaded(case.description) as bundle:
        for batch in BATCHES:
            events = events_in(case, Machine(bundle, PartitionState(case.genesis)), batch)
            where = f"seed {seed}, batch {batch}"
            agree("event bytes", [event.pack() for event in events], models, where)
            for event, data in zip(events, models, strict=True):
                layout = bundle.pages_by_type[event.page_type]
                text = event_json(event, layout, names[event.intent_type])
                agree("event JSON", text.decode(), model_events.event_json(compiled, data), where)
                agree("event read back", unpack_event(data), event, where)
                found[event.kind.name] += 1
        rng = Random(seed)
        for event, data in zip(events, models, strict=True):
            layout = bundle.pages_by_type[event.page_type]
            damaged = mutated(rng, data)
            try:
                again = unpack_event(damaged)
            except CorruptState:
                found["refused"] += 1
                continue
            agree("damaged event read back", again.pack(), damaged, f"seed {seed}")
            try:
                text = event_json(again, layout, names[event.intent_type])
            except InvalidValue:
                found["of another layout"] += 1
                continue
            if again.intent_type == event.intent_type:
                agree("damaged event JSON", text.decode(), model_events.event_json(compiled, damaged), f"seed {seed}")
                found["damaged"] += 1
    return found


@pytest.mark.parametrize("start", [0, 30])
def test_events_are_those_of_the_model(start: int) -> None:
    found: Counter[str] = Counter()
    for seed in range(start, start + 30):
        found += check_events(seed)
    expected = ("CREATED", "CHANGED", "DELETED", "refused", "of another layout", "damaged")
    assert {name for name in expected if not found[name]} == set(), found
