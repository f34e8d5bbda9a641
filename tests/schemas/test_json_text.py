"""Strict JSON: what the standard library accepts, minus what is refused by name and place."""

import json
import math
import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.json_text import _Scanner, parse
from mmsb.schemas.rejections import Code, Refused
from tests.schemas.mutations import mutated

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
)
nested = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def documents(draw):
    value = draw(st.dictionaries(st.text(max_size=3), nested, max_size=4))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 1])))
    return text.encode("utf-8", "surrogatepass")


tokens = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", '"', '"a"', '"a":', "0", "-", "1", ".5", "e3", "e999", "E+", "NaN", "Infin",
         "ity", "true", "fals", "e", "null", " ", "\n", "\\", "\\u", "00e9", "\\ud83d", "\\ude00", "\x00", "é",
         "18446744073709551615", "\\n", "x"]
    ),
    max_size=14,
).map(lambda parts: ('{"k":' + "".join(parts)).encode())  # fmt: skip

suspects = documents() | mutated(documents()) | tokens | tokens.map(lambda data: data + b"}")


def outcome(read, data):
    """What was read, spelt so that 1, 1.0 and True differ and order counts; or code and position."""
    try:
        return repr(read(data))
    except Refused as refused:
        return refused.rejection.code, refused.rejection.value


def depth(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth, children), default=0)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for child in value:
            yield from strings(child)
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from (name, *strings(child))


def standard(data):
    """What the standard library reads, and the stricter rules that it breaks; None if it refuses."""
    broken = set()

    def members(pairs):
        if len(dict(pairs)) < len(pairs):
            broken.add(Code.JSON_DUPLICATE_KEY)
        return dict(pairs)

    def integer(digits):
        if not -(2**63) <= int(digits) < 2**64:
            broken.add(Code.JSON_INTEGER_RANGE)
        return int(digits)

    def number(literal):
        if not math.isfinite(float(literal)):
            broken.add(Code.JSON_NON_FINITE)
        return float(literal)

    try:
        value = json.loads(
            data.decode(), object_pairs_hook=members, parse_int=integer, parse_float=number, parse_constant=number
        )
    except ValueError:
        return None
    if depth(value) > 8:
        broken.add(Code.JSON_DEPTH)
    if any(0xD800 <= ord(character) <= 0xDFFF for text in strings(value) for character in text):
        broken.add(Code.JSON_LONE_SURROGATE)
    return value, broken


@given(suspects)
@example(b'{"k":[1,-0,-0.0,1e5,1E-5,0.1,18446744073709551615]}')
@example(b'{"k":"\\ud83d\\ude00\\u00e9\\/"}  \n')
def test_the_parser_agrees_with_the_standard_library(data):
    found = outcome(parse, data)
    expected = standard(data)
    if expected is None or not data.startswith(b"{"):
        assert isinstance(found, tuple)
    elif not expected[1]:
        assert found == repr(expected[0])
    elif expected[1] != {Code.JSON_DUPLICATE_KEY}:  # a value that a duplicate hides may break others
        assert isinstance(found, tuple)
        assert found[0] in expected[1] | {Code.JSON_DEPTH, Code.JSON_LONE_SURROGATE}
    else:
        assert isinstance(found, tuple)
        assert found[0] not in (Code.JSON_SYNTAX, Code.JSON_ENCODING)


@given(suspects)
def test_the_fast_parser_and_the_exact_scanner_agree(data):
    assume(data.decode(errors="ignore").encode() == data)
    assert outcome(parse, data) == outcome(lambda raw: _Scanner(raw).document(), data)


@given(suspects)
def test_up_to_the_position_of_a_syntax_error_nothing_is_wrong(data):
    found = outcome(parse, data)
    if found[0] != Code.JSON_SYNTAX:
        return
    position = found[1]
    assert isinstance(position, int)
    assert outcome(parse, data[: position + 1]) in (found, (Code.JSON_ENCODING, position))
    before = outcome(parse, data[:position])
    assert before == (Code.JSON_SYNTAX, position) or isinstance(before, str)


SYNTAX, RANGE, LONE = Code.JSON_SYNTAX, Code.JSON_INTEGER_RANGE, Code.JSON_LONE_SURROGATE
DUPLICATE, DEEP, INFINITE = Code.JSON_DUPLICATE_KEY, Code.JSON_DEPTH, Code.JSON_NON_FINITE


@pytest.mark.parametrize(
    ("data", "code", "position"),
    [
        (b"", SYNTAX, 0),
        (b"{", SYNTAX, 1),
        (b" {}", SYNTAX, 0),
        (b"[]", SYNTAX, 0),
        (b"\xef\xbb\xbf{}", SYNTAX, 0),
        (b"{}x", SYNTAX, 2),
        (b"{} \n{}", SYNTAX, 4),
        (b"{a", SYNTAX, 1),
        (b"{,", SYNTAX, 1),
        (b'{"a" 1}', SYNTAX, 5),
        (b'{"a":}', SYNTAX, 5),
        (b'{"a":1,}', SYNTAX, 7),
        (b'{"a":1 "b"', SYNTAX, 7),
        (b'{"a":[1,]}', SYNTAX, 8),
        (b'{"a":[1}', SYNTAX, 7),
        (b'{"a":[,', SYNTAX, 6),
        (b'{"a":01}', SYNTAX, 6),
        (b'{"a":-}', SYNTAX, 6),
        (b'{"a":-', SYNTAX, 6),
        (b'{"a":+1}', SYNTAX, 5),
        (b'{"a":.5}', SYNTAX, 5),
        (b'{"a":1.}', SYNTAX, 7),
        (b'{"a":1.5.', SYNTAX, 8),
        (b'{"a":1e}', SYNTAX, 7),
        (b'{"a":1e+}', SYNTAX, 8),
        (b'{"a":-NaN}', SYNTAX, 6),
        (b'{"a":Nope}', SYNTAX, 6),
        (b'{"a":Inf}', SYNTAX, 8),
        (b'{"a":-Infinit}', SYNTAX, 13),
        (b'{"a":trve}', SYNTAX, 7),
        (b'{"a":nul', SYNTAX, 8),
        (b'{"a":True}', SYNTAX, 5),
        (b"{'a':1}", SYNTAX, 1),
        (b'{"a\n":1}', SYNTAX, 3),
        ('{"é\t'.encode(), SYNTAX, 4),
        (b'{"a":"\\x"}', SYNTAX, 7),
        (b'{"a":"\\u12g4"}', SYNTAX, 10),
        (b'{"a":"\\u12', SYNTAX, 10),
        (b'{"a":"\\', SYNTAX, 7),
        (b'{"a":"b', SYNTAX, 7),
        (b'{"a":1}\x00', SYNTAX, 7),
        (b'{"a":"\xff"}', Code.JSON_ENCODING, 6),
        (b'{x"\xe2\x82"', Code.JSON_ENCODING, 3),
        (b'{"a":"\xed\xa0\x80"}', Code.JSON_ENCODING, 6),
        (b'{"a":1,"a":2}', DUPLICATE, 7),
        (b'{"a":1, "\\u0061":x', DUPLICATE, 8),
        (b'{"a":{"b":1,"b":2}}', DUPLICATE, 12),
        (b'{"a":NaN}', INFINITE, 5),
        (b'{"a":[-Infinity', INFINITE, 6),
        (b'{"a":Infinityx', INFINITE, 5),
        (b'{"a":1e999}', INFINITE, 5),
        (b'{"a":-1e309}', INFINITE, 5),
        (b'{"a":' + b"9" * 400 + b".0}", INFINITE, 5),
        (b'{"a":"x\\ud83dx"}', LONE, 7),
        (b'{"a":"\\ude00\\ud83d"}', LONE, 6),
        (b'{"a":"\\ud83d\\u0041"}', LONE, 6),
        (b'{"\\uD83D\\uD83D\\uDE00":1}', LONE, 2),
        (b'{"a":' * 8 + b"{", DEEP, 40),
        (b'{"a":' + b"[" * 100_000, DEEP, 12),
        (b'{"a":18446744073709551616}', RANGE, 5),
        (b'{"a":-9223372036854775809}', RANGE, 5),
        (b'{"a":' + b"1" * 100_000 + b"}", RANGE, 5),
        (b'{"a":"\\ud83d', SYNTAX, 12),
        (b'{"a":"\\ud83d\\uzz"}', LONE, 6),
        (b'{"a":"\\ud83d\\n"}', LONE, 6),
    ],
    ids=lambda value: repr(value[:24]) + str(len(value)) if isinstance(value, bytes) else None,
)
def test_it_is_refused_by_name_and_place(data, code, position):
    assert outcome(parse, data) == (code, position)


def test_what_is_just_allowed_is_accepted():
    deep = b'{"a":' * 7 + b"[]" + b"}" * 7
    assert depth(parse(deep)) == 8
    wide = b'{"a":[' + b"[]," * 20 + b"[]]}"
    assert parse(wide) == {"a": [[]] * 21}
    numbers = parse(b'{"b":-9223372036854775808,"a":18446744073709551615,"c":-0,"d":1e308,"e":1e-999,"f":-0.0}')
    assert repr(numbers) == repr({"b": -(2**63), "a": 2**64 - 1, "c": 0, "d": 1e308, "e": 0.0, "f": -0.0})
    assert parse(b'{"a":"\\\\ud800 \\u0000 \x7f"}') == {"a": "\\ud800 \x00 \x7f"}
    assert parse(b'{"a":{"x":1},"b":{"x":1}}') == {"a": {"x": 1}, "b": {"x": 1}}


def test_hostile_texts_take_no_time():
    size = 262_000
    started = time.perf_counter()
    for hostile in (b"[", b'"\\u0041', b"1", b'"', b"\\", b" ", b'{"a":', b"-", b'"\\ud83d\\ude00'):
        outcome(parse, (b'{"a":' + hostile * size)[:size])
    outcome(parse, b"{" + b",".join(b'"%d":1' % number for number in range(20_000)) + b"}")
    assert time.perf_counter() - started < 10


@given(nested)
def test_canonical_json_reads_back(value):
    try:
        data = canonical(value)
    except InvalidValue:
        return
    assert data.isascii()
    assert repr(parse_canonical(data)) == repr(json.loads(data))
    assert canonical(parse_canonical(data)) == data
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"\udc00": 1}], ids=repr)
def test_what_has_no_canonical_text_is_refused(value):
    with pytest.raises(InvalidValue):
        canonical([value])


@pytest.mark.parametrize(
    ("data", "position"),
    [
        (b'{"b":1,"a":2}', 2),
        (b'{"a": 1}', 5),
        (b'{"a":1}\n', 7),
        (b'["\xc3\xa9"]', 2),
        (b'["\\u00E9"]', 6),
        (b'["\\/"]', 2),
        (b"[1.50]", 4),
        (b"[1e2]", 2),
        (b"[-0]", 1),
        (b'{"a":1,"a":1}', 6),
        (b"[", 1),
        (b"", 0),
        (b"[NaN]", 0),
        (b"[1e999]", 0),
        (b'["\\ud800"]', 0),
        (b"[" * 100_000, 0),
        (b"1" * 5_000, 0),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
def test_another_spelling_is_malformed(data, position):
    with pytest.raises(MalformedBytes) as caught:
        parse_canonical(data)
    assert caught.value.position == position
