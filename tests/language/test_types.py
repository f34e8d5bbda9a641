"""docs/language.md, section 2."""

import pytest

from tests.language.harness import go, refused

KINDS = {
    "i64": "self.i",
    "u64": "self.u",
    "f64": "self.f",
    "bool": "self.b",
    "text": "self.s",
    "blob(4)": "self.x",
    "Color": "self.c",
}


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_2_1_there_is_no_implicit_conversion(left, right):
    delta = f"p.b = {KINDS[left]} == {KINDS[right]}  # here"
    if left == right:
        assert go(delta)["b"] is True
    else:
        refused(left, right, "does not go with", delta=delta)


@pytest.mark.parametrize("field", ["i", "n8", "n16", "n32", "m8", "m16", "m32", "w"])
def test_2_2_integers_and_time_read_as_i64(field):
    assert go(f"p.i = p.{field} + 1", before={1: {field: 5}})["i"] == 6


@pytest.mark.parametrize(
    ("field", "other", "value"),
    [
        ("u", "v", 2**64 - 1),
        ("f", "g", 1.5),
        ("t", "s", "abc"),
        ("x", "x", b"1234"),
        ("c", "c", 2),
        ("b", "b", True),
    ],
)
def test_2_2_other_fields_read_as_themselves(field, other, value):
    assert go(f"p.{other} = p.{field}\np.i = 1", before={1: {field: value}})[other] == value


def test_2_3_literals_become_u64_or_f64():
    found = go(
        "p.u = 18446744073709551615\np.f = 9007199254740992\np.i = -9223372036854775808\np.g = BIG", top="BIG = -7"
    )
    assert (found["u"], found["f"], found["i"], found["g"]) == (2**64 - 1, 2.0**53, -(2**63), -7.0)
    assert go("p.b = self.u == 5 and self.f < 3 and 2 < self.f + 3 and max(1, 2, self.f) == 2", u=5)["b"] is True


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        ("p.f = 9007199254740993", ["no exact f64", "write it as a float"]),
        ("p.u = -1", ["-1 is no u64", "from 0"]),
        ("p.i = 9223372036854775808", ["too large for i64"]),
        ("p.i = 18446744073709551616", ["fits neither"]),
        ("x = 9223372036854775808", ["too large"]),
        ("p.u = 1 + 2", ["expected u64, found i64"]),
        ("p.f = 1 + 2", ["expected f64, found i64", "float(…)"]),
        ("p.i = 1.0", ["expected i64, found f64", "int(…)"]),
        ("p.b = 1", ["expected bool, found i64", "x != 0"]),
        ("p.i = True + 1", ["bool does not go with i64"]),
        ("p.i = True", ["expected i64, found bool"]),
        ("p.i = Color.RED", ["expected i64, found Color"]),
        ("p.c = 1", ["expected Color, found i64", "write a member, for instance Color.RED"]),
        ("p.b = p.c == 1", ["Color does not go with i64", "Color.RED"]),
        ("p.c = Mood.GOOD", ["expected Color, found Mood"]),
        ("p.x = p.y", ["expected blob(4), found blob(2)", "same size"]),
    ],
)
def test_2_3_what_does_not_become_one_is_refused(delta, words):
    refused(*words, delta=f"{delta}  # here")


def test_2_4_a_local_keeps_the_type_of_its_first_assignment():
    refused("expected i64, found f64", delta="x = 1\nx = 2.0  # here")
    refused("expected f64, found i64", delta="x = self.f\nx = self.i  # here")
    refused("expected bool, found i64", delta="if self.b:\n    x = True\nelse:\n    x = 1  # here")
    assert go("x = self.f\nx = 3\np.f = x")["f"] == 3.0
    assert go("x = self.u\nx = 3\np.u = x")["u"] == 3


@pytest.mark.parametrize(
    "delta",
    [
        "p.i = x  # here\nx = 1",
        "if self.b:\n    x = 1\np.i = x  # here",
        "for i in range(3):\n    x = i\np.i = x  # here",
        "for i in range(3):\n    pass\np.i = i  # here",
        "for i in range(3):\n    p.i = x  # here\n    x = 1",
        "if self.b:\n    x = 1\nelif self.i > 0:\n    x = 2\np.i = x  # here",
        "x += 1  # here",
        "p.i = LIMIT  # here\nLIMIT = 3",
        "p.i = later(1)  # here\nlater = 2",
        "if self.b:\n    return\nelse:\n    y = 1\n    if y > 2:\n        x = 1\np.i = x  # here",
    ],
)
def test_2_5_reading_what_may_be_unassigned_is_refused(delta):
    refused(delta=delta, top="LIMIT = 5\n\ndef later(x):\n    return x\n")


@pytest.mark.parametrize(
    "delta",
    [
        "if self.b:\n    x = 1\nelse:\n    x = 2\np.i = x",
        "if self.b:\n    mmsb.reject('no')\nelse:\n    x = 2\np.i = x",
        "if not self.b:\n    x = 2\nelse:\n    mmsb.reject('no')\np.i = x",
        "if self.b:\n    return\nelse:\n    x = 2\np.i = x",
        "x = 0\nfor x in range(3):\n    pass\np.i = x",
        "i = 2\nfor i in range(0):\n    pass\np.i = i",
    ],
)
def test_2_5_what_is_assigned_on_every_way_can_be_read(delta):
    assert go(delta)["i"] == 2


@pytest.mark.parametrize("condition", ["self.i", "self.u", "self.f", "self.s", "self.x", "self.c", "0"])
@pytest.mark.parametrize(
    "shape",
    [
        "if {}:  # here\n    p.i = 1",
        "p.b = not {}  # here",
        "p.b = self.b and {}  # here",
        "p.b = {} or self.b  # here",
        "p.i = 1 if {} else 2  # here",
    ],
)
def test_2_6_a_condition_is_a_bool(condition, shape):
    refused("expected bool", "write", delta=shape.format(condition))


def test_2_6_a_predicate_is_a_bool():
    refused(
        "expected bool, found i64", "x != 0", predicate="return self.i", at="Go.predicate", source=source_with_mark()
    )


def source_with_mark() -> str:
    from tests.language.harness import source_of

    return source_of(predicate="return self.i").replace("def predicate(self, p):", "def predicate(self, p):  # here")
