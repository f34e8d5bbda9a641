# mypy: disable-error-code="import-untyped, misc"
# pyright: reportMissingTypeStubs=false
"""What a member of a consumer group asks the broker that coordinates the group, in aiokafka's structures.

aiokafka lacks two requests in the versions that know static members. Without them a process whose name another has
taken is told that it is unknown, and takes the name back, and so on for ever.
"""

import asyncio
import enum
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import (
    HeartbeatResponse_v1,
    JoinGroupRequest,
    LeaveGroupResponse_v1,
    MemberAssignment,
    ProtocolMetadata,
    SyncGroupRequest,
)
from aiokafka.protocol.types import Array, Int32, Schema, String

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.answers import ADMINISTERING, COORDINATING, Means, means, name_of, refusal
from mmsb.streams.kafka.cluster.connections import Connections, Unanswered, Unsent
from mmsb.streams.kafka.cluster.requests import ask_coordinator, read_commit, read_coordinator
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.url import Address

ASSIGNOR: Final = "mmsb"
_PROTOCOL_TYPE: Final = "consumer"
_DEFAULT_RETENTION: Final = -1
_TEXT: Final = String("utf-8")


class Verdict(enum.Enum):
    """What an answer means for the member that asked."""

    DONE = enum.auto()
    AWAY = enum.auto()
    """The coordinator does not answer, or is another broker now: nothing is known."""

    REBALANCING = enum.auto()
    """Those who are to stay must join again."""

    EXPELLED = enum.auto()
    """The group knows no such member."""

    NAMED = enum.auto()
    """Here is the member's id, join with it."""


_VERDICTS: Final = {
    0: Verdict.DONE,
    14: Verdict.AWAY,  # COORDINATOR_LOAD_IN_PROGRESS
    15: Verdict.AWAY,  # COORDINATOR_NOT_AVAILABLE
    16: Verdict.AWAY,  # NOT_COORDINATOR
    22: Verdict.REBALANCING,  # ILLEGAL_GENERATION: they have done it without us
    25: Verdict.EXPELLED,  # UNKNOWN_MEMBER_ID
    27: Verdict.REBALANCING,  # REBALANCE_IN_PROGRESS
    79: Verdict.NAMED,  # MEMBER_ID_REQUIRED
}
_FENCED: Final = 82
_REMEDIES: Final = {
    23: "another program uses the group's name: rename the application, or stop that program",
    26: "have the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms allow it",
    30: "allow this user to read the group",
    81: "raise the brokers' group.max.size",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that the group waits for a member, and the member for answers."""

    session: float
    """Of silence, after which the group goes on without a member."""

    rest: float
    """From when the group wants members to join again to when it goes on without those who have not."""

    @property
    def answer(self) -> float:
        """Short of the session, so that a dead connection is given up before the session is over."""
        return self.session / 3


@dataclass(frozen=True, slots=True)
class Joined:
    generation: int
    member: str
    members: Mapping[str, bytes] | None
    """What each of them says of itself, for the leader alone."""


class Coordinator:
    """One member's connection to it. Every call raises EnvironmentFailed for what will not change by asking again."""

    def __init__(self, connections: Connections, routes: Routes, group: str, name: str, patience: Patience) -> None:
        self._connections = connections
        self._routes = routes
        self._group = group
        self._name = name
        self._patience = patience
        self._lane = ("group", group, name)  # a connection of its own, since joining may take a minute
        self._aside = (*self._lane, "offsets")
        self._at: Address | None = None
        self._join_is_open = False
        """One was sent and not answered: a coordinator that was frozen may carry it out late, behind newer ones."""

    async def partitions(self, topic: str) -> int | None:
        """How many it has, if that is known."""
        try:
            found = await self._routes.ask([topic])
        except Unsent:
            return None
        code = found.errors.get(topic, 0)
        if means(ADMINISTERING, code) is Means.REFUSED:
            raise refusal(f"topic {topic!r}", code)
        return len(found.topics[topic]) if topic in found.topics else None

    async def join(self, member: str, topic: str, says: bytes) -> tuple[Verdict, Joined]:
        """The group's next generation. Asked twice it makes no difference, so a lost answer is asked for again."""
        request = JoinGroupRequest(
            self._group,
            round(self._patience.session * 1000),
            round(self._patience.rest * 1000),
            member,
            self._name,
            _PROTOCOL_TYPE,
            [(ASSIGNOR, ProtocolMetadata(0, [topic], says).encode())],
        )
        answer = await self._ask(request, self._patience.session)
        if answer is None:
            self._join_is_open = True
            return Verdict.AWAY, Joined(-1, member, None)
        leads = answer.error_code == 0 and answer.leader_id == answer.member_id
        members = {id: _said(metadata) for id, _, metadata in answer.members} if leads else None
        return self._verdict(answer), Joined(answer.generation_id, answer.member_id, members)

    async def sync(
        self, joined: Joined, topic: str, assigned: Mapping[str, Sequence[int]]
    ) -> tuple[Verdict, frozenset[int]]:
        """What this member gets. `assigned` is the leader's to say, by member."""
        assignments = [
            (member, MemberAssignment(0, [(topic, sorted(numbers))], b"").encode())
            for member, numbers in assigned.items()
        ]
        request = SyncGroupRequest(self._group, joined.generation, joined.member, self._name, assignments)
        answer = await self._ask(request, self._patience.session)
        if answer is None:
            return Verdict.AWAY, frozenset()
        verdict = self._verdict(answer)
        return verdict, self._partitions(answer.member_assignment, topic) if verdict == Verdict.DONE else frozenset()

    async def beat(self, generation: int, member: str) -> Verdict:
        answer = await self._ask(_Heartbeat(self._group, generation, member, self._name), self._patience.answer)
        return Verdict.AWAY if answer is None else self._verdict(answer)

    async def commit(self, generation: int, member: str, topic: str, offsets: Mapping[int, int], words: str) -> bool:
        """Note offsets as the group's own, which takes a member. False if they do not take it while they rebalance."""
        if self._at is None:
            return False
        parts = [(partition, offset, words) for partition, offset in sorted(offsets.items())]
        request = OffsetCommitRequest(self._group, generation, member, _DEFAULT_RETENTION, [(topic, parts)])
        try:
            answer = await self._connections.ask(self._at, self._aside, request, self._patience.answer)
        except (Unsent, Unanswered):
            return False
        codes = read_commit(answer)
        refused = [code for code in codes if code not in _VERDICTS]
        if refused:
            raise self._refused(refused[0])
        return not any(codes)

    async def leave(self, member: str) -> Verdict:
        """Once nothing is asked any more: a broker that waits for others to join takes nothing else on a connection."""
        answer = await self._ask(_LeaveGroup(self._group, [(member, self._name)]), self._patience.answer)
        return Verdict.AWAY if answer is None else self._verdict(answer)

    async def _ask(self, request: object, seconds: float) -> Any:
        """The answer, or None if there was none in time: then the coordinator is looked for anew."""
        try:
            async with asyncio.timeout(seconds):
                if self._at is None:
                    self._at = await self._find()
                return await self._connections.ask(self._at, self._lane, request, seconds)
        except (Unsent, Unanswered, TimeoutError):
            self._hang_up()
            return None

    async def _find(self) -> Address:
        """Any broker knows, if it answers. Raises Unsent if none of them does."""
        for broker in self._routes.brokers():
            try:
                code, found = read_coordinator(
                    await self._connections.ask(
                        broker, self._lane, ask_coordinator(self._group), self._patience.answer / 2
                    )
                )
            except (Unsent, Unanswered):
                continue
            meaning = means(COORDINATING, code)
            if meaning is Means.REFUSED:
                raise refusal(f"group {self._group!r}", code)
            if meaning is Means.DONE:
                if found != broker:
                    self._connections.drop(broker, self._lane)
                return found
        raise Unsent(f"no broker knows who coordinates group {self._group!r}")

    def _verdict(self, answer: Any) -> Verdict:
        code: int = answer.error_code
        if code == _FENCED and self._join_is_open:
            self._join_is_open = False  # who has joined under our name was us
            return Verdict.EXPELLED
        if code not in _VERDICTS:
            raise self._refused(code)
        verdict = _VERDICTS[code]
        if verdict == Verdict.AWAY:
            self._hang_up()
        return verdict

    def _refused(self, code: int) -> EnvironmentFailed:
        if code == _FENCED:
            return EnvironmentFailed(
                f"group {self._group!r}: expected to be the only process of the name {self._name!r}, found that "
                "another has joined under it; this one stops: give each its own name and folder"
            )
        remedy = _REMEDIES.get(code, "look into the brokers' log")
        return EnvironmentFailed(
            f"group {self._group!r}: expected the broker to take a member of it, found {name_of(code)}; {remedy}"
        )

    def _partitions(self, assignment: bytes | None, topic: str) -> frozenset[int]:
        if not assignment:
            return frozenset()
        try:
            decoded: Any = MemberAssignment.decode(assignment)
            return frozenset(number for name, numbers in decoded.assignment if name == topic for number in numbers)
        except (ValueError, TypeError):
            raise EnvironmentFailed(
                f"group {self._group!r}: expected an assignment, found {assignment!r}: the group is led by a program "
                "that is none of ours; rename the application, or stop that program"
            ) from None

    def _hang_up(self) -> None:
        self._connections.drop_lane(self._lane)
        self._at = None

    def close(self) -> None:
        self._hang_up()
        self._connections.drop_lane(self._aside)


def _said(metadata: bytes) -> bytes:
    with suppress(ValueError):
        decoded: Any = ProtocolMetadata.decode(metadata)
        return decoded.user_data or b""
    return b""


class _HeartbeatStruct(RequestStruct):
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = HeartbeatResponse_v1  # version 3 is the same
    SCHEMA = Schema(("group", _TEXT), ("generation_id", Int32), ("member_id", _TEXT), ("group_instance_id", _TEXT))


class _LeaveGroupStruct(RequestStruct):
    API_KEY = 13
    API_VERSION = 3
    RESPONSE_TYPE = (
        LeaveGroupResponse_v1  # version 3 has each member's error behind it, from which nothing would follow
    )
    SCHEMA = Schema(("group", _TEXT), ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT))))


class _Heartbeat(Request[_HeartbeatStruct]):
    API_KEY = 12

    def __init__(self, *fields: object) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_HeartbeatStruct]) -> _HeartbeatStruct:
        return request_struct_class(*self._fields)


class _LeaveGroup(Request[_LeaveGroupStruct]):
    API_KEY = 13

    def __init__(self, *fields: object) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_LeaveGroupStruct]) -> _LeaveGroupStruct:
        return request_struct_class(*self._fields)
