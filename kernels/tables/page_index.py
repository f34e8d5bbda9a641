"""Where a page is: slots in an arena, found through an index of their keys.

An arena is a u64 array of equal slots: epoch, key words, body words. Epoch 0 means that the slot is free; its first key
word then says which slot was freed before it. An index is a u64 array too: a few words about the arena, then a table
with open addressing, each entry the upper half of the key's hash and, in its lower half, the slot + 1; 0 is empty.
Where an entry belongs follows from its upper half alone, so entries move (on removal, or to a larger table) without a
look at keys.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Flag, Int, Word, Words, prefetch
from mmsb.kernels.mixing import fmix, seed_with

# The words of an index before its table.
COUNT: Final = 0  # pages that exist
USED: Final = 1  # slots ever used; those below it that hold no page are in the chain of free ones
FREE: Final = 2  # the slot freed last, + 1
SALT: Final = 3  # nobody can aim keys at one place of the table without knowing it
SHIFT: Final = 4  # from the upper half of a hash to a place in the table
TABLE: Final = 8

_NEAR: Final = 32  # words of a page that are brought near: what lies behind, the hardware sees coming
_HALF: Final = np.uint64(32)
_SLOT: Final = np.uint64(0xFFFF_FFFF)
_EMPTY: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


@inlined
def hash_key(keys: Words, at: Int, count: Int, salt: Word) -> Word:
    """The hash of a key of `count` words."""
    mixed = salt
    for index in range(count):
        mixed = seed_with(mixed, keys[at + index])
    return mixed


@inlined
def home(index: Words, entry: Word) -> Int:
    """Where in the table a hash, or the entry made from it, belongs."""
    return np.int64((entry >> _HALF) >> index[SHIFT])


@inlined
def prefetch_entry(index: Words, hashed: Word) -> None:
    prefetch(index, TABLE + home(index, hashed))


@inlined
def has_key(arena: Words, slot: Int, stride: Int, keys: Words, at: Int, count: Int) -> Flag:
    """Whether a slot holds the page with this key."""
    base = slot * stride
    if arena[base] == _EMPTY:
        return False
    for word in range(count):  # noqa: SIM110 - compiled loops have no generators
        if arena[base + 1 + word] != keys[at + word]:
            return False
    return True


@inlined
def find(index: Words, arena: Words, stride: Int, keys: Words, at: Int, count: Int, hashed: Word) -> Int:
    """The slot of the page with this key; -1 if there is none."""
    last = index.shape[0] - TABLE - 1
    place = home(index, hashed)
    tag = hashed >> _HALF
    while True:
        entry = index[TABLE + place]
        if entry == _EMPTY:
            return -1
        if entry >> _HALF == tag:
            slot = np.int64(entry & _SLOT) - 1
            if has_key(arena, slot, stride, keys, at, count):
                return slot
        place = (place + 1) & last


@inlined
def has_room(index: Words, arena: Words, stride: Int, more: Int) -> Flag:
    """Whether so many pages can be made before somebody has to provide larger arrays."""
    used, count = np.int64(index[USED]), np.int64(index[COUNT])
    half = (index.shape[0] - TABLE) // 2
    return (used + more) * stride <= arena.shape[0] and count + more <= half


@inlined
def enter(index: Words, hashed: Word, slot: Int) -> None:
    """Make a slot findable; the table has room, and no entry for this key."""
    last = index.shape[0] - TABLE - 1
    place = home(index, hashed)
    while index[TABLE + place] != _EMPTY:
        place = (place + 1) & last
    index[TABLE + place] = ((hashed >> _HALF) << _HALF) | np.uint64(slot + 1)


@inlined
def create(index: Words, arena: Words, stride: Int, keys: Words, at: Int, count: Int, hashed: Word) -> Int:
    """A slot for a new page, with its key; its epoch and body are the caller's to write. There is room."""
    if index[FREE] != _EMPTY:
        slot = np.int64(index[FREE]) - 1
        index[FREE] = arena[slot * stride + 1]
    else:
        slot = np.int64(index[USED])
        index[USED] += _ONE
    base = slot * stride
    for word in range(count):
        arena[base + 1 + word] = keys[at + word]
    enter(index, hashed, slot)
    index[COUNT] += _ONE
    return slot


@inlined
def remove(index: Words, arena: Words, stride: Int, count: Int, slot: Int) -> None:
    """Forget a page and free its slot."""
    base = slot * stride
    hashed = hash_key(arena, base + 1, count, index[SALT])
    last = index.shape[0] - TABLE - 1
    place = home(index, hashed)
    wanted = np.uint64(slot + 1)
    while index[TABLE + place] & _SLOT != wanted:
        place = (place + 1) & last
    _close_gap(index, place)
    arena[base] = _EMPTY
    arena[base + 1] = index[FREE]
    index[FREE] = wanted
    index[COUNT] -= _ONE


@inlined
def _close_gap(index: Words, gap: Int) -> None:
    """Empty a place, moving up every entry behind it that would no longer be found."""
    last = index.shape[0] - TABLE - 1
    place = gap
    while True:
        place = (place + 1) & last
        entry = index[TABLE + place]
        if entry == _EMPTY:
            break
        if (place - home(index, entry)) & last >= (place - gap) & last:
            index[TABLE + gap] = entry
            gap = place
    index[TABLE + gap] = _EMPTY


@kernel
def rehash(old: Words, new: Words) -> None:
    """Enter everything into a larger, empty table, whose first words are already set."""
    for place in range(TABLE, old.shape[0]):
        entry = old[place]
        if entry != _EMPTY:
            enter(new, entry, np.int64(entry & _SLOT) - 1)


@kernel
def hash_one(keys: Words, count: Int, salt: Word) -> Word:
    """`hash_key` for one key at a time."""
    return hash_key(keys, 0, count, salt)


@kernel
def find_page(index: Words, arena: Words, stride: Int, keys: Words, count: Int) -> Int:
    """`find` for one page at a time."""
    return find(index, arena, stride, keys, 0, count, hash_key(keys, 0, count, index[SALT]))


@kernel
def create_page(index: Words, arena: Words, stride: Int, keys: Words, count: Int) -> Int:
    """`create` for one page at a time."""
    return create(index, arena, stride, keys, 0, count, hash_key(keys, 0, count, index[SALT]))


@kernel
def remove_page(index: Words, arena: Words, stride: Int, count: Int, slot: Int) -> None:
    """`remove` for one page at a time."""
    remove(index, arena, stride, count, slot)


@kernel
def salt_of(a: Word, b: Word) -> Word:
    """A salt from the two words of a log's id."""
    return fmix(fmix(a) ^ b)


@inlined
def candidate(index: Words, hashed: Word) -> Int:
    """The slot of the first entry with this hash; -1 if there is none. Whether it is the page, its key says."""
    last = index.shape[0] - TABLE - 1
    place = home(index, hashed)
    tag = hashed >> _HALF
    while True:
        entry = index[TABLE + place]
        if entry == _EMPTY:
            return -1
        if entry >> _HALF == tag:
            return np.int64(entry & _SLOT) - 1
        place = (place + 1) & last


@inlined
def prefetch_page(arena: Words, stride: Int, slot: Int) -> None:
    """Bring a page's slot near; it begins anywhere in a cache line of eight words."""
    for word in range(0, min(stride + 7, _NEAR), 8):
        prefetch(arena, slot * stride + word)


@inlined
def current(index: Words, arena: Words, stride: Int, count: Int, keys: Words, at: Int, slot: Int) -> Int:
    """The page's slot now, given the one found a while ago; -1 if there is no such page."""
    if slot >= 0 and has_key(arena, slot, stride, keys, at, count):
        return slot
    return find(index, arena, stride, keys, at, count, hash_key(keys, at, count, index[SALT]))
