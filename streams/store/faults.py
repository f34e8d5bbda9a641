"""What RocksDB says when it fails, in our own errors: rocksdict raises `Exception` with its text, and nothing else."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from traceback import clear_frames
from typing import Final

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, FolderInUse, InvalidValue, MmsbError
from mmsb.streams.files import failed

_KNOWN: Final = (
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO,
)  # fmt: skip
"""What the system may refuse, told by its words, which RocksDB repeats."""

_DAMAGED: Final = (
    "`mmsb verify` says what is damaged; a home is set aside at the next start, a checkpoint is passed over"
)


@contextmanager
def explained(path: Path, what: str, *, written: bool = False, shown: Path | None = None) -> Generator[None]:
    """Turn whatever fails inside into an error of ours. `written`: what is asked for was there once.

    `shown` is what RocksDB takes the path for.
    """
    try:
        yield
    except MmsbError:
        raise
    except OSError as error:
        raise failed(path, what, error) from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        clear_frames(error.__traceback__)  # an iterator in one of them would keep the folder locked
        text = str(error) if shown is None else str(error).replace(str(shown), str(path))
        raise _meant(path, what, text, written) from error


def _meant(path: Path, what: str, text: str, written: bool) -> MmsbError:
    if "Keys must be added in strict ascending order" in text:
        return InvalidValue(f"{path}: expected rows whose keys rise, found one that does not: sort them")
    if "/LOCK: " in text:
        return FolderInUse(f"{path}: expected to {what}, found that somebody has it open: {text}; close that first")
    for number in _KNOWN:
        if os.strerror(number) in text:
            return failed(path, what, OSError(number, text))
    if text.startswith("Corruption") or (written and os.strerror(errno.ENOENT) in text):
        return CorruptState(f"{path}: expected to {what}, found: {text}; {_DAMAGED}")
    return EnvironmentFailed(f"{path}: expected to {what}, found: {text}; look at the disk and the system's log")
