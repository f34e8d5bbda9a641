"""A process that kills itself before one of its file operations."""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from examples.bank import app
from mmsb.streams.files import RealFile, RealFiles

OPERATIONS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (RealFiles, ("create", "make_folder", "sync_folder", "replace", "link", "remove", "remove_folder")),
    (RealFile, ("write", "sync", "truncate")),
)


@contextmanager
def killed_at(number: int) -> Generator[Callable[[], None]]:
    """Gives what begins the counting; 0 counts for ever."""
    numbers, armed = count(1), False

    def arm() -> None:
        nonlocal armed
        armed = True

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any) -> Any:
            if armed and next(numbers) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return operation

    with ExitStack() as patches:
        for kind, names in OPERATIONS:
            for name in names:
                patches.enter_context(patch.object(kind, name, watched(getattr(kind, name))))
        yield arm


async def checkpoint_and_trim(data: Path, arm: Callable[[], None]) -> None:
    """Run the bank, have a checkpoint made and what it makes superfluous removed, and end."""
    async with app.run(data=data, interpreted=True, trim=True) as bank:
        arm()
        await bank.checkpoint()
