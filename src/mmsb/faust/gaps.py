# mypy: disable-error-code="import-untyped, no-untyped-call"
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""Whether a record was left out: what comes next is known, or directly behind what is, or nothing lies between.

Offsets without a record are those of control records, and of records that compaction removed. So where offsets are not
dense the brokers are asked, which takes some milliseconds.
"""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as TheirPartition

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.cluster.security import Security, protocol_of, tls_context
from mmsb.streams.kafka.cluster.url import parse_url

POLL_SECONDS: Final = 1.0


class Gaps:
    """Of one consumer group. `url` and `security` are those of `broker`."""

    def __init__(
        self, broker: Broker, url: str, security: Security, group: str, *, from_end: bool, committed_only: bool
    ) -> None:
        """`from_end`: a group that has noted nothing begins with what comes then, not with the first record.

        `committed_only`: records of transactions that were aborted do not come.
        """
        self._broker = broker
        self._url = url
        self._security = security
        self._group = group
        self._from_end = from_end
        self._isolation = "read_committed" if committed_only else "read_uncommitted"
        self._next: dict[TopicPartition, int] = {}

    async def check(self, at: TopicPartition, offset: int) -> None:
        """A record came. Raises EnvironmentFailed if one before it did not."""
        known = self._next.get(at, 0)
        if offset > known or at not in self._next:
            await self._check_gap(at, max(known, await self._begun(at, offset)), offset)

    def dealt(self, at: TopicPartition, offset: int) -> None:
        """That record, and with it all before it."""
        self._next[at] = max(self._next.get(at, 0), offset + 1)

    async def _begun(self, at: TopicPartition, offset: int) -> int:
        """Records below it are none of ours: they were dealt with, by whichever worker, or are gone, or not wanted."""
        committed = (await self._broker.committed(self._group, [at])).get(at)
        if committed is None and self._from_end:
            return offset
        first = (await self._broker.span(at)).first
        return first if committed is None else max(first, committed[0])

    async def _check_gap(self, at: TopicPartition, start: int, offset: int) -> None:
        if start >= offset:
            return
        found = await self._first_behind(at, start)
        if found < offset:
            raise EnvironmentFailed(
                f"{at}: expected record {found}, found that Faust skipped it and went on with {offset}; start this "
                "worker again: it begins with what was not acknowledged. If Faust could not decode it (its error is "
                "above), give the topic value_serializer='raw', and decode within the agent"
            )

    async def _first_behind(self, at: TopicPartition, start: int) -> int:
        consumer = AIOKafkaConsumer(**self._settings())
        await consumer.start()
        try:
            theirs = TheirPartition(*at)
            consumer.assign([theirs])
            consumer.seek(theirs, start)
            while not (found := (await consumer.getmany(timeout_ms=round(POLL_SECONDS * 1000))).get(theirs)):
                pass  # there is one: the record that came
            return int(found[0].offset)
        finally:
            await consumer.stop()

    def _settings(self) -> dict[str, Any]:
        """Of a consumer without a group, which commits nothing."""
        security = self._security
        return {
            "bootstrap_servers": [str(address) for address in parse_url(self._url)],
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": self._isolation,
            "security_protocol": protocol_of(security),
            "ssl_context": tls_context(security),
            "sasl_mechanism": security.mechanism or "PLAIN",
            "sasl_plain_username": security.user,
            "sasl_plain_password": security.password,
        }
