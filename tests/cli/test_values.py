"""Keys and values as people type them, and as they are shown again."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmsb
from mmsb.cli.screen import Progress, Screen, table_lines
from mmsb.cli.values import parse_key, parse_value, shown, shown_key
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.json_values import json_value
from mmsb.schemas.layouts import PageLayout, place
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS, Array, Blob, Enumeration, Text, padded

COLOUR = Enumeration((("red", 1), ("green", 7)))
VALUES = [
    *((kind, text) for kind in INTEGERS.values() for text in (str(kind.minimum), "1", str(kind.maximum))),
    (FLOAT, "1.5"),
    (BOOLEAN, "true"),
    (BOOLEAN, "false"),
    (COLOUR, "green"),
    (Text(8), "a b"),
    (Blob(2), "00ff"),
    (Array(INTEGERS["i32"], 3), "[1, -2, 3]"),
]


@pytest.mark.parametrize(("kind", "text"), VALUES, ids=lambda value: str(getattr(value, "spelling", value)))
def test_what_is_shown_can_be_typed_again(kind, text):
    value = kind.unpack(kind.pack(parse_value(kind, text)))

    assert shown(json_value(kind, value)) == text


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (INTEGERS["u8"], "1.0", "expected u8, 0 to 255, found '1.0'"),
        (FLOAT, "much", "expected a number (f64), found 'much'"),
        (BOOLEAN, "yes", "expected true or false, found 'yes'"),
        (COLOUR, "blue", "expected one of red, green, found 'blue'"),
        (Blob(2), "0x", "expected 2 bytes as 4 hexadecimal digits, found '0x'"),
    ],
)
def test_what_cannot_be_a_value_says_what_could(kind, text, words):
    with pytest.raises(InvalidValue) as found:
        parse_value(kind, text)

    assert str(found.value) == words


def layout(*key) -> PageLayout:
    return PageLayout("Page", place([("n", INTEGERS["i64"], 0, ())]), key, (0,))


@given(st.integers(0, 2**64 - 1), st.text(st.characters(exclude_characters="\x00,[", codec="utf-8"), max_size=5))
def test_keys_of_several_parts_can_be_typed_again(number, text):
    pair = layout(INTEGERS["u64"], Text(padded(20)))
    key = pair.pack_key((number, text))

    assert parse_key(pair, shown_key(pair, key)) == key


def test_a_key_has_as_many_parts_as_its_page_says():
    assert parse_key(layout(Text(8)), "a,b") == layout(Text(8)).pack_key("a,b")
    with pytest.raises(InvalidValue, match=r"Page: expected a key of u64,text\(8\), found '1'"):
        parse_key(layout(INTEGERS["u64"], Text(8)), "1")
    with pytest.raises(mmsb.InvalidValue, match="expected a key as a,b or as JSON"):
        parse_key(layout(INTEGERS["u64"], Text(8)), "[1,")


def test_tables_align_numbers_to_the_right_and_show_nothing_as_a_dash():
    assert table_lines(("name", "n"), [("a", 10), ("bcdef", 5), (None, 1_000)]) == [
        "name      n",
        "a        10",
        "bcdef     5",
        "-      1000",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_and_nowhere_else():
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        with Progress("folding", out) as progress:
            progress.tell(5, 10)
            progress.tell(10, 10)

    assert "100 %  10" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == ""


def test_json_is_an_object_to_a_line_in_utf8():
    out = io.StringIO()
    Screen(True, out, io.StringIO()).record({"owner": "Zoë", "n": None})

    assert out.getvalue() == '{"owner":"Zoë","n":null}\n'
