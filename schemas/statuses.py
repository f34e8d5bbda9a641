"""What became of an intent, as the TLog says it."""

import enum


class Status(enum.IntEnum):
    """On disk, in three bits."""

    APPLIED = 1
    REJECTED = 2
    DUPLICATE = 3
    NOOP = 4
    QUARANTINED = 5

    def __str__(self) -> str:
        return self.name.lower()

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @property
    def remembers(self) -> bool:
        """Whether an id that settles so is known from then on."""
        return self in (Status.APPLIED, Status.REJECTED, Status.QUARANTINED)
