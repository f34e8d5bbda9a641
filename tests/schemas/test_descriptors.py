"""Descriptors: what a claim says of its bundle reads back, and nothing else is read."""

import contextlib
import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.canonical import canonical
from mmsb.schemas.descriptors import Descriptor, is_app_name, unpack_descriptor
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.layouts import IntentLayout, PageLayout, place
from mmsb.schemas.types import Blob, Text
from tests.golden.tlog import ACCOUNT, DESCRIPTOR, EVERY, REFUND, TRANSFER, U64

JSON = json.loads(DESCRIPTOR.pack())


def test_a_descriptor_reads_back_with_everything_in_it():
    again = unpack_descriptor(DESCRIPTOR.pack())
    assert again == DESCRIPTOR
    assert again.pages[1].key == EVERY.key
    assert again.pages[1].default_body == EVERY.default_body


def test_layouts_are_found_by_name_and_by_type():
    assert DESCRIPTOR.pages_by_name == {"Account": ACCOUNT, "Every": EVERY}
    assert DESCRIPTOR.layouts_by_type == {one.type_id: one for one in (ACCOUNT, EVERY, REFUND, TRANSFER)}


def test_a_descriptor_above_the_limit_is_not_written():
    with pytest.raises(InvalidValue, match="DESCRIPTOR_BYTES_MAX"):
        replace(DESCRIPTOR, messages=("m" * 524_288,)).pack()


@pytest.mark.parametrize("name", ["a", "a" * 200, "A-Z.a_z-0.9"])
def test_an_application_is_named_like_a_topic(name):
    assert is_app_name(name)


@pytest.mark.parametrize("name", ["", "a" * 201, "a b", "a/b", "é", "a\n", "\ud800"])
def test_no_application_is_named_otherwise(name):
    assert not is_app_name(name)


def changed(*path_and_value):
    """The JSON of DESCRIPTOR with another value at a path."""
    *path, last, value = path_and_value
    content = copy.deepcopy(JSON)
    place_of = content
    for step in path:
        place_of = place_of[step]
    place_of[last] = value
    return content


def refuse(content):
    with pytest.raises(MalformedBytes, match="descriptor"):
        unpack_descriptor(canonical(content))


def with_field(kind, **more) -> dict[str, Any]:
    """A descriptor of one page with one field of that type, whose type id is right if anything can be."""
    field: dict[str, Any] = {"bounds": [], "default": 0, "name": "a", "type": kind, **more}
    page: dict[str, Any] = {"fields": [field], "key": ["u64"], "name": "P", "partition_by": [0], "type": "0" * 16}
    return {"app": "bank", "hops_max": 8, "intents": [], "messages": [], "pages": [page]}


def typed(content) -> Any:
    """The same with the type id that the text asks for."""
    for kind, layouts in (("page", content["pages"]), ("intent", content["intents"])):
        for layout in layouts:
            fields = ",".join(f"{field['name']}:{field['type']}" for field in layout["fields"])
            key = f"({','.join(layout['key'])})" if kind == "page" else ""
            text = f"{kind} {layout['name']}{key}{{{fields}}}"
            layout["type"] = blake3(text.encode()).digest()[7::-1].hex()
    return content


def test_type_ids_are_of_the_text_in_the_documents():
    assert typed(copy.deepcopy(JSON)) == JSON
    assert unpack_descriptor(canonical(typed(with_field("i64")))).pages[0].type_id


@pytest.mark.parametrize(
    "content",
    [
        [],
        None,
        {},
        {**JSON, "more": 0},
        {name: JSON[name] for name in JSON if name != "messages"},
        changed("app", ""),
        changed("app", "a b"),
        changed("app", 7),
        changed("hops_max", 0),
        changed("hops_max", 256),
        changed("hops_max", True),
        changed("hops_max", 8.0),
        changed("messages", ["b", "a"]),
        changed("messages", ["a", "a"]),
        changed("messages", [""]),
        changed("messages", [1]),
        changed("messages", "ab"),
        changed("pages", {}),
        changed("pages", [JSON["pages"][1], JSON["pages"][0]]),
        changed("pages", [JSON["pages"][0], JSON["pages"][0]]),
        changed("intents", [JSON["intents"][1], JSON["intents"][0]]),
        changed("intents", [7]),
    ],
)
def test_a_descriptor_of_another_shape_or_order_is_malformed(content):
    refuse(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), "Accounts"),  # the type id is no longer that of the text
        (("type",), "bcac524d514ee915"),
        (("type",), "BCAC524D514EE914"),
        (("type",), 7),
        (("key",), ["i64"]),
        (("key",), []),
        (("key",), "u64"),
        (("partition_by",), []),
        (("partition_by",), [1]),
        (("partition_by",), [-1]),
        (("partition_by",), [True]),
        (("partition_by",), [0, 0]),
        (("partition_by",), [[]]),
        (("fields",), []),
        (("fields",), [7]),
        (("fields",), ["bounds default name type"]),
        (("fields", 1, "default"), None),
        (("fields", 1, "default"), 0.0),
        (("fields", 1, "default"), True),
        (("fields", 1, "default"), 2**63),
        (("fields", 0, "default"), "x" * 25),
        (("fields", 0, "default"), "a\x00"),
        (("fields", 0, "default"), 0),
        (("fields", 1, "bounds"), [["ge", 0], ["ge", 1]]),
        (("fields", 1, "bounds"), [["lt", 9], ["ge", 0]]),
        (("fields", 1, "bounds"), [["eq", 0]]),
        (("fields", 1, "bounds"), [["ge"]]),
        (("fields", 1, "bounds"), [["ge", 0, 0]]),
        (("fields", 1, "bounds"), [["ge", 0.0]]),
        (("fields", 1, "bounds"), [["ge", True]]),
        (("fields", 1, "bounds"), [["ge", 2**63]]),
        (("fields", 1, "bounds"), [[[], 0]]),
        (("fields", 0, "bounds"), [["ge", 0]]),  # of a text
        (("fields", 1, "members"), {"A": 0}),
    ],
)
def test_a_page_that_no_class_has_is_malformed(path, value):
    refuse(changed("pages", 0, *path, value))


@pytest.mark.parametrize(
    ("index", "name", "value"),
    [
        (0, "default", 1),
        (1, "members", {}),
        (1, "members", {"HIGH": 65_536, "LOW": 0}),
        (1, "members", {"HIGH": -1, "LOW": 0}),
        (1, "members", {"HIGH": True, "LOW": 0}),
        (1, "members", {"HIGH": 1, "LOW": 1}),
        (1, "members", ["HIGH", "LOW"]),
        (1, "default", "MIDDLE"),
        (1, "default", 0),
        (1, "default", []),
        (2, "default", 0),
        (2, "bounds", [["gt", -1]]),
        (4, "default", "AB0001"),
        (4, "default", "ab 00 01"),
        (4, "default", "ab00"),
        (4, "default", "ab000x"),
        (7, "default", [1, 2]),
        (7, "default", "123"),
        (7, "default", [1, 2, 40_000]),
        (7, "bounds", [["ge", -40_000]]),
        (8, "default", [0, 1.5]),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_malformed(index, name, value):
    refuse(changed("pages", 1, "fields", index, name, value))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("i65", {}),
        ("I64", {}),
        ("text(0)", {"default": ""}),
        ("text(01)", {"default": ""}),
        ("text(65537)", {"default": ""}),
        ("blob(65544)", {"default": "00" * 65544}),
        ("i64[1]", {"default": [0]}),
        ("i64[0]", {"default": []}),
        ("i64(3)", {"default": [0, 0, 0]}),
        ("time[2]", {"default": [0, 0]}),
        ("bool[2]", {"default": [False, False]}),
        ("enum", {}),
        ("text", {}),
        ("", {}),
        (7, {}),
    ],
)
def test_a_type_that_no_field_has_is_malformed(kind, more):
    refuse(typed(with_field(kind, **more)))


@pytest.mark.parametrize("key", ["time", "f64", "bool", "enum", "i64[2]", "text(257)", "blob(65536)", 7, []])
def test_a_key_of_another_type_or_too_long_is_malformed(key):
    content = with_field("i64")
    content["pages"][0]["key"] = [key]
    refuse(typed(content) if isinstance(key, str) else content)


@pytest.mark.parametrize("name", ["a b", "a:u8,b", "9a", "_a", "é", "", "a.b", "a\n"])
def test_names_are_those_of_classes_and_fields(name):
    content = with_field("i64")
    content["pages"][0]["fields"][0]["name"] = name
    refuse(typed(content))
    content = with_field("i64")
    content["pages"][0]["name"] = name
    refuse(typed(content))


def test_a_field_has_a_name_of_its_own_and_there_are_not_too_many():
    content = with_field("i8")
    field = content["pages"][0]["fields"][0]
    content["pages"][0]["fields"] = [field, field]
    refuse(typed(content))
    content["pages"][0]["fields"] = [{**field, "name": f"f{number}"} for number in range(1024)]
    assert len(unpack_descriptor(canonical(typed(content))).pages[0].fields) == 1024
    content["pages"][0]["fields"].append({**field, "name": "more"})
    refuse(typed(content))


def test_a_page_and_an_intent_have_different_names():
    page = PageLayout("Same", ACCOUNT.fields, ACCOUNT.key, (0,))
    refuse(Descriptor("bank", 8, (page,), (IntentLayout("Same", ()),), ()).to_json())


@pytest.mark.parametrize("way", [{"A": "A"}, {"A": "B", "B": "A"}, {"A": "B", "B": "C", "C": "B"}, {"A": "X"}])
def test_on_rejected_names_an_intent_and_leads_to_an_end(way):
    intents = tuple(IntentLayout(name, (), way.get(name)) for name in "ABC")
    refuse(Descriptor("bank", 8, (), intents, ()).to_json())
    ends = tuple(IntentLayout(name, (), to) for name, to in (("A", "C"), ("B", "A"), ("C", None)))
    assert unpack_descriptor(Descriptor("bank", 8, (), ends, ()).pack()).intents == ends


def test_a_long_chain_of_compensations_is_read_in_time():
    names = [f"I{number:05}" for number in range(6_000)]
    intents = tuple(IntentLayout(name, (), to) for name, to in zip(names, [*names[1:], None], strict=True))
    assert unpack_descriptor(Descriptor("bank", 8, (), intents, ()).pack()).intents == intents


def test_sizes_reach_their_limits():
    page = PageLayout("P", place([("a", Blob(65_536), bytes(65_536), ())]), (Text(248), U64), (0, 1))
    assert unpack_descriptor(Descriptor("bank", 255, (page,), (), ()).pack()).pages == (page,)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, DESCRIPTOR.pack() + b" ", DESCRIPTOR.pack()[:-1]])
def test_what_is_no_canonical_json_is_malformed(data):
    with pytest.raises(MalformedBytes):
        unpack_descriptor(data)


def paths(content, here=()):
    yield here
    if isinstance(content, dict | list):
        for step, inner in content.items() if isinstance(content, dict) else enumerate(content):
            yield from paths(inner, (*here, step))


PATHS = [path for path in paths(JSON) if path]
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(PATHS), ODD)
def test_an_odd_value_anywhere_is_refused_or_canonical(path, value):
    data = canonical(typed_if_possible(changed(*path, value)))
    with contextlib.suppress(MalformedBytes):
        assert unpack_descriptor(data).pack() == data


def typed_if_possible(content):
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        return typed(content)
    return content
