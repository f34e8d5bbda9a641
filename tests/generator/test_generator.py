"""What is generated is valid Python, runs in the model, folds, and is worth running."""

import ast
import collections
from random import Random

from hypothesis import given, settings

from tests.generator import wire
from tests.generator.bundles import random_bundle
from tests.generator.render import render
from tests.generator.strategies import bundles, logs
from tests.generator.traffic import Traffic, damaged_delta, random_log, random_settings, to_batches
from tests.model import deltas, tlog
from tests.model.batch import Record, decode_batches
from tests.model.blocks import decode_block, encode_block
from tests.model.constants import CODES
from tests.model.descriptors import read_descriptor
from tests.model.events import encode_events, event_json
from tests.model.examples import BANK
from tests.model.fold import ACCEPTED, Fold
from tests.model.machine import Machine
from tests.model.writer import make_block, make_claim


def test_the_bank_reads_as_a_user_would_write_it():
    source = render(BANK)
    ast.parse(source)
    assert "    balance: i64 = mmsb.field(ge=0)\n" in source
    assert "        return Account[self.src], Account[self.dst]\n" in source
    assert "        return (src.balance >= self.amount)\n" in source
    assert '            mmsb.reject("insufficient funds")'.replace('"', "'") in source


@given(bundles())
def test_every_bundle_renders(bundle):
    compile(render(bundle), "generated", "exec")
    machine = Machine(bundle)
    assert read_descriptor(machine.compiled.descriptor_bytes()) == machine.compiled.descriptor()


@settings(max_examples=25)
@given(logs(20))
def test_logs_shrink_and_batches_read_back(log):
    _, _, records, outcomes, _ = log
    assert len(records) == len(outcomes)
    batches = b"".join(to_batches(Random(1), records))
    assert decode_batches(batches) == records


def fold_of(bundle, settings, records, outcomes, cut):
    """The log in blocks of `cut` intents, folded beside a machine that judges it again."""
    machine, fold = Machine(bundle, **settings), Fold()
    genesis = tlog.Genesis(
        settings["log_id"], settings["partitions"], settings["partition"], settings["window"], bundle.app
    )
    assert fold.feed(b"genesis", genesis.encode()) == ACCEPTED
    nonce = b"n" * 16
    assert fold.feed(b"claim", make_claim(machine.compiled, bytes(16), nonce, 1, bytes(31) + b"b")) == ACCEPTED
    for at in range(0, len(records), cut):
        clock = machine.state.clock
        again = machine.step(records[at : at + cut])
        assert again == outcomes[at : at + cut]
        block = make_block(nonce, fold.head, records[at : at + cut], again, clock, machine.state)
        assert encode_block(decode_block(block)) == block
        assert (fold.feed(b"block", block), fold.stopped) == (ACCEPTED, "")
        assert fold.state == machine.state
    return fold


def test_logs_fold_to_the_machines_state():
    for seed in range(60):
        rng = Random(seed)
        bundle, settings = random_bundle(rng), random_settings(rng)
        records, outcomes, machine = random_log(rng, bundle, 40, **settings)
        folds = [fold_of(bundle, settings, records, outcomes, cut) for cut in (1, 7, 40)]
        assert {fold.digest for fold in folds} == {machine.digest()}
        for out in outcomes:
            for event in encode_events(machine.compiled, out, machine.partition, machine.log_id):
                assert event_json(machine.compiled, event).startswith('{"@event":')


def test_deltas_of_every_status():
    """Each damaged delta has a status, and it settles as a Mutate accordingly."""
    seen: collections.Counter[int] = collections.Counter()
    for seed in range(40):
        rng = Random(seed)
        bundle = random_bundle(rng)
        _, _, machine = random_log(rng, bundle, 15)
        traffic = Traffic(rng, machine)
        layouts = machine.compiled.pages_by_id
        for _ in range(100):
            record, _, epoch, body = traffic.some_delta()
            for damage in range(3):
                status, position = deltas.validate_delta(record, layouts, epoch, body)
                assert 0 <= position <= max(len(record), len(body))
                seen[status] += 1
                record = damaged_delta(rng, record) if damage else record
    assert set(range(15)) == set(seen)


def test_json_and_packed_settle_alike():
    for seed in range(300):
        rng = Random(seed)
        bundle, settings = random_bundle(rng), random_settings(rng)
        machines = Machine(bundle, **settings), Machine(bundle, **settings)
        ids: list[str] = []
        for offset in range(8):
            layout = rng.choice(list(machines[0].compiled.intents.values()))
            arguments = wire.random_arguments(rng, layout.intent.fields, obey=rng.random() < 0.8)
            content = wire.random_content(rng, ids)
            packed = content.packed(layout.type_id, layout.encode(arguments))
            json = wire.json_text(rng, content.members(layout.name) | wire.json_arguments(rng, layout, arguments))
            first, second = (
                machine.judge(Record(offset, 7, value)) for machine, value in zip(machines, (packed, json), strict=True)
            )
            assert first == second


def test_traffic_is_worth_judging():
    codes: collections.Counter[str] = collections.Counter()
    well_formed: collections.Counter[str] = collections.Counter()
    for seed in range(250):
        rng = Random(seed)
        _, outcomes, _ = random_log(rng, random_bundle(rng), 60, **random_settings(rng))
        codes.update(out.rejection for out in outcomes if out.rejection)
        well_formed.update(out.status_name for out in outcomes if out.intent_type and out.status_name != "duplicate")
    assert set(CODES) - set(codes) <= {"too_large", "too_many_sources", "too_many_follow_ups"}
    assert 0.35 < well_formed["applied"] / well_formed.total() < 0.75
