"""What is in one segment of a log, batch by batch, as far as it is sound."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mmsb.cli.exits import Exit
from mmsb.cli.past_rows import time_text
from mmsb.cli.screen import Screen
from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.tlog.records import peek
from mmsb.streams.files import RealFiles
from mmsb.streams.log.frames import Fault, walk
from mmsb.streams.log.segments import SCAN_BYTES

SHOWN: Final = 20  # batches at the begin that people are shown
HEAD: Final = ("offset", "records", "byte", "bytes", "time", "begins with")


def inspect_segment(path: Path, screen: Screen) -> int:
    if not path.stem.isdecimal():
        raise InvalidValue(f"{path}: expected a segment, named by its first offset in 20 digits; name one of those")
    found = Batches(path)
    rows: list[dict[str, Any]] = []
    for batch in found:
        if screen.machine:
            screen.record(batch)
        elif len(rows) < SHOWN:
            rows.append(batch)
    if not screen.machine:
        _show(screen, path, found, rows)
    return Exit.DONE if found.fault is None else Exit.FOUND


def _show(screen: Screen, path: Path, found: "Batches", rows: list[dict[str, Any]]) -> None:
    screen.table(HEAD, [tuple(row.values()) for row in rows])
    more = f" (the first {SHOWN} are shown)" if found.count > SHOWN else ""
    screen.line(f"{path}: {found.count:,} sound batches{more}, up to offset {found.next - 1}, {found.position:,} bytes")
    if found.fault is not None:
        fault = found.fault
        screen.line(f"then, at byte {fault.position:,}: expected {fault.expected}, found {fault.found}")
        screen.line("above the durable mark the next start cuts it off; `mmsb verify` says whether it is below")


class Batches:
    """Iterate over it once; then it says how far it came, and what ended it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.next = int(path.stem)
        self.count = 0
        self.position = 0
        self.fault: Fault | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        file = RealFiles().open(self._path, read_only=True)
        try:
            wanted = SCAN_BYTES
            while buffer := file.read(self.position, wanted):
                chain = walk(buffer, self.next)
                for start, end in zip(chain.starts.tolist(), chain.ends.tolist(), strict=True):
                    yield self._batch(buffer[start:end], self.position + start)
                self.position += chain.end
                if chain.fault is not None or (not chain.count and len(buffer) < wanted):
                    self.fault = self._fault(chain.fault, len(buffer), chain.needed)
                    return
                wanted = max(SCAN_BYTES, chain.needed)
        finally:
            file.close()

    def _batch(self, data: bytes, position: int) -> dict[str, Any]:
        records = read_batches(data)
        value = records.value(0)
        kind = peek(value)
        first, self.next = self.next, records.last + 1
        self.count += 1
        return {
            "offset": first,
            "records": len(records),
            "byte": position,
            "bytes": len(data),
            "time": time_text(1000 * int(records.time(0))),
            "begins_with": kind.name.lower() if kind else "an intent",
        }

    def _fault(self, fault: Fault | None, size: int, needed: int) -> Fault:
        if fault is None:
            return Fault(self.position, f"a batch of {needed} bytes", f"the end of the file after {size}")
        return Fault(self.position + fault.position, fault.expected, fault.found)
