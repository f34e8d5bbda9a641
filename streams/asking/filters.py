"""Which intents are asked for. No condition is every intent; all conditions must hold."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import make_id, position_id
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.types import I64_MAX
from mmsb.schemas.upserts import MUTATE, UPSERT
from mmsb.streams.past.outline import Outline

_HEX: Final = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`types` are type ids, ids are of 16 bytes, times are microseconds UTC: from `since` on, and before `until`."""

    types: frozenset[int] | None = None
    actor: str | None = None
    ids: frozenset[bytes] | None = None
    correlations: frozenset[bytes] | None = None
    statuses: frozenset[Status] | None = None
    first: int = 0
    last: int = I64_MAX  # itself included
    since: int | None = None
    until: int | None = None

    def positions(self, genesis: Genesis) -> list[int]:
        """The offsets of a partition that wanted ids stand for."""
        found = (offset_of(genesis, id) for id in self.ids or ())
        return [offset for offset in found if offset is not None]


def types_named(outline: Outline, name: str) -> frozenset[int]:
    """The type ids of an intent's class: one for each layout that it ever had."""
    intents = [intent for reign in outline.reigns for intent in reign.claim.descriptor.intents]
    known = {layout.name for layout in (*intents, MUTATE, UPSERT)}
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
        raise InvalidValue(f"no intent {name!r} was ever declared here; {hint}")
    return frozenset(layout.type_id for layout in (*intents, MUTATE, UPSERT) if layout.name == name)


def ids_meant(text: str) -> frozenset[bytes]:
    """The ids that a text may stand for: 32 hexadecimal digits are an id, or a text that was made into one."""
    given = make_id(text)
    return frozenset({given, bytes.fromhex(text)} if _HEX.fullmatch(text) else {given})


def offset_of(genesis: Genesis, id: bytes) -> int | None:
    """Where the intent is that has no id of its own, and is known by its place; None if this is no such id here."""
    offset = int.from_bytes(id[8:], "little", signed=True)
    return offset if offset >= 0 and id == position_id(genesis.log_id, genesis.partition, offset) else None


def microseconds(time: datetime) -> int:
    """Since 1970, UTC."""
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
