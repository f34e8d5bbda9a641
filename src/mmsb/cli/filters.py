"""The options that say which intents are meant, and the filter that they make."""

from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import TYPE_CHECKING

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.statuses import Status
from mmsb.schemas.types import I64_MAX

if TYPE_CHECKING:
    from mmsb.streams.asking.filters import Filter
    from mmsb.streams.past.outline import Outline

STATUSES = tuple(status.name.lower() for status in Status)


def add_about(parser: ArgumentParser, prefix: str = "", only: str = "only") -> None:
    """Options about whose intents they are; with a prefix, for instance those that are left out."""
    for name, metavar, meaning in (
        ("type", "NAME", "those of a class, whatever its layout was: Transfer"),
        ("actor", "TEXT", "those that this actor asked for"),
        ("id", "ID", "those with this id: a UUID, 32 hexadecimal digits, or the text that it was made from"),
        ("correlation", "ID", "those that belong together by this id"),
    ):
        parser.add_argument(f"--{prefix}{name}", metavar=metavar, help=f"{only} {meaning}")


def add_range(parser: ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=int, metavar="OFFSET", help="from this offset on")
    parser.add_argument("--to", dest="last", type=int, metavar="OFFSET", help="up to this offset, itself included")
    parser.add_argument("--since", metavar="TIME", help="from this time on: 2026-03-01, or 2026-03-01T12:30:00.5 (UTC)")
    parser.add_argument("--until", metavar="TIME", help="before this time")


def add_status(parser: ArgumentParser) -> None:
    parser.add_argument("--status", choices=STATUSES, metavar="STATUS", help=f"only these: {', '.join(STATUSES)}")


def filter_of(asked: Namespace, outline: "Outline", prefix: str = "") -> "Filter":
    """What the options of a command say; those that it does not have are no condition."""
    from mmsb.streams.asking.filters import Filter, ids_meant, types_named

    given = {name.removeprefix(prefix): value for name, value in vars(asked).items() if name.startswith(prefix)}
    kind, id, correlation, status = (given.get(name) for name in ("type", "id", "correlation", "status"))
    return Filter(
        types=None if kind is None else types_named(outline, kind),
        actor=given.get("actor"),
        ids=None if id is None else ids_meant(id),
        correlations=None if correlation is None else ids_meant(correlation),
        statuses=None if status is None else frozenset({Status[status.upper()]}),
        first=given.get("first") or 0,
        last=I64_MAX if given.get("last") is None else given["last"],
        since=_time("--since", given.get("since")),
        until=_time("--until", given.get("until")),
    )


def has_range(asked: Namespace) -> bool:
    return any(getattr(asked, name) is not None for name in ("first", "last", "since", "until"))


def _time(option: str, text: str | None) -> int | None:
    """Microseconds UTC; a time without a zone is in UTC."""
    from mmsb.streams.asking.filters import microseconds

    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        expected = "expected a time as 2026-03-01, or 2026-03-01T12:30:00.5 in UTC"
        raise InvalidValue(f"{option}: {expected}, found {text!r}") from None
    return microseconds(time)
