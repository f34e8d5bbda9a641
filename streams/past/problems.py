"""What may be wrong with a data folder: where, what must be there, what is there, and what to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmsb.streams.log.frames import Fault

RESTORE: Final = "stop the owner and restore the partition's folder from a good copy"
REMOVE: Final = "remove the file; it is made anew from the segment beside it"
BRING_CHECKPOINT: Final = "restore a checkpoint of this partition, or import one elsewhere: mmsb checkpoint import"
RUN_ONCE: Final = "run the application over it once, which writes a new one, and verify again"
MARK_ANEW: Final = "stop the owner; if verify finds nothing else wrong, remove the mark and start the owner again"


@dataclass(frozen=True, slots=True)
class Problem:
    """`position` is a byte of the file, where one is to blame."""

    path: Path
    position: int | None
    expected: str
    found: str
    next_step: str

    def __str__(self) -> str:
        place = f"{self.path}" if self.position is None else f"{self.path} at byte {self.position}"
        return f"{place}: expected {self.expected}, found {self.found}; {self.next_step}"


def problem_of(path: Path, fault: Fault, next_step: str = RESTORE) -> Problem:
    return Problem(path, fault.position, fault.expected, fault.found, next_step)
