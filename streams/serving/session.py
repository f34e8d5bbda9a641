"""One client, as the owner of a data folder sees it: its requests become calls of the door, and their ends answers.

What a client can have of the owner is bounded: bytes that it submitted and that have not settled, above which nothing
more is read from it; questions at once; parts of answers, which it has to ask for. A frame that makes no sense ends
the connection, and nothing else.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from mmsb.processors.batching import Intents
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, MalformedBytes, MmsbError, OutcomeUnknown, Overloaded
from mmsb.streams.door import Door
from mmsb.streams.serving import address
from mmsb.streams.serving.answers import READERS, Answer, closed
from mmsb.streams.serving.columns import decode_intents, decode_values, encode_receipts
from mmsb.streams.serving.faults import encode_fault
from mmsb.streams.serving.frames import Frame, Kind, encode_frame
from mmsb.streams.serving.hello import check_greeting
from mmsb.streams.serving.limits import CALL_BYTES, IN_FLIGHT_BYTES_MAX, QUESTIONS_MAX
from mmsb.streams.serving.link import Link
from mmsb.streams.serving.reads import decode_credit
from mmsb.streams.serving.submissions import encode_receipt
from mmsb.streams.tickets import Receipt

HELLO_SECONDS: Final = 10.0
FLUSH_SECONDS: Final = 5.0  # how long a client may take to read its last answers

_SUBMISSIONS: Final = (Kind.SUBMIT, Kind.SUBMIT_LOGGED, Kind.SUBMIT_MANY, Kind.SUBMIT_VALUES)


class Session(Link):
    """`about` is what a client is greeted with; `left` is told when the connection has ended."""

    def __init__(self, door: Door, about: bytes, left: Callable[["Session"], None], refusal: MmsbError | None) -> None:
        super().__init__()
        self._door = door
        self._about = about
        self._left = left
        self._refusal = refusal
        self._greeted = False
        self._closing = False
        self._last = 0  # the highest request number
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._answers: dict[int, Answer] = {}
        self._in_flight = 0
        self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._deadline = self._loop.call_later(HELLO_SECONDS, self.abort)

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and not address.may_connect(connection):
            self._refusal = EnvironmentFailed("only the user who runs this data folder may connect; run as that user")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._deadline.cancel()
        for call in list(self._calls.values()):
            call.cancel()  # nobody is left to hear of it; what is logged settles all the same
        self._left(self)

    def pause_writing(self) -> None:
        self._writable.clear()
        self._steer()

    def resume_writing(self) -> None:
        self._writable.set()
        self._steer()

    def _steer(self) -> None:
        """Read on, or not: a client that takes no answers or has too much in flight has to wait."""
        limit = IN_FLIGHT_BYTES_MAX // 2 if self._paused else IN_FLIGHT_BYTES_MAX
        pause = self._closing or not self._writable.is_set() or self._in_flight > limit
        if pause != self._paused and self.open:
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def stop(self) -> None:
        """Take no more requests, answer those that are there, and close."""
        self._closing = True
        self._steer()
        for request in list(self._answers):
            self._calls[request].cancel()
        self._rest()

    def refuse(self, error: MmsbError) -> None:
        self._closing = True
        self.send(encode_frame(Kind.FAULT, 0, encode_fault(error)))
        self.finish()

    def _hang_up(self) -> None:
        """Say that nothing more comes, and let the client close: one that still writes would not read its answers."""
        self._transport.write_eof()
        if self._paused:
            self._transport.resume_reading()
        self._deadline.cancel()
        self._deadline = self._loop.call_later(FLUSH_SECONDS, self.abort)

    # Requests

    def received(self, frame: Frame) -> None:
        kind, last, request, body = frame
        if self._closing:
            return
        if self._refusal is not None:  # said only now, or the client would be writing and never read it
            raise self._refusal
        if kind == Kind.SUBMIT and self._greeted and last and request > self._last:  # nearly all of them
            self._last = request
            self._submit(request, body)
        elif kind in (Kind.CREDIT, Kind.CANCEL):
            self._steer_answer(Kind(kind), request, body)
        else:
            self._begin(Kind(kind), last, request, body)

    def _begin(self, kind: Kind, last: bool, request: int, body: bytes) -> None:
        if (kind == Kind.HELLO) == self._greeted or kind == Kind.FAULT:
            raise MalformedBytes("frame", "a hello, then requests", kind.name, 4)
        if not last or request <= self._last:
            raise MalformedBytes("frame", f"a whole request above {self._last}", request, 8)
        self._last = request
        if kind == Kind.HELLO:
            check_greeting(body)
            self._greeted = True
            self._deadline.cancel()
            self.send(encode_frame(Kind.HELLO, request, self._about))
        elif kind == Kind.SUBMIT_LOGGED:
            self._count(len(body))
            self._start(kind, request, self._door.submit(body, "logged", None), len(body))
        elif kind == Kind.SUBMIT_MANY:
            self._submit_many(request, body)
        elif kind == Kind.SUBMIT_VALUES:
            self._count(len(body))
            self._start(kind, request, self._values(decode_values(body)), len(body))
        else:
            self._ask(kind, request, body)

    def _steer_answer(self, kind: Kind, request: int, body: bytes) -> None:
        """What names another request, which may have ended meanwhile."""
        if not self._greeted or not 1 <= request <= self._last:
            raise MalformedBytes("frame", f"a request from 1 to {self._last}", request, 8)
        if kind == Kind.CREDIT:
            count = decode_credit(body)
            if request in self._answers:
                self._answers[request].grant(count)
        elif body:
            raise MalformedBytes("cancel", "no body", f"{len(body)} bytes", 0)
        elif request in self._calls:
            self._calls[request].cancel()

    # Submissions

    def _count(self, size: int) -> None:
        self._in_flight += size + CALL_BYTES
        if self._in_flight > IN_FLIGHT_BYTES_MAX:
            self._steer()

    def _release(self, size: int) -> None:
        self._in_flight -= size + CALL_BYTES
        if self._paused:
            self._steer()

    def _submit(self, request: int, intent: bytes) -> None:
        """Without a task, as long as the door has room."""
        self._count(len(intent))
        try:
            future = self._door.submit_nowait(intent)
        except Overloaded:
            self._start(Kind.SUBMIT, request, self._door.submit(intent, "settled", None), len(intent))
        except Exception as error:
            self._release(len(intent))
            self._fault(request, self._translated(Kind.SUBMIT, error))
        else:
            self._calls[request] = future
            future.add_done_callback(partial(self._ended, Kind.SUBMIT, request, len(intent)))

    def _submit_many(self, request: int, body: bytes) -> None:
        try:
            intents = decode_intents(body, self._door.about.descriptor)
        except InvalidValue as error:
            self._fault(request, error)
            return
        self._count(len(body))
        self._start(Kind.SUBMIT_MANY, request, self._many(intents), len(body))

    async def _many(self, intents: Intents) -> bytes:
        return encode_receipts(await self._door.submit_many(intents))

    async def _values(self, values: list[bytes]) -> bytes:
        return encode_receipts(await self._door.submit_values(values))

    # Questions

    def _ask(self, kind: Kind, request: int, body: bytes) -> None:
        answer = READERS[kind](body)
        if len(self._answers) >= QUESTIONS_MAX:
            self._fault(request, Overloaded(f"QUESTIONS_MAX: {QUESTIONS_MAX} are being answered on this connection"))
            return
        self._answers[request] = answer
        self._start(kind, request, self._answer(kind, request, answer), None)

    async def _answer(self, kind: Kind, request: int, answer: Answer) -> bytes:
        """Send all parts but the last one, which is what this gives."""
        held = b""
        async with closed(answer.parts(self._door)) as parts:
            async for part in parts:
                if held or answer.at_once:
                    await self._send_part(kind, request, answer, held or part)
                held = b"" if answer.at_once else part
        return held

    async def _send_part(self, kind: Kind, request: int, answer: Answer, part: bytes) -> None:
        await answer.take()
        await self._writable.wait()
        self.send(encode_frame(kind, request, part, last=False))

    # Ends

    def _start(self, kind: Kind, request: int, work: Coroutine[Any, Any, Any], size: int | None) -> None:
        task = self._loop.create_task(work)
        self._calls[request] = task
        task.add_done_callback(partial(self._ended, kind, request, size))

    def _ended(self, kind: Kind, request: int, size: int | None, call: "asyncio.Future[Any]") -> None:
        """Every request ends here, once, with the last frame of its answer."""
        del self._calls[request]
        self._answers.pop(request, None)
        if size is not None:
            self._release(size)
        if not self.open:
            return _notice(call)
        if call.cancelled():
            self._fault(request, _cancelled(kind, self._closing))
        elif (error := call.exception()) is not None:
            self._fault(request, self._translated(kind, error))
        else:
            result = call.result()
            single = isinstance(result, Receipt)
            self.send(encode_receipt(kind, request, result) if single else encode_frame(kind, request, result))
        self._rest()

    def _rest(self) -> None:
        if self._closing and not self._calls:
            self.finish()

    def _fault(self, request: int, error: MmsbError) -> None:
        self.send(encode_frame(Kind.FAULT, request, encode_fault(error)))

    def _translated(self, kind: Kind, error: BaseException) -> MmsbError:
        if isinstance(error, MmsbError):
            return error
        # A bug of ours: whoever runs the owner hears of it there, and the client what it means here.
        self._loop.call_exception_handler({"message": f"a client's {kind.name} failed", "exception": error})
        found = f"the owner of the folder failed: {type(error).__name__}: {error}; look at its output"
        if kind in _SUBMISSIONS:
            return OutcomeUnknown(f"{found}, and submit again with the same id")
        return EnvironmentFailed(found)


def _cancelled(kind: Kind, closing: bool) -> MmsbError:
    if kind in _SUBMISSIONS:
        return OutcomeUnknown("it was cancelled: it may be logged or not; submit it again with the same id to learn it")
    why = "the owner of the folder stops" if closing else "it was cancelled"
    return EnvironmentFailed(f"{why}; ask again when it runs")


def _notice(call: "asyncio.Future[Any]") -> None:
    """Look at an error that nobody is left to hear of, or asyncio complains that nobody did."""
    if not call.cancelled():
        call.exception()
