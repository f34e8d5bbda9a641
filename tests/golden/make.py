"""Every golden file and the code that writes it; run as a module, it writes them all (tests/golden/README.md)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, cast

from tests.golden import (
    batches,
    canonical,
    deltas,
    descriptors,
    events,
    homes,
    intents,
    log_begins,
    log_indexes,
    log_marks,
    manifests,
    metadata,
    outputs,
    page_indexes,
    rejects,
    socket_answers,
    socket_requests,
    table_files,
    tlog,
)

FOLDER = Path(__file__).parent
FOREIGN = "kafka"  # the folder of bytes that others wrote


class Format(Protocol):
    """What a module of a format offers."""

    FILES: Mapping[str, Callable[[], bytes]]

    def again(self, data: bytes) -> bytes:
        """Read the bytes, and write what was read."""
        ...


FORMATS: dict[str, Format] = {
    "batches": cast(Format, batches),
    "canonical": cast(Format, canonical),
    "deltas": cast(Format, deltas),
    "descriptors": cast(Format, descriptors),
    "events": cast(Format, events),
    "homes": cast(Format, homes),
    "intents": cast(Format, intents),
    "log_begins": cast(Format, log_begins),
    "log_indexes": cast(Format, log_indexes),
    "log_marks": cast(Format, log_marks),
    "manifests": cast(Format, manifests),
    "metadata": cast(Format, metadata),
    "outputs": cast(Format, outputs),
    "page_indexes": cast(Format, page_indexes),
    "rejects": cast(Format, rejects),
    "socket_answers": cast(Format, socket_answers),
    "socket_requests": cast(Format, socket_requests),
    "table_files": cast(Format, table_files),
    "tlog": cast(Format, tlog),
}

FILES: dict[str, Callable[[], bytes]] = {
    f"{name}/{file}": make for name, form in FORMATS.items() for file, make in form.FILES.items()
}


def main() -> None:
    for name, make in FILES.items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make())


if __name__ == "__main__":
    main()
