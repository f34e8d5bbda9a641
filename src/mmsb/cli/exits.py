"""Exit codes, by whose fault it is. Scripts depend on them: a number never changes its meaning (docs/errors.md)."""

import enum

from mmsb.schemas import errors


class Exit(enum.IntEnum):
    DONE = 0
    FOUND = 1  # verify, replay, diff and rehearse: a problem or a difference, as of diff(1)
    CALLER = 2
    REJECTED = 3
    NO_PAGE = 4
    CONFLICT = 5
    ENVIRONMENT = 6
    CORRUPT = 7
    UNKNOWN = 8
    AGAIN = 9
    BUG = 70
    INTERRUPTED = 130  # as shells count SIGINT
    CLOSED = 141  # as shells count SIGPIPE


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FOUND: "`verify`, `replay` or `checkpoint` found a problem, `diff` or `rehearse` a difference",
    Exit.CALLER: "the command line, a value in it, or the application's code is wrong",
    Exit.REJECTED: "`submit`: an intent settled as rejected; it is recorded, with its reason",
    Exit.NO_PAGE: "there is no such page",
    Exit.CONFLICT: "somebody else was first: the folder is in use, or its generation is that of other code",
    Exit.ENVIRONMENT: "a folder, a file, a disk or a process is not as it must be",
    Exit.CORRUPT: "bytes that MMSB wrote are wrong: start again, and if that does not help, restore a good copy",
    Exit.UNKNOWN: "what was submitted may be logged or not: submit it again with the same --id",
    Exit.AGAIN: "there was no room or no time, and nothing was submitted: try again",
    Exit.BUG: "a bug of MMSB's: report it with what it printed",
    Exit.INTERRUPTED: "interrupted by Ctrl-C (`run` settles first and ends with 0)",
    Exit.CLOSED: "whoever read the output went away",
}

_BY_ERROR: tuple[tuple[type[BaseException], Exit], ...] = (
    (errors.PageNotFound, Exit.NO_PAGE),
    (errors.CallerError, Exit.CALLER),
    (errors.Conflict, Exit.CONFLICT),
    (errors.CorruptState, Exit.CORRUPT),
    (errors.OutcomeUnknown, Exit.UNKNOWN),
    (errors.Overloaded, Exit.AGAIN),
    (TimeoutError, Exit.AGAIN),
    (errors.EnvironmentFailed, Exit.ENVIRONMENT),
    (OSError, Exit.ENVIRONMENT),
)


def exit_of(error: BaseException) -> Exit:
    """The code that an error ends with; BUG for what nobody has foreseen."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.BUG)
