"""As much of HTTP/1.1 as probes and scrapers need: GET and HEAD of a few paths, one request to a connection.

What a stranger may cost is bounded: so many connections, so many bytes of a request, so much time for it and for taking
the answer. A body is not read, and the connection ends with the answer, so there is nothing to keep in step.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue

CONNECTIONS_MAX: Final = 32
REQUEST_BYTES_MAX: Final = 8_192  # the request line and all headers
REQUEST_SECONDS: Final = 5.0  # from the connection to the end of the headers
ANSWER_SECONDS: Final = 10.0  # that a client has to take its answer

PLAIN: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"

_METHODS: Final = ("GET", "HEAD")
_LOCAL: Final = "127.0.0.1"
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`PORT`, `HOST:PORT` or `[IPv6]:PORT`; without a host it is this machine alone."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    well = (host and (bracketed or ":" not in host)) if colon else True
    if not well or not (port.isascii() and port.isdecimal()) or not 1 <= int(port) <= 65_535:
        raise InvalidValue(f"http: expected [HOST:]PORT with a port from 1 to 65535, as 9464, found {text!r}")
    if bracketed and not _is_ipv6(host):
        raise InvalidValue(f"http: expected an IPv6 address in brackets, found {text!r}")
    return Address(host or _LOCAL, int(port))


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN
    allow: str = ""

    @classmethod
    def of(cls, status: HTTPStatus, text: str) -> "Answer":
        return cls(status, f"{text}\n".encode())

    def pack(self, head_only: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        if self.allow:
            lines.append(f"Allow: {self.allow}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if head_only else self.body)


class Refusal(Exception):
    """Carries the answer to a request that is not served."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.answer = Answer.of(status, text)


@dataclass(frozen=True)
class Request:
    method: str
    path: str


def parse_request(head: bytes) -> Request:
    """The request line and headers, with the empty line behind them; raises Refusal."""
    first, *headers = head.removesuffix(b"\r\n\r\n").decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not _is_token(parts[0]):
        raise _bad(f"expected METHOD PATH HTTP/1.1, found {first!r:.100}")
    method, target, version = parts
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"expected HTTP/1.1, found {version!r:.100}")
    if not target.startswith("/"):
        raise _bad(f"expected a path that begins with /, found {target!r:.100}")
    names = [_header_name(line) for line in headers]
    if version == "HTTP/1.1" and names.count("host") != 1:
        raise _bad(f"expected one Host header, found {names.count('host')}")
    return Request(method, target.partition("?")[0])


def _header_name(line: str) -> str:
    name, colon, _ = line.partition(":")
    if not colon or not _is_token(name):
        raise _bad(f"expected NAME: VALUE, found {line!r:.100}")
    return name.lower()


def _is_token(text: str) -> bool:
    return bool(text) and _TOKEN.issuperset(text)


def _bad(text: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, text)


Routes = Mapping[str, Callable[[], Awaitable[Answer]]]


class HttpServer:
    """`async with HttpServer(address, routes):` serves while it lasts."""

    def __init__(self, address: Address, routes: Routes) -> None:
        self._address = address
        self._routes = routes
        self._listener: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], None] = {}

    async def __aenter__(self) -> "HttpServer":
        try:
            self._listener = await asyncio.start_server(
                self._accept, self._address.host, self._address.port, limit=REQUEST_BYTES_MAX
            )
        except OSError as error:
            raise EnvironmentFailed(
                f"http: cannot listen on {self._address}: {error.strerror or error}; name another [HOST:]PORT, or end "
                "what has it"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None, "it was entered"
        self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        crowded = len(self._serving) >= CONNECTIONS_MAX
        if len(self._serving) >= 2 * CONNECTIONS_MAX:  # not even a word for those who come in hundreds
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer, crowded))
        self._serving[task] = None
        task.add_done_callback(self._serving.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, crowded: bool) -> None:
        try:
            data = await self._answer(reader, crowded)
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(data)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, TimeoutError):
            pass  # it has gone, or takes nothing: nobody is left to be told
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, crowded: bool) -> bytes:
        head_only = False
        try:
            request = await _read(reader)
            head_only = request.method == "HEAD"
            if crowded:
                raise Refusal(
                    HTTPStatus.SERVICE_UNAVAILABLE, f"CONNECTIONS_MAX: {CONNECTIONS_MAX} are connected; come again"
                )
            answer = await self._route(request)
        except Refusal as refusal:
            answer = refusal.answer
        return answer.pack(head_only)

    async def _route(self, request: Request) -> Answer:
        if request.path not in self._routes:
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no {request.path[:100]}; there are {' '.join(self._routes)}")
        if request.method not in _METHODS:
            text = f"expected {' or '.join(_METHODS)}, found {request.method:.20}\n".encode()
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, text, allow=", ".join(_METHODS))
        return await self._routes[request.path]()


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"REQUEST_BYTES_MAX: expected at most {REQUEST_BYTES_MAX} bytes"
        ) from None
    except TimeoutError:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT, f"REQUEST_SECONDS: expected a request within {REQUEST_SECONDS:g} s"
        ) from None
    return parse_request(head)
