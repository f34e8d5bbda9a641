"""Folds records of the TLog that others may have written, on the thread that the pages belong to."""

import asyncio
from collections.abc import Sequence

from mmsb.processors.intake import read_batches
from mmsb.processors.machine import Outcome
from mmsb.processors.writer import Entry, Writer
from mmsb.state.fold import Verdict
from mmsb.state.home.folding import brought, converting, note_changed
from mmsb.streams.opening import Opened, plans_for
from mmsb.streams.reading import Reads
from mmsb.streams.world import Worker

Read = Sequence[tuple[Verdict, Outcome | None]]
"""What became of records, in order, each with its outcome if it is a block of this process."""


class Folding:
    """Of one partition; whoever folds so does nothing else with it meanwhile but answer."""

    def __init__(self, opened: Opened, machine: asyncio.Lock, stepper: Worker, reads: Reads) -> None:
        self._opened = opened
        self._machine = machine
        self._stepper = stepper
        self._reads = reads

    async def read(self, batches: bytes) -> Read:
        """Fold those records of some batches that are not folded yet; none behind a claim that ends our reign."""
        async with self._machine:
            self._reads.at_boundary = False
            found = await self._stepper.run(self._read, batches)
            self._reads.at_boundary = True
        return found

    def _read(self, batches: bytes) -> Read:
        records, found = read_batches(batches), list[tuple[Verdict, Outcome | None]]()
        fold, writer = self._opened.fold, self._opened.claimed_by
        assert fold.next >= records.first, "a fold leaves out nothing"
        for index in range(fold.next - records.first, len(records)):
            found.append(self._read_one(records.key(index), records.value(index)))
            if writer is not None and writer.superseded:
                break
        return found

    def _read_one(self, key: bytes | None, value: bytes | None) -> tuple[Verdict, Outcome | None]:
        fold, home, writer = self._opened.fold, self._opened.home, self._opened.claimed_by
        with brought(fold, home, value):
            read = (fold.read(fold.next, key, value), None) if writer is None else writer.read(fold.next, key, value)
        verdict, outcome = read
        if verdict.value is not None and outcome is None:
            note_changed(home, verdict.value)
        return read

    async def migrate(self, writer: Writer) -> Entry:
        """The record that brings all pages to the layouts of the writer's claim."""
        async with self._machine:
            return await self._stepper.run(self._migrate, writer)

    def _migrate(self, writer: Writer) -> Entry:
        fold = self._opened.fold
        with converting(fold, self._opened.home):
            return writer.migrate([plan.migration for plan in plans_for(fold, writer.bundle)])
