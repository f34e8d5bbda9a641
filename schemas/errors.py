"""Errors, as a small tree ordered by whose fault it is.

A message says what was expected, what was found where, and what to do next. An intent that may not happen is no error:
it settles as a rejection (mmsb.schemas.rejections).
"""


class MmsbError(Exception):
    """The root of all errors of MMSB; never raised itself."""


class CallerError(MmsbError):
    """What the caller wrote or asked for cannot work; never raised itself."""


class InvalidDefinition(CallerError):
    """A class or function that is declared to MMSB cannot work; the message names file and line."""


class InvalidValue(CallerError, ValueError):
    """A value does not fit the field that it is meant for."""


class InvalidDelta(CallerError):
    """A delta that no page could take; `status` and `position` are those of docs/formats.md, section 7."""

    def __init__(self, message: str, status: int, position: int) -> None:
        super().__init__(message)
        self.status = status
        self.position = position


class PageNotFound(CallerError, LookupError):
    """There is no page of that key."""


class ReadOnly(CallerError, AttributeError):
    """Something that was read cannot be assigned to; state changes only through intents."""


class EnvironmentFailed(MmsbError):
    """What is around the process does not do what it must: a folder, a compiler, a disk."""


class Overloaded(MmsbError):
    """A limit of what may be in flight is reached; nothing happened: try again later, or wait for room."""


class OutcomeUnknown(MmsbError):
    """What was submitted may be logged or not: submit it again with the same id, which applies it once."""


class Conflict(MmsbError):
    """Somebody else was there first; never raised itself."""


class FolderInUse(Conflict):
    """Another process writes this data folder."""


class GenerationConflict(Conflict):
    """A generation that has run cannot run again with other code, nor an older one after it."""


class Superseded(Conflict):
    """Another writer has claimed the partition: stop, and let it go on."""


class CorruptState(MmsbError):
    """Bytes that MMSB wrote do not say what they must: stop, and recover from a good copy."""


class MalformedBytes(CorruptState):
    """Bytes are not in the format that they claim to be in."""

    def __init__(self, what: str, expected: str, found: object, position: int) -> None:
        super().__init__(f"{what}: expected {expected}, found {found} at byte {position}")
        self.what = what
        self.position = position


class NewerFormat(CorruptState):
    """Bytes of our own in a version that this release does not know: use the release that wrote them."""
