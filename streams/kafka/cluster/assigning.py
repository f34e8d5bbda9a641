"""Who gets which partitions: what members of the group say of themselves, and what its leader makes of that.

Pure functions, so that any member may lead. Moving a partition costs its readers a moment and somebody a fold, so
whoever has one keeps it unless that would be unfair, and what must move goes to somebody who has its state at hand.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.errors import MalformedBytes, NewerFormat

NO_GENERATION: Final = -1

_MAGIC: Final = b"MMP\x01"
_HEADER: Final = struct.Struct("<4siII")  # magic, generation, sizes of each of the sets and of the name
_WHAT: Final = "what a member says of itself"


@dataclass(frozen=True, slots=True)
class Said:
    """What a member says of itself when it joins (docs/formats.md, section 20)."""

    name: str
    """It breaks ties, so that equal members keep their order through restarts."""

    generation: int = NO_GENERATION
    """Of the assignment that gave it what it owns."""

    owned: frozenset[int] = frozenset()
    prefers: frozenset[int] = frozenset()
    """Whose state it has at hand."""


def encode_said(said: Said) -> bytes:
    """Sets are bits, because brokers keep what all members say in one record of a megabyte at most."""
    name = said.name.encode()
    size = max([number // 64 + 1 for number in said.owned | said.prefers], default=0) * 8
    header = _HEADER.pack(_MAGIC, said.generation, size, len(name))
    return header + _set_of(said.owned, size) + _set_of(said.prefers, size) + name + bytes(-len(name) % 8)


def decode_said(data: bytes) -> Said:
    if data[:3] == _MAGIC[:3] and len(data) >= 4 and data[3] != _MAGIC[3]:
        raise NewerFormat(f"{_WHAT}: expected version {_MAGIC[3]}, found {data[3]}; all members must run one release")
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise MalformedBytes(_WHAT, f"a header that begins with {_MAGIC!r}", data[: _HEADER.size], 0)
    _, generation, size, name = _HEADER.unpack_from(data)
    name_at = _HEADER.size + 2 * size
    if len(data) != name_at + name + -name % 8:
        raise MalformedBytes(_WHAT, f"two sets of {size} bytes and {name} bytes of name", len(data), 8)
    try:
        text = data[name_at : name_at + name].decode()
    except UnicodeDecodeError as error:
        raise MalformedBytes(_WHAT, "a name in UTF-8", error.object, name_at + error.start) from None
    owned, prefers = data[_HEADER.size : _HEADER.size + size], data[_HEADER.size + size : name_at]
    said = Said(text, generation, _numbers_of(owned), _numbers_of(prefers))
    if encode_said(said) != data:
        raise MalformedBytes(_WHAT, "sets no longer than they must be, and zeros behind", data, _HEADER.size)
    return said


def _set_of(numbers: frozenset[int], size: int) -> bytes:
    found = bytearray(size)
    for number in numbers:
        found[number // 8] |= 1 << number % 8
    return bytes(found)


def _numbers_of(data: bytes) -> frozenset[int]:
    return frozenset(8 * place + bit for place, byte in enumerate(data) if byte for bit in range(8) if byte >> bit & 1)


def assign_said(members: Mapping[str, bytes], count: int) -> dict[str, frozenset[int]]:
    """What each member of the group gets, out of what they sent. Nothing goes to those who speak another language."""
    understood: dict[str, Said] = {}
    for member, data in members.items():
        try:
            understood[member] = decode_said(data)
        except (MalformedBytes, NewerFormat):
            continue  # somebody else's program took our protocol's name: it could not run a partition
    return {**dict.fromkeys(members, frozenset()), **assign(understood, count)}


def assign(members: Mapping[str, Said], count: int) -> dict[str, frozenset[int]]:
    """Share out partitions 0 … count − 1: nobody gets two more than another, and as few move as that allows."""
    if not members:
        return {}
    order = sorted(members, key=lambda member: (members[member].name, member))
    owned = _owned(members, order, count)
    free = set(range(count)) - {number for numbers in owned.values() for number in numbers}
    room = _room({member: (len(owned[member]), len(members[member].prefers & free)) for member in order}, count)
    with_room = [members[member].prefers for member in order if room[member] > len(owned[member])]
    welcome = frozenset[int]().union(*with_room)  # somebody will take these gladly
    given: dict[str, set[int]] = {}
    for member in order:
        keeps = sorted(owned[member], key=lambda number: (number in welcome, number))
        given[member] = set(keeps[: room[member]])
    _give_to_who_prefers(given, room, members, count)
    _give_the_rest(given, room, count)
    return {member: frozenset(numbers) for member, numbers in given.items()}


def _owned(members: Mapping[str, Said], order: Sequence[str], count: int) -> dict[str, set[int]]:
    """Who has what. One that was away may claim what others were given since: the newer generation is right."""
    owner: dict[int, str] = {}
    for member in order:
        for number in members[member].owned:
            known = owner.get(number)
            if known is None or members[known].generation < members[member].generation:
                owner[number] = member
    owned: dict[str, set[int]] = {member: set() for member in order}
    for number, member in owner.items():
        if 0 <= number < count:
            owned[member].add(number)
    return owned


def _room(has: Mapping[str, tuple[int, int]], count: int) -> dict[str, int]:
    """How many each may have: those get one more than others who have most, then those who prefer most of the rest."""
    least, more = divmod(count, len(has))
    richest = sorted(has, key=lambda member: has[member], reverse=True)
    return {member: least + (place < more) for place, member in enumerate(richest)}


def _give_to_who_prefers(
    given: Mapping[str, set[int]], room: Mapping[str, int], members: Mapping[str, Said], count: int
) -> None:
    """Begin with what fewest would like, so that it does not find them full."""
    likers = {
        number: [member for member in given if number in members[member].prefers] for number in _left(given, count)
    }
    for number in sorted(likers, key=lambda number: (len(likers[number]), number)):
        _give(number, likers[number], given, room)


def _give_the_rest(given: Mapping[str, set[int]], room: Mapping[str, int], count: int) -> None:
    for number in _left(given, count):
        _give(number, list(given), given, room)


def _give(number: int, to: Sequence[str], given: Mapping[str, set[int]], room: Mapping[str, int]) -> None:
    """To the first of those with most room, if any has some."""
    best = max(to, key=lambda member: room[member] - len(given[member]), default=None)
    if best is not None and len(given[best]) < room[best]:
        given[best].add(number)


def _left(given: Mapping[str, set[int]], count: int) -> list[int]:
    taken = {number for numbers in given.values() for number in numbers}
    return [number for number in range(count) if number not in taken]
