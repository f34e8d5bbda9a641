"""Text of Python while it grows: lines, indentation, fresh names, and the constants that a module begins with."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final

DEPTH_MAX: Final = 80  # Python reads no more than 100 levels of indentation


class Uncompilable(Exception):
    """What is right, but too large to be compiled; it runs interpreted."""


class Constants:
    """The u64 constants of a module, by value: Numba takes a bare integer for an i64."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def word(self, value: int) -> str:
        """The name of a u64."""
        value %= 2**64
        return self._names.setdefault(value, f"U{value:X}")

    def lines(self) -> list[str]:
        return [f"{name} = np.uint64({value:#x})" for value, name in sorted(self._names.items())]


class Source:
    """The lines of one function."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0
        self._temps = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    def extend(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.line(text)

    @contextmanager
    def block(self, header: str) -> Generator[None]:
        """What stands indented below a header."""
        self.line(header)
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise Uncompilable(f"its branches are nested deeper than {DEPTH_MAX}")
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self._depth -= 1

    def temp(self) -> str:
        self._temps += 1
        return f"t{self._temps}"

    def assign(self, text: str) -> str:
        """A fresh name for the value of an expression."""
        name = self.temp()
        self.line(f"{name} = {text}")
        return name
