"""Row 4: each type takes its extremes bit for bit, and refuses what is beyond them with field and limit."""

import json
import struct
from enum import IntEnum
from typing import Any

import pytest

import mmsb
from mmsb import Code, f64, i8, i16, i32, i64, time, u8, u16, u32, u64
from tests.rows.bank import Log

app = mmsb.App("types")


class Mood(IntEnum):
    BAD = 1
    GOOD = 65_535


@app.page(key=u64)
class Every(mmsb.Page):
    an_i8: i8
    an_i16: i16
    an_i32: i32
    an_i64: i64
    an_u8: u8
    an_u16: u16
    an_u32: u32
    an_u64: u64
    an_f64: f64
    a_bool: bool
    a_mood: Mood
    a_text: str = mmsb.text(5)
    a_blob: bytes = mmsb.blob(3)
    a_time: time
    a_list: list[i16] = mmsb.array(2)


@app.intent
class Put(mmsb.Intent):
    an_i8: i8 = 0
    an_i16: i16 = 0
    an_i32: i32 = 0
    an_i64: i64 = 0
    an_u8: u8 = 0
    an_u16: u16 = 0
    an_u32: u32 = 0
    an_u64: u64 = 0
    an_f64: f64 = 0.0
    a_bool: bool = False
    a_mood: Mood = Mood.BAD
    a_text: str = mmsb.text(5, default="")
    a_blob: bytes = mmsb.blob(3, default=bytes(3))
    a_time: time = 0
    a_list: list[i16] = mmsb.array(2, default=[0, 0])

    def query(self):
        return Every[1]

    def delta(self, page: Every) -> None:
        page.an_i8 = self.an_i8
        page.an_i16 = self.an_i16
        page.an_i32 = self.an_i32
        page.an_i64 = self.an_i64
        page.an_u8 = self.an_u8
        page.an_u16 = self.an_u16
        page.an_u32 = self.an_u32
        page.an_u64 = self.an_u64
        page.an_f64 = self.an_f64
        page.a_bool = self.a_bool
        page.a_mood = self.a_mood
        page.a_text = self.a_text
        page.a_blob = self.a_blob
        page.a_time = self.a_time
        page.a_list[0] = self.a_list[0]
        page.a_list[1] = self.a_list[1]


INTEGERS = {
    **{f"an_i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"an_u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "a_time": (-(2**63), 2**63 - 1),
}
GOOD: list[tuple[str, Any]] = [
    *((name, value) for name, ends in INTEGERS.items() for value in ends),
    ("an_f64", -1.7976931348623157e308),
    ("an_f64", 1.7976931348623157e308),
    ("an_f64", 5e-324),
    ("an_f64", -0.0),
    ("a_bool", True),
    ("a_mood", Mood.GOOD),
    ("a_text", "12345"),
    ("a_text", "\u00e4\u00e4."),
    ("a_blob", b"\x00\xff\x00"),
    ("a_list", [-(2**15), 2**15 - 1]),
]


FIELDS = list(Put.__annotations__)


def field_number(name: str) -> int:
    return FIELDS.index(name) + 1


@pytest.mark.parametrize(("name", "value"), GOOD)
@pytest.mark.parametrize("write", [mmsb.pack, mmsb.pack_json])
def test_a_good_value_is_stored_bit_for_bit(name, value, write):
    log = Log(app)

    log.applied(write(Put(**{name: value})))

    stored = log.read(Every[1])
    assert {field: repr(getattr(stored, field)) for field in FIELDS} == {
        field: repr(getattr(Put(**{name: value}), field)) for field in FIELDS
    }


BEYOND = [
    *((name, low - 1, low, mmsb.Code.OUT_OF_RANGE) for name, (low, _) in INTEGERS.items() if low > -(2**63)),
    *((name, high + 1, high, mmsb.Code.OUT_OF_RANGE) for name, (_, high) in INTEGERS.items() if high < 2**64 - 1),
    ("a_text", "123456", 5, Code.TEXT_TOO_LONG),
    ("a_text", "\u00e4\u00e4\u00e4", 5, Code.TEXT_TOO_LONG),
    ("a_text", "a\0b", None, Code.BAD_TEXT),
    ("a_blob", "00ff0011", None, Code.BAD_BLOB),
    ("a_blob", "00ff", None, Code.BAD_BLOB),
    ("a_mood", "UGLY", None, Code.BAD_ENUM),
    ("a_bool", 1, None, Code.WRONG_TYPE),
    ("an_i8", 1.0, None, Code.WRONG_TYPE),
    ("a_list", [0, 2**15], 2**15 - 1, Code.OUT_OF_RANGE),
    ("a_list", [0], 2, Code.WRONG_SIZE),
]


@pytest.mark.parametrize(("name", "value", "limit", "code"), BEYOND)
def test_a_bad_value_is_rejected_with_field_and_limit(name, value, limit, code):
    log = Log(app)

    rejection, words = log.rejection(json.dumps({"@type": "Put", name: value}).encode())

    assert (rejection.code, rejection.field) == (code, field_number(name))
    assert limit is None or (rejection.bound == limit and str(limit) in words)
    assert f"Put.{name}" in words


@pytest.mark.parametrize("value", [-(2**63) - 1, 2**64])
def test_an_integer_that_no_type_holds_is_refused_where_it_stands(value):
    text = json.dumps({"@type": "Put", "an_i64": value})

    rejection, _ = Log(app).rejection(text.encode())

    assert (rejection.code, rejection.value) == (Code.JSON_INTEGER_RANGE, text.index(str(value)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_json_that_is_not_finite_is_refused_where_it_stands(number):
    text = f'{{"@type": "Put", "an_f64": {number}}}'

    rejection, _ = Log(app).rejection(text.encode())

    assert (rejection.code, rejection.value) == (Code.JSON_NON_FINITE, text.index(number))


PACKED = [
    ("an_f64", struct.pack("<d", 1.5), Put(an_f64=1.5), struct.pack("<d", float("nan")), Code.BAD_FLOAT),
    ("an_f64", struct.pack("<d", 1.5), Put(an_f64=1.5), struct.pack("<d", float("-inf")), Code.BAD_FLOAT),
    ("a_mood", b"\xff\xff", Put(a_mood=Mood.GOOD), b"\x02\x00", Code.BAD_ENUM),
    ("a_text", b"abcde", Put(a_text="abcde"), b"ab\x00de", Code.BAD_TEXT),
    ("a_text", b"abcde", Put(a_text="abcde"), b"abcd\xff", Code.BAD_TEXT),
]


@pytest.mark.parametrize(("name", "good", "intent", "bad", "code"), PACKED)
def test_bad_bytes_in_a_packed_intent_are_rejected_with_their_field(name, good, intent, bad, code):
    header, arguments = mmsb.pack(intent)[:16], mmsb.pack(intent)[16:]
    assert arguments.count(good) == 1

    rejection, words = Log(app).rejection(header + arguments.replace(good, bad))

    assert (rejection.code, rejection.field) == (code, field_number(name))
    assert f"Put.{name}" in words


@pytest.mark.parametrize(("name", "value", "limit", "code"), [row for row in BEYOND if row[3] is Code.OUT_OF_RANGE])
def test_a_client_is_told_before_it_sends(name, value, limit, code):
    with pytest.raises(mmsb.InvalidValue, match=str(limit)):
        Put(**{name: value})
