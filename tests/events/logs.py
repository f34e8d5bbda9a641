"""TLogs of random applications and traffic, and the events that the definition finds in them."""

from dataclasses import dataclass
from functools import cache
from random import Random

from mmsb.processors.projection import events_of
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.events import Event
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.state.fold import Fold
from tests.proof.agreement import NONCE, loaded, make_case


@dataclass
class Tlog:
    """Keys and values from record 0 on, what happened to pages, and the pages at the end."""

    entries: list[tuple[bytes, bytes]]
    events: list[Event]
    pages: dict[tuple[int, bytes], tuple[int, bytes]]


@cache
def random_tlog(seed: int, count: int = 60, cut: int = 9) -> Tlog:
    case, rng = make_case(seed, count), Random(seed)
    tlog = Tlog([(b"genesis", case.genesis.pack())], [], {})
    with loaded(case.description) as bundle:
        writer = Writer(bundle, Fold(case.genesis.pack()), NONCE)
        _append(tlog, writer, writer.claim())
        at = 0
        while at < len(case.records):
            before = {page: (epoch, body) for page, epoch, body in writer.fold.state.pages}
            clock, layouts = writer.fold.state.clock, bundle.pages_by_type
            entry, outcome = writer.step(case.records.slice(at, min(at + rng.randint(1, cut), len(case.records))))
            at = outcome.last + 1 - case.records.first
            block = unpack_block(entry.value)
            tlog.events += events_of(block, case.genesis, layouts, lambda *page, known=before: known.get(page), clock)
            _append(tlog, writer, entry)
        tlog.pages = {page: (epoch, body) for page, epoch, body in writer.fold.state.pages}
    return tlog


def _append(tlog: Tlog, writer: Writer, entry: Entry) -> None:
    verdict, _ = writer.read(len(tlog.entries), entry.key, entry.value)
    assert verdict.accepted
    tlog.entries.append((entry.key, entry.value))
