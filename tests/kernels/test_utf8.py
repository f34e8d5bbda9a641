"""Text in bytes: what Python's strict decoder takes, and no NUL."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.utf8 import is_text
from mmsb.processors.intake import bytes_of
from mmsb.schemas.types import is_text as is_text_exactly

# Where well-formed sequences end and begin (Unicode, table 3-7), and a few between.
EDGES = (0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
         0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF)  # fmt: skip


def check(content: bytes, before: bytes = b"\x80", after: bytes = b"\x80") -> bool:
    """Whether it is text, which what lies around it does not change."""
    found = bool(is_text(bytes_of(before + content + after), len(before), len(content)))
    assert found == is_text_exactly(content), content
    return found


def test_every_two_bytes_are_judged_right():
    assert sum(check(bytes(pair)) for pair in product(range(256), repeat=2)) == 127 * 127 + 1920


@pytest.mark.parametrize("size", [1, 3, 4])
def test_the_edges_of_well_formed_sequences_are_kept(size):
    found = [check(bytes(content), after=b"") for content in product(EDGES, repeat=size)]
    assert any(found)
    assert not all(found)


@pytest.mark.parametrize("at", range(18))
@pytest.mark.parametrize(
    "piece", [b"\x00", b"\x80", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xc0\x80", b"\xe2\x82"]
)
def test_one_odd_character_is_seen_wherever_it_stands(at, piece):
    check(b"a" * at + piece + b"b" * (17 - at))
    check(b"\x7f" * at + piece)


@given(st.text() | st.text(st.characters(max_codepoint=0x7F)), st.binary(max_size=3))
def test_text_is_text(text, around):
    content = text.encode("utf-8", "surrogatepass")
    check(content, around, around)
    check(content[:-1], around, content[-1:] + around)


@given(st.binary(max_size=40), st.integers(0, 40))
def test_bytes_are_text_or_not(content, ascii_before):
    check(b"x" * ascii_before + content)
