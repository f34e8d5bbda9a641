"""What the functions of an intent can say beyond plain Python (docs/language.md).

These functions exist to be named: their calls are translated, never executed. Outside an intent they only explain that.
"""

from typing import Any, NoReturn

from mmsb.schemas.errors import InvalidDefinition


def _outside(name: str) -> NoReturn:
    raise InvalidDefinition(
        f"mmsb.{name}() was called by Python; it has a meaning only inside the query, predicate or delta of a class "
        "under @app.intent, or in a helper that those call"
    )


def emit(intent: object) -> None:
    """Record a follow-up: `mmsb.emit(Credit(self.dst, self.amount))`."""
    _outside("emit")


def delete(page: object) -> None:
    """Delete a page when the intent applies."""
    _outside("delete")


def exists(page: object) -> bool:
    """Whether the page existed before this intent, and this intent has not deleted it."""
    _outside("exists")


def now() -> int:
    """The partition clock, in microseconds since 1970 (UTC)."""
    _outside("now")


def reject(reason: str, *values: int) -> NoReturn:
    """Reject the intent with this text, a literal in which each `{}` shows a value: an integer or a member of an enum.

    `mmsb.reject("an order cannot go from {} to {}", order.stage, self.to)`
    """
    _outside("reject")


def sqrt(x: float) -> float:
    """The square root of an f64, rounded to nearest."""
    _outside("sqrt")


VERBS: dict[Any, str] = {function: function.__name__ for function in (emit, delete, exists, now, reject, sqrt)}
