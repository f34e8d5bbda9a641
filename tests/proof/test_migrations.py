"""A migration by every kind of step: both folds give the same pages, and the values stand where they should."""

import json
from dataclasses import replace
from random import Random

from mmsb.schemas.batches import decode_batches
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.migrations import Migration, Step
from tests.generator.traffic import to_batches
from tests.model import fold as model_fold
from tests.model.batch import Record
from tests.model.bundle import Bundle, Field, Intent, Page, Tree
from tests.proof.agreement import agree, fold_view, loaded, model_view
from tests.proof.ways import Way

GENESIS = Genesis(bytes(range(16)), "moves", 0, 1, 100)
OLD = Page("P", ("i64",), (Field("a", "i8"), Field("b", "u16"), Field("gone", "f64"), Field("t", "text(4)")))
NEW = Page(
    "P",
    ("i64",),
    (Field("t", "text(9)"), Field("c", "i64", default=7), Field("a", "i32"), Field("renamed", "u32")),
)
STEPS = (
    Step("drop", "gone"),
    Step("rename", "b", "renamed"),
    Step("widen", "renamed", "u32"),
    Step("widen", "a", "i32"),
    Step("widen", "t", "text(9)"),
    Step("add", "c"),
)


def bundle_of(page: Page, *delta: Tree) -> Bundle:
    fields = (Field("key", "i64"), Field("n", "i8"))
    change = Intent("Change", fields, (("P", (("arg", "key"),)),), ("p",), delta)
    return Bundle("moves", (page,), (change,))


def test_both_folds_migrate_alike(way: Way) -> None:
    first = bundle_of(
        OLD,
        ("set", "p", "a", ("arg", "n")),
        ("set", "p", "b", ("lit", 60_000, "60_000")),
        ("set", "p", "gone", ("lit", 1.5, "1.5")),
        ("set", "p", "t", ("lit", "né", "'né'")),
    )
    second = bundle_of(NEW, ("aug", "+", ("get", "p", "c"), ("arg", "n")))
    fold, reader = way.fold(GENESIS.pack()), model_fold.Fold()
    reader.feed(b"genesis", GENESIS.pack())
    with loaded(first) as one, loaded(second) as other:
        bundles = (one, replace(other, generation=one.generation + 1))
        records = [
            Record(at, at, json.dumps({"@type": "Change", "key": at // 2, "n": -3 - at}).encode()) for at in range(6)
        ]
        batch = decode_batches(b"".join(to_batches(Random(0), records)))
        for turn, bundle in enumerate(bundles):
            writer = way.writer(bundle, fold, bytes(15) + bytes([turn + 1]))
            entry = writer.claim()
            entries = [entry]
            writer.read(fold.next, entry.key, entry.value)
            if fold.pending:
                types = fold.state.layouts["P"].type_id, fold.pending["P"].type_id
                entry = writer.migrate([Migration("P", *types, STEPS)])
                agree("migrate is accepted", writer.read(fold.next, entry.key, entry.value)[0].accepted, True, "")
                entries.append(entry)
            for entry in entries:
                agree("verdict", model_fold.ACCEPTED, reader.feed(entry.key, entry.value), entry.key.decode())
            agree("view", fold_view(fold), model_view(reader), f"turn {turn}")
            ours = {page: (epoch, body) for page, epoch, body in fold.state.pages}
            agree("pages", ours, reader.state.pages, f"turn {turn}")
            if turn == 0:
                for records_ in batch:
                    entry, _ = writer.step(records_)
                    writer.read(fold.next, entry.key, entry.value)
                    reader.feed(entry.key, entry.value)
        layout = fold.state.layouts["P"]
        found = {layout.unpack_key(key): (epoch, layout.unpack(body)) for (_, key), epoch, body in fold.state.pages}
    agree("migrated", found, {i: (2 * i + 2, ("né", 7, -4 - 2 * i, 60_000)) for i in range(3)}, "at the end")
    fold.state.check()
