"""The same transfers into SQLite and Redis, as durable as here, on the same disk.

Each keeps what its own users would: balances, and the ids by which a repeated transfer is known; SQLite the transfers
as well. Neither has a chained log, a digest, a history of pages or a replay. Rows are made before the clock starts.
"""

import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from bench.engine_bank import ACCOUNTS, Transfers
from bench.traffic import FUNDS

TOGETHER: Final = 1_000  # transfers in a transaction, or in a pipeline
_PATIENCE_SECONDS: Final = 10.0


class Rival(Protocol):
    name: str
    together: str

    def settle(self, asked: Transfers) -> float:
        """How many a second."""
        ...

    def close(self) -> None: ...


class Sqlite:
    """One transaction for each thousand, `synchronous=FULL`; a trigger moves the money, in SQLite's own code."""

    def __init__(self, folder: Path, journal: str) -> None:
        self.name = f"SQLite, journal_mode={journal}"
        self.together = "in a transaction"
        self._base = sqlite3.connect(folder / f"{journal}.db", isolation_level=None)
        self._base.executescript(f"PRAGMA journal_mode={journal}; PRAGMA synchronous=FULL; {_CACHE} {_TABLES}")
        self._base.execute("BEGIN")
        rows = ((number, f"owner {number}", FUNDS) for number in range(ACCOUNTS))
        self._base.executemany("INSERT INTO accounts VALUES (?, ?, '', ?, 0)", rows)
        self._base.execute("COMMIT")
        self._applied = 0

    def settle(self, asked: Transfers) -> float:
        rows = list(asked.rows())
        started = time.perf_counter()
        for start in range(0, len(rows), TOGETHER):
            self._base.execute("BEGIN")
            insert = "INSERT OR IGNORE INTO transfers VALUES (?4, ?1, ?2, ?3)"
            self._base.executemany(insert, rows[start : start + TOGETHER])
            self._base.execute("COMMIT")
        took = time.perf_counter() - started
        self._applied += asked.applied
        self._check()
        return len(rows) / took

    def _check(self) -> None:
        [(total, moves)] = self._base.execute("SELECT sum(balance), sum(moves) FROM accounts")
        assert total == ACCOUNTS * FUNDS, "transfers keep the sum of all balances"
        assert moves == 2 * self._applied, "what is not too much was applied"

    def close(self) -> None:
        self._base.close()


_CACHE: Final = "PRAGMA cache_size=-65536;"  # in KiB; its default of 2 MB would read from the disk

_TABLES: Final = """
CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT, number TEXT, balance INTEGER, moves INTEGER);
CREATE TABLE transfers (id BLOB PRIMARY KEY, src INTEGER, dst INTEGER, amount INTEGER) WITHOUT ROWID;
CREATE TRIGGER transfer AFTER INSERT ON transfers
WHEN (SELECT balance FROM accounts WHERE id = NEW.src) >= NEW.amount
BEGIN
    UPDATE accounts SET balance = balance - NEW.amount, moves = moves + 1 WHERE id = NEW.src;
    UPDATE accounts SET balance = balance + NEW.amount, moves = moves + 1 WHERE id = NEW.dst;
END;
"""


class Redis:
    """`appendfsync always`, and a script for each transfer, pipelined by the thousand."""

    def __init__(self, folder: Path) -> None:
        program = redis_server()
        assert program is not None, "whoever has it installed measures it"
        self.name = "Redis, appendfsync always"
        self.together = "in a pipeline"
        path = folder / "redis.socket"
        options = {"port": "0", "unixsocket": str(path), "dir": str(folder), "appendonly": "yes",
                   "appendfsync": "always", "save": ""}  # fmt: skip
        command = [program, *(part for name, value in options.items() for part in (f"--{name}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._socket = _connect(path)
        self._answers = self._socket.makefile("rb")
        [self._script] = self._ask([("SCRIPT", "LOAD", _SCRIPT)])
        self._ask([("SET", str(number), str(FUNDS)) for number in range(ACCOUNTS)])

    def settle(self, asked: Transfers) -> float:
        rows = [("EVALSHA", self._script, "3", str(src), str(dst), b"t" + id, str(amount))
                for src, dst, amount, id in asked.rows()]  # fmt: skip
        groups = [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]
        pipelines = [(_encode(group), len(group)) for group in groups]
        started = time.perf_counter()
        answers = [answer for encoded, count in pipelines for answer in self._exchange(encoded, count)]
        took = time.perf_counter() - started
        assert answers.count(b"1") == asked.applied, "what is not too much was applied"
        return len(rows) / took

    def _ask(self, commands: Sequence[Sequence[str | bytes]]) -> list[bytes]:
        return self._exchange(_encode(commands), len(commands))

    def _exchange(self, encoded: bytes, count: int) -> list[bytes]:
        self._socket.sendall(encoded)
        return [self._answer() for _ in range(count)]

    def _answer(self) -> bytes:
        """One of RESP's simple strings, integers and bulk strings."""
        line = self._answers.readline().rstrip()
        if line[:1] == b"$":
            return self._answers.read(int(line[1:]) + 2)[:-2]
        assert line[:1] in (b"+", b":"), f"Redis refuses: {line!r}"
        return line[1:]

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()


_SCRIPT: Final = """
if not redis.call('SET', KEYS[3], 1, 'NX') then return 2 end
if tonumber(redis.call('GET', KEYS[1])) < tonumber(ARGV[1]) then return 0 end
redis.call('DECRBY', KEYS[1], ARGV[1])
redis.call('INCRBY', KEYS[2], ARGV[1])
return 1
"""


def redis_server() -> str | None:
    """The program, where it is installed."""
    return shutil.which("redis-server")


def _connect(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            found.connect(str(path))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return found


def _encode(commands: Sequence[Sequence[str | bytes]]) -> bytes:
    """Commands as RESP writes them."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            data = word.encode() if isinstance(word, str) else word
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
