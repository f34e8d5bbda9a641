"""Rows that say what they are, so that checkpoints can be tested without the state that they are made of."""

import hashlib
import json
from dataclasses import replace

from mmsb.schemas.canonical import canonical
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.limits import HOPS_MAX
from mmsb.streams.checkpoints.manifest import Facts

FACTS = Facts(
    app="bank",
    log_id=bytes(range(16)),
    partition=0,
    partition_count=1,
    window=1024,
    generation=3,
    bundle=bytes(range(32)),
    layouts=Descriptor("bank", HOPS_MAX, (), (), ()).pack(),
    settled=99,
    block_first=90,
    accepted_at=40,
    next=41,
    relaying=0,
    head=bytes(range(32, 64)),
    digest=bytes(16),
    pages={},
)
_META = b"\x00"


def rows_at(settled, accepted_at, count=200):
    """Rows of a state at a boundary."""
    said = {"settled": settled, "accepted_at": accepted_at}
    rows = [(b"\x10%06d" % number, b"%d of %d " % (number, settled) * 40) for number in range(count)]
    return [(_META, canonical(said)), *rows]


def read_facts(snapshot):
    """The facts of such rows, all of which are read."""
    rows = list(snapshot.rows(b"\x00", b"\xff"))
    if not rows or rows[0][0] != _META:
        raise CorruptState("store, meta row: expected one, found none; restore a checkpoint")
    said = json.loads(rows[0][1])
    digest = hashlib.sha256(b"".join(key + value for key, value in rows)).digest()[:16]
    settled, accepted_at = said["settled"], said["accepted_at"]
    return replace(
        FACTS, settled=settled, block_first=max(settled - 9, 0), accepted_at=accepted_at, next=accepted_at + 1,
        digest=digest, pages={"Account": len(rows) - 1},
    )  # fmt: skip
