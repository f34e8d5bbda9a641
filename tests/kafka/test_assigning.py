"""Who gets which partitions: fair, and with as few moved as fairness allows."""

from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsb.schemas.errors import MalformedBytes, MmsbError, NewerFormat
from mmsb.streams.kafka.cluster.assigning import Said, assign, assign_said, decode_said, encode_said

NUMBERS = st.frozensets(st.integers(0, 14), max_size=10)
SAID = st.builds(Said, st.text(max_size=6), st.integers(-1, 4), NUMBERS, NUMBERS)
MEMBERS = st.dictionaries(st.text(max_size=4), SAID, max_size=6)


def fresh(*names: str, prefers: dict[str, set[int]] | None = None) -> dict[str, Said]:
    return {name: Said(name, prefers=frozenset((prefers or {}).get(name, ()))) for name in names}


def after(given: dict[str, frozenset[int]], generation: int = 1) -> dict[str, Said]:
    return {name: Said(name, generation, numbers) for name, numbers in given.items()}


def fewest_moves(owned: dict[str, frozenset[int]], count: int) -> int:
    """By trying who gets one more than others."""
    least, more = divmod(count, len(owned))
    kept = (
        sum(min(len(numbers), least + (name in richer)) for name, numbers in owned.items())
        for richer in combinations(owned, more)
    )
    return count - max(kept)


@given(members=MEMBERS.filter(bool), count=st.integers(0, 14))
def test_every_partition_goes_to_one_member_and_nobody_has_two_more_than_another(members, count):
    given = assign(members, count)

    assert given.keys() == members.keys()
    assert sorted(number for numbers in given.values() for number in numbers) == list(range(count))
    sizes = [len(numbers) for numbers in given.values()]
    assert max(sizes) - min(sizes) <= 1


@given(members=MEMBERS, count=st.integers(0, 14), random=st.randoms())
def test_it_does_not_matter_in_which_order_they_came(members, count, random):
    shuffled = list(members)
    random.shuffle(shuffled)
    assert assign({member: members[member] for member in shuffled}, count) == assign(members, count)


@given(
    names=st.lists(st.text(max_size=4), min_size=1, max_size=6, unique=True),
    count=st.integers(0, 14),
    joins=st.lists(st.text("xyz", min_size=1, max_size=4), max_size=3, unique=True),
    leaves=st.integers(0, 5),
)
def test_as_few_move_as_balance_demands(names, count, joins, leaves):
    before = assign(fresh(*names), count)
    stay = {name: before[name] for name in names[leaves:]}
    owned = {**dict.fromkeys(joins, frozenset[int]()), **stay}
    if not owned:
        return

    now = assign(after(owned), count)

    moved = sum(number not in owned[name] for name, numbers in now.items() for number in numbers)
    assert moved == fewest_moves(owned, count)


@given(members=MEMBERS.filter(bool), count=st.integers(0, 14))
def test_again_with_what_was_given_nothing_moves(members, count):
    given = assign(members, count)
    again = {member: Said(said.name, 5, given[member], said.prefers) for member, said in members.items()}
    assert assign(again, count) == given


@given(members=MEMBERS.filter(bool), count=st.integers(0, 14))
def test_whoever_prefers_a_partition_has_nothing_strange_while_a_stranger_has_it(members, count):
    said = {member: Said(one.name, 1, frozenset(), one.prefers) for member, one in members.items()}
    given = assign(said, count)
    for member, numbers in given.items():
        for number in numbers - said[member].prefers:
            for other in given:
                if number in said[other].prefers:
                    assert given[other] <= said[other].prefers


def test_a_member_that_comes_gets_of_others_what_it_prefers():
    before = assign(fresh("a", "b"), 6)
    wanted = {max(before["a"]), min(before["b"])}
    now = assign({**after(before), "c": Said("c", prefers=frozenset(wanted))}, 6)
    assert now["c"] == wanted


def test_what_fewest_prefer_is_given_first():
    members = fresh("a", "b", prefers={"a": {0, 1}, "b": {0}})
    assert assign(members, 2) == {"a": {1}, "b": {0}}


def test_one_more_than_others_goes_to_whom_has_it_or_would_like_it():
    assert assign(fresh("a", "b", "c", prefers={"c": {0}}), 1)["c"] == {0}
    assert assign({**fresh("a", "b"), "c": Said("c", 1, frozenset({0}))}, 1)["c"] == {0}


def test_of_two_who_claim_one_partition_the_newer_generation_has_it():
    members = {"a": Said("a", 3, frozenset({0})), "b": Said("b", 4, frozenset({0}))}
    assert assign(members, 1) == {"a": frozenset(), "b": {0}}
    assert assign({"a": members["b"], "b": members["a"]}, 1) == {"a": {0}, "b": frozenset()}


def test_without_members_nobody_gets_anything():
    assert assign({}, 3) == {}


@given(said=SAID)
def test_what_a_member_says_is_read_again(said):
    data = encode_said(said)
    assert decode_said(data) == said
    assert len(data) % 8 == 0


@given(said=SAID, garbage=st.binary(max_size=60), count=st.integers(0, 6))
@example(said=Said("a"), garbage=encode_said(Said("b"))[:-1], count=3)
@example(said=Said("a"), garbage=b"MMP\x02" + encode_said(Said("b"))[4:], count=3)
@example(said=Said("a"), garbage=b"MMP\x01" + b"\xff" * 20, count=3)
def test_who_speaks_another_language_gets_nothing_and_disturbs_nobody(said, garbage, count):
    assert assign_said({"a": encode_said(said), "b": garbage}, count) == {
        "a": frozenset(range(count)),
        "b": frozenset(),
    }


def test_many_members_of_many_partitions_fit_into_a_record_of_the_broker():
    everything = frozenset(range(10_000))
    assert len(encode_said(Said("w" * 100, 1, everything, everything))) < 3_000


@given(data=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data):
    try:
        said = decode_said(b"MMP\x01" + data)
    except MmsbError:
        return
    assert encode_said(said) == b"MMP\x01" + data


def test_it_is_refused_by_what_is_wrong_with_it():
    good = encode_said(Said("worker", 3, frozenset({1, 2}), frozenset({2})))
    assert (
        good == bytes.fromhex("4d4d5001 03000000 08000000 06000000 0600000000000000 0400000000000000") + b"worker\0\0"
    )
    with pytest.raises(NewerFormat, match="expected version 1, found 2"):
        decode_said(b"MMP\x02" + good[4:])
    longer = good[:8] + b"\x10" + good[9:24] + bytes(8) + good[24:32] + bytes(8) + good[32:]
    for wrong in (good + bytes(8), good[:-8], longer, good[:-1] + b"x", good[:-3] + b"\xff" + good[-2:]):
        with pytest.raises(MalformedBytes):
            decode_said(wrong)
