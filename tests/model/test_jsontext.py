"""The model's JSON parser: exact codes and positions, and otherwise the standard library's opinion."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generator.hostile import damaged
from tests.model.jsontext import JsonError, canonical, parse


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        (b"", "json_syntax", 0),
        (b"[]", "json_syntax", 0),
        (b"{", "json_syntax", 1),
        (b'{"a" 1}', "json_syntax", 5),
        (b'{"a":1,}', "json_syntax", 7),
        (b'{"a":[1,]}', "json_syntax", 8),
        (b'{"a":01}', "json_syntax", 6),
        (b'{"a":1.}', "json_syntax", 7),
        (b'{"a":1e}', "json_syntax", 7),
        (b'{"a":trux}', "json_syntax", 8),
        (b'{"a":"\t"}', "json_syntax", 6),
        (b'{"a":"\\x"}', "json_syntax", 7),
        (b'{"a":"\\u00g0"}', "json_syntax", 10),
        (b'{"a":1} x', "json_syntax", 8),
        (b'{"a":1', "json_syntax", 6),
        (b'{"a":"\xff"}', "json_encoding", 6),
        (b'{"a":NaN, \xe2\x28}', "json_encoding", 10),
        (b'{"a":1, "a":2}', "json_duplicate_key", 8),
        (b'{"a":1, "\\u0061" x', "json_duplicate_key", 8),
        (b'{"a":NaN}', "json_non_finite", 5),
        (b'{"a":-Infinity}', "json_non_finite", 5),
        (b'{"a":1e999}', "json_non_finite", 5),
        (b'{"a":"\\ud800"}', "json_lone_surrogate", 6),
        (b'{"a":"b\\udc00"}', "json_lone_surrogate", 7),
        (b'{"a":"\\ud83d\\u0041"}', "json_lone_surrogate", 6),
        (b'{"a":' + b"[" * 8 + b"}", "json_depth", 12),
        (b'{"a":18446744073709551616}', "json_integer_range", 5),
        (b'{"a":-9223372036854775809}', "json_integer_range", 5),
        (b'{"a":' + b"1" * 5000 + b"}", "json_integer_range", 5),
    ],
)
def test_refusals(text, code, position):
    with pytest.raises(JsonError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.position) == (code, position)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | FLOATS | st.integers(-(2**63), 2**64 - 1) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(st.dictionaries(st.text(), VALUES))
def test_the_standard_library_agrees(members):
    for text in (json.dumps(members), json.dumps(members, ensure_ascii=False), canonical(members)):
        try:
            assert repr(parse(text.encode(errors="surrogatepass"))) == repr(json.loads(text))
        except JsonError as error:
            assert error.code in ("json_lone_surrogate", "json_encoding", "json_depth")  # noqa: PT017


def test_what_only_one_of_both_accepts_has_a_name():
    rng = Random(1)
    for _ in range(3000):
        text = damaged(rng, b'{"@type": "Transfer", "n": -12.5e3, "s": "a\\u00e9\\n", "l": [1, true, null]}')
        try:
            ours = parse(text)
        except JsonError as error:
            assert 0 <= error.position <= len(text)  # noqa: PT017
            if error.code != "json_syntax":
                continue
            ours = None
        try:
            theirs = json.loads(text.decode())
        except ValueError:
            theirs = None
        assert repr(ours) == repr(theirs if isinstance(theirs, dict) else None)
