"""Strict JSON for intents (docs/formats.md, section 5).

`parse` accepts what `json.loads` does except what section 5 lists, and says at which byte it noticed. Well-formed
text takes the standard library's fast parser; whatever that refuses, or might have read otherwise than we must, the
exact scanner reads again from the start, and its word is final.
"""

import json
import math
import re
from typing import Final, NoReturn, TypeAlias

from mmsb.schemas.limits import JSON_DEPTH_MAX
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.types import I64_MIN, U64_MAX

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

_DIGITS_MAX: Final = 20  # of U64_MAX; more cannot be in range, and Python refuses to convert thousands of them


class _SuspicionError(ValueError):
    """The fast parser met something that only the exact scanner may judge."""


def parse(data: bytes) -> dict[str, JsonValue]:
    """The members of one JSON object, in the order written; raises Refused with code and position."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _refused(Code.JSON_ENCODING, error.start) from None
    if _is_plain(data):
        try:
            members: dict[str, JsonValue] = _FAST.decode(text)
            return members
        except (ValueError, RecursionError):
            pass  # the scanner says what and where
    return _Scanner(data).document()


def _is_plain(data: bytes) -> bool:
    """Whether the fast parser cannot overlook anything: no surrogates, and too few brackets to be too deep.

    Where it sees depth or surrogates that are not there (inside text), the exact scanner only costs time.
    """
    return (
        data[:1] == b"{"
        and data.count(b"{") + data.count(b"[") <= JSON_DEPTH_MAX
        and b"\\ud" not in data
        and b"\\uD" not in data
    )


def _members(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _SuspicionError
    return members


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX or not I64_MIN <= int(digits) <= U64_MAX:
        raise _SuspicionError
    return int(digits)


def _float(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise _SuspicionError
    return number


def _constant(_name: str) -> NoReturn:
    raise _SuspicionError


_FAST = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_float=_float, parse_constant=_constant)

_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS: Final[dict[int, tuple[bytes, JsonValue]]] = {
    ord("t"): (b"true", True),
    ord("f"): (b"false", False),
    ord("n"): (b"null", None),
}
_INFINITIES: Final = {ord("N"): b"NaN", ord("I"): b"Infinity"}
_ESCAPES: Final = dict(zip(b'"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))
_LOW_SURROGATE: Final = re.compile(rb"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_LOW_SURROGATE_BEGUN: Final = re.compile(rb"(\\(u([dD]([c-fC-F][0-9a-fA-F]?)?)?)?)?")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class _Scanner:
    """Reads from left to right, one method a production; `at` is the next byte to look at."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.depth = 0

    def document(self) -> dict[str, JsonValue]:
        if self._peek() != ord("{"):
            raise self._syntax()
        members = self._object()
        self._space()
        if self.at < len(self.data):
            raise self._syntax()
        return members

    def _peek(self) -> int:
        """The next byte; −1, which is no byte, at the end."""
        return self.data[self.at] if self.at < len(self.data) else -1

    def _syntax(self) -> Refused:
        return _refused(Code.JSON_SYNTAX, self.at)

    def _space(self) -> int:
        self.at = self._end_of(_SPACE)
        return self._peek()

    def _end_of(self, pattern: re.Pattern[bytes]) -> int:
        """Where the longest match from here ends; the patterns used match anywhere, if only nothing."""
        found = pattern.match(self.data, self.at)
        assert found is not None, "a pattern that matches nothing matches anywhere"
        return found.end()

    def _expect(self, word: bytes) -> None:
        for byte in word:
            if self._peek() != byte:
                raise self._syntax()
            self.at += 1

    def _value(self) -> JsonValue:
        byte = self._peek()
        if byte == ord('"'):
            return self._string()
        if byte == ord("{"):
            return self._object()
        if byte == ord("["):
            return self._array()
        if byte in _LITERALS:
            word, value = _LITERALS[byte]
            self._expect(word)
            return value
        return self._number()

    def _open(self) -> int:
        """Enter a container; gives the first byte inside that is not space."""
        if self.depth == JSON_DEPTH_MAX:
            raise _refused(Code.JSON_DEPTH, self.at)
        self.depth += 1
        self.at += 1
        return self._space()

    def _more(self, close: str) -> bool:
        """After an element: on to the next one, or out of the container."""
        byte = self._space()
        if byte not in (ord(","), ord(close)):
            raise self._syntax()
        self.at += 1
        return byte == ord(",")

    def _object(self) -> dict[str, JsonValue]:
        members: dict[str, JsonValue] = {}
        more = self._open() != ord("}")
        self.at += not more
        while more:
            if self._space() != ord('"'):
                raise self._syntax()
            start = self.at
            name = self._string()
            if name in members:
                raise _refused(Code.JSON_DUPLICATE_KEY, start)
            self._space()
            self._expect(b":")
            self._space()
            members[name] = self._value()
            more = self._more("}")
        self.depth -= 1
        return members

    def _array(self) -> list[JsonValue]:
        elements: list[JsonValue] = []
        more = self._open() != ord("]")
        self.at += not more
        while more:
            self._space()
            elements.append(self._value())
            more = self._more("]")
        self.depth -= 1
        return elements

    def _string(self) -> str:
        pieces: list[str] = []
        self.at += 1
        while True:
            end = self._end_of(_PLAIN)
            pieces.append(self.data[self.at : end].decode())
            self.at = end
            byte = self._peek()
            if byte == ord('"'):
                self.at += 1
                return "".join(pieces)
            if byte != ord("\\"):
                raise self._syntax()
            pieces.append(self._escape())

    def _escape(self) -> str:
        start = self.at
        self.at += 1
        byte = self._peek()
        if byte in _ESCAPES:
            self.at += 1
            return _ESCAPES[byte]
        unit = self._unit()
        if 0xDC00 <= unit <= 0xDFFF:
            raise _refused(Code.JSON_LONE_SURROGATE, start)
        if not 0xD800 <= unit <= 0xDBFF:
            return chr(unit)
        pair = _LOW_SURROGATE.match(self.data, self.at)
        if pair:
            self.at = pair.end()
            return chr(0x10000 + ((unit - 0xD800) << 10) + (int(pair[1], 16) - 0xDC00))
        if _LOW_SURROGATE_BEGUN.fullmatch(self.data, self.at):  # the text ends where a pair still could come
            self.at = len(self.data)
            raise self._syntax()
        raise _refused(Code.JSON_LONE_SURROGATE, start)

    def _unit(self) -> int:
        """The number in `uXXXX`."""
        self._expect(b"u")
        start = self.at
        while self.at < start + 4:
            if self._peek() not in _HEX:
                raise self._syntax()
            self.at += 1
        return int(self.data[start : self.at], 16)

    def _number(self) -> int | float:
        start = self.at
        self.at += self._peek() == ord("-")
        byte = self._peek()
        if byte in _INFINITIES and (byte == ord("I") or start == self.at):  # there is no -NaN
            self._expect(_INFINITIES[byte])
            raise _refused(Code.JSON_NON_FINITE, start)
        if byte == ord("0"):
            self.at += 1  # and no digit may follow
        else:
            self._digits()
        whole = self.at
        if self._peek() == ord("."):
            self.at += 1
            self._digits()
        if self._peek() in (ord("e"), ord("E")):
            self.at += 1
            self.at += self._peek() in (ord("+"), ord("-"))
            self._digits()
        return self._converted(start, is_integer=self.at == whole)

    def _digits(self) -> None:
        end = self._end_of(_DIGITS)
        if end == self.at:
            raise self._syntax()
        self.at = end

    def _converted(self, start: int, *, is_integer: bool) -> int | float:
        literal = self.data[start : self.at].decode()
        try:
            return _integer(literal) if is_integer else _float(literal)
        except _SuspicionError:
            code = Code.JSON_INTEGER_RANGE if is_integer else Code.JSON_NON_FINITE
            raise _refused(code, start) from None


def _refused(code: Code, position: int) -> Refused:
    return Refused(Rejection(code, value=position))
