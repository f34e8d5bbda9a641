"""One message, or some, through a processor's function: what comes of it, or why nothing does.

A function that fails is tried again. What fails still is set aside with its reason, so that those behind it go on; of
a batch that fails the messages are tried in ever smaller parts, until it is known which of them it is.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from mmsb.processors.batching import Intents
from mmsb.schemas.ids import source_of
from mmsb.streams.edges.calling import call_within
from mmsb.streams.edges.declaring import Decode, Message, Messages, Processor, Topic
from mmsb.streams.edges.packing import pack_answer, pack_batch_answer
from mmsb.streams.grouping import RECORD_BYTES

BACKOFF_SECONDS: Final = (0.1, 5.0)
"""Doubled from the first to the second between two attempts."""

REASON_CHARACTERS_MAX: Final = 1_000

T = TypeVar("T")


class Rejected(NamedTuple):
    """A message that cannot be dealt with, as its source had it, and why."""

    message: Message
    reason: str


@dataclass(slots=True)
class Answer:
    """What came of consecutive messages."""

    count: int
    next: int
    """The position behind the last of them."""
    values: Sequence[bytes] = ()
    columns: Sequence[Intents] = ()
    rejected: Sequence[Rejected] = ()

    @property
    def size(self) -> int:
        """In bytes, of what is submitted."""
        if self.columns:
            return sum(len(each) * each.value_bytes for each in self.columns)
        return sum(map(len, self.values)) + RECORD_BYTES * len(self.values)


@dataclass(slots=True)
class _Found:
    """What came of some messages so far, in their order."""

    columns: list[Intents] = field(default_factory=list[Intents])
    rejected: list[Rejected] = field(default_factory=list[Rejected])


class _Failed(Exception):
    """After all attempts."""


class Attempts:
    """Of the messages of one source. `identity` names it across restarts: what carries its numbers counts once."""

    def __init__(self, processor: Processor, identity: str) -> None:
        self._processor = processor
        self._identity = identity
        self._source = source_of(identity)
        self._decode: Decode | None = processor.source.decode if isinstance(processor.source, Topic) else None

    async def of_one(self, message: Message) -> Answer:
        answer = Answer(1, message.position + 1)
        try:
            answer.values = await self._call(
                lambda: self._decoded(message), lambda given: pack_answer(given, self._source, message.position)
            )
        except _Failed as failed:
            answer.rejected = (Rejected(message, str(failed)),)
        return answer

    async def of_many(self, messages: Messages) -> Answer:
        found = _Found()
        good, decoded = self._decodable(messages, found)
        if len(good):
            await self._parts(good, [decoded], found, self._processor.attempts)
        return Answer(len(messages), messages.positions[-1] + 1, (), found.columns, found.rejected)

    async def _parts(self, messages: Messages, decoded: list[Messages], found: _Found, attempts: int) -> None:
        """All at once; if that fails, one half and then the other. Only the whole and single ones are tried again.

        `decoded` has what the first attempt gets, if that is there already.
        """
        try:
            intents = await self._call(
                lambda: decoded.pop() if decoded else self._all_decoded(messages),
                lambda given: pack_batch_answer(given, self._identity, messages.positions),
                attempts,
            )
        except _Failed as failed:
            if len(messages) == 1:
                found.rejected.append(Rejected(_only(messages), str(failed)))
                return
            middle = len(messages) // 2
            for part in (messages.part(0, middle), messages.part(middle, len(messages))):
                await self._parts(part, [], found, self._processor.attempts if len(part) == 1 else 1)
        else:
            if intents is not None and len(intents):
                found.columns.append(intents)

    async def _call(
        self, argument: Callable[[], Message | Messages], pack: Callable[[Any], T], attempts: int | None = None
    ) -> T:
        """Each attempt gets what it may change as it came."""
        pause, longest = BACKOFF_SECONDS
        reason = ""
        for attempt in range(attempts or self._processor.attempts):
            if attempt:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            try:
                return pack(await call_within(self._processor.timeout, self._processor.function, argument()))
            except _Failed:  # what cannot be decoded now, cannot be then
                raise
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                reason = _words(error)  # of something that the function waited for
            except Exception as error:
                reason = _words(error)
        raise _Failed(reason)

    def _decoded(self, message: Message) -> Message:
        if self._decode is None:
            return message
        try:
            value = _value(self._decode, message.value)
        except Exception as error:
            raise _Failed(_undecodable(error)) from None
        return Message(value, message.key, message.time, message.source, message.position)

    def _all_decoded(self, messages: Messages) -> Messages:
        decode = self._decode
        if decode is None:
            return messages
        values = [_value(decode, raw) for raw in messages.values]
        return Messages(values, messages.keys, messages.times, messages.source, messages.positions)

    def _decodable(self, messages: Messages, found: _Found) -> tuple[Messages, Messages]:
        """Those that can be decoded, as they came and decoded; the others are set aside."""
        if self._decode is None:
            return messages, messages
        values: list[Any] = []
        good: list[int] = []
        for index, raw in enumerate(messages.values):
            try:
                values.append(_value(self._decode, raw))
                good.append(index)
            except Exception as error:
                found.rejected.append(Rejected(_only(messages.part(index, index + 1)), _undecodable(error)))
        if len(good) < len(messages):
            messages = Messages(
                [messages.values[index] for index in good],
                [messages.keys[index] for index in good],
                [messages.times[index] for index in good],
                messages.source,
                [messages.positions[index] for index in good],
            )
        return messages, Messages(values, messages.keys, messages.times, messages.source, messages.positions)


def _value(decode: Decode, raw: bytes | None) -> Any:
    """None has no bytes to decode: in a compacted topic it says that there is nothing any more."""
    return None if raw is None else decode(raw)


def _undecodable(error: Exception) -> str:
    return f"its value cannot be decoded: {_words(error)}"


def _only(messages: Messages) -> Message:
    key, time = (messages.keys[0], messages.times[0]) if messages.keys else (None, -1)
    return Message(messages.values[0], key, time, messages.source, messages.positions[0])


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX]
