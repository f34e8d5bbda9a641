"""The table of limits in docs/operations.md: what whoever runs MMSB may meet, with the values of the code."""

import importlib

LIMITS = (
    ("schemas.limits", "INTENT_BYTES_MAX", "bytes of an intent with its metadata", "it settles as rejected"),
    ("schemas.limits", "PAGE_BYTES_MAX", "bytes of a page", "the class is refused"),
    ("schemas.limits", "PAGES_PER_INTENT_MAX", "pages that an intent names", "the class is refused"),
    ("schemas.limits", "FOLLOW_UPS_PER_INTENT_MAX", "follow-ups that an intent emits", "it settles as rejected"),
    (
        "schemas.limits",
        "HOPS_DEFAULT",
        "follow-ups of follow-ups, unless `hops_max` says otherwise",
        "it settles as rejected",
    ),
    (
        "schemas.limits",
        "WINDOW_DEFAULT",
        "offsets back that an id is known, unless `window` says otherwise",
        "it applies again",
    ),
    ("schemas.limits", "PARTITIONS_MAX", "partitions of a folder", "`app.run` refuses"),
    (
        "streams.inbox",
        "IN_FLIGHT_BYTES_MAX",
        "bytes on their way in a partition, until they settle",
        "`submit` waits, `submit_nowait` raises `Overloaded`",
    ),
    ("streams.submitting", "VALUE_BYTES_MAX", "bytes of one intent, valid or not", "`InvalidValue`"),
    ("streams.inbox", "GROUP_BYTES", "bytes made durable together", "the rest is in the next group"),
    ("streams.log.log", "SEGMENT_BYTES", "bytes of a segment of a log", "the next one is begun"),
    (
        "streams.events.feed",
        "EVENTS_BYTES_MAX",
        "bytes of events kept for consumers who are behind",
        "these are read from the TLog again",
    ),
    ("streams.serving.server", "CONNECTIONS_MAX", "clients of a socket", "`Overloaded` for one more"),
    ("streams.serving.limits", "IN_FLIGHT_BYTES_MAX", "bytes on their way of one client", "it waits, as above"),
    ("streams.serving.limits", "QUESTIONS_MAX", "questions and subscriptions of one client at a time", "it waits"),
    (
        "streams.serving.session",
        "FLUSH_SECONDS",
        "seconds that a client has to read its last answers when the owner ends",
        "its connection is cut",
    ),
    (
        "streams.watching.http",
        "CONNECTIONS_MAX",
        "connections to the port of `--http`",
        "503; from twice as many on, cut",
    ),
    ("streams.watching.http", "REQUEST_BYTES_MAX", "bytes of a request there, with its headers", "431"),
    ("streams.watching.http", "REQUEST_SECONDS", "seconds for a whole request", "408"),
    ("streams.watching.http", "ANSWER_SECONDS", "seconds to take the answer", "its connection is cut"),
    ("streams.watching.watched", "STATS_SECONDS", "seconds that `/stats` waits for the end of a step", "503"),
    (
        "streams.watching.progress",
        "STILL_SECONDS",
        "seconds that intents wait without one that settles",
        "`/progressing` and `/ready` answer 503",
    ),
)

BEGIN = "<!-- made by tests/docs/limits.py -->\n"
END = "<!-- end -->\n"


def with_limits(page: str) -> str:
    """The page with the table as it must be."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + _table() + END + rest.partition(END)[2]


def _table() -> str:
    lines = ["| limit | value | of what | above it |", "|---|---|---|---|"]
    for module, name, what, above in LIMITS:
        value = getattr(importlib.import_module(f"mmsb.{module}"), name)
        lines.append(f"| `{name}` of `{module.replace('.', '/')}.py` | {value:,} | {what} | {above} |")
    return "\n".join(lines) + "\n"
