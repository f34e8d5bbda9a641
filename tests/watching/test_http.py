"""The server of probes: what it answers, and that nobody who is slow, malformed or many takes it away from others."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import pytest

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.streams.watching import http
from mmsb.streams.watching.http import Address, Answer, HttpServer, parse_address
from tests.watching.asking import ask, asked, free_port, heard, say

LARGE = b"x" * (8 << 20)
HOST = b"\r\nHost: a\r\n\r\n"
REST = b" HTTP/1.1" + HOST


@asynccontextmanager
async def served() -> AsyncGenerator[int]:
    async def small() -> Answer:
        return Answer.of(HTTPStatus.OK, "well")

    async def large() -> Answer:
        return Answer(HTTPStatus.OK, LARGE)

    port = free_port()
    async with HttpServer(Address("127.0.0.1", port), {"/small": small, "/large": large}):
        yield port


def spoken(request: bytes) -> tuple[bytes, bytes]:
    """The status line and the body of what a server says to these bytes."""

    async def talk() -> bytes:
        async with served() as port:
            return await asyncio.to_thread(say, port, request)

    head, _, body = asyncio.run(talk()).partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (b"GET /small" + REST, HTTPStatus.OK, b"well"),
        (b"GET /small?name=x" + REST, HTTPStatus.OK, b"well"),
        (b"GET /small HTTP/1.0\r\n\r\n", HTTPStatus.OK, b"well"),
        (b"HEAD /small" + REST, HTTPStatus.OK, b""),
        (b"GET /large" + REST, HTTPStatus.OK, LARGE),
        (b"GET /nothing" + REST, HTTPStatus.NOT_FOUND, b"there is no /nothing; there are /small /large"),
        (b"HEAD /nothing" + REST, HTTPStatus.NOT_FOUND, b""),
        (b"POST /small" + REST, HTTPStatus.METHOD_NOT_ALLOWED, b"expected GET or HEAD, found POST"),
        (b"GET /small HTTP/2.0\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, b"expected HTTP/1.1, found 'HTTP/2.0'"),
        (b"GET /small HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST, b"expected one Host header, found 0"),
        (b"GET /small HTTP/1.1\r\nHost: a" + HOST, HTTPStatus.BAD_REQUEST, b"expected one Host header, found 2"),
        (b"GET small" + REST, HTTPStatus.BAD_REQUEST, b"expected a path that begins with /, found 'small'"),
        (b"GET /small" + HOST, HTTPStatus.BAD_REQUEST, b"expected METHOD PATH HTTP/1.1, found 'GET /small'"),
        (b"GET /small HTTP/1.1\r\n fold" + HOST, HTTPStatus.BAD_REQUEST, b"expected NAME: VALUE, found ' fold'"),
        (b"GET /small HTTP/1.1\r\nnone" + HOST, HTTPStatus.BAD_REQUEST, b"expected NAME: VALUE, found 'none'"),
        (b"\r\n\r\n", HTTPStatus.BAD_REQUEST, b"expected METHOD PATH HTTP/1.1, found ''"),
        (bytes(range(14, 256)) + HOST, HTTPStatus.BAD_REQUEST, b"expected METHOD PATH HTTP/1.1, found "),
    ],
)
def test_each_request_has_its_answer(request_bytes: bytes, status: HTTPStatus, body: bytes) -> None:
    line, found = spoken(request_bytes)

    assert line == f"HTTP/1.1 {status.value} {status.phrase}".encode()
    assert found.startswith(body)
    assert bool(found) is bool(body)


def test_a_request_that_is_too_large_is_told_the_limit() -> None:
    line, body = spoken(b"GET /small HTTP/1.1\r\nX: " + b"x" * http.REQUEST_BYTES_MAX + b"\r\n\r\n")

    assert line == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert body == b"REQUEST_BYTES_MAX: expected at most 8192 bytes\n"


def test_who_says_nothing_more_is_told_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.1)

    line, body = spoken(b"GET /small HTTP/1.1\r\nHo")

    assert line == b"HTTP/1.1 408 Request Timeout"
    assert body == b"REQUEST_SECONDS: expected a request within 0.1 s\n"


def test_who_hangs_up_halfway_harms_nobody() -> None:
    async def check() -> None:
        async with served() as port:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /sm")
            assert await asked(port, "/small") == (200, "well\n")

    asyncio.run(check())


def test_who_takes_no_answer_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)

    async def check() -> None:
        async with served() as port:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
                await asyncio.sleep(0.6)
                assert await asked(port, "/small") == (200, "well\n")
                assert 0 < len(await asyncio.to_thread(heard, connection)) < len(LARGE)

    asyncio.run(check())


def test_one_too_many_is_told_and_there_is_room_when_others_have_gone() -> None:
    async def check() -> None:
        async with served() as port:
            waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(http.CONNECTIONS_MAX)]
            status, body = await asked(port, "/small")
            assert (status, body) == (503, f"CONNECTIONS_MAX: {http.CONNECTIONS_MAX} are connected; come again\n")
            for each in waiting:
                each.close()
            await asyncio.sleep(0.05)
            assert await asked(port, "/small") == (200, "well\n")

    asyncio.run(check())


def test_hundreds_at_once_are_cut_off_and_nothing_stays() -> None:
    async def check() -> None:
        async with served() as port:
            waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * http.CONNECTIONS_MAX)]
            await asyncio.sleep(0.05)
            assert len(asyncio.all_tasks()) <= 2 * http.CONNECTIONS_MAX + 2
            waiting[-1].settimeout(5)
            assert waiting[-1].recv(1) == b"", "it was closed"
            for each in waiting:
                each.close()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(check())


def test_a_port_that_is_taken_is_named() -> None:
    async def check() -> None:
        async with served() as port:
            with pytest.raises(EnvironmentFailed, match=rf"127\.0\.0\.1:{port}: .*; name another \[HOST:\]PORT"):
                await HttpServer(Address("127.0.0.1", port), {}).__aenter__()

    asyncio.run(check())


def test_it_listens_on_ipv6_where_there_is_some() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")

    async def check() -> None:
        async def small() -> Answer:
            return Answer.of(HTTPStatus.OK, "well")

        port = free_port()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(HttpServer(parse_address(f"[::1]:{port}"), {"/small": small}))
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(ask, port, "/small")
            _, writer = await asyncio.open_connection("::1", port)
            writer.close()
            await writer.wait_closed()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9464", Address("127.0.0.1", 9464)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("worker-1:9464", Address("worker-1", 9464)),
        ("[::1]:9464", Address("::1", 9464)),
    ],
)
def test_an_address_is_a_port_or_a_host_and_a_port(text: str, found: Address) -> None:
    assert parse_address(text) == found
    assert parse_address(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "http", "0", "65536", ":9464", "::1:9464", "[::1]", "[here]:9464", "here:", "-1", "9464 ", "٣"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="http: expected"):
        parse_address(text)
