"""The client's end of a connection: requests on their way, and who waits for which answer."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final

from mmsb.schemas.errors import EnvironmentFailed, MalformedBytes, MmsbError, OutcomeUnknown
from mmsb.streams.door import About
from mmsb.streams.serving.faults import decode_fault
from mmsb.streams.serving.frames import Frame, Kind, encode_frame
from mmsb.streams.serving.hello import decode_about, encode_greeting
from mmsb.streams.serving.limits import CALL_BYTES, IN_FLIGHT_BYTES_MAX
from mmsb.streams.serving.link import Link
from mmsb.streams.serving.reads import encode_credit
from mmsb.streams.serving.room import Room

CREDIT: Final = 8  # parts of an answer that may be on their way: more is faster, and costs the owner more memory

_HELLO: Final = 1  # the first request's number


class Submission:
    """A request with one frame as its answer; `size` is what it takes of the room until then."""

    __slots__ = ("body", "decode", "future", "kind", "request", "size")

    def __init__(self, kind: Kind, body: bytes, decode: Callable[[bytes], Any]) -> None:
        self.kind = kind
        self.body = body
        self.size = len(body) + CALL_BYTES
        self.decode = decode
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.request = 0  # before it is sent

    def receive(self, body: bytes, last: bool) -> None:
        if not last:
            raise MalformedBytes("frame", "the only frame of an answer", "one that is not the last", 6)
        result = self.decode(body)
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: MmsbError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Question:
    """A request whose answer comes in parts, no more than were asked for."""

    size: Final = 0

    def __init__(self, kind: Kind, body: bytes) -> None:
        self.kind = kind
        self.body = body
        self.request = 0
        self._parts: deque[bytes] = deque()
        self._expected = CREDIT
        self._ended = False
        self._error: MmsbError | None = None
        self._turn: asyncio.Future[None] | None = None

    def receive(self, body: bytes, last: bool) -> None:
        if not last:
            self._expected -= 1
            if self._expected < 0:
                raise MalformedBytes("frame", "no more parts than were asked for", "one more", 0)
        if body:
            self._parts.append(body)
        self._ended = self._ended or last
        self._wake()

    def fail(self, error: MmsbError) -> None:
        self._error, self._ended = error, True
        self._wake()

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    async def parts(self, grant: Callable[[int], None]) -> AsyncGenerator[bytes]:
        """Each part, once; asks for more as they are taken."""
        taken = 0
        while True:
            while self._parts:
                yield self._parts.popleft()
                taken += 1
                if taken >= CREDIT // 2 and not self._ended:
                    self._expected += taken
                    grant(taken)
                    taken = 0
            if self._error is not None:
                raise self._error
            if self._ended:
                return
            self._turn = asyncio.get_running_loop().create_future()
            await self._turn


class Calls(Link):
    """Everything that a client has asked and not heard the end of."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.room = Room(IN_FLIGHT_BYTES_MAX)
        self.greeting: asyncio.Future[About] = self._loop.create_future()
        self._folder = folder
        self._calls: dict[int, Submission | Question] = {}
        self._last = _HELLO
        self._end: MmsbError | None = None  # why the connection has ended, or is about to
        self._quiet: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(encode_frame(Kind.HELLO, _HELLO, encode_greeting()))

    def pause_writing(self) -> None:
        self.room.shut(True)

    def resume_writing(self) -> None:
        self.room.shut(False)

    # Asking

    def check(self) -> None:
        """Raise if nothing can be asked any more."""
        if self._end is not None or not self.open:
            raise EnvironmentFailed(str(self._end or self._gone()))

    def begin(self, call: Submission | Question) -> None:
        """Send a request that has its room; from here on the owner may have it."""
        try:
            self.check()
        except EnvironmentFailed:
            self.room.leave(call.size)
            raise
        self._last = call.request = self._last + 1
        self._calls[call.request] = call
        self.send(encode_frame(call.kind, call.request, call.body))
        call.body = b""

    def cancel(self, request: int) -> None:
        """Tell the owner that nobody waits for this any more."""
        if request in self._calls and self.open:
            self.send(encode_frame(Kind.CANCEL, request))

    def grant(self, request: int, count: int) -> None:
        if request in self._calls and self.open:
            self.send(encode_frame(Kind.CREDIT, request, encode_credit(count)))

    async def close(self) -> None:
        """Wait for what was submitted, then end the connection."""
        while self.open and any(isinstance(call, Submission) for call in self._calls.values()):
            self._quiet = self._loop.create_future()
            await asyncio.wait([self._quiet, self.ended], return_when=asyncio.FIRST_COMPLETED)
        self._end = self._end or EnvironmentFailed("this connection was closed; connect again")
        self.finish()
        await self.ended

    # Hearing

    def received(self, frame: Frame) -> None:
        kind, last, request, body = frame
        call = self._calls.get(request)
        if call is None:
            self._receive_other(frame)
        elif kind == call.kind:
            call.receive(body, last)
        elif kind == Kind.FAULT and last:
            call.fail(decode_fault(body))
        else:
            raise MalformedBytes("frame", f"an answer to {call.kind.name}", f"kind {kind}", 4)
        if last and call is not None:
            self._leave(request, call)

    def _leave(self, request: int, call: Submission | Question) -> None:
        del self._calls[request]
        if call.size:
            self.room.leave(call.size)
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    def _receive_other(self, frame: Frame) -> None:
        if frame.kind == Kind.FAULT and not frame.request:
            raise decode_fault(frame.body)
        if frame.kind != Kind.HELLO or frame.request != _HELLO or self.greeting.done() or not frame.last:
            raise MalformedBytes("frame", "an answer to a request", f"kind {frame.kind}, {frame.request}", 8)
        self.greeting.set_result(decode_about(frame.body))

    # Ending

    def refuse(self, error: MmsbError) -> None:
        """The owner has said why it ends the connection, or what it says cannot be understood."""
        self._end = self._end or error
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        why = self._end or self._gone()
        self._end = why
        for call in self._calls.values():
            call.fail(self._failure(call, why))
        self._calls.clear()
        self.room.fail(EnvironmentFailed(f"nothing was submitted: {why}"))
        if not self.greeting.done():
            self.greeting.set_exception(why)

    def _gone(self) -> EnvironmentFailed:
        return EnvironmentFailed(
            f"{self._folder}: the process that runs this data folder has ended or closed the connection; start it "
            "again, then connect again"
        )

    def _failure(self, call: Submission | Question, why: MmsbError) -> MmsbError:
        if isinstance(call, Submission):
            return OutcomeUnknown(
                f"what was submitted may be in the log or not: {why}; then submit it again with the same id"
            )
        return EnvironmentFailed(str(why))
