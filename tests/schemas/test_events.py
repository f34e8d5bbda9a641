"""Events: packed they read back, as JSON they say the same in a fixed order."""

import contextlib
import ctypes
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.errors import CorruptState, InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.events import Event, EventKind, event_json, field_mask, unpack_event
from mmsb.schemas.ids import id_text, make_id
from mmsb.schemas.layouts import PageLayout, place
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS
from tests.golden.events import AFTER, BEFORE, CHANGED, CREATED, DELETED
from tests.schemas.mutations import mutated
from tests.schemas.pages import ACCOUNT, EVERY, EVERY_BODY, bodies_of, keys_of

u64s = st.integers(0, 2**64 - 1)
ENVELOPE = (
    *("@event", "@page", "@key", "@partition", "@offset", "@ordinal", "@epoch", "@before"),
    *("@time", "@intent", "@cause", "@hops", "@fields"),
)


@st.composite
def events(draw, layouts=(ACCOUNT, EVERY)):
    layout = draw(st.sampled_from(layouts))
    old, new = draw(bodies_of(layout)), draw(bodies_of(layout))
    kinds = list(EventKind) if old != new else [EventKind.CREATED, EventKind.DELETED]
    kind = draw(st.sampled_from(kinds))
    offset = draw(st.integers(1, 2**63 - 2))
    before = None if kind == EventKind.CREATED else old
    after = None if kind == EventKind.DELETED else new
    return Event(
        kind,
        partition=draw(st.integers(0, 65_535)),
        offset=offset,
        ordinal=draw(st.integers(0, 7)),
        page_type=layout.type_id,
        key=draw(keys_of(layout)),
        epoch=0 if after is None else offset + 1,
        before=0 if before is None else draw(st.integers(1, offset)),
        time=draw(st.integers(0, 2**63 - 1)),
        intent_type=draw(u64s),
        cause=draw(st.binary(min_size=16, max_size=16)),
        hops=draw(st.integers(0, 65_535)),
        mask=field_mask(layout, before, after),
        body=after or b"",
    )


@given(events())
def test_an_event_reads_back(event):
    data = event.pack()
    assert len(data) == 88 + len(event.key) + len(event.mask) + len(event.body)
    assert unpack_event(data) == event


@given(mutated(events().map(Event.pack)) | st.binary(max_size=120))
def test_an_event_that_reads_is_the_one_that_is_written(data):
    with contextlib.suppress(CorruptState):
        assert unpack_event(data).pack() == data


def test_an_event_cut_or_continued_anywhere_is_reported():
    data = CHANGED.pack()
    for cut in (*(data[:size] for size in range(len(data))), data + b"\x00", data + bytes(8)):
        with pytest.raises(MalformedBytes):
            unpack_event(cut)


def test_another_magic_or_version_is_refused():
    data = CHANGED.pack()
    with pytest.raises(MalformedBytes, match="expected MME"):
        unpack_event(b"MMI" + data[3:])
    with pytest.raises(NewerFormat, match="expected version 1, found 2"):
        unpack_event(data[:3] + b"\x02" + data[4:])


def test_an_unknown_kind_is_refused():
    data = CHANGED.pack()
    for kind in (0, 4, 255):
        with pytest.raises(MalformedBytes, match="not a valid EventKind"):
            unpack_event(data[:4] + bytes([kind]) + data[5:])


@pytest.mark.parametrize(
    ("event", "wrong", "message"),
    [
        (CHANGED, {"partition": 65_536}, "partition of a changed event: expected 0 to 65535"),
        (CHANGED, {"hops": -1}, "hops"),
        (CHANGED, {"hops": 65_536}, "hops"),
        (CHANGED, {"ordinal": 8}, "ordinal"),
        (CHANGED, {"offset": -1}, "offset"),
        (CHANGED, {"epoch": 41}, "epoch of a changed event: expected 42, found 41"),
        (CHANGED, {"epoch": 0}, "epoch"),
        (DELETED, {"epoch": 43}, "epoch of a deleted event: expected 0"),
        (CHANGED, {"before": 0}, "epoch before of a changed event: expected 1 to 41"),
        (CHANGED, {"before": 42}, "epoch before"),
        (CREATED, {"before": 1}, "epoch before of a created event: expected 0, found 1"),
        (DELETED, {"before": 0}, "epoch before"),
        (CHANGED, {"time": -1}, "time"),
        (CHANGED, {"cause": bytes(15)}, "cause"),
        (CHANGED, {"key": b""}, "key: expected 8 to 256"),
        (CHANGED, {"key": bytes(9)}, "key"),
        (CHANGED, {"mask": b""}, "mask: expected 8 to 128"),
        (CHANGED, {"mask": bytes(8)}, "mask: expected one of a changed event"),
        (CREATED, {"mask": b"\x05" + bytes(7)}, "mask: expected one of a created event"),
        (CREATED, {"mask": b"\xff" * 8 + bytes(8)}, "mask: expected one of a created event"),
        (DELETED, {"mask": b"\x01" + bytes(7)}, "mask: expected one of a deleted event"),
        (CHANGED, {"body": b""}, "body: expected 8 to 65536"),
        (DELETED, {"body": bytes(8)}, "body: expected 0 to 0"),
    ],
)
def test_an_event_that_contradicts_itself_is_not_made(event, wrong, message):
    with pytest.raises(InvalidValue, match=message):
        replace(event, **wrong)


def test_the_mask_names_the_fields_whose_bytes_differ():
    assert CHANGED.fields == (1, 2)
    assert CREATED.fields == tuple(range(len(EVERY.fields)))
    assert DELETED.fields == ()
    assert field_mask(ACCOUNT, BEFORE, BEFORE) == bytes(8)
    for count in (1, 64, 65, 1024):
        layout = PageLayout(
            "Wide", place([(f"f{i}", INTEGERS["u8"], 0, ()) for i in range(count)]), (INTEGERS["u64"],), (0,)
        )
        mask = field_mask(layout, None, layout.default_body)
        assert len(mask) == 8 * -(-count // 64)
        assert int.from_bytes(mask, "little") == (1 << count) - 1
        last = field_mask(layout, layout.default_body, layout.pack([0] * (count - 1) + [1]))
        assert int.from_bytes(last, "little") == 1 << (count - 1)


def test_minus_zero_is_a_change():
    layout = PageLayout("Zero", place([("x", FLOAT, 0.0, ()), ("y", BOOLEAN, False, ())]), (INTEGERS["u64"],), (0,))
    assert field_mask(layout, layout.pack([0.0, True]), layout.pack([-0.0, True])) == b"\x01" + bytes(7)


def test_the_json_is_that_of_the_documents():
    assert event_json(CHANGED, ACCOUNT, "Transfer").decode() == (
        '{"@event":"changed","@page":"Account","@key":1,"@partition":0,"@offset":41,"@ordinal":0,"@epoch":42,'
        '"@before":17,"@time":1700000000000000,"@intent":"Transfer","@cause":"00010203-0405-0607-0809-0a0b0c0d0e0f",'
        '"@hops":0,"@fields":["balance","moves"],"owner":"ann","balance":90,"moves":3}'
    )


def test_values_are_written_as_in_json_intents():
    members = json.loads(event_json(CREATED, EVERY, "Transfer"))
    assert members["@key"] == [-3, 'é"\\', "010203"]
    assert {name: value for name, value in members.items() if not name.startswith("@")} == {
        "tiny": -7,
        "colour": "BLUE",
        "yes": True,
        "ratio": -0.5,
        "name": "ä\n",
        "steps": [1, -5, 3],
        "raw": "00abff",
        "at": 1_700_000_000_000_000,
        "waves": [1.0, 0.1],
        "big": 2**64 - 1,
        "small": 9,
    }
    text = event_json(CREATED, EVERY, "Transfer")
    assert 'é\\"\\\\'.encode() in text
    assert "ä\\n".encode() in text
    assert b'"waves":[1.0,0.1]' in text


@given(events())
def test_the_json_has_its_members_in_order_and_says_the_same(event):
    layout = {ACCOUNT.type_id: ACCOUNT, EVERY.type_id: EVERY}[event.page_type]
    text = event_json(event, layout, "Äpfel").decode()
    members = json.loads(text)
    fields = () if event.kind == EventKind.DELETED else tuple(layout.index_of)
    assert tuple(members) == (*ENVELOPE, *fields)
    assert members["@event"] == event.kind.name.lower()
    assert (members["@page"], members["@intent"]) == (layout.name, "Äpfel")
    assert make_id(members["@cause"]) == event.cause
    assert members["@cause"] == id_text(event.cause)
    assert [layout.index_of[name] for name in members["@fields"]] == list(event.fields)
    numbers = ("partition", "offset", "ordinal", "epoch", "before", "time", "hops")
    assert [members[f"@{name}"] for name in numbers] == [getattr(event, name) for name in numbers]
    assert text == json.dumps(members, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("event", "layout"),
    [
        (CHANGED, EVERY),
        (replace(CHANGED, key=bytes(16)), ACCOUNT),
        (replace(CHANGED, mask=b"\x08" + bytes(7)), ACCOUNT),
        (replace(CHANGED, mask=b"\x01" + bytes(15)), ACCOUNT),
        (replace(CHANGED, body=AFTER + bytes(8)), ACCOUNT),
        (replace(CHANGED, body=b"\xff" * 40), ACCOUNT),
        (replace(CREATED, key=b"\xff" * 32), EVERY),
        (replace(CREATED, body=EVERY_BODY[:2] + b"\x00\x09" + EVERY_BODY[4:]), EVERY),
    ],
)
def test_an_event_of_another_layout_is_not_written_as_json(event, layout):
    with pytest.raises(InvalidValue, match=f"expected an event of a page {layout.name}"):
        event_json(event, layout, "Transfer")


def test_a_c_compiler_would_lay_out_the_header_the_same():
    class Header(ctypes.LittleEndianStructure):
        _fields_ = (
            ("magic", ctypes.c_char * 4),
            ("kind", ctypes.c_uint16),
            ("hops", ctypes.c_uint16),
            ("partition", ctypes.c_uint32),
            ("ordinal", ctypes.c_uint32),
            ("offset", ctypes.c_int64),
            ("page_type", ctypes.c_uint64),
            ("epoch", ctypes.c_int64),
            ("before", ctypes.c_int64),
            ("time", ctypes.c_int64),
            ("intent_type", ctypes.c_uint64),
            ("cause", ctypes.c_uint8 * 16),
            ("key_words", ctypes.c_uint16),
            ("mask_words", ctypes.c_uint16),
            ("body_words", ctypes.c_uint32),
        )

    assert ctypes.sizeof(Header) == 88
    read = Header.from_buffer_copy(CREATED.pack())
    assert (read.kind, read.hops, read.partition, read.ordinal, read.offset) == (1, 2, 3, 1, 0)
    assert (read.page_type, read.epoch, read.before, read.time) == (EVERY.type_id, 1, 0, CREATED.time)
    assert (bytes(read.cause), read.key_words, read.mask_words) == (CREATED.cause, 4, 1)
    assert read.body_words == EVERY.size // 8
