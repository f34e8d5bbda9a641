"""A log in a list, around the public names alone: what every acceptance test of a row starts from."""

from collections.abc import Iterable, Sequence
from typing import Any

import mmsb
from examples import bank

TIME_MS = 1_700_000_000_000


def records(first: int, values: Iterable[bytes]) -> mmsb.Records:
    return mmsb.Records.of(first, [mmsb.Record(None, value, TIME_MS) for value in values])


class Log:
    """One partition of an application, with its TLog."""

    def __init__(self, app: mmsb.App = bank.app) -> None:
        self.genesis = mmsb.Genesis(log_id=bytes(range(16)), app=app.name)
        self.tlog = [(b"genesis", self.genesis.pack())]
        self.writer = mmsb.Writer(app.bundle(), mmsb.Fold(self.genesis.pack()), nonce=b"a-reign's-name-1")
        assert self._append(self.writer.claim()).accepted

    def _append(self, entry: mmsb.Entry) -> mmsb.Verdict:
        self.tlog.append((entry.key, entry.value))
        return self.writer.read(len(self.tlog) - 1, entry.key, entry.value)[0]

    @property
    def machine(self) -> mmsb.Machine:
        return self.writer.machine

    @property
    def digest(self) -> bytes:
        return self.writer.fold.digest.pack()

    def send(self, *values: bytes) -> mmsb.Outcome:
        """Step these and read the block back; all must fit into one."""
        first = self.machine.settled + 1
        entry, outcome = self.writer.step(records(first, values))
        assert outcome.last == first + len(values) - 1, "one block holds them"
        assert self._append(entry).accepted
        self.machine.state.check()
        return outcome

    def applied(self, *values: bytes) -> mmsb.Outcome:
        outcome = self.send(*values)
        assert [self.machine.explain(row) for row in outcome.outcomes] == ["applied"] * len(values)
        return outcome

    def rejection(self, value: bytes) -> tuple[mmsb.Rejection, str]:
        """Why this one is rejected, as a row and in words; the pages must stay as they are."""
        before = self.pages()
        outcome = self.send(value)
        [row] = outcome.outcomes
        assert row.status is mmsb.Status.REJECTED, row
        assert row.rejection is not None
        assert (self.pages(), list(outcome.deltas)) == (before, [])
        return row.rejection, self.machine.explain(row)

    def read(self, ref: mmsb.Ref[Any]) -> Any:
        return self.machine.read(mmsb.Query(ref))

    def pages(self) -> dict[Any, Any]:
        """Every page's epoch and body."""
        return {page: (epoch, body) for page, epoch, body in self.machine.state.pages}

    def replay(self) -> mmsb.Fold:
        fold = mmsb.Fold(self.tlog[0][1])
        for offset, (key, value) in enumerate(self.tlog[1:], start=1):
            fold.read(offset, key, value)
        fold.state.check()
        return fold


def rich(accounts: Sequence[int] = (1, 2)) -> Log:
    """A bank whose accounts hold 100 each."""
    log = Log()
    log.applied(*(mmsb.pack(bank.Open(n, f"owner {n}")) for n in accounts))
    log.applied(*(mmsb.pack(bank.Deposit(n, 100)) for n in accounts))
    return log
