"""What a service was told, and told us before it died."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Told:
    """One receipt."""

    id: str | None
    partition: int
    offset: int
    status: int
    first_offset: int | None
    value: str  # the packed intent, in hex

    def line(self) -> str:
        return json.dumps(asdict(self))


def read_told(line: str) -> Told:
    return Told(**json.loads(line))
