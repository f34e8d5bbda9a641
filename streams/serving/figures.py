"""Stats over the socket, as canonical JSON: the one thing beside the descriptor that is no fixed layout."""

import dataclasses
from typing import Any, Final, cast

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.errors import MalformedBytes
from mmsb.streams.stats import PartitionStats, Stats

_PLAIN: Final = (int, str, float)


def encode_stats(stats: Stats) -> bytes:
    return canonical(cast(Any, dataclasses.asdict(stats)))


def decode_stats(body: bytes) -> Stats:
    found = _members(Stats, parse_canonical(body))
    found["partitions"] = tuple(map(_partition, _require(list, found["partitions"])))
    return Stats(**found)


def _partition(row: Any) -> PartitionStats:
    found = _members(PartitionStats, row)
    for name in ("relayed", "emitted"):  # JSON has no members that are numbers
        found[name] = {_number(key): count for key, count in found[name].items()}
    return PartitionStats(**found)


def _members(cls: Any, found: Any) -> dict[str, Any]:
    """The members of an object, with the types that the class says."""
    fields = dataclasses.fields(cls)
    members: dict[str, Any] = _require(dict, found)
    if set(members) != {field.name for field in fields}:
        raise _wrong(f"an object of {cls.__name__}", members)
    for field in fields:
        value = members[field.name]
        counts = field.name == "partitions" or _is_counts(value)
        right = type(value) is field.type if field.type in _PLAIN else counts
        if not right:
            raise _wrong(f"{field.name} as {field.type}", value)
    return members


def _require(kind: type, found: Any) -> Any:
    if type(found) is not kind:
        raise _wrong(f"a {kind.__name__}", found)
    return found


def _is_counts(found: Any) -> bool:
    return isinstance(found, dict) and all(type(count) is int for count in cast("dict[str, Any]", found).values())


def _number(text: str) -> int:
    if not text.isdecimal():
        raise _wrong("the number of a partition", text)
    return int(text)


def _wrong(expected: str, found: object) -> MalformedBytes:
    return MalformedBytes("stats", expected, f"{found!r:.100}", 0)
