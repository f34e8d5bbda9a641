"""The digest: section 9 of docs/formats.md written a second time, and what follows from being a sum."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.digest import (
    Digest,
    clock_term,
    fmix,
    id_term,
    intents_checksum,
    mark_term,
    mix,
    page_change,
    page_term,
    seed,
    sent_term,
)

U64 = np.uint64
G, M, L = (U64(n) for n in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA24BAED4963EE407))

u64s = st.integers(0, 2**64 - 1)
i64s = st.integers(-(2**63), 2**63 - 1)
epochs = st.integers(1, 2**63 - 1)
keys = st.integers(1, 4).flatmap(lambda words: st.binary(min_size=8 * words, max_size=8 * words))
bodies = st.integers(1, 6).flatmap(lambda words: st.binary(min_size=8 * words, max_size=8 * words))


@st.composite
def changes(draw):
    """A page's key, and body before and after; some words stay as they were."""
    before = draw(bodies)
    words = [draw(st.sampled_from([before[at : at + 8], b"\xff" * 8])) for at in range(0, len(before), 8)]
    return draw(keys), before, b"".join(words)


def wrapped(number: int) -> U64:
    return U64(number % 2**64)


def words(data: bytes) -> list[int]:
    return [int(word) for word in np.frombuffer(data, "<u8")]


def fmix_again(z: U64) -> U64:
    for _ in range(2):
        z = (z ^ (z >> U64(32))) * M
    return z ^ (z >> U64(32))


def term_again(tag: int, about: list[int], content: list[tuple[int, int]]) -> tuple[int, int]:
    """Both lanes, in numpy's wrapping arithmetic."""
    with np.errstate(over="ignore"):
        s = wrapped(tag)
        for word in about:
            s = fmix_again((s + G) ^ wrapped(word))
        lanes = U64(0), U64(0)
        for index, word in content:
            x = s + wrapped(index + 1) * G
            a = fmix_again(wrapped(word) ^ x)
            b = (a ^ (x << U64(29) | x >> U64(35))) * L
            lanes = lanes[0] + a, lanes[1] + (b ^ (b >> U64(31)))
        return int(lanes[0]), int(lanes[1])


def lanes(digest: Digest) -> tuple[int, int]:
    return digest.a, digest.b


def test_known_words_give_known_lanes():
    assert fmix(1) == 0x4179_B061_E0C0_E0D0
    assert seed(5) == 5
    assert mix(0, 0, 0) == (5627194300713089401, 576498535278710936)
    assert mix(-1, 2, 3) == mix(2**64 - 1, 2, 3) == (8619364848558424686, 7817956459536667001)
    assert page_term(1, bytes(8), 1, bytes(range(16))) == Digest(7905738027809652088, 2847725779737502285)
    assert intents_checksum([(0, 1, 0, b"abc")]) == 17853853486912325566


@given(u64s)
def test_fmix_can_be_undone_so_no_two_words_meet(word):
    inverse = pow(int(M), -1, 2**64)
    z = fmix(word)
    for _ in range(2):
        z = z ^ (z >> 32)
        z = z * inverse % 2**64
    assert z ^ (z >> 32) == word


@given(u64s, keys, epochs, bodies)
def test_a_page_adds_its_epoch_and_the_words_of_its_body(type_id, key, epoch, body):
    expected = term_again(1, [type_id, *words(key)], list(enumerate([epoch, *words(body)])))
    assert lanes(page_term(type_id, key, epoch, body)) == expected


@given(st.integers(0, 2**63 - 1), st.binary(min_size=16, max_size=16))
def test_an_id_adds_its_two_words(offset, identity):
    assert lanes(id_term(offset, identity)) == term_again(2, [offset], list(enumerate(words(identity))))


@given(st.sampled_from([1, 2]), st.binary(min_size=16, max_size=16), epochs)
def test_a_source_adds_its_mark(kind, source, number):
    assert lanes(mark_term(kind, source, number)) == term_again(3, [kind, *words(source)], [(0, number)])


@given(st.integers(0, 65_535), epochs)
def test_a_target_adds_its_count(target, count):
    assert lanes(sent_term(target, count)) == term_again(4, [target], [(0, count)])


@given(epochs)
def test_the_clock_adds_itself(clock):
    assert lanes(clock_term(clock)) == term_again(5, [], [(0, clock)])


def test_what_has_not_begun_adds_nothing():
    assert clock_term(0) == sent_term(3, 0) == Digest()


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), i64s, st.integers(0, 3), st.none() | st.binary(max_size=30))))
def test_the_intents_checksum_is_the_sum_over_its_records(records):
    expected = 0
    for offset, time, flags, value in records:
        size = 2**64 - 1 if value is None else len(value)
        content = words((value or b"").ljust(-(-len(value or b"") // 8) * 8, b"\x00"))
        expected += term_again(6, [offset, size], list(enumerate([time, flags, *content])))[0]
    assert intents_checksum(records) == expected % 2**64


def test_null_and_empty_and_padded_values_have_different_checksums():
    values = [None, b"", b"\x00", b"\x00\x00", b"\x00" * 8]
    assert len({intents_checksum([(0, 0, 0, value)]) for value in values}) == len(values)


@given(u64s, changes(), epochs, epochs)
def test_a_change_is_the_new_term_less_the_old_one(type_id, page, old_epoch, new_epoch):
    key, before, after = page
    old = page_term(type_id, key, old_epoch, before)
    new = page_term(type_id, key, new_epoch, after)
    assert page_change(type_id, key, old_epoch, before, new_epoch, after) == new - old
    assert page_change(type_id, key, 0, None, new_epoch, after) == new
    assert page_change(type_id, key, old_epoch, before, 0, None) == Digest() - old
    assert page_change(type_id, key, 0, None, 0, None) == Digest()


@given(st.lists(st.builds(Digest, u64s, u64s), min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_terms_does_not_matter(terms, random):
    shuffled = list(terms)
    random.shuffle(shuffled)
    assert sum(shuffled, Digest()) == sum(terms, Digest())
    assert sum(terms, Digest()) - terms[0] + terms[0] == sum(terms, Digest())


@given(u64s, keys, epochs, bodies, st.data())
def test_a_flipped_bit_moves_both_lanes(type_id, key, epoch, body, data):
    at = data.draw(st.integers(0, 8 * len(body) - 1))
    flipped = (int.from_bytes(body, "little") ^ 1 << at).to_bytes(len(body), "little")
    old, new = page_term(type_id, key, epoch, body), page_term(type_id, key, epoch, flipped)
    assert old.a != new.a
    assert old.b != new.b


def test_a_digest_is_packed_as_two_words():
    assert Digest(1, 2**64 - 1).pack() == b"\x01" + bytes(7) + b"\xff" * 8
