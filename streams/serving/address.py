"""Where the socket of a data folder is: the file `socket` in it, for its user alone.

The kernel takes paths of 107 bytes; one that is longer goes through the number of the open folder. Whoever holds the
folder's lock owns the file: one that is there was left by a process that was killed.
"""

import os
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.files import failed

SOCKET: Final = "socket"
BACKLOG: Final = 256
CONNECT_SECONDS: Final = 5.0
_PATH_BYTES_MAX: Final = 107
_MODE: Final = 0o600
_CREDENTIALS: Final = struct.Struct("<3i")  # process, user, group
_ROOT: Final = 0


@contextmanager
def _reachable(folder: Path) -> Generator[str]:
    """The socket's path, short enough for as long as the context lasts."""
    path = str(folder / SOCKET)
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield path
        return
    number = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{number}/{SOCKET}"
    finally:
        os.close(number)


def listen(folder: Path) -> socket.socket:
    """The socket of a folder whose lock the caller holds; it listens as soon as a server starts on it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove(folder)
        with _reachable(folder) as path:
            listener.bind(path)
            os.chmod(path, _MODE)  # nobody can connect before it listens
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise failed(folder / SOCKET, "listen there", error) from error
    return listener


def remove(folder: Path) -> None:
    try:
        os.unlink(folder / SOCKET)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(folder / SOCKET, "remove it", error) from error


def reach(folder: Path) -> socket.socket:
    """A connection to whoever runs the folder. Blocks if that one is busy."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_SECONDS)
        with _reachable(folder) as path:
            connection.connect(path)
        connection.setblocking(False)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        connection.close()
        raise nobody(folder) from error
    except TimeoutError as error:
        connection.close()
        raise silent(folder, CONNECT_SECONDS) from error
    except OSError as error:
        connection.close()
        raise failed(folder / SOCKET, "connect to it", error) from error
    return connection


def nobody(folder: Path) -> EnvironmentFailed:
    if not folder.is_dir():
        return EnvironmentFailed(
            f"{folder}: expected a data folder that a process runs, found no folder; name another, or a cluster as "
            "kafka://host:port"
        )
    return EnvironmentFailed(
        f"{folder}: no process runs this data folder; start one with `mmsb run` or `async with app.run(data=...)`, "
        "and connect again"
    )


def silent(folder: Path, seconds: float) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"{folder}: the process that runs this data folder did not answer within {seconds:g} s; look whether it is "
        "stopped or stuck, and connect again"
    )


def may_connect(connection: Any) -> bool:
    """Whether the process at the other end is this user's, or root's."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return user in (os.geteuid(), _ROOT)
