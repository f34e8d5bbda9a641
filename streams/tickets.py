"""What callers hold while their intents are on the way: tickets inside of the engine, receipts outside."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.rejections import Rejection
from mmsb.schemas.statuses import Status

if TYPE_CHECKING:  # not loaded, because a client that asks one thing does without NumPy and asyncio
    import asyncio

    from mmsb.processors.batching import Intents
    from mmsb.processors.receipts import Receipts

Until = Literal["logged", "settled"]


def check_timeout(timeout: float | None) -> None:
    given: Any = timeout
    if given is not None and not (isinstance(given, int | float) and given > 0):
        raise InvalidValue(f"timeout: expected seconds above 0, or None to wait, found {given!r}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one intent.

    `status` is None as long as only `logged` was waited for. A duplicate names the offset at which its id was first
    seen, unless it repeats a source's number (-1).
    """

    partition: int
    offset: int
    status: Status | None = None
    rejection: Rejection | None = None
    first_offset: int | None = None


@dataclass(eq=False, slots=True)
class Ticket:
    """Intents of one call, on their way from its hands to a block that counts; its futures are what it waits for."""

    intents: "bytes | list[bytes] | Intents"  # one packed intent, some of them, or many as columns
    count: int
    size: int  # bytes, as the limit of what is in flight counts them
    logged: "asyncio.Future[int] | None" = None  # the first one's offset
    settled: "asyncio.Future[Any] | None" = None  # a Receipt for one, Receipts for many
    taken: bool = False  # out of the inbox: it may be logged, whatever its caller does
    after: "Ticket | None" = None  # the part of the same call before it: without that one it is not to be logged
    first: int = -1
    parts: "list[Receipts]" = field(default_factory=list["Receipts"])

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    @property
    def given_up(self) -> bool:
        """Whether somebody waited for it and does no more."""
        return any(future is not None and future.cancelled() for future in (self.logged, self.settled))

    def tell_logged(self) -> None:
        if self.logged is not None and not self.logged.done():
            self.logged.set_result(self.first)

    def fail(self, error: BaseException) -> None:
        for future in (self.logged, self.settled):
            if future is not None and not future.done():
                future.set_exception(error)
