"""Flat JSON intents alone: packed by the compiled scanner, beside msgspec's structs and `json.loads`.

The scanner writes packed intents with their metadata, ids hashed; the others make objects, which somebody would still
have to check and to pack.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np

from bench.bank import app
from bench.figures import times
from bench.harness import Case, measure_all, report, show
from bench.traffic import ACTOR, SEED, TRANSFER, Traffic, traffic
from mmsb.kernels.flat_json.json_scan import PLACE_SIZE, SLOW, transcode
from mmsb.processors.intake import bytes_of, columns_of
from mmsb.processors.json_tables import json_tables
from mmsb.schemas.records import Record, Records

INTENTS: Final = 100_000
CHUNK: Final = 2048  # as many as the machine takes at a time

AT_LEAST: Final = 5e6
TIMES_MSGSPEC: Final = 2
TIMES_JSON: Final = 15


class Transfer(msgspec.Struct, tag_field="@type", tag="Transfer"):
    src: int
    dst: int
    amount: int
    id: str | None = msgspec.field(default=None, name="@id")
    actor: str | None = msgspec.field(default=None, name="@actor")
    reason: str | None = msgspec.field(default=None, name="@reason")


class Deposit(msgspec.Struct, tag_field="@type", tag="Deposit"):
    account: int
    amount: int
    id: str | None = msgspec.field(default=None, name="@id")
    actor: str | None = msgspec.field(default=None, name="@actor")
    reason: str | None = msgspec.field(default=None, name="@reason")


@dataclass(frozen=True)
class Texts:
    """Intents as JSON, all written in one way."""

    name: str
    values: Sequence[bytes]

    @cached_property
    def records(self) -> Records:
        return Records.of(0, [Record(None, value) for value in self.values])

    @property
    def condition(self) -> str:
        size = sum(map(len, self.values)) / len(self.values)
        return f"{len(self.values):,} of {size:.0f} bytes, two types mixed, one core"


def main() -> None:
    asked = traffic(intents=INTENTS)
    usual, *others = (Texts(name, [*write(asked)]) for name, write in WAYS.items())
    structs = msgspec.json.Decoder(Transfer | Deposit)
    found = measure_all(
        scanning(usual, AT_LEAST),
        decoding("msgspec structs", usual, structs.decode),
        decoding("json.loads", usual, json.loads),
    )
    ours, *theirs = found
    found += show(
        times("scanner beside msgspec", ours, theirs[0], at_least=TIMES_MSGSPEC),
        times("scanner beside json.loads", ours, theirs[1], at_least=TIMES_JSON),
    )
    for texts in others:
        pair = measure_all(scanning(texts), decoding(f"msgspec structs, {texts.name}", texts, structs.decode))
        found += [*pair, *show(times(f"scanner beside msgspec, {texts.name}", *pair))]
    report("json", {"intents": INTENTS, "records at a time": CHUNK, "seed": SEED}, found)


def scanning(texts: Texts, at_least: float | None = None) -> Case[None]:
    """Into one buffer after the other, as the machine does it."""
    tables = json_tables(app.bundle().descriptor.intents)
    buffer, columns = bytes_of(texts.records.buffer), columns_of(texts.records)
    count = len(texts.values)
    out = np.zeros(CHUNK * tables.room(0), np.uint8)
    places = np.zeros((2, count), np.int64)

    def scan(_: None) -> None:
        for start in range(0, count, CHUNK):
            transcode(buffer, columns, start, min(start + CHUNK, count), tables.words, out, 0, places)

    scan(None)
    assert not np.any(places[PLACE_SIZE] == SLOW), "all of them are flat and plain"
    name = f"pack JSON, {texts.name}"
    return Case(name, "intents", count, scan, lambda: None, texts.condition, at_least=at_least)


def decoding(name: str, texts: Texts, decode: Callable[[bytes], object]) -> Case[None]:
    def decode_all(_: None) -> None:
        for value in texts.values:
            decode(value)

    return Case(name, "intents", len(texts.values), decode_all, lambda: None, texts.condition)


def as_usual(asked: Traffic) -> list[bytes]:
    return [_compact(members) for members in _members(asked)]


def short(asked: Traffic) -> list[bytes]:
    return [_compact(members) for members in _members(asked, about={})]


def with_ids(asked: Traffic) -> list[bytes]:
    """Texts, which are hashed."""
    return [_compact({**members, "@id": f"order-{n}"}) for n, members in enumerate(_members(asked))]


def with_uuids(asked: Traffic) -> list[bytes]:
    pairs = zip(_members(asked), asked.ids.tolist(), strict=True)
    return [_compact({**members, "@id": str(UUID(int=high << 64 | low))}) for members, (high, low) in pairs]


def with_blanks(asked: Traffic) -> list[bytes]:
    """As Python writes it."""
    return [json.dumps(members).encode() for members in _members(asked)]


def shuffled(asked: Traffic) -> list[bytes]:
    """In an order that nobody can guess."""
    rng = Random(SEED)
    return [_compact(dict(rng.sample([*members.items()], len(members)))) for members in _members(asked)]


WAYS: Final[dict[str, Callable[[Traffic], list[bytes]]]] = {
    "with metadata": as_usual,
    "without metadata": short,
    "text ids": with_ids,
    "UUIDs": with_uuids,
    "blanks": with_blanks,
    "shuffled members": shuffled,
}

_ABOUT: Final[dict[str, Any]] = json.loads(b"{" + ACTOR[:-1] + b"}")


def _members(asked: Traffic, about: dict[str, Any] = _ABOUT) -> list[dict[str, Any]]:
    columns = (asked.kinds.tolist(), asked.left.tolist(), asked.right.tolist(), asked.amounts.tolist())
    return [
        {"@type": "Transfer", **about, "src": left, "dst": right, "amount": amount}
        if kind == TRANSFER
        else {"@type": "Deposit", **about, "account": left, "amount": amount}
        for kind, left, right, amount in zip(*columns, strict=True)
    ]


def _compact(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


if __name__ == "__main__":
    main()
