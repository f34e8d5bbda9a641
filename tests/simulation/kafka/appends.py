"""What processes may append to a TLog: blocks of the reign that they know to be in force, and each only as it was.

Now and then somebody else's claim gets there first.
"""

from dataclasses import replace
from random import Random
from typing import Final

from mmsb.streams.kafka.cluster.broker import TopicPartition
from tests.model.batch import Record, decode_batch, encode_batch
from tests.model.tlog import BLOCK, CLAIM, decode_header, kind_of
from tests.simulation.claims import require
from tests.simulation.kafka.workers import Place

BEFORE_CLAIMS: Final = 0.15
BEFORE_BLOCKS: Final = 0.02
"""So many of these come behind the claim of another, who vanishes."""

AFTER_AT, NONCE_AT, NONCE_END = 8, 24, 40  # within a claim


class Rivals:
    """They claim as whoever claimed last did, and never do anything with it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._claims: dict[TopicPartition, Record] = {}

    def before(self, at: TopicPartition, batch: bytes) -> bytes | None:
        """What somebody else appends just before a process appends this; None if nobody does."""
        record = decode_batch(batch)[0][0]
        value = record.value or b""
        kind = kind_of(value)
        if kind == CLAIM:
            self._claims[at] = record
            after, share = value[AFTER_AT:NONCE_AT], BEFORE_CLAIMS
        elif kind == BLOCK:
            after, share = decode_header(value).reign, BEFORE_BLOCKS
        else:
            return None
        if self._random.random() >= share:
            return None
        claim = self._claims[at].value or b""
        rival = claim[:AFTER_AT] + after + self._random.randbytes(NONCE_END - NONCE_AT) + claim[NONCE_END:]
        return encode_batch([replace(self._claims[at], value=rival)])


class Appends:
    def __init__(self) -> None:
        self._sent: dict[tuple[TopicPartition, bytes, int], bytes] = {}  # by reign and first offset

    def judge(self, place: Place, at: TopicPartition, batch: bytes) -> None:
        """A process appends."""
        value = decode_batch(batch)[0][0].value
        if value is None or kind_of(value) != BLOCK:
            return
        header, fold = decode_header(value), place.opened[at.partition].fold
        known = fold.reign
        found = f"{at}: a block of reign {header.reign.hex()}, and {known.hex()} is known to reign"
        require("nobody appends under another's reign", header.reign == known, found)
        first = self._sent.setdefault((at, header.reign, header.first), batch)
        require("what is sent again is what was sent", first == batch, f"{at}: the block from {header.first} on")
