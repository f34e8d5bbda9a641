"""Asking the past of one page, in a log of ten million transfers: as of a moment, whom to blame, what happened.

A base, as a checkpoint will be one, lies in the middle: each account has changed about 1,000 times since. Without one,
its 2,000 changes are followed from its creation.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.bank import Account, Deposit, Open, Transfer, app
from bench.clocks import seconds_of
from bench.engine_folder import data_folder
from bench.figures import Figure, figure
from bench.harness import Case, measure_all, progress, report, show
from bench.traffic import SEED
from mmsb.schemas.classes import layout_of
from mmsb.state.array_fold import ArrayFold
from mmsb.state.pages import PageId
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import TLOG
from mmsb.streams.log.segments import list_bases, log_path
from mmsb.streams.past.bases import Base
from mmsb.streams.past.catalog import Indexer
from mmsb.streams.past.folding import read_mark
from mmsb.streams.past.growing import GrowingIndex, Standing
from mmsb.streams.past.index_file import pages_path
from mmsb.streams.past.outline import Outline
from mmsb.streams.past.past import Past
from mmsb.streams.past.scanning import begin, extend, replay

ACCOUNTS: Final = 10_000
INTENTS: Final = 10_000_000
AT_ONCE: Final = 500_000
CHANGES: Final = 1_000
ASKED: Final = 50  # times
AT_ONCE_BYTES: Final = 1 << 22
FUNDS: Final = 1_000_000_000
NEEDED: Final = 4 << 30  # bytes of disk

GET_MS: Final = 20
BLAME_MS: Final = 5
HISTORY_MS: Final = 20


@dataclass
class KeptFold:
    """A base in memory."""

    kept: ArrayFold

    @property
    def settled(self) -> int:
        return self.kept.settled

    @property
    def next(self) -> int:
        return self.kept.next

    def page(self, page: PageId) -> tuple[int, bytes] | None:
        return self.kept.state.read_page(*page)

    def outline(self) -> Outline:
        return Outline.beside(self.kept)

    def fold(self) -> ArrayFold:
        raise AssertionError("nobody scans here")


@dataclass
class OneBase:
    base: KeptFold

    def newest_before(self, offset: int) -> Base | None:
        return self.base if self.base.settled <= offset else None

    def oldest_from(self, tlog: int) -> Base | None:
        return None

    def close(self) -> None:
        """There is nothing open."""


async def fill(folder: Path) -> None:
    rng = np.random.default_rng(SEED)
    accounts = np.arange(ACCOUNTS, dtype=np.uint64)
    async with app.run(data=str(folder)) as bank:
        await bank.submit_many(Open, {"account": accounts, "owner": [f"owner {number}" for number in range(ACCOUNTS)]})
        await bank.submit_many(Deposit, {"account": accounts, "amount": FUNDS})
        for start in range(0, INTENTS, AT_ONCE):
            progress(f"{start:,} of {INTENTS:,} transfers")
            src = rng.integers(0, ACCOUNTS, AT_ONCE)
            dst = (src + rng.integers(1, ACCOUNTS, AT_ONCE)) % ACCOUNTS
            columns = {"src": src.view(np.uint64), "dst": dst.view(np.uint64), "amount": rng.integers(1, 100, AT_ONCE)}
            await bank.submit_many(Transfer, columns, actor=f"branch {start // AT_ONCE % 7}", reason="rent")
    progress("")


class Asked:
    """The past of accounts in turn, so that no answer is at hand."""

    def __init__(self, past: Past, newest: int) -> None:
        self._past = past
        self._newest = newest
        self._layout = layout_of(Account)
        numbers = np.random.default_rng(SEED).permutation(ACCOUNTS).tolist()
        self._pages = cycle((self._layout.type_id, self._layout.pack_key(number)) for number in numbers)

    def get(self) -> None:
        found = self._past.get(next(self._pages), self._newest)
        assert found is not None, "every account was opened"

    def blame(self) -> None:
        found = self._past.blame(next(self._pages), self._layout.index_of["balance"])
        assert found is not None, "every account was opened"

    def history(self) -> None:
        found = self._past.history(next(self._pages), CHANGES)
        assert len(found) == CHANGES, "every account has changed more often"


def main() -> None:
    with data_folder(NEEDED) as data:
        asyncio.run(fill(data))
        measure_folder(data / "0")


def measure_folder(partition: Path) -> None:
    files = RealFiles()
    end = read_mark(files, partition).tlog
    indexer = Indexer(files, partition / TLOG, None)
    indexer.write_missing(end)
    indexer.close()
    for base in list_bases(files, partition / TLOG):
        read_through(log_path(partition / TLOG, base))
    past, based = (Past(files, partition, lambda: end, bases) for bases in (None, kept(partition, end // 2)))
    newest = based.outline.settled
    asked, alone = Asked(based, newest), Asked(past, newest)
    each = f"{INTENTS:,} intents on {ACCOUNTS:,} pages"
    since = f"{each}; ~{CHANGES:,} changes since the base"
    figures = [
        in_ms("get(at=)", asked.get, since, GET_MS),
        in_ms("blame", asked.blame, since, BLAME_MS),
        in_ms(f"history of {CHANGES:,} changes", asked.history, since, HISTORY_MS),
        in_ms("get(at=), no base", alone.get, f"{each}; ~{2 * CHANGES:,} changes since the creation"),
    ]
    show(*figures)
    figures += measure_all(indexing(partition / TLOG, end), repeats=3)
    past.close()
    based.close()
    report("past", {"intents": INTENTS, "pages": ACCOUNTS}, figures)


def read_through(path: Path) -> None:
    """Have the system keep it in memory."""
    with path.open("rb", buffering=0) as file:
        while file.read(AT_ONCE_BYTES):
            pass


def kept(partition: Path, tlog: int) -> OneBase:
    """What it was at a TLog offset."""
    fold = begin(RealFiles(), partition / TLOG, ArrayFold)
    replay(RealFiles(), partition / TLOG, fold, tlog)
    return OneBase(KeptFold(fold))


def in_ms(name: str, ask: Callable[[], None], condition: str, at_most: float | None = None) -> Figure:
    """Of pages that nobody has asked for before, once compiled code is there; the log is in the system's memory."""
    ask()
    samples = [1e3 * seconds_of(lambda _: ask(), None) for _ in range(ASKED)]
    return figure(name, "ms", samples, condition=condition, at_most=at_most)


def indexing(tlog: Path, end: int) -> Case[Any]:
    """Making the index of the first segment anew."""
    files = RealFiles()
    until = [*list_bases(files, tlog), end][1]

    def run(_: None) -> GrowingIndex:
        index = GrowingIndex(0, Standing())
        extend(files, tlog, index, begin(files, tlog, Outline), until)
        return index

    deltas, size = len(run(None).entries), log_path(tlog, 0).stat().st_size
    share = 100 * pages_path(tlog, 0).stat().st_size / size
    condition = f"{size / 1e6:,.0f} MB of log; the index is {share:.0f} % of it"
    return Case("page index of a segment", "deltas", deltas, run, lambda: None, condition)


if __name__ == "__main__":
    main()
