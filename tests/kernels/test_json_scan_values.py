"""Values of every type at their borders: taken where they are plain, never taken for something else."""

import json
from itertools import product
from random import Random
from typing import Any

import pytest

from mmsb.schemas.layouts import Bound
from mmsb.schemas.limits import ACTOR_BYTES_MAX, ID_TEXT_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from mmsb.schemas.rejections import Op
from mmsb.schemas.types import INTEGERS, Integer, parse_type
from tests.generator import hostile
from tests.generator.values import FLOATS
from tests.kernels.scanning import check, layout_of

ENUM = (("Red", 0), ("Green", 7), ("Greenish", 65535), ("ALongerName1", 300), ("ALongerName2", 301))
LONG = (("APrefixThatIsAllTheSame", 1), ("APrefixThatIsNotTheSame", 2), ("APrefixThatIsAllTheSam", 3))


def takes(kind: str, *values: str, members: Any = ()) -> list[bool]:
    """Whether each value of a field is taken, with a field at either side of it."""
    layout = layout_of("T", ("a", "u8"), ("f", kind, None, (), members), ("b", "i8"))
    texts = [f'{{"@type":"T","a":255,"f":{value},"b":-128}}'.encode("utf-8", "surrogatepass") for value in values]
    texts += [f'{{"f":{value},"b":-1,"@type":"T","a":1}}'.encode("utf-8", "surrogatepass") for value in values]
    taken = check([layout], texts)
    assert taken[: len(values)] == taken[len(values) :]
    return taken[: len(values)]


@pytest.mark.parametrize("kind", [*INTEGERS, "time"])
def test_integers_are_taken_up_to_their_borders_and_no_further(kind):
    number = parse_type(kind)
    assert isinstance(number, Integer)
    low, high = number.minimum, number.maximum
    assert all(takes(kind, *map(str, {low, low + 1, -1 if low else 0, 0, 1, 9, 10, high - 1, high}), "-0"))
    assert not any(takes(kind, str(low - 1), str(high + 1), str(10 * high), str(100 * high), "9" * 20, "-" + "9" * 20))
    assert all(takes(kind, *(str(10**digits) for digits in range(20) if 10**digits <= high)))
    assert not any(
        takes(kind, "01", "-01", "00", "1.0", "1e0", "1E2", "-", "--1", "+1", '"1"', "true", "null", "[1]", "1_0")
    )


def test_other_numbers_are_read_as_they_should():
    rng = Random(1)
    texts = [str(rng.getrandbits(rng.randrange(1, 66)) * rng.choice([1, -1])) for _ in range(2000)]
    assert 0.9 < sum(takes("u64", *texts)) / sum(0 <= int(text) < 2**64 for text in texts) <= 1
    assert sum(takes("i64", *texts)) == sum(-(2**63) <= int(text) < 2**63 for text in texts)


def test_floats_are_taken_in_any_form_that_json_has():
    assert all(takes("f64", "0", "-0", "0.0", "-0.0", "1.5", "-2.25", "1E3", "1e-3", "0.1", "123456.789e3", "9e+2"))
    assert all(
        takes("f64", "9007199254740993", "0.000001", "0e0", "-0e5", "1.7976931348623157e308", "3.14159265358979")
    )
    assert all(takes("f64", "18446744073709551615", "-9223372036854775808", "0.00012345678901234567", "2.3e-308"))
    assert not any(takes("f64", ".5", "1.", "1.e3", "01.5", "-", "1e", "1e+", "NaN", "Infinity", "-Infinity", "1e400"))
    assert not any(takes("f64", '"1.0"', "true", "null", "[1.0]", "1.5.2", "1e5e5", "1e5.5", "0x10", "1f"))


def test_what_python_writes_is_taken_whatever_the_float():
    rng = Random(2)
    floats = [rng.uniform(-1e6, 1e6) for _ in range(1000)] + [1.1 * 10.0**power for power in range(-307, 309)]
    assert all(takes("f64", *map(repr, [*floats, *(-number for number in floats)])))


def test_any_float_is_read_to_the_bit_or_left():
    rng = Random(3)
    floats = [*FLOATS, *(rng.uniform(-1e6, 1e6) for _ in range(500)), *(10.0**power for power in range(-323, 309))]
    texts = [f"{number:.{rng.randrange(30)}f}" for number in floats if abs(number) < 1e30]
    texts += [f"{number:.{rng.randrange(30)}e}" for number in floats]
    texts += [f"{rng.getrandbits(rng.randrange(1, 70))}.{rng.getrandbits(rng.randrange(1, 70))}" for _ in range(1000)]
    texts += [f"{rng.randrange(100)}e{rng.randrange(-30, 30)}" for _ in range(1000)]
    texts += [f"{2**53 + rng.randrange(-3, 3)}e{rng.randrange(-3, 4)}" for _ in range(100)]
    assert sum(takes("f64", *texts)) > 2000


@pytest.mark.parametrize("kind", ["f64[2]", "i8[3]", "u64[3]", "i32[4]", "f64[9]"])
def test_arrays_are_taken_if_they_are_full(kind):
    count = int(kind.split("[")[1][:-1])
    full = [[n % 7 for n in range(count)], [100] * count]
    assert all(takes(kind, *map(str, full), *(json.dumps(one, separators=(" ,\n", ":")) for one in full)))
    assert not any(
        takes(kind, *(str(one[:-1]) for one in full), *(str([*one, 1]) for one in full), "[]", "[", "1", "{}")
    )
    ones = ["1"] * (count - 1)
    for odd in ("", "null", "[1]", '"1"', "true", "1 1", "1,", "9" * 25, "}"):
        assert not any(takes(kind, "[" + ",".join([*ones, odd]) + "]", "[" + ",".join([odd, *ones]) + "]"))
    assert takes(kind, "[ " + " , ".join([*ones, "-0"]) + " ]", "[" + ",".join([*ones, "-1"]) + "]") == [
        True,
        kind[0] != "u",
    ]


def test_booleans_are_two_words():
    assert takes("bool", "true", "false") == [True, True]
    assert not any(takes("bool", "True", "tru", "truefalse", "falsee", "1", "0", '"true"', "null", "fals}"))


@pytest.mark.parametrize("members", [ENUM, LONG, ENUM[:1], tuple((f"M{n}", n) for n in range(700))])
def test_an_enums_members_are_taken_by_name(members):
    names = [name for name, _ in members]
    assert all(takes("enum", *map(json.dumps, names), members=members))
    wrong = {name[:-1] for name in names} | {name + "x" for name in names} | {"", "red", "é"}
    assert not any(takes("enum", *map(json.dumps, wrong - set(names)), "0", "7", "null", members=members))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 15, 16, 17, 40])
def test_texts_are_taken_up_to_their_size(size):
    fitting = [
        "",
        "x",
        "x" * size,
        "x" * (size - 1),
        "~" * (size // 2),
        "é" * (size // 2),
        "€" * (size // 3),
        "\x7f" * size,
    ]
    assert all(takes(f"text({size})", *(json.dumps(text, ensure_ascii=False) for text in fitting)))
    assert not any(
        takes(f"text({size})", *(json.dumps(text, ensure_ascii=False) for text in ("x" * (size + 1), "é" * size)))
    )
    odd = ['"a', "a", "1", "null", "'a'", '"\t"', '"\x00"', '"\x1f"', '"\ud800"', '"\n"', '""a"', '"a""']
    assert not any(takes(f"text({size})", *odd))


@pytest.mark.parametrize("at", range(20))
def test_odd_bytes_in_a_text_are_seen_wherever_they_stand(at):
    layout = layout_of("T", ("f", "text(40)"))
    around = b'{"@type":"T","f":"%s"}'
    odd = (
        b"\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\xff",
        b"\x00",
        b"\x1f",
        b"\n",
        b'"',
        b"\\",
    )
    texts = [around % (b"a" * at + piece + b"b" * (19 - at)) for piece in odd]
    texts += [around % (b"a" * at + "é".encode() + piece + b"b" * (19 - at)) for piece in odd]
    assert not any(check([layout], texts))
    fine = (
        b"\x20",
        b"\x21",
        b"\x23",
        b"[",
        b"]",
        b"{",
        b"}",
        b"\x7f",
        "é".encode(),
        "€".encode(),
        "𝄞".encode(),
        b":",
        b",",
    )
    assert all(check([layout], [around % (b"a" * at + piece + b"b" * (19 - at)) for piece in fine]))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 16, 33])
def test_blobs_are_taken_in_either_case(size):
    digits = bytes(Random(size).randbytes(size)).hex()
    kind = f"blob({size})"
    assert all(takes(kind, f'"{digits}"', f'"{digits.upper()}"', f'"{"aF" * size}"', f'"{"09" * size}"'))
    assert not any(takes(kind, f'"{digits[1:]}"', f'"{digits}0"', f'"{digits}00"', '""', "null", "0"))
    for at, odd in product({0, 1, size - 1, 2 * size - 1}, "gG/:@`\x7f é"):
        assert not any(takes(kind, f'"{digits[:at]}{odd}{digits[at + 1 :]}"'))


def member(name: str, *values: Any) -> list[bool]:
    texts = [json.dumps({"@type": "T", name: value}, ensure_ascii=False) for value in values]
    return check([layout_of("T")], [text.encode("utf-8", "surrogatepass") for text in texts])


@pytest.mark.parametrize("name", ["@id", "@correlation", "@causation"])
def test_ids_are_texts_of_any_kind(name):
    uuid = "0e1b0e3c-6a0f-4e43-b3b5-1d2b6f9c0a11"
    near = [uuid[:at] + odd + uuid[at + 1 :] for at in range(36) for odd in "-g0A"]
    assert all(member(name, uuid, uuid.upper(), *near, uuid[1:], uuid + "0", uuid.replace("-", ""), "x", "é", "\x7f"))
    assert all(member(name, *("x" * size for size in range(1, ID_TEXT_BYTES_MAX + 1)), "é" * (ID_TEXT_BYTES_MAX // 2)))
    assert not any(
        member(name, "", "x" * (ID_TEXT_BYTES_MAX + 1), "é" * ID_TEXT_BYTES_MAX, 1, None, True, ["x"], "a\nb")
    )


@pytest.mark.parametrize(
    ("name", "size"), [("@actor", ACTOR_BYTES_MAX), ("@reason", REASON_BYTES_MAX), ("@trace", TRACE_BYTES_MAX)]
)
def test_texts_of_the_metadata_have_limits(name, size):
    assert all(member(name, *("x" * length for length in range(1, size + 1)), "é" * (size // 2)))
    assert not any(member(name, "", "x" * (size + 1), "é" * size, 1, None, {"a": 1}, "\0"))


def test_a_source_and_its_number_come_together():
    def source(*pairs: str) -> list[bool]:
        return check([layout_of("T")], [f'{{"@type":"T",{pair}}}'.encode() for pair in pairs])

    numbers = ["1", "9", "12345678901", str(2**63 - 1)]
    assert all(
        source(*(f'"@source":"s","@number":{n}' for n in numbers), *(f'"@number":{n},"@source":"s"' for n in numbers))
    )
    assert all(source('"@source":"0e1b0e3c-6a0f-4e43-b3b5-1d2b6f9c0a11","@number":1'))
    assert not any(source('"@source":"s"', '"@number":1'))
    odd = ["0", "-1", "-0", str(2**63), "1.0", "true", '"1"', "null"]
    assert not any(
        source(*(f'"@source":"s","@number":{n}' for n in odd), '"@source":"","@number":1', '"@source":1,"@number":1')
    )


def test_the_version_is_one():
    texts = [
        f'{{"@type":"T","@version":{version}}}'.encode()
        for version in ("1", "0", "2", "-1", "1.0", "true", '"1"', "11")
    ]
    assert check([layout_of("T")], texts) == [True, *[False] * 7]


@pytest.mark.parametrize("kind", ["i64", "u8", "f64", "bool", "text(5)", "text(12)", "blob(3)", "i16[3]", "f64[2]"])
def test_odd_values_are_never_taken_for_right_ones(kind):
    takes(kind, *hostile.ODD_NUMBERS, *hostile.ODD_VALUES, *map(str, hostile.OTHER_INTEGERS))


def test_fields_that_are_left_out_take_their_defaults():
    layout = layout_of("T", ("a", "i8", -1), ("t", "text(9)", "né"), ("f", "f64[2]", (1.5, -0.0)), ("b", "u16"))
    assert check([layout], [b'{"@type":"T","b":1}', b'{"@type":"T","b":1,"t":"x"}', b'{"@type":"T","a":1}']) == [
        True,
        True,
        False,
    ]


def test_a_default_that_breaks_its_own_bounds_is_left_to_the_exact_readers():
    bounds = (Bound(Op.GE, 1),)
    layout = layout_of(
        "T", ("a", "i8", 0, bounds), ("b", "i8", 1, bounds), ("c", "i8[2]", (1, 0), bounds), ("d", "i8", None, bounds)
    )
    full = {"@type": "T", "a": 0, "b": 0, "c": [0, 1], "d": 0}
    texts = [json.dumps({name: value for name, value in full.items() if name != out}).encode() for out in ("", *"abcd")]
    assert check([layout], texts) == [True, False, True, False, False]


def test_names_of_any_length_and_any_number_of_them_are_told_apart():
    names = [
        f"{'f' * length}{end}" for length in (1, 3, 4, 5, 6, 7, 12, 13, 14, 21, 30, 100) for end in ("", "a", "b", "ab")
    ]
    names += [f"{end}{'g' * length}" for length in (5, 13, 30) for end in ("a", "b")] + [f"h{n}" for n in range(900)]
    layout = layout_of("A" * 70, *((name, "i32", n) for n, name in enumerate(names)))
    other = layout_of("A" * 69 + "B", *((name, "u64", n) for n, name in enumerate(names)))
    rng = Random(1)
    texts: list[bytes] = []
    for _ in range(60):
        chosen = rng.sample(names, rng.choice([1, 5, 48, len(names)]))
        members = {name: rng.randrange(2**31) for name in chosen} | {"@type": rng.choice([layout, other]).name}
        texts.append(json.dumps(dict(rng.sample(list(members.items()), len(members)))).encode())
    assert all(check([layout, other], texts))
    assert not any(check([layout, other], [b'{"@type":"%s"}' % (b"A" * length) for length in (68, 69, 71)]))
