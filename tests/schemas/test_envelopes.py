"""Envelopes: packed and JSON intents say the same in two ways, and what is wrong is named in a fixed order."""

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.envelopes import Envelope, read_envelope
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.ids import id_text, make_id, source_of
from mmsb.schemas.intents import json_intent, pack_intent
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source, unpack_source
from tests.schemas.mutations import mutated
from tests.schemas.test_metadata import metadata

ids = st.none() | st.binary(min_size=16, max_size=16)
numbers = st.integers(1, 2**63 - 1)
sources = st.builds(
    Source, st.just(FOLLOW_UP), st.binary(min_size=16, max_size=16), numbers, st.integers(1, 2**32 - 1)
) | st.builds(Source, st.just(OUTSIDE), st.binary(min_size=16, max_size=16), numbers, st.just(0))
arguments = st.integers(0, 5).flatmap(lambda words: st.binary(min_size=8 * words, max_size=8 * words))
packed = st.builds(
    pack_intent,
    st.integers(0, 2**64 - 1),
    arguments,
    id=ids,
    source=st.none() | sources,
    metadata=metadata.map(Metadata.pack),
)
jsons = st.builds(
    json_intent,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.dictionaries(st.sampled_from(["a", "b", "é"]), st.integers(0, 9), max_size=3),
    id=ids,
    metadata=metadata,
)


def rejection(value) -> Rejection:
    with pytest.raises(Refused) as caught:
        read_envelope(value)
    return caught.value.rejection


def reject_json(**members: object) -> Rejection:
    text = json.dumps({name.replace("at_", "@"): value for name, value in members.items()})
    return rejection(text.encode())


@given(st.integers(0, 2**64 - 1), arguments, ids, st.none() | sources, metadata)
def test_a_packed_intent_reads_back(type_id, content, identity, source, about):
    block = about.pack()
    data = pack_intent(type_id, content, id=identity, source=source, metadata=block)
    assert len(data) % 8 == 0
    assert read_envelope(data) == Envelope(type_id, None, identity, source, block, content)


@given(sources)
def test_a_source_row_reads_back(source):
    row = source.pack()
    assert len(row) == 32
    assert unpack_source(row) == source


@given(st.binary(min_size=32, max_size=32) | mutated(sources.map(Source.pack)))
def test_a_source_row_that_reads_is_the_one_that_is_written(row):
    with contextlib.suppress(MalformedBytes):
        assert unpack_source(row).pack() == row


@given(ids, metadata, st.none() | numbers)
def test_the_json_intent_agrees_with_the_packed_one_byte_for_byte(identity, about, number):
    source = None if number is None else Source(OUTSIDE, source_of("bank"), number, 0)
    name = None if number is None else "bank"
    text = json_intent("T", {}, id=identity, source=name, number=number, metadata=about)
    one, other = (
        read_envelope(text),
        read_envelope(pack_intent(1, b"", id=identity, source=source, metadata=about.pack())),
    )
    assert (one.id, one.source, one.metadata) == (other.id, other.source, other.metadata)


def test_the_example_reads_as_meant():
    value = b'{"@type": "Transfer", "@id": "order-17", "@actor": "alice", "src": 1, "dst": 2, "@version": 1}'
    block = Metadata(actor="alice").pack()
    expected = Envelope(None, "Transfer", make_id("order-17"), None, block, {"src": 1, "dst": 2})
    assert read_envelope(value) == expected


def test_what_is_no_intent_is_told_apart_from_what_is_too_large():
    assert rejection(None) == rejection(b"") == Rejection(Code.NOT_AN_INTENT, value=-1)
    assert rejection(b"[1]") == Rejection(Code.NOT_AN_INTENT, value=ord("["))
    assert rejection(b" {}") == Rejection(Code.NOT_AN_INTENT, value=ord(" "))
    for first in b"{Mx":
        value = bytes([first]) * (INTENT_BYTES_MAX + 1)
        assert rejection(value) == Rejection(Code.INTENT_TOO_LARGE, value=INTENT_BYTES_MAX + 1, bound=INTENT_BYTES_MAX)
    assert rejection(b"x" * INTENT_BYTES_MAX).code == Code.NOT_AN_INTENT


def header(magic=b"MMI", version=1, parts=0, kind=0, words=0) -> bytes:
    return struct.pack("<3sBBBHQ", magic, version, parts, kind, words, 7)


SOURCE = bytes(16)


@pytest.mark.parametrize(
    "value",
    [
        b"M",
        header()[:15],
        header(magic=b"MMX"),
        header()[:3] + b"\x02",
        header(parts=8),
        header(parts=128, version=1),
        header(kind=1),
        header(parts=2) + bytes(32),
        header(parts=2, kind=3) + SOURCE + struct.pack("<qII", 1, 0, 0),
        header(parts=2, kind=1) + SOURCE + struct.pack("<qII", 1, 0, 0),
        header(parts=2, kind=2) + SOURCE + struct.pack("<qII", 1, 1, 0),
        header(parts=2, kind=1) + SOURCE + struct.pack("<qII", 0, 1, 0),
        header(parts=2, kind=1) + SOURCE + struct.pack("<qII", -1, 1, 0),
        header(parts=2, kind=1) + SOURCE + struct.pack("<qII", 1, 1, 1),
        header(parts=2, kind=1) + SOURCE,
        header(parts=1) + bytes(15),
        header(parts=1) + bytes(17),
        header(words=1) + bytes(7),
        header(words=1) + bytes(9),
        header(words=65535),
        header() + b"\x00",
        header(parts=5, words=1) + bytes(23),
    ],
    ids=map(str, range(22)),
)
def test_a_malformed_packed_intent_is_refused(value):
    assert rejection(value) == Rejection(Code.MALFORMED)


def test_a_version_is_looked_at_before_the_rest_and_metadata_last():
    assert rejection(header(version=2, parts=255)) == Rejection(Code.UNKNOWN_VERSION, value=2)
    assert rejection(header(version=0)) == Rejection(Code.UNKNOWN_VERSION, value=0)
    assert rejection(header(parts=12) + b"\x02\x00") == Rejection(Code.MALFORMED)
    assert rejection(header(parts=4) + b"\x02\x00") == Rejection(Code.METADATA_VERSION, value=2)
    assert rejection(header(parts=4)) == Rejection(Code.MALFORMED)
    assert rejection(header(parts=4) + bytes(8)) == Rejection(Code.METADATA_VERSION, value=0)
    assert rejection(header(parts=4) + Metadata("a").pack() + bytes(8)) == Rejection(Code.MALFORMED_METADATA)


TOO_LONG = "x" * 257
MEMBERS: dict[str, list[object]] = {
    "@id": [1, None, "", TOO_LONG, [], True],
    "@actor": [1, None, "", TOO_LONG, "a\x00b"],
    "@reason": ["", "é" * 513, {}],
    "@correlation": ["", TOO_LONG, 1.5],
    "@causation": ["", TOO_LONG, False],
    "@trace": ["", "x" * 513, "\x00"],
    "@source": [1, "", TOO_LONG],
    "@number": [0, -1, 2**63, 1.0, "1", True, None],
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_bad_member_is_named(name):
    partners: dict[str, dict[str, object]] = {"@source": {"@number": 1}, "@number": {"@source": "bank"}}
    partner = partners.get(name, {})
    for value in MEMBERS[name]:
        assert reject_json(**{"@type": "T", name: value}, **partner) == Rejection(Code.BAD_MEMBER, value=name.encode())


def test_members_are_looked_at_in_the_order_of_the_rule_not_as_written():
    order = ["@version", "@type", *MEMBERS, "@other"]
    members: dict[str, int | str] = dict.fromkeys(reversed(order), 0)
    for name in order:
        found = reject_json(**members)
        if name == "@version":
            assert found == Rejection(Code.METADATA_VERSION, value=0)
        else:
            assert found == Rejection(Code.BAD_MEMBER, value=name.encode())
        if name == "@other":
            break
        members[name] = 1 if name in ("@version", "@number") else "text"
    del members["@other"]
    assert read_envelope(json.dumps(members).encode()).type_name == "text"


@pytest.mark.parametrize("version", ["1", 1.0, True, None])
def test_a_version_that_is_no_integer_has_no_value(version):
    assert reject_json(**{"@version": version, "@type": "T"}) == Rejection(Code.METADATA_VERSION)


@pytest.mark.parametrize("version", [0, 2, -1, 2**64 - 1])
def test_another_version_is_refused_by_number(version):
    assert reject_json(**{"@version": version}) == Rejection(Code.METADATA_VERSION, value=version)


def test_the_type_must_be_there_and_text():
    assert rejection(b"{}") == Rejection(Code.MISSING_FIELD, value=b"@type")
    assert reject_json(**{"@type": 1}) == Rejection(Code.BAD_MEMBER, value=b"@type")


def test_of_source_and_number_the_missing_one_is_named():
    assert reject_json(**{"@type": "T", "@source": "bank"}).value == b"@number"
    assert reject_json(**{"@type": "T", "@number": 0}).value == b"@source"


def test_unknown_members_of_the_envelope_are_named_as_written():
    assert reject_json(**{"@type": "T", "@b": 1, "@a": 1}) == Rejection(Code.BAD_MEMBER, value=b"@b")
    assert reject_json(**{"@type": "T", "@": 1}) == Rejection(Code.BAD_MEMBER, value=b"@")


def test_a_json_intent_that_does_not_parse_is_refused_with_its_position():
    assert rejection(b'{"@type":}') == Rejection(Code.JSON_SYNTAX, value=9)


def test_ids_are_text_in_json():
    identity = bytes(range(16))
    text = json.loads(json_intent("T", {}, id=identity, metadata=Metadata(causation=identity)))
    assert text == {"@type": "T", "@id": id_text(identity), "@causation": id_text(identity)}
    assert json.loads(json_intent("T", {}, id="order-17"))["@id"] == "order-17"


@given(mutated(packed | jsons) | st.binary(max_size=64))
def test_mutated_intents_are_refused_or_read(value):
    try:
        envelope = read_envelope(value)
    except Refused:
        return
    if isinstance(envelope.arguments, bytes):
        assert envelope.type_id is not None
        again = pack_intent(
            envelope.type_id,
            envelope.arguments,
            id=envelope.id,
            source=envelope.source,
            metadata=envelope.metadata,
        )
        assert again == value


@given(packed)
def test_no_packed_intent_is_the_beginning_of_another(value):
    for end in range(len(value)):
        with pytest.raises(Refused):
            read_envelope(value[:end])


@pytest.mark.parametrize(
    "write",
    [
        lambda: pack_intent(1, bytes(7)),
        lambda: pack_intent(1, bytes(8 * 65536)),
        lambda: pack_intent(1, bytes(INTENT_BYTES_MAX - 8)),
        lambda: pack_intent(1, b"", id=bytes(15)),
        lambda: json_intent("T", {"@id": "x"}),
        lambda: json_intent("T", {"a": float("nan")}),
        lambda: json_intent("T", {"a": 2**64}),
        lambda: json_intent("T", {"a": "\ud800"}),
        lambda: json_intent("T", {"a": "x" * INTENT_BYTES_MAX}),
        lambda: json_intent("T", {}, id=""),
        lambda: json_intent("T", {}, id=bytes(3)),
        lambda: json_intent("T", {}, source="bank"),
        lambda: Source(FOLLOW_UP, bytes(16), 1, 0),
        lambda: Source(OUTSIDE, bytes(16), 1, 1),
        lambda: Source(OUTSIDE, bytes(16), 0, 0),
        lambda: Source(OUTSIDE, bytes(15), 1, 0),
    ],
    ids=map(str, range(16)),
)
def test_what_would_be_refused_is_not_written(write):
    with pytest.raises(InvalidValue):
        write()
