"""What callers hear from an engine that something has stopped: the same kind of error as what stopped it."""

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, MmsbError, NewerFormat, Superseded


def stopped(what: str, error: BaseException) -> MmsbError:
    """Started again it would go on, unless what is on the disk is wrong: then that is to be looked at first."""
    for kind in (NewerFormat, CorruptState, Superseded):
        if isinstance(error, kind):
            return kind(f"{what} stopped: {error}")
    return EnvironmentFailed(f"{what} stopped: {error}; start it again")
