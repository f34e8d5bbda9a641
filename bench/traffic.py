"""What the bank is asked, as raw batches: accounts are opened and funded, then come transfers and deposits.

Everything is drawn from a seed, with NumPy, as columns; `kinds`, `left`, `right` and `amounts` say what the records
say, for those who check. Accounts are hit evenly, which is the hardest case for caches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.bank import Deposit, Open, Transfer
from bench.batching import batches
from bench.ragged import Column, Numbers, decimals, join, labels, words
from mmsb.schemas.classes import layout_of

Ids = NDArray[np.uint64]
Flags = NDArray[np.bool_]

TRANSFER: Final = 0
DEPOSIT: Final = 1

SEED: Final = 1
DEPOSITS: Final = 0.2
REJECTS: Final = 0.1
DUPLICATES: Final = 0.01
REPEATED_WITHIN: Final = 50_000  # how far behind its first copy a duplicate comes, at most
BATCH: Final = 10_000

FUNDS: Final = 1_000_000
AMOUNT_MAX: Final = 1_000
TOO_MUCH: Final = 10**12  # no account ever holds it

ACTOR: Final = b'"@actor":"teller-0042","@reason":"standing order of the month",'

DESCRIPTION: Final = {
    "seed": SEED,
    "deposits": DEPOSITS,
    "rejected": REJECTS,
    "repeated ids": DUPLICATES,
    "records in a batch": BATCH,
}

_OWNER_BYTES: Final = 32
_MAGIC: Final = int.from_bytes(b"MMI\x01", "little")
_HAS_ID: Final = 1


@dataclass(frozen=True)
class Traffic:
    """`left` and `right` are src and dst of a transfer; a deposit has its account on the left."""

    accounts: int
    kinds: Numbers
    left: Numbers
    right: Numbers
    amounts: Numbers
    ids: Ids
    repeated: Flags

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def first(self) -> int:
        """The offset of the first intent: opening and funding come before it."""
        return 2 * self.accounts

    @property
    def rejected(self) -> Flags:
        """What the bank refuses, if it is no duplicate: too much for any account, or nothing at all."""
        return np.isin(self.amounts, [TOO_MUCH, 0])

    @property
    def deltas(self) -> int:
        """How many pages change if ids count: two for a transfer, unless it is to the account that it comes from."""
        pages = np.where((self.kinds == TRANSFER) & (self.left != self.right), 2, 1)
        return int(pages[~self.rejected & ~self.repeated].sum())

    @cached_property
    def opening(self) -> list[bytes]:
        """Batches that open every account, and make it rich enough for all that follows."""
        every = np.arange(self.accounts)
        opens = join([packed_head(Open, every), owners(every)])
        funds = packed(np.full(self.accounts, DEPOSIT), every, every, np.full(self.accounts, FUNDS), None)
        return [*batches(0, opens, BATCH), *batches(self.accounts, funds, BATCH)]

    def packed(self) -> Iterator[bytes]:
        """The intents packed, with ids."""
        values = packed(self.kinds, self.left, self.right, self.amounts, self.ids)
        return batches(self.first, values, BATCH)

    def json(self, about: bytes = b"") -> Iterator[bytes]:
        """The intents as JSON without ids, so that nothing is a duplicate; `about` is more members of the envelope."""
        return batches(self.first, texts(self.kinds, self.left, self.right, self.amounts, about), BATCH)


def traffic(intents: int = 1_000_000, accounts: int = 100_000, seed: int = SEED) -> Traffic:
    """A fifth are deposits, a tenth is rejected, a hundredth repeats an earlier record to the byte."""
    rng = np.random.default_rng(seed)
    kinds = np.where(rng.random(intents) < DEPOSITS, DEPOSIT, TRANSFER)
    refused = np.where(kinds == TRANSFER, TOO_MUCH, 0)
    amounts = np.where(rng.random(intents) < REJECTS, refused, rng.integers(1, AMOUNT_MAX, intents))
    left, right = rng.integers(0, accounts, (2, intents))
    ids = rng.integers(0, 2**64, (intents, 2), np.uint64)
    origin = _origins(rng, intents)
    repeated = origin != np.arange(intents)
    return Traffic(accounts, kinds[origin], left[origin], right[origin], amounts[origin], ids[origin], repeated)


def _origins(rng: np.random.Generator, intents: int) -> Numbers:
    """For each record the first one of its content; most are their own."""
    every = np.arange(intents)
    behind = 1 + rng.integers(0, np.clip(every, 1, REPEATED_WITHIN))
    origin = np.where(rng.random(intents) < DUPLICATES, np.maximum(every - behind, 0), every)
    while not np.array_equal(nearer := origin[origin], origin):
        origin = nearer
    return origin


def packed(kinds: Numbers, left: Numbers, right: Numbers, amounts: Numbers, ids: Ids | None) -> Column:
    """Packed intents of either kind; without ids they are 16 bytes shorter."""
    transfers = kinds == TRANSFER
    type_ids = np.array([layout_of(Transfer).type_id, layout_of(Deposit).type_id], np.uint64)
    identity = np.empty((len(kinds), 0), np.uint64) if ids is None else ids
    head = _MAGIC | (ids is not None) * _HAS_ID << 32 | np.where(transfers, 3, 2) << 48
    second = np.where(transfers, right, amounts)
    size = 8 * (5 + identity.shape[1] - (~transfers).astype(np.int64))
    return words([head, type_ids[kinds], identity, left, second, amounts], size)


def packed_head(intent: type[Open], accounts: Numbers) -> Column:
    """The head of an `Open` and its account; the owner follows."""
    layout = layout_of(intent)
    head = np.uint64(_MAGIC | layout.size // 8 << 48)
    every = np.ones_like(accounts, np.uint64)
    return words([head * every, np.uint64(layout.type_id) * every, accounts], np.full(len(accounts), 24))


def owners(accounts: Numbers) -> Column:
    """`owner 17` and the like, padded with zeros."""
    names = join([labels(np.zeros_like(accounts), [b"owner "]), decimals(accounts)])
    cells = np.zeros((len(accounts), _OWNER_BYTES), np.uint8)
    cells[:, : names.cells.shape[1]] = names.cells
    return Column(cells, np.full(len(accounts), _OWNER_BYTES))


def texts(kinds: Numbers, left: Numbers, right: Numbers, amounts: Numbers, about: bytes = b"") -> Column:
    """JSON intents of either kind."""
    begin = [b'{"@type":"Transfer",' + about + b'"src":', b'{"@type":"Deposit",' + about + b'"account":']
    return join(
        [
            labels(kinds, begin),
            decimals(left),
            labels(kinds, [b',"dst":', b""]),
            decimals(right).only(kinds == TRANSFER),
            labels(kinds, [b',"amount":'] * 2),
            decimals(amounts),
            labels(kinds, [b"}"] * 2),
        ]
    )
