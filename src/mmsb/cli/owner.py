"""The owner of a data folder, asked one thing after another over its socket.

A command asks once and ends, so this blocks and loads neither asyncio's machinery nor NumPy; programs that have many
questions at a time use mmsb.streams.serving.client.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import EnvironmentFailed, MalformedBytes, OutcomeUnknown
from mmsb.state.pages import PageId
from mmsb.streams.door import About, StoredPage
from mmsb.streams.past.changes import Change, History
from mmsb.streams.serving import address, reads
from mmsb.streams.serving.changes import decode_changes, decode_history
from mmsb.streams.serving.faults import decode_fault
from mmsb.streams.serving.figures import decode_stats
from mmsb.streams.serving.frames import Frame, Kind, Splitter, encode_frame
from mmsb.streams.serving.hello import decode_about, encode_greeting
from mmsb.streams.serving.reads import CREDIT_MAX
from mmsb.streams.stats import PartitionStats, Stats

if TYPE_CHECKING:
    from mmsb.streams.checkpoints.manifest import Manifest
    from mmsb.streams.tickets import Receipt

HELLO_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
READ_BYTES: Final = 262_144


class _Lost(EnvironmentFailed):
    """Nobody answers any more."""


class Owner:
    """Whoever runs the folder; raises EnvironmentFailed if nobody does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = address.reach(folder)
        self._splitter = Splitter()
        self._frames: deque[Frame] = deque()
        self._last = 0
        try:
            self.about: About = decode_about(self._answer(Kind.HELLO, encode_greeting(), HELLO_SECONDS))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    @property
    def partition_count(self) -> int:
        return self.about.partition_count

    @property
    def descriptor(self) -> Descriptor:
        return self.about.descriptor

    def submit(self, intent: bytes, until: str, timeout: float | None) -> "Receipt":
        from mmsb.streams.serving.submissions import decode_receipt

        kind = Kind.SUBMIT if until == "settled" else Kind.SUBMIT_LOGGED
        try:
            return decode_receipt(self._answer(kind, intent, timeout))
        except _Lost as error:  # what the owner says itself, it knows
            advice = "it may be logged or not; submit it again with the same --id to learn it"
            raise OutcomeUnknown(f"{error}; {advice}") from error

    def get(self, partition: int, pages: list[PageId], at: int | None = None) -> list[tuple[int, bytes] | None]:
        asked = reads.encode_get(partition, CREDIT_MAX, pages, at)
        return [found for part in self._parts(Kind.GET, asked, ANSWER_SECONDS) for found in reads.decode_found(part)]

    def scan(self, partition: int, type_id: int, at: int | None = None) -> Iterator[StoredPage]:
        """All pages of a type, as of one moment, which is replayed if it is in the past."""
        asked = reads.encode_scan(partition, CREDIT_MAX, type_id, at)
        seconds = ANSWER_SECONDS if at is None else None
        return (page for part in self._parts(Kind.SCAN, asked, seconds) for page in reads.decode_stored(part))

    def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        return decode_history(
            self._answer(Kind.HISTORY, reads.encode_history(partition, CREDIT_MAX, page, limit), ANSWER_SECONDS)
        )

    def blame(self, partition: int, page: PageId, field: int | None, byte: int | None) -> Change | None:
        asked = reads.encode_blame(partition, CREDIT_MAX, page, field, byte)
        found = self._answer(Kind.BLAME, asked, ANSWER_SECONDS)
        return decode_changes(found)[0] if found else None

    def stats(self) -> Stats:
        return decode_stats(self._answer(Kind.STATS, reads.encode_stream(0, CREDIT_MAX), ANSWER_SECONDS))

    def stats_of(self, partition: int) -> PartitionStats | None:
        """None if it has another worker."""
        return next((each for each in self.stats().partitions if each.partition == partition), None)

    def checkpoint(self) -> "list[Manifest]":
        """One of each partition, made now; returns when they are verified, however long that takes."""
        from mmsb.streams.checkpoints.manifest import decode_manifests

        return decode_manifests(self._answer(Kind.CHECKPOINT, reads.encode_stream(0, CREDIT_MAX), None))

    def _answer(self, kind: Kind, body: bytes, seconds: float | None) -> bytes:
        return b"".join(self._parts(kind, body, seconds))

    def _parts(self, kind: Kind, body: bytes, seconds: float | None) -> Iterator[bytes]:
        """Each part of the answer; for each that was taken one more is asked for."""
        self._last = request = self._last + 1
        self._socket.settimeout(seconds)
        self._send(encode_frame(kind, request, body))
        while True:
            frame = self._receive(seconds)
            if frame.kind == Kind.FAULT:
                raise decode_fault(frame.body)
            if frame.kind != kind or frame.request != request:
                raise MalformedBytes("frame", f"an answer to request {request}", frame.request, 8)
            if frame.body:
                yield frame.body
            if frame.last:
                return
            self._send(encode_frame(Kind.CREDIT, request, reads.encode_credit(1)))

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except TimeoutError:
            raise _Lost(str(address.silent(self._folder, HELLO_SECONDS))) from None
        except OSError as error:
            raise self._gone() from error

    def _receive(self, seconds: float | None) -> Frame:
        while not self._frames:
            try:
                data = self._socket.recv(READ_BYTES)
            except TimeoutError:
                raise _Lost(str(address.silent(self._folder, seconds or 0))) from None
            except OSError as error:
                raise self._gone() from error
            if not data:
                raise self._gone()
            self._frames.extend(self._splitter.feed(data))
        return self._frames.popleft()

    def _gone(self) -> _Lost:
        return _Lost(f"{self._folder}: the process that runs it ended meanwhile; start it again")


OR_RUN_IT: Final = ", or add --app APP to run it meanwhile"  # of commands that have --app


def running(data: str, otherwise: str = "") -> Owner:
    """Whoever runs the folder; raises with what to do if nobody does, and what could be done `otherwise`."""
    owner = owner_of(Path(data))
    if owner is None:
        start = f"start one with `mmsb run APP --data {data}`{otherwise}"
        raise EnvironmentFailed(f"{data}: no process runs this data folder; {start}")
    return owner


def owner_of(folder: Path) -> Owner | None:
    """Whoever runs the folder, if anybody does and serves it."""
    try:
        return Owner(folder)
    except EnvironmentFailed as error:
        if folder.is_dir() and isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            return None
        raise
