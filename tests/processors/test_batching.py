"""Columns become the intents that `pack` writes one by one; what it refuses is refused here, by field and row."""

import enum
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmsb
from mmsb import f64, i8, i16, i64, u16, u64
from mmsb.processors.batching import MESSAGE_BYTES, batch_of
from mmsb.processors.columns import pack_columns
from mmsb.processors.intake import read_batches
from mmsb.processors.receipts import receipts_of
from mmsb.processors.requests import pack
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.classes import layout_of
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import BATCH_RECORDS_MAX, INTENT_BYTES_MAX
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.genesis import Genesis
from tests.proof.ways import INTERPRETED

app = mmsb.App("columns", generation=1)


class Colour(enum.IntEnum):
    RED = 3
    BLUE = 700


class Size(enum.IntEnum):
    LARGE = 3


@app.page(key=u64)
class Counter(mmsb.Page):
    count: i64


@app.intent
class Everything(mmsb.Intent):
    small: i8
    flag: bool
    short: u16
    colour: Colour
    name: str = mmsb.text(5)
    mark: bytes = mmsb.blob(3)
    big: u64
    at: mmsb.time
    ratio: f64
    pair: list[i16] = mmsb.array(2)
    ratios: list[f64] = mmsb.array(3)

    def query(self):
        return Counter[self.big]

    def delta(self, counter: Counter) -> None:
        counter.count += 1


@app.intent
class Nothing(mmsb.Intent):
    def query(self):
        return Counter[1]

    def delta(self, counter: Counter) -> None:
        counter.count += 1


@app.intent
class Large(mmsb.Intent):
    text: str = mmsb.text(65528)
    number: u64 = mmsb.field(default=7)

    def query(self):
        return Counter[self.number]

    def delta(self, counter: Counter) -> None:
        counter.count += 1


LAYOUT = layout_of(Everything)
ABOUT = Metadata(actor="alice", reason="because", correlation=bytes(range(16))).pack()
TIME = 1_700_000_000_123

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "small": st.integers(-128, 127),
            "flag": st.booleans(),
            "short": st.integers(0, 65535),
            "colour": st.sampled_from(Colour),
            "name": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5).filter(
                lambda text: len(text.encode()) <= 5
            ),
            "mark": st.binary(min_size=3, max_size=3),
            "big": st.integers(0, 2**64 - 1),
            "at": st.integers(-(2**63), 2**63 - 1),
            "ratio": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
            "pair": st.lists(st.integers(-32768, 32767), min_size=2, max_size=2),
            "ratios": st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        }
    ),
    min_size=1,
    max_size=5,
)

ROW: dict[str, Any] = {
    "small": -1,
    "flag": True,
    "short": 9,
    "colour": Colour.BLUE,
    "name": "né",
    "mark": b"a\0\0",
    "big": 2**64 - 1,
    "at": -5,
    "ratio": 0.5,
    "pair": [1, -2],
    "ratios": [1.0, -0.0, 3e300],
}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def arrays_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The same columns as NumPy has them."""
    columns = columns_of(rows)
    kinds = {"small": "i1", "short": ">u2", "colour": "i8", "big": "u8", "at": "i8", "ratio": "f8"}
    arrays: dict[str, Any] = {name: np.array(columns[name], kind) for name, kind in kinds.items()}
    arrays["flag"] = np.array(columns["flag"], np.bool_)
    arrays["name"] = np.array([name.encode() for name in columns["name"]], "S9")
    arrays["mark"] = np.frombuffer(b"".join(columns["mark"]), np.uint8).reshape(-1, 3)
    arrays["pair"] = np.asfortranarray(np.array(columns["pair"], np.int32))
    arrays["ratios"] = np.array(columns["ratios"])[:, ::1]
    return arrays


def values_of(intents) -> list[bytes]:
    return [intents.value(index) for index in range(len(intents))]


@given(ROWS)
def test_columns_are_what_pack_writes(rows):
    expected = [pack(Everything(**row)) for row in rows]
    assert values_of(pack_columns(LAYOUT, columns_of(rows))) == expected
    assert values_of(pack_columns(LAYOUT, arrays_of(rows))) == expected
    strided = {name: np.repeat(array, 2, axis=0)[::2] for name, array in arrays_of(rows).items()}
    assert values_of(pack_columns(LAYOUT, strided)) == expected
    flat = {name: column for name, column in columns_of(rows).items() if name not in ("pair", "ratios")}
    objects = {name: np.array(column, object) for name, column in flat.items()}
    assert values_of(pack_columns(LAYOUT, columns_of(rows) | objects)) == expected


@given(ROWS)
def test_other_spellings_of_the_same_columns(rows):
    expected = [pack(Everything(**row)) for row in rows]
    columns = columns_of(rows)
    columns["colour"] = [colour.name if index % 2 else int(colour) for index, colour in enumerate(columns["colour"])]
    columns["name"] = np.array(columns["name"], "U5")
    columns["mark"] = np.array(columns["mark"], "V3")
    columns["small"] = tuple(np.int64(small) for small in columns["small"])
    columns["flag"] = [np.bool_(flag) for flag in columns["flag"]]
    columns["pair"] = [tuple(pair) if index % 2 else np.array(pair) for index, pair in enumerate(columns["pair"])]
    assert values_of(pack_columns(LAYOUT, columns)) == expected
    columns["colour"] = np.array([Colour(colour).name for colour in arrays_of(rows)["colour"]])
    columns["pair"] = [[np.int64(one), two] for one, two in columns["pair"]]
    assert values_of(pack_columns(LAYOUT, columns)) == expected


def test_one_value_stands_for_all_rows():
    rows: list[dict[str, Any]] = [{**ROW, "big": big} for big in (1, 2, 3)]
    given_once = {**ROW, "big": [1, 2, 3]}
    expected = [pack(Everything(**row)) for row in rows]
    assert values_of(pack_columns(LAYOUT, given_once)) == expected
    scalars = {"small": np.int64(-1), "colour": "BLUE", "ratios": np.array([1.0, -0.0, 3e300]), "short": np.array(9)}
    assert values_of(pack_columns(LAYOUT, given_once | scalars)) == expected
    assert values_of(pack_columns(LAYOUT, ROW)) == [pack(Everything(**ROW))]
    assert (
        values_of(pack_columns(LAYOUT, ROW, ids=np.zeros((2, 2), np.uint64)))
        == [pack(Everything(**ROW), id=bytes(16))] * 2
    )


def test_fields_that_are_left_out_have_their_defaults():
    assert values_of(pack_columns(layout_of(Large), {"text": ["a", "b"]})) == [pack(Large("a")), pack(Large("b"))]
    assert values_of(pack_columns(layout_of(Nothing), {}, ids=["a", "b"])) == [pack(Nothing(), id=id) for id in "ab"]
    assert values_of(pack_columns(layout_of(Nothing), {})) == [pack(Nothing())]


def test_no_rows_are_columns_too():
    empty: dict[str, list[Any]] = {name: [] for name in LAYOUT.index_of}
    intents = pack_columns(LAYOUT, empty, ids=[])
    assert (len(intents), intents.arguments.shape, intents.batches(0, TIME)) == (0, (0, LAYOUT.size // 8), [])


IDS: list[Any] = ["order-17", uuid.UUID(int=2**127 + 5), bytes(range(16)), "0E0c3f1a-1111-2222-3333-444455556666"]


def test_ids_are_those_that_pack_makes():
    expected = [pack(Everything(**ROW), id=id, actor="alice") for id in IDS]
    about = Metadata(actor="alice").pack()
    intents = pack_columns(LAYOUT, {**ROW, "small": [-1] * 4}, ids=IDS, metadata=about)
    assert values_of(intents) == expected
    assert intents.ids is not None
    for ids in (intents.ids, intents.ids.view(np.uint8), np.repeat(intents.ids, 2, axis=0)[::2], tuple(IDS)):
        assert values_of(pack_columns(LAYOUT, ROW, ids=ids, metadata=about)) == expected
    part = intents.slice(1, 3)
    assert (len(part), values_of(part), part.value_bytes) == (2, expected[1:3], len(expected[0]))


def test_ids_may_be_an_array_of_texts():
    names = np.array(["order-17", "0E0c3f1a-1111-2222-3333-444455556666"])
    expected = [pack(Everything(**ROW), id=str(name)) for name in names]
    for ids in (names, names.astype(object), names.astype(np.dtypes.StringDType())):
        assert values_of(pack_columns(LAYOUT, ROW, ids=ids)) == expected


def test_ids_are_copied():
    ids = np.ones((2, 2), np.uint64)
    intents = pack_columns(LAYOUT, ROW, ids=ids)
    before = values_of(intents)
    ids[0] = 7
    assert values_of(intents) == before


def test_numbers_of_a_source_are_those_that_pack_makes():
    numbers = [1, 7, 2**63 - 1]
    for ids in (None, IDS[:3]):
        given = IDS[:3] if ids else [None] * 3
        expected = [
            pack(Everything(**ROW), id=id, source="orders", number=number)
            for id, number in zip(given, numbers, strict=True)
        ]
        intents = pack_columns(LAYOUT, ROW, ids=ids, source="orders", numbers=np.array(numbers))
        assert values_of(intents) == expected
        assert values_of(intents.slice(1, 3)) == expected[1:]
        assert values_of(intents.take(np.array([2, 0]))) == [expected[2], expected[0]]
        assert intents.value_bytes == len(expected[0])
        records = read_batches(intents.batches(5, TIME)[0].data)
        assert [records.value(row) for row in range(3)] == expected


BAD_NUMBERS: list[tuple[dict[str, Any], str]] = [
    ({"source": "a"}, "source and numbers go together"),
    ({"numbers": [1]}, "source and numbers go together"),
    ({"source": "a", "numbers": [0, 1]}, "Everything.numbers, row 0: expected 1 to 9223372036854775807, found 0"),
    ({"source": "a", "numbers": np.array([1, 2**63], np.uint64)}, "row 1: expected 1 to 9223372036854775807, found 92"),
    ({"source": "a", "numbers": [3, 3]}, "row 1: expected more than the 3 of the row before, found 3"),
    ({"source": "a", "numbers": [1.0, 2.0]}, "expected integers, one for each row, found float64 of shape (2,)"),
    ({"source": "", "numbers": [1, 2]}, "expected 1 to 256 bytes of UTF-8, found 0"),
    ({"source": "a", "numbers": [1, 2, 3]}, "expected columns of one length, found big of 2, numbers of 3"),
]


@pytest.mark.parametrize(("given", "message"), BAD_NUMBERS)
def test_other_numbers_are_refused(given, message):
    with pytest.raises(InvalidValue) as caught:
        pack_columns(LAYOUT, ROW | {"big": [1, 2]}, **given)
    assert message in str(caught.value)


BAD_IDS = [
    (np.zeros((2, 2), np.int64), "expected ids as n × 2 uint64 or n × 16 uint8, found int64 of shape (2, 2)"),
    (np.zeros((2, 3), np.uint64), "found uint64 of shape (2, 3)"),
    (np.zeros(4, np.uint64), "found uint64 of shape (4,)"),
    (np.array([b"a", b"b"]), "found |S1 of shape (2,)"),
    (["a", b"short"], "Everything.ids, row 1: expected an id of 16 bytes, found 5"),
    (["a", ""], "Everything.ids, row 1: expected 1 to 256 bytes of UTF-8, found 0"),
    ([7, "a"], "Everything.ids, row 0: expected an id as text, a UUID or 16 bytes, found 7"),
    ("ab", "expected an id for each row, found one: 'ab'"),
    (["a", "b", "c"], "expected columns of one length, found big of 2, ids of 3"),
]


@pytest.mark.parametrize(("ids", "message"), BAD_IDS)
def test_other_ids_are_refused(ids, message):
    with pytest.raises(InvalidValue) as caught:
        pack_columns(LAYOUT, ROW | {"big": [1, 2]}, ids=ids)
    assert message in str(caught.value)


BAD_COLUMNS: list[tuple[str, Any, str]] = [
    ("small", [0, 128], "row 1: expected i8, -128 to 127, found 128"),
    ("small", np.array([0, -129]), "row 1: expected i8, -128 to 127, found -129"),
    ("small", [0, 2**70], "row 1: expected i8"),
    ("small", [0, 1.0], "row 1: expected an integer, found 1.0"),
    ("small", [0, True], "row 1: expected an integer, found True"),
    ("small", [0, None], "row 1: expected an integer, found None"),
    ("small", [0, [1]], "row 1: expected an integer, found [1]"),
    ("small", [0, "1"], "row 1: expected an integer, found '1'"),
    ("small", np.array([0.0, 1.0]), "expected a column of i8, found float64 of shape (2,)"),
    ("small", np.array([False, True]), "found bool of shape (2,)"),
    ("small", np.zeros((2, 1), np.int8), "found int8 of shape (2, 1)"),
    ("small", np.array(["1", "2"]), "row 0: expected an integer, found '1'"),
    ("small", np.ma.masked_array([1, 2], [False, True]), "a masked array"),
    ("small", {1: 2}, "expected a column of i8, found object of shape ()"),
    ("small", 128, "Everything.small: expected i8, -128 to 127, found 128"),
    ("small", 1.0, "Everything.small: expected an integer, found 1.0"),
    ("small", None, "Everything.small: expected an integer, found None"),
    ("big", np.array([1, -1]), "row 1: expected u64, 0 to 18446744073709551615, found -1"),
    ("big", [0, -1], "row 1: expected u64"),
    ("at", np.array([0, 2**63], np.uint64), "row 1: expected time"),
    ("at", np.array(["2020-01-01", "2020-01-02"], "M8[us]"), "found datetime64[us] of shape (2,)"),
    ("flag", [True, 1], "row 1: expected True or False, found 1"),
    ("flag", np.array([0, 1]), "expected a column of bool, found int64 of shape (2,)"),
    ("colour", [3, 4], "row 1: expected one of RED, BLUE, found 4"),
    ("colour", ["RED", "GREEN"], "row 1: expected one of RED, BLUE, found 'GREEN'"),
    ("colour", np.array([3, 4]), "row 1: expected one of RED, BLUE, found 4"),
    ("colour", [Colour.RED, Size.LARGE], "row 1: expected a member of Colour, found <Size.LARGE: 3>"),
    ("colour", "GREEN", "Everything.colour: expected one of RED, BLUE, found 'GREEN'"),
    ("name", ["a", "sechs!"], "row 1: expected at most 5 bytes of UTF-8, found 6"),
    ("name", ["a", "ééé"], "row 1: expected at most 5 bytes of UTF-8, found 6"),
    ("name", ["a", "b\0"], "row 1: expected text without NUL characters"),
    ("name", ["a", "\ud800"], "row 1: expected text that UTF-8 can carry, found a lone surrogate"),
    ("name", ["a", b"b"], "row 1: expected text, found b'b'"),
    ("name", np.array([b"a", b"b\0c"]), "row 1: expected text without NUL characters"),
    ("name", np.array([b"a", b"sechs!"]), "row 1: expected at most 5 bytes of UTF-8, found 6"),
    ("name", np.array([b"a", b"\xff"]), "row 1: expected text as UTF-8, found"),
    ("name", np.array(["a", "sechs!"]), "row 1: expected at most 5 bytes of UTF-8, found 6"),
    ("mark", [b"abc", b"ab"], "row 1: expected 3 bytes, found 2"),
    ("mark", ["abc", "abc"], "row 0: expected bytes, found 'abc'"),
    (
        "mark",
        np.array([b"abc", b"ab"]),
        "expected a column of blob(3) as n × 3 uint8, V3 or a list of bytes",
    ),
    ("mark", np.zeros((2, 4), np.uint8), "found uint8 of shape (2, 4)"),
    ("ratio", [0.5, float("nan")], "row 1: expected a finite f64, found nan"),
    ("ratio", [0.5, 10**400], "row 1: expected a finite f64"),
    ("ratio", [0.5, True], "row 1: expected a number, found True"),
    ("ratio", np.array([0.5, np.inf]), "row 1: expected a finite f64, found inf"),
    ("ratio", np.array([0.5, 1], np.longdouble), "shape (2,)"),
    ("pair", [[1, 2], [3]], "row 1: expected 2 numbers, found 1"),
    ("pair", [[1, 2], [3, 40000]], "row 1: expected i16"),
    ("pair", [[1, 2], 3], "row 1: expected a list of 2 numbers, found 3"),
    ("pair", [1, 2, 3], "Everything.pair: expected 2 numbers, found 3"),
    ("pair", np.zeros((2, 3), np.int16), "expected a column of i16[2] with 2 columns, found int16 of shape (2, 3)"),
    ("pair", np.array([[1, 2], [3, 40000]]), "row 1: expected i16, -32768 to 32767, found 40000"),
    ("ratios", np.array([[1, 2, 3], [4, 5, np.nan]]), "row 1: expected a finite f64, found nan"),
    ("big", [1, 2, 3], "expected columns of one length, found big of 3, at of 2"),
]


@pytest.mark.parametrize(("name", "values", "message"), BAD_COLUMNS)
def test_what_does_not_fit_is_refused_by_field_and_row(name, values, message):
    with pytest.raises(InvalidValue) as caught:
        pack_columns(LAYOUT, ROW | {"at": [1, 2]} | {name: values})
    assert message in str(caught.value)
    assert f"Everything.{name}" in str(caught.value) or "one length" in message


def test_names_are_checked():
    with pytest.raises(InvalidValue, match="Everything has no field 'colours'; did you mean 'colour'"):
        pack_columns(LAYOUT, ROW | {"colours": 1})
    with pytest.raises(InvalidValue, match="Nothing has no field 'x'; it has none"):
        pack_columns(layout_of(Nothing), {"x": 1})
    with pytest.raises(InvalidValue, match="Everything: missing small, big; give a column, or one value"):
        pack_columns(LAYOUT, {name: value for name, value in ROW.items() if name not in ("small", "big")})


def test_metadata_must_be_a_block():
    with pytest.raises(InvalidValue, match="metadata: expected a block"):
        pack_columns(LAYOUT, ROW, metadata=b"actor")


def records_of(values: list[bytes]) -> list[Record]:
    return [Record(None, value, TIME) for value in values]


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("about", [b"", ABOUT])
@pytest.mark.parametrize("max_bytes", [400, 5_000, 50_000, MESSAGE_BYTES])
def test_batches_are_what_encode_batch_writes(ids, about, max_bytes):
    count = 9_000
    rng = np.random.default_rng(1)
    identity = rng.integers(0, 2**64, (count, 2), np.uint64) if ids else None
    columns = ROW | {"big": rng.integers(0, 2**64, count, np.uint64)}
    intents = pack_columns(LAYOUT, columns, ids=identity, metadata=about).slice(7, count)
    batches = intents.batches(40, TIME, max_bytes)
    values = values_of(intents)
    assert sum(batch.count for batch in batches) == len(intents)
    row = 0
    for batch in batches:
        assert batch.first == 40 + row
        assert bytes(batch.data) == encode_batch(batch.first, records_of(values[row : row + batch.count]))
        assert len(batch.data) <= max_bytes
        row += batch.count
        more = encode_batch(0, records_of(values[row - batch.count : row + 1]))
        assert row == len(values) or len(more) > max_bytes
    read = read_batches(b"".join(batch.data for batch in batches))
    assert (read.first, len(read), read.value(len(read) - 1)) == (40, len(values), values[-1])


def test_a_batch_never_has_too_many_records():
    intents = pack_columns(layout_of(Nothing), {}, ids=np.zeros((BATCH_RECORDS_MAX // 2, 2), np.uint64))
    batches = intents.batches(0, TIME, 2**40)
    assert max(len(batch.data) for batch in batches) <= 2**24
    assert sum(batch.count for batch in batches) == len(intents)


@pytest.mark.parametrize("text", ["", "a" * 65528])
def test_large_intents_have_long_lengths(text):
    intents = pack_columns(layout_of(Large), {"text": [text, "b", "c"]})
    batches = intents.batches(2**62, -5)
    assert bytes(batches[0].data) == encode_batch(2**62, [Record(None, value, -5) for value in values_of(intents)])
    single = intents.batches(0, TIME, 65_700)
    assert [batch.count for batch in single] == [1, 1, 1]
    with pytest.raises(InvalidValue, match=r"batches of up to 65000 bytes, found an intent that needs one of 656\d\d;"):
        intents.batches(0, TIME, 65_000)


def test_batches_lie_where_offsets_and_times_can_be():
    intents = pack_columns(layout_of(Nothing), {}, ids=["a", "b"])
    with pytest.raises(InvalidValue, match="expected offsets from 0"):
        intents.batches(-1, TIME)
    with pytest.raises(InvalidValue, match="expected offsets from 0"):
        intents.batches(2**63 - 1, TIME)
    with pytest.raises(InvalidValue, match="a time in milliseconds"):
        intents.batches(0, 2**63)
    assert intents.batches(2**63 - 2, -(2**63))[0].first == 2**63 - 2


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=150), st.integers(0, 2**62), st.integers(-1, 2**41))
def test_a_batch_of_ready_values_is_what_encode_batch_writes(values, first, time):
    assert batch_of(values, first, time) == encode_batch(first, [Record(None, value, time) for value in values])


def test_a_batch_of_many_or_large_values_is_what_encode_batch_writes():
    many = [bytes([index % 251]) * (index % 130) for index in range(20_000)]
    assert batch_of(many, 3, TIME) == encode_batch(3, records_of(many))
    large = [bytes(INTENT_BYTES_MAX), pack(Nothing()), bytes(INTENT_BYTES_MAX - 1)]
    assert batch_of(large, 3, TIME) == encode_batch(3, records_of(large))


def test_a_batch_of_ready_values_has_limits():
    with pytest.raises(InvalidValue, match="found 0"):
        batch_of([], 0, TIME)
    with pytest.raises(InvalidValue, match="write several"):
        batch_of([bytes(2**23)] * 2, 0, TIME)
    with pytest.raises(InvalidValue, match="expected offsets"):
        batch_of([b""], -1, TIME)


def test_batches_of_columns_settle_as_the_intents_that_they_hold():
    fold = INTERPRETED.fold(Genesis(bytes(range(1, 17)), "columns").pack())
    writer = INTERPRETED.writer(app.bundle(), fold, b"the-only-writer!")
    claim = writer.claim()
    writer.read(1, claim.key, claim.value)
    rows = {"small": [1, 2, 3, 4], "big": [7, 8, 7, 7]}
    intents = pack_columns(LAYOUT, ROW | rows, ids=["a", "b", "a", "c"], metadata=ABOUT)
    data = b"".join(batch.data for batch in intents.batches(0, TIME, 600))
    _, outcome = writer.step(read_batches(data))
    found = receipts_of(outcome)
    assert found.statuses.tolist() == [Status.APPLIED, Status.APPLIED, Status.DUPLICATE, Status.APPLIED]
    assert found.first_offsets.tolist() == [-1, -1, 0, -1]
    assert {row.metadata for row in outcome.outcomes} == {ABOUT}
