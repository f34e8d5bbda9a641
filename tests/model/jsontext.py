"""The strict JSON parser: formats.md, section 5. Objects become dicts in the order written, arrays lists."""

import math
import re
from typing import Any

from tests.model.constants import I64_MIN, JSON_DEPTH_MAX, U64_MAX

SPACE = frozenset(b" \t\n\r")
DIGITS = frozenset(b"0123456789")
HEX = frozenset(b"0123456789abcdefABCDEF")
ESCAPES = {
    ord('"'): '"', ord("\\"): "\\", ord("/"): "/", ord("b"): "\b",
    ord("f"): "\f", ord("n"): "\n", ord("r"): "\r", ord("t"): "\t",
}  # fmt: skip
LOW_SURROGATE = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
LOW_SURROGATE_BEGUN = re.compile(rb"(\\(u([dD]([c-fC-F][0-9a-fA-F]?)?)?)?)?")
NUMBER_MIN = len("18446744073709551615")


class JsonError(ValueError):
    def __init__(self, code: str, position: int) -> None:
        super().__init__(f"{code} at {position}")
        self.code, self.position = code, position


def parse(data: bytes) -> dict[str, Any]:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise JsonError("json_encoding", error.start) from None
    if data[:1] != b"{":
        raise JsonError("json_syntax", 0)
    parser = _Parser(data)
    value = parser.value(1)
    parser.space()
    if parser.at < len(data):
        raise JsonError("json_syntax", parser.at)
    return value


class _Parser:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def peek(self) -> int:
        """The byte here, or −1 at the end."""
        return self.data[self.at] if self.at < len(self.data) else -1

    def syntax(self) -> JsonError:
        return JsonError("json_syntax", min(self.at, len(self.data)))

    def space(self) -> None:
        while self.peek() in SPACE:
            self.at += 1

    def word(self, word: bytes) -> None:
        for byte in word:
            if self.peek() != byte:
                raise self.syntax()
            self.at += 1

    def value(self, depth: int) -> Any:
        """`depth` counts the container that would begin here."""
        start, byte = self.at, self.peek()
        if byte in (ord("{"), ord("[")):
            if depth > JSON_DEPTH_MAX:
                raise JsonError("json_depth", start)
            self.at += 1
            return self.object(depth) if byte == ord("{") else self.array(depth)
        if byte == ord('"'):
            return self.text()
        for word, meaning in ((b"true", True), (b"false", False), (b"null", None)):
            if byte == word[0]:
                self.word(word)
                return meaning
        if byte == ord("N"):
            self.word(b"NaN")
            raise JsonError("json_non_finite", start)
        if byte == ord("I"):
            self.word(b"Infinity")
            raise JsonError("json_non_finite", start)
        if byte == ord("-") or byte in DIGITS:
            return self.number()
        raise self.syntax()

    def object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        self.space()
        if self.peek() == ord("}"):
            self.at += 1
            return members
        while True:
            start = self.at
            if self.peek() != ord('"'):
                raise self.syntax()
            name = self.text()
            if name in members:
                raise JsonError("json_duplicate_key", start)
            self.space()
            self.word(b":")
            self.space()
            members[name] = self.value(depth + 1)
            self.space()
            if self.peek() == ord("}"):
                self.at += 1
                return members
            self.word(b",")
            self.space()

    def array(self, depth: int) -> list[Any]:
        elements: list[Any] = []
        self.space()
        if self.peek() == ord("]"):
            self.at += 1
            return elements
        while True:
            elements.append(self.value(depth + 1))
            self.space()
            if self.peek() == ord("]"):
                self.at += 1
                return elements
            self.word(b",")
            self.space()

    def text(self) -> str:
        self.at += 1
        out: list[str] = []
        while True:
            start = self.at
            while self.at < len(self.data) and self.data[self.at] >= 32 and self.data[self.at] not in b'"\\':
                self.at += 1
            out.append(self.data[start : self.at].decode())
            byte = self.peek()
            if byte < 32:  # a control character, or the end
                raise self.syntax()
            if byte == ord('"'):
                self.at += 1
                return "".join(out)
            out.append(self.escape())

    def escape(self) -> str:
        start = self.at
        self.at += 1
        byte = self.peek()
        if byte in ESCAPES:
            self.at += 1
            return ESCAPES[byte]
        code = self.unit()
        if 0xD800 <= code < 0xDC00:
            if LOW_SURROGATE.match(self.data, self.at):
                low = int(self.data[self.at + 2 : self.at + 6], 16)
                self.at += 6
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
            if LOW_SURROGATE_BEGUN.fullmatch(self.data, self.at):
                raise JsonError("json_syntax", len(self.data))
        if 0xD800 <= code < 0xE000:
            raise JsonError("json_lone_surrogate", start)
        return chr(code)

    def unit(self) -> int:
        self.word(b"u")
        start = self.at
        for _ in range(4):
            if self.peek() not in HEX:
                raise self.syntax()
            self.at += 1
        return int(self.data[start : self.at], 16)

    def digits(self) -> None:
        if self.peek() not in DIGITS:
            raise self.syntax()
        while self.peek() in DIGITS:
            self.at += 1

    def number(self) -> int | float:
        start = self.at
        if self.peek() == ord("-"):
            self.at += 1
            if self.peek() == ord("I"):
                self.word(b"Infinity")
                raise JsonError("json_non_finite", start)
        if self.peek() == ord("0"):
            self.at += 1
        else:
            self.digits()
        whole = True
        if self.peek() == ord("."):
            whole = False
            self.at += 1
            self.digits()
        if self.peek() in (ord("e"), ord("E")):
            whole = False
            self.at += 1
            if self.peek() in (ord("+"), ord("-")):
                self.at += 1
            self.digits()
        literal = self.data[start : self.at].decode()
        if not whole:
            number = float(literal)
            if not math.isfinite(number):
                raise JsonError("json_non_finite", start)
            return number
        if len(literal) > NUMBER_MIN or not I64_MIN <= int(literal) <= U64_MAX:
            raise JsonError("json_integer_range", start)
        return int(literal)


def canonical(value: Any) -> str:
    """Canonical JSON: formats.md, section 11."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(canonical(element) for element in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(_escaped(character) for character in value) + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def _escaped(character: str) -> str:
    code = ord(character)
    if character in SHORT:
        return SHORT[character]
    if character in '"\\':
        return "\\" + character
    if 32 <= code < 127:
        return character
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 1023):04x}"
