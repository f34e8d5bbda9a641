"""Deltas of one page type: checked against their pages, and applied, so that they can be taken back.

A payload is first unfolded: the stretches of the body that change, and their new words, in the journal. Checked and
digested there, they change places with the page's words, so that the journal then holds what was. What a body may
contain, `rules` say: the type's layout in a flat form (mmsb.state.rules makes it).
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.folding.block_deltas import (
    JOURNAL_AT,
    KEY_AT,
    ROW,
    SLOT,
    Columns,
    base_of,
    index_of,
    key_words_of,
    kind_of,
    payload_words_of,
)
from mmsb.kernels.folding.block_sections import DONE, FIRST, JOURNAL, Plan
from mmsb.kernels.folding.body_rules import ALWAYS, BODY_WORDS, FLAGS, KEY_WORDS, TYPE_ID, is_body_wrong, is_key, rule
from mmsb.kernels.folding.unfolding import FULL, REFUSED, STRETCH_W, unfold
from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import Bytes, Int, Word, Words
from mmsb.kernels.mixing import PAGE, G, L, fmix, mix, seed_with
from mmsb.kernels.stepping.changes import DELETE, kind_of_shape, shape_of
from mmsb.kernels.tables import page_index

# What may become of deltas.
APPLIED: Final = 0  # FULL and REFUSED are below

AHEAD: Final = 32  # deltas whose pages are brought near together

_ZERO: Final = np.uint64(0)
_U29: Final = np.uint64(29)
_U31: Final = np.uint64(31)
_U35: Final = np.uint64(35)


@kernel
def apply_deltas(
    words: Words,
    value8: Bytes,
    plan: Plan,
    columns: Columns,
    start: Int,
    stop: Int,
    index: Words,
    arena: Words,
    arena8: Bytes,
    rules: Words,
    journal: Words,
    stretches: Any,
    hashes: Words,
    digest: Words,
) -> Int:
    """Apply columns `start` up to `stop`, for which there is room, until one is refused; gives why.

    `take_back` takes back what was done up to plan[DONE], of the one that was refused, too.
    """
    key_words = rule(rules, KEY_WORDS)
    stride = 1 + key_words + rule(rules, BODY_WORDS)
    begin = seed_with(PAGE, rules[TYPE_ID])
    a, b = digest[0], digest[1]
    plan[DONE] = start
    why = APPLIED if _have_keys(words, columns, start, stop, key_words) else REFUSED
    at = start
    while at < stop and why == APPLIED:
        near = min(at + AHEAD, stop)
        bring_near(words, columns, at, near, index, arena, stride, key_words, hashes)
        while at < near and why == APPLIED:
            why, c, d = _apply(
                words,
                value8,
                plan,
                columns,
                at,
                index,
                arena,
                arena8,
                rules,
                key_words,
                stride,
                journal,
                stretches,
                begin,
            )
            a += c
            b += d
            at += 1
    digest[0] = a
    digest[1] = b
    return why


@inlined
def _have_keys(words: Words, columns: Columns, start: Int, stop: Int, key_words: Int) -> bool:
    wrong = 0
    for at in range(start, stop):
        wrong |= key_words_of(words, columns[ROW, at]) ^ key_words
    return wrong == 0


@inlined
def bring_near(
    words: Words,
    columns: Columns,
    start: Int,
    stop: Int,
    index: Words,
    arena: Words,
    stride: Int,
    key_words: Int,
    hashes: Words,
) -> None:
    """Look pages up ahead of their deltas, whose turn it is only later."""
    for at in range(start, stop):
        hashed = page_index.hash_key(words, columns[KEY_AT, at], key_words, index[page_index.SALT])
        hashes[at - start] = hashed
        page_index.prefetch_entry(index, hashed)
    for at in range(start, stop):
        slot = page_index.candidate(index, hashes[at - start])
        columns[SLOT, at] = slot
        if slot >= 0:
            page_index.prefetch_page(arena, stride, slot)


@inlined
def _apply(
    words: Words,
    value8: Bytes,
    plan: Plan,
    columns: Columns,
    at: Int,
    index: Words,
    arena: Words,
    arena8: Bytes,
    rules: Words,
    key_words: Int,
    stride: Int,
    journal: Words,
    stretches: Any,
    begin: Word,
) -> tuple[Int, Word, Word]:
    """One delta: what becomes of it, and by how much it changes the digest."""
    row, key_at = columns[ROW, at], columns[KEY_AT, at]
    kind, base, size = kind_of(words, row), base_of(words, row), payload_words_of(words, row)
    slot = page_index.current(index, arena, stride, key_words, words, key_at, columns[SLOT, at])
    if base != (np.int64(arena[slot * stride]) if slot >= 0 else 0):
        return REFUSED, _ZERO, _ZERO
    start = begin
    for word in range(key_words):
        start = seed_with(start, words[key_at + word])
    columns[JOURNAL_AT, at] = plan[JOURNAL]
    if kind == DELETE:
        if base == 0 or size != 0:
            return REFUSED, _ZERO, _ZERO
        columns[SLOT, at] = slot
        return _delete(plan, at, index, arena, key_words, stride, slot, journal, start)
    body_words = stride - 1 - key_words
    count, spans = unfold(words, value8, key_at + key_words, size, kind, body_words, journal, plan[JOURNAL], stretches)
    if count < 0 or (count == 0 and base > 0):
        return (count if count < 0 else REFUSED), _ZERO, _ZERO
    a, b = _ZERO, _ZERO
    if base == 0:
        if not is_key(words, value8, key_at, rules):
            return REFUSED, _ZERO, _ZERO
        plan[DONE] = at + 1
        slot, a, b = _create(index, arena, stride, words, key_at, key_words, start)
    columns[SLOT, at] = slot
    body = slot * stride + 1 + key_words
    same, runs, flags, changed, c, d = _weigh_all(journal, plan[JOURNAL], arena, body, rules, stretches, count, start)
    if same != 0 or kind_of_shape(shape_of(changed, spans, runs, body_words)) != kind:
        return REFUSED, _ZERO, _ZERO
    plan[DONE] = at + 1
    swap_all(journal, plan[JOURNAL], arena, body, stretches, count)
    plan[JOURNAL] += changed
    epoch = np.uint64(plan[FIRST] + index_of(words, row) + 1)
    e, f = _epoch_change(np.uint64(base), epoch, start)
    arena[slot * stride] = epoch
    flags |= rules[ALWAYS]
    if flags != _ZERO and is_body_wrong(arena, arena8, body, rules, stretches, count, flags):
        return REFUSED, _ZERO, _ZERO
    return APPLIED, a + c + e, b + d + f


@inlined
def _epoch_change(base: Word, epoch: Word, start: Word) -> tuple[Word, Word]:
    a, b = mix(epoch, 0, start)
    if base != _ZERO:
        c, d = mix(base, 0, start)
        a -= c
        b -= d
    return a, b


@inlined
def _weigh_all(
    journal: Words, journal_at: Int, arena: Words, body: Int, rules: Words, stretches: Any, count: Int, start: Word
) -> tuple[Int, Int, Word, Int, Word, Word]:
    """Of new words against old ones: how many are the same, runs, what to check, how many, and the digest's change."""
    same, runs, at = 0, 0, journal_at
    flags = a = b = _ZERO
    for stretch in range(0, STRETCH_W * count, STRETCH_W):
        first, size = stretches[stretch], stretches[stretch + 1]
        equal, found, c, d = _weigh(journal, at, arena, body + first, rules, first, size, start)
        same += equal
        flags |= found
        a += c
        b += d
        runs += _runs(journal, at, size)
        at += size
    return same, runs, flags, at - journal_at, a, b


@inlined
def _weigh(
    journal: Words, at: Int, arena: Words, old_at: Int, rules: Words, first: Int, size: Int, start: Word
) -> tuple[Int, Word, Word, Word]:
    """One stretch, in vector registers: unsigned places are known not to count from an array's end."""
    same = 0
    flags = a = b = _ZERO
    x = start + np.uint64(first + 2) * G
    new_at, before_at, flags_at = np.uint64(at), np.uint64(old_at), np.uint64(FLAGS + first)
    for word in range(np.uint64(size)):
        new, old = journal[new_at + word], arena[before_at + word]
        turned = (x << _U29) | (x >> _U35)
        a1, a2 = fmix(new ^ x), fmix(old ^ x)
        b1, b2 = (a1 ^ turned) * L, (a2 ^ turned) * L
        a += a1 - a2
        b += (b1 ^ (b1 >> _U31)) - (b2 ^ (b2 >> _U31))
        flags |= rules[flags_at + word]
        same += new == old
        x += G
    return same, flags, a, b


@inlined
def _runs(journal: Words, at: Int, size: Int) -> Int:
    """How many runs of equal words there are."""
    runs = 1
    place = np.uint64(at)
    for word in range(np.uint64(1), np.uint64(size)):
        runs += journal[place + word] != journal[place + word - np.uint64(1)]
    return runs


@inlined
def swap_all(journal: Words, at: Int, arena: Words, body: Int, stretches: Any, count: Int) -> None:
    """Let the journal's words and the page's change places."""
    for stretch in range(0, STRETCH_W * count, STRETCH_W):
        size = stretches[stretch + 1]
        here, there = np.uint64(at), np.uint64(body + stretches[stretch])
        for word in range(np.uint64(size)):
            kept = arena[there + word]
            arena[there + word] = journal[here + word]
            journal[here + word] = kept
        at += size


@inner
def _create(
    index: Words, arena: Words, stride: Int, words: Words, key_at: Int, key_words: Int, start: Word
) -> tuple[Int, Word, Word]:
    """A page of zeros, and what its words add to the digest."""
    hashed = page_index.hash_key(words, key_at, key_words, index[page_index.SALT])
    slot = page_index.create(index, arena, stride, words, key_at, key_words, hashed)
    body_words = stride - 1 - key_words
    body = slot * stride + 1 + key_words
    a = b = _ZERO
    for word in range(body_words):
        arena[body + word] = _ZERO
        c, d = mix(_ZERO, word + 1, start)
        a += c
        b += d
    return slot, a, b


@inner
def _delete(
    plan: Plan,
    at: Int,
    index: Words,
    arena: Words,
    key_words: Int,
    stride: Int,
    slot: Int,
    journal: Words,
    start: Word,
) -> tuple[Int, Word, Word]:
    """The page goes; its body is kept in the journal."""
    body_words = stride - 1 - key_words
    to = plan[JOURNAL]
    if to + body_words > journal.shape[0]:
        return FULL, _ZERO, _ZERO
    a, b = mix(arena[slot * stride], 0, start)
    for word in range(body_words):
        content = arena[slot * stride + 1 + key_words + word]
        journal[to + word] = content
        c, d = mix(content, word + 1, start)
        a += c
        b += d
    page_index.remove(index, arena, stride, key_words, slot)
    plan[JOURNAL] = to + body_words
    plan[DONE] = at + 1
    return APPLIED, _ZERO - a, _ZERO - b


@kernel
def take_back(
    words: Words,
    value8: Bytes,
    columns: Columns,
    start: Int,
    done: Int,
    index: Words,
    arena: Words,
    rules: Words,
    journal: Words,
    stretches: Any,
    spare: Words,
) -> None:
    """Give pages back what deltas `start` up to `done` took from them, the last first; `spare` holds any body."""
    key_words = rule(rules, KEY_WORDS)
    body_words = rule(rules, BODY_WORDS)
    stride = 1 + key_words + body_words
    for at in range(done - 1, start - 1, -1):
        row, key_at = columns[ROW, at], columns[KEY_AT, at]
        kind, base, slot = kind_of(words, row), base_of(words, row), columns[SLOT, at]
        if base == 0:
            page_index.remove(index, arena, stride, key_words, slot)
            continue
        if kind == DELETE:  # the slot that was freed last is the one that is taken
            hashed = page_index.hash_key(words, key_at, key_words, index[page_index.SALT])
            page_index.create(index, arena, stride, words, key_at, key_words, hashed)
            stretches[0], stretches[1], count = 0, body_words, 1
        else:
            size = payload_words_of(words, row)
            count, _ = unfold(words, value8, key_at + key_words, size, kind, body_words, spare, 0, stretches)
        swap_all(journal, columns[JOURNAL_AT, at], arena, slot * stride + 1 + key_words, stretches, count)
        arena[slot * stride] = np.uint64(base)
