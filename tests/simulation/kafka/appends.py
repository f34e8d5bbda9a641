"""What processes may append to a TLog: blocks of the reign that they know to be in force, and each only as it was."""

from dataclasses import replace
from typing import Final

from mmsb.streams.kafka.cluster.broker import TopicPartition
from tests.model.batch import decode_batch, encode_batch
from tests.model.tlog import BLOCK, CLAIM, decode_header, kind_of
from tests.simulation.claims import require
from tests.simulation.kafka.workers import Place

NONCE_AT: Final = 24  # within a claim


def rival_of(batch: bytes, nonce: bytes) -> bytes | None:
    """The same claim by somebody else, who never does anything with it; None if it is no claim."""
    record = decode_batch(batch)[0][0]
    if record.value is None or kind_of(record.value) != CLAIM:
        return None
    return encode_batch([replace(record, value=record.value[:NONCE_AT] + nonce + record.value[NONCE_AT + 16 :])])


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
