"""A client of the probes, as blunt as a socket."""

import asyncio
import json
import socket
import time
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.kafka.cluster import free_ports

ASK_SECONDS = 10.0

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_port() -> int:
    [port] = free_ports(1)
    return port


def say(port: int, request: bytes, seconds: float = ASK_SECONDS) -> bytes:
    """What comes back until the server closes; TimeoutError if it says nothing for so long."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        connection.settimeout(seconds)
        connection.sendall(request)
        return heard(connection)


def heard(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(65_536):
        found += piece
    return found


def ask(port: int, path: str, seconds: float = ASK_SECONDS) -> tuple[int, str]:
    """Status and body."""
    head, _, body = say(port, f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode(), seconds).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def asked(port: int, path: str) -> tuple[int, str]:
    """The same, of a server that runs on this loop."""
    return await asyncio.to_thread(ask, port, path)


def answers(port: int) -> tuple[int, int, int]:
    """To the three questions."""
    return ask(port, "/alive")[0], ask(port, "/ready")[0], ask(port, "/progressing")[0]


def until(port: int, wanted: tuple[int, int, int], seconds: float = ASK_SECONDS) -> None:
    """Wait for these answers."""
    end = time.monotonic() + seconds
    while (found := answers(port)) != wanted:
        assert time.monotonic() < end, f"expected {wanted} within {seconds} s, found {found}"
        time.sleep(0.02)


def stats_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def figures(text: str) -> Figures:
    """Each sample by its name and labels, without the application's, which is the same everywhere."""
    return {
        (sample.name, frozenset((name, value) for name, value in sample.labels.items() if name != "app")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labelled(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())
