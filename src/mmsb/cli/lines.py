"""`mmsb submit --jsonl`: lines logged as they are, many on their way at a time, and bounded in memory."""

import asyncio
import sys
import time
from argparse import Namespace
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol, cast

from mmsb.cli.exits import Exit
from mmsb.cli.owner import OR_RUN_IT, running
from mmsb.cli.owning import opened
from mmsb.cli.screen import Progress, Screen
from mmsb.cli.submit import receipt_json, topics
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, OutcomeUnknown, Overloaded
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.streams.door import Door
from mmsb.streams.kafka.cluster.url import is_url
from mmsb.streams.serving.client import Remote
from mmsb.streams.tickets import Receipt

ON_THE_WAY: Final = 10_000  # lines; whoever takes them bounds their bytes
READ_BYTES: Final = 262_144
LINE_BYTES_MAX: Final = 2 * INTENT_BYTES_MAX  # what is longer is no line; up to here it settles as rejected
ROOM_SECONDS: Final = 0.01
ORDER: Final = ("applied", "rejected", "duplicate", "noop", "quarantined")


def submit_lines(asked: Namespace, screen: Screen) -> int:
    _check(asked)
    if not asked.app and not is_url(asked.data):
        running(asked.data, OR_RUN_IT).close()
    with ExitStack() as stack:
        file = cast(Source, sys.stdin.buffer if asked.jsonl == "-" else stack.enter_context(open(asked.jsonl, "rb")))
        progress = stack.enter_context(screen.progress("submitting"))
        lines = Lines(screen, progress, file)
        try:
            asyncio.run(lines.submit(asked))
        finally:
            progress.clear()
            lines.show_summary()
    return Exit.REJECTED if lines.rejected else Exit.DONE


def _check(asked: Namespace) -> None:
    for name in ("id", "actor", "reason", "correlation", "causation", "timeout"):
        if getattr(asked, name) is not None:
            raise InvalidValue(f'--{name} is for one intent; lines have their own, as in {{"@type": …, "@{name}": …}}')
    if asked.until != "settled":
        raise InvalidValue("--until logged is for one intent; lines are reported as they settle")


@asynccontextmanager
async def _door(asked: Namespace) -> AsyncGenerator[Door]:
    if is_url(asked.data):
        async with topics(asked) as door:
            yield door
    elif asked.app:
        async with opened(asked) as bus:
            yield bus.door
    else:
        async with Remote(Path(asked.data)) as door:
            yield door


class Source(Protocol):
    def read1(self, size: int) -> bytes:
        """What is there by now, as soon as something is; nothing at the end."""
        ...


class Lines:
    """Lines of one file on their way to one door."""

    def __init__(self, screen: Screen, progress: Progress, file: Source) -> None:
        self._screen = screen
        self._progress = progress
        self._file = file
        self._rest = b""  # of a line whose end was not read yet
        self._read_count = 0
        self._too_long: InvalidValue | None = None  # after the lines before it have settled
        self._on_the_way: deque[asyncio.Future[Receipt]] = deque()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._settled = 0
        self._begun = time.monotonic()

    @property
    def rejected(self) -> int:
        return sum(count for (status, _), count in self._counts.items() if status == "rejected")

    async def submit(self, asked: Namespace) -> None:
        try:
            async with _door(asked) as door:
                while (lines := await asyncio.to_thread(self._read)) is not None:
                    for line in lines:
                        await self._put(door, line)
                    self._take_settled(door)
                while self._on_the_way:
                    await self._take(door)
                if self._too_long is not None:
                    raise self._too_long
        except (OutcomeUnknown, EnvironmentFailed) as error:
            raise self._unknown(error) from error
        finally:
            for future in self._on_the_way:
                if not future.cancel() and not future.cancelled():
                    future.exception()  # it failed as the first one did, of which was told

    def _read(self) -> list[bytes] | None:
        """The lines that are there by now; None at the end."""
        if self._too_long is not None:
            return None
        data = self._file.read1(READ_BYTES)
        if not data:
            last, self._rest = self._rest, b""
            return [last] if last else None
        *lines, self._rest = (self._rest + data).split(b"\n")
        sizes = (len(line) for line in (*lines, self._rest))
        too_long = next((at for at, size in enumerate(sizes) if size > LINE_BYTES_MAX), None)
        if too_long is not None:
            self._too_long = InvalidValue(
                f"line {self._read_count + too_long + 1} has more than {LINE_BYTES_MAX:,} bytes; those before it were "
                "submitted: look whether this is a file with an intent in each line"
            )
            return lines[:too_long]
        self._read_count += len(lines)
        return lines

    async def _put(self, door: Door, line: bytes) -> None:
        while True:
            try:
                self._on_the_way.append(door.submit_nowait(line))
                break
            except Overloaded:
                await (self._take(door) if self._on_the_way else asyncio.sleep(ROOM_SECONDS))
        if len(self._on_the_way) > ON_THE_WAY:
            await self._take(door)

    def _take_settled(self, door: Door) -> None:
        while self._on_the_way and self._on_the_way[0].done():
            self._note(door, self._on_the_way[0].result())

    async def _take(self, door: Door) -> None:
        self._note(door, await self._on_the_way[0])

    def _note(self, door: Door, receipt: Receipt) -> None:
        """What became of the oldest line that is on its way."""
        self._on_the_way.popleft()
        self._settled += 1
        found = receipt_json(door.about.descriptor, receipt)
        self._counts[found["status"], found["rejection"] or ""] += 1
        if self._screen.machine:
            self._screen.record({"line": self._settled, **found})
        self._progress.tell(self._settled)

    def _unknown(self, error: Exception) -> Exception:
        if not self._settled and not self._on_the_way:
            return error
        return OutcomeUnknown(
            f"{error}; {self._settled:,} lines have settled, and {len(self._on_the_way):,} after them may have: submit "
            'the file again, where lines with an "@id" apply only once'
        )

    def show_summary(self) -> None:
        if self._screen.machine or not self._settled:
            return
        rows = sorted(self._counts.items(), key=lambda row: (ORDER.index(row[0][0]), -row[1]))
        self._screen.table(("status", "why", "lines"), [(status, why, f"{n:,}") for (status, why), n in rows])
        seconds = max(time.monotonic() - self._begun, 1e-9)
        self._screen.line(f"{self._settled:,} lines in {seconds:.1f} s, {self._settled / seconds:,.0f}/s")
        self._screen.flush()
