"""The bank in plain Python dicts: what a service does that keeps no history, from three starting points.

Done, and in the same order: the batch's checksum, cutting out values, reading each, ids that were seen before, the rule
on amounts, the predicate, the change of both accounts. Not done: no log and no hash of it, no digest, no check of
types, sizes or text, no outcome for anyone to read later, no way back after a crash. Ids are kept for ever, which is
cheaper than a window. It is written as one would for speed: locals, one pass, no object per record beyond those that
parsing makes.
"""

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from crc32c import crc32c

from bench.bank import Deposit, Transfer
from bench.traffic import DEPOSIT, FUNDS, TRANSFER, Traffic
from mmsb.schemas.classes import layout_of

Account = dict[str, int]
Accounts = dict[int, Account]
Parsed = tuple[int, int, int, int, bytes]  # kind, left, right, amount, id

_TYPES = struct.Struct("<8xQ")
_TRANSFER = struct.Struct("<16x16sQQq")
_DEPOSIT = struct.Struct("<16x16sQq")
_COUNT = struct.Struct(">57xi")
_CHECKSUM = struct.Struct(">17xI")


class Bank:
    """Accounts, the ids that were seen, and how many of the intents were applied, rejected and repeated."""

    def __init__(self, accounts: int) -> None:
        self.accounts: Accounts = {n: {"balance": FUNDS, "moves": 1} for n in range(accounts)}
        self.seen: dict[bytes, int] = {}
        self.applied = self.rejected = self.repeated = 0

    def settle_parsed(self, intents: Iterable[Parsed]) -> None:
        """The rules alone: somebody else has read every record."""
        accounts, seen, kept = self.accounts, self.seen, len(self.seen)
        rejected = count = 0
        for count, (kind, left, right, amount, identity) in enumerate(intents, start=1):
            if identity in seen:
                continue
            seen[identity] = count
            if amount <= 0:
                rejected += 1
            elif kind == DEPOSIT:
                account = accounts[left]
                account["balance"] += amount
                account["moves"] += 1
            elif (src := accounts[left])["balance"] < amount:
                rejected += 1
            else:
                dst = accounts[right]
                src["balance"] -= amount
                dst["balance"] += amount
                src["moves"] += 1
                dst["moves"] += 1
        self._count(count, rejected, count - (len(seen) - kept))

    def settle_packed(self, values: Iterable[bytes]) -> None:
        """Packed intents with ids, each read with `struct.unpack`."""
        transfer, deposit = layout_of(Transfer).type_id, layout_of(Deposit).type_id

        def read(value: bytes) -> Parsed:
            (type_id,) = _TYPES.unpack_from(value)
            if type_id == transfer:
                identity, left, right, amount = _TRANSFER.unpack(value)
                return TRANSFER, left, right, amount, identity
            assert type_id == deposit, "there are two types"
            identity, left, amount = _DEPOSIT.unpack(value)
            return DEPOSIT, left, left, amount, identity

        self.settle_parsed(map(read, values))

    def settle_json(self, values: Iterable[bytes]) -> None:
        """JSON intents without ids, each read with `json.loads`."""
        accounts = self.accounts
        rejected = count = 0
        for count, intent in enumerate(map(json.loads, values), start=1):  # noqa: B007
            amount = intent["amount"]
            if amount <= 0:
                rejected += 1
            elif intent["@type"] == "Deposit":
                account = accounts[intent["account"]]
                account["balance"] += amount
                account["moves"] += 1
            elif (src := accounts[intent["src"]])["balance"] < amount:
                rejected += 1
            else:
                dst = accounts[intent["dst"]]
                src["balance"] -= amount
                dst["balance"] += amount
                src["moves"] += 1
                dst["moves"] += 1
        self._count(count, rejected, 0)

    def settle_batches(self, batches: Iterable[bytes], settle: Callable[[Iterable[bytes]], None]) -> None:
        """From raw batches on: `settle` is one of the above."""
        for batch in batches:
            settle(values_of(batch))

    def _count(self, count: int, rejected: int, repeated: int) -> None:
        self.applied += count - rejected - repeated
        self.rejected += rejected
        self.repeated += repeated


def parsed(traffic: Traffic) -> list[Parsed]:
    """The intents as tuples, made before the clock starts."""
    columns: Sequence[Any] = (traffic.kinds, traffic.left, traffic.right, traffic.amounts)
    return list(zip(*(column.tolist() for column in columns), map(bytes, traffic.ids), strict=True))


def values_of(batch: bytes) -> list[bytes]:
    """The values of a batch whose records have no keys and no headers, as this traffic's have none."""
    assert _CHECKSUM.unpack_from(batch)[0] == crc32c(memoryview(batch)[21:]), "the batch is whole"
    values: list[bytes] = []
    at = 61
    for _ in range(_COUNT.unpack_from(batch)[0]):
        while batch[at] > 127:  # the record's length
            at += 1
        at += 2  # … its last byte, and the attributes
        while batch[at] > 127:  # the time delta
            at += 1
        at += 1
        while batch[at] > 127:  # the offset delta
            at += 1
        at += 2  # … its last byte, and the key that is not there
        size = batch[at]
        at += 1
        if size > 127:  # two bytes are enough for values below 8 KiB
            size = size & 127 | batch[at] << 7
            at += 1
        size >>= 1
        values.append(batch[at : at + size])
        at += size + 1
    return values
