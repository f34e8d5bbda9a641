"""Keyed sums, as every stream processor does them: what is in the topic, our application, and a loop by hand.

The loop keeps its sums in a dict and nothing durable; it is what a team would write that needs no more than that.
"""

import json
import struct
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

import mmsb
from bench.batching import batches
from bench.ragged import Column, Numbers, decimals, join, labels, words
from mmsb import App, i64, u64
from mmsb.schemas.classes import layout_of

KEYS: Final = 100_000
RECORDS: Final = 2_000_000
BATCH: Final = 10_000
SEED: Final = 1
AMOUNT_MAX: Final = 1_000

_MAGIC: Final = int.from_bytes(b"MMI\x01", "little")
_PACKED: Final = struct.Struct("<16xQq")  # a head of our own, then the two numbers
_POLLED: Final = 10_000


def make_app(name: str) -> tuple[App, type[Any], type[Any]]:
    """One for each run, since a topic settles once; with the classes of its intent and its page."""
    app = App(name)

    @app.page(key=u64)
    class Sum(mmsb.Page):
        total: i64
        count: i64

    @app.intent
    class Add(mmsb.Intent):
        key: u64
        amount: i64

        def query(self) -> mmsb.Ref[Sum]:
            return Sum[self.key]

        def delta(self, sum: Sum) -> None:
            sum.total += self.amount
            sum.count += 1

    return app, Add, Sum


def drawn() -> tuple[Numbers, Numbers]:
    """Keys and amounts."""
    rng = np.random.default_rng(SEED)
    return rng.integers(0, KEYS, RECORDS), rng.integers(1, AMOUNT_MAX, RECORDS)


def as_json() -> Iterator[bytes]:
    keys, amounts = drawn()
    every = np.zeros_like(keys)
    begin, middle, end = (labels(every, [text]) for text in (b'{"@type":"Add","key":', b',"amount":', b"}"))
    return batches(0, join([begin, decimals(keys), middle, decimals(amounts), end]), BATCH)


def packed(intent: type[Any]) -> Iterator[bytes]:
    keys, amounts = drawn()
    layout = layout_of(intent)
    head = np.full(RECORDS, _MAGIC | layout.size // 8 << 48, np.uint64)
    values = words([head, np.full(RECORDS, layout.type_id, np.uint64), keys, amounts], np.full(RECORDS, _PACKED.size))
    return batches(0, Column(values.cells, values.sizes), BATCH)


def by_hand(servers: str, topic: str, *, packed: bool) -> float:
    """Records a second of the loop with confluent-kafka."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "by-hand", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    sums: dict[int, int] = {}
    seen, begun = 0, 0.0
    try:
        while seen < RECORDS:
            messages = consumer.consume(_POLLED, timeout=1.0)
            begun = begun or time.perf_counter()
            for message in messages:
                value = message.value() or b""
                if packed:
                    key, amount = _PACKED.unpack(value)
                else:
                    record = json.loads(value)
                    key, amount = record["key"], record["amount"]
                sums[key] = sums.get(key, 0) + amount
            seen += len(messages)
    finally:
        consumer.close()
    assert sum(sums.values()) == int(drawn()[1].sum()), "it has seen all of them"
    return RECORDS / (time.perf_counter() - begun)
