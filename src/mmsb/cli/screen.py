"""What a command prints: tables for people, JSON lines for machines, and progress on stderr if somebody looks at it."""

import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final, TextIO

BAR_CELLS: Final = 30
REFRESH_SECONDS: Final = 0.1
_NUMERIC: Final = re.compile(r"-?[\d,.]*")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Screen:
    """Where results go. With `machine` they are JSON, an object to a line, and nothing else."""

    def __init__(self, machine: bool, out: TextIO, err: TextIO) -> None:
        self.machine = machine
        self._out = out
        self._err = err

    def record(self, found: dict[str, Any]) -> None:
        print(_ENCODER.encode(found), file=self._out)

    def line(self, text: str = "") -> None:
        print(text, file=self._out)

    def flush(self) -> None:
        self._out.flush()

    def note(self, text: str) -> None:
        """Beside the results."""
        print(text, file=self._err, flush=True)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        for line in table_lines(head, rows):
            self.line(line)

    def progress(self, what: str) -> "Progress":
        return Progress(what, self._err)


def table_lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Columns side by side; those of numbers are aligned to the right."""
    shown = [["-" if value is None else str(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(head, *shown, strict=True)]
    right = [bool(shown) and all(_NUMERIC.fullmatch(row[at]) for row in shown) for at in range(len(head))]
    return [_aligned(row, widths, right) for row in ([*head], *shown)]


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = [
        text.rjust(width) if numeric else text.ljust(width)
        for text, width, numeric in zip(row, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()


def counted(count: int, what: str) -> str:
    """`1 page`, `2 pages`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class Progress:
    """A bar that is drawn over itself, on a terminal; nothing anywhere else. May be told from a thread."""

    def __init__(self, what: str, err: TextIO) -> None:
        self._what = what
        self._err = err
        self._shows = err.isatty()
        self._begun = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def tell(self, done: int, total: int | None = None) -> None:
        now = time.monotonic()
        if not self._shows or (now - self._drawn < REFRESH_SECONDS and done != total):
            return
        self._drawn = now
        rate = done / max(now - self._begun, 1e-9)
        self._draw(f"{self._what}  {_bar(done, total)}  {rate:,.0f}/s")

    def say(self, text: str) -> None:
        """Something that has no measure."""
        if self._shows:
            self._draw(text)

    def clear(self) -> None:
        if self._shows and self._drawn:
            self._err.write("\r\x1b[K")
            self._err.flush()

    def _draw(self, text: str) -> None:
        self._drawn = self._drawn or time.monotonic()
        self._err.write(f"\r\x1b[K{text}")
        self._err.flush()


def _bar(done: int, total: int | None) -> str:
    if not total:
        return f"{done:,}"
    full = min(BAR_CELLS * done // total, BAR_CELLS)
    return f"{'█' * full}{'·' * (BAR_CELLS - full)} {100 * done // total:3d} %  {done:,}"


def standard(machine: bool) -> Screen:
    return Screen(machine, sys.stdout, sys.stderr)
