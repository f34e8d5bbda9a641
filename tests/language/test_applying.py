"""docs/language.md, section 7 (what the machine does with an outcome is in tests/processors/)."""

from typing import Any

import pytest

from tests.language.harness import go

BOUNDED = """
@app.page(key=i64)
class Q(mmsb.Page):
    n: i64 = mmsb.field(ge=-5, lt=10)
    f: f64 = mmsb.field(gt=-1, le=2.5)
    a: list[i64] = mmsb.array(2, ge=0)
"""
OTHER = """
@app.intent
class Other(mmsb.Intent):
    n: i8
    m: i64 = 1

    def query(self):
        return P[10 // self.m]

    def delta(self, p):
        pass
"""


def test_7_1_query_then_predicate_then_delta_then_invariants():
    parts: dict[str, Any] = {"top": BOUNDED, "pages": "q"}
    body = "q.n = 10 + self.j // self.j"
    assert (
        go(
            body,
            query="return Q[1 // self.i]",
            predicate="return self.b",
            **parts,
        ).code
        == "division_by_zero"
    )
    assert go(body, query="return Q[1]", predicate="return self.b", **parts).code == "predicate"
    assert go(body, query="return Q[1]", predicate="return self.b", b=True, **parts).code == "division_by_zero"
    assert go(body, query="return Q[1]", predicate="return self.b", b=True, j=1, **parts).code == "invariant"


def test_7_2_a_false_predicate_rejects():
    assert go("p.i = 1", predicate="return self.i > 0", i=0).code == "predicate"
    assert go("p.i = 1", predicate="return self.i > 0", i=1)["i"] == 1
    assert (
        go("p.i = 1", predicate="x = self.i\nif x > 0:\n    return True\nelse:\n    mmsb.reject('low')").code
        == "refused"
    )
    assert go("y = 2\np.i = y", predicate="x = 1\nreturn x == 1")["i"] == 2


@pytest.mark.parametrize(
    ("delta", "field", "op", "value", "bound", "ordinal"),
    [
        ("q.n = -6", 1, "GE", -6, -5, 0),
        ("q.n = 10", 1, "LT", 10, 10, 0),
        ("q.f = -1", 2, "GT", -1.0, -1.0, 0),
        ("q.f = 2.75\nq.n = 10", 1, "LT", 10, 10, 0),
        ("q.f = 2.75", 2, "LE", 2.75, 2.5, 0),
        ("q.a[1] = -3", 3, "GE", -3, 0, 0),
        ("q.a[1] = -3\nq.a[0] = -2", 3, "GE", -2, 0, 0),
        ("r.n = 99", 1, "LT", 99, 10, 1),
        ("r.n = 99\nq.n = 88", 1, "LT", 88, 10, 0),
    ],
)
def test_7_3_invariants_are_checked_after_the_delta(delta, field, op, value, bound, ordinal):
    rejection = go(delta, query="return Q[2], Q[1], Q[2]", pages="q, r, s", top=BOUNDED).rejection
    assert rejection.code.name == "INVARIANT"
    assert (rejection.field, rejection.op.name, rejection.value, rejection.bound, rejection.ordinal) == (
        field,
        op,
        value,
        bound,
        ordinal,
    )


def test_7_3_only_the_end_counts_and_deleted_pages_do_not():
    assert go("q.n = 50\nq.n = 1", query="return Q[1]", pages="q", top=BOUNDED).code == "applied"
    assert go("q.n = 50\nmmsb.delete(q)", query="return Q[1]", pages="q", top=BOUNDED).pages == {}


def test_7_4_a_rejected_intent_changes_and_emits_nothing():
    found = go("p.i = 1\nmmsb.emit(Other(1))\nmmsb.reject('no')", top=OTHER)
    assert (found.pages, found.emitted, found.code) == ({}, [], "refused")


def test_7_5_bytes_that_end_as_they_began_give_no_delta():
    assert go("p.i += 1\np.i -= 1", before={1: {"i": 3}}).pages == {}
    assert go("p.f = -0.0", before={1: {"f": 0.0}}).pages != {}


def test_7_6_emitting_stores_then_checks_hops_and_count_then_asks_for_the_target():
    assert go("mmsb.emit(Other(self.i, self.j // 0))", top=OTHER, i=500, hops=3).code == "division_by_zero"
    assert go("mmsb.emit(Other(self.i))", top=OTHER, i=500, hops=3).code == "store_range"
    assert go("mmsb.emit(Other(1, 0))", top=OTHER, hops=3).code == "hops_exceeded"
    rejection = go("mmsb.emit(Other(1, 0))", top=OTHER).rejection
    assert rejection.code.name == "DIVISION_BY_ZERO"
    go_id = go("p.i = 1 // self.i", top=OTHER).rejection.type_id
    assert rejection.type_id == go_id
    assert go("for x in range(17):\n    mmsb.emit(Other(1, 16 - x))", top=OTHER).code == "too_many_follow_ups"
