"""Topics where a command expects a data folder: what is new in them is copied into one first, below the cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsb.cli.copying import COPY
from mmsb.cli.screen import Screen
from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.streams.kafka.cluster.url import app_of, is_url

if TYPE_CHECKING:
    from mmsb.streams.folder import Progress

COMMANDS: Final = (
    "get", "scan", "history", "blame", "log", "why", "stats", "replay", "verify", "diff", "rehearse", "inspect",
)  # fmt: skip
"""Those that only read, and so may read a copy."""

FOLDERS_ALONE: Final = ("checkpoint", "migrate")

FOLDER: Final = "topics"


def with_folders(given: Sequence[str], screen: Screen) -> list[str]:
    """A command line in which folders stand for kafka://HOST:PORT/APP."""
    url = next(filter(is_url, given), None)
    if url and given[0] in FOLDERS_ALONE:
        raise InvalidValue(f"{url}: expected a data folder, for topics have nothing of this; name a worker's folder")
    if given[0] not in COMMANDS or given[1:2] == [COPY]:
        return [*given]  # a copy is made of the topics themselves
    return [folder_of(word, screen) if is_url(word) else word for word in given]


def folder_of(place: str, screen: Screen) -> str:
    """The folder with what the topics have by now. Copying again compares what is there, and adds what is new."""
    import asyncio  # loaded only for topics

    with screen.progress("copying") as progress:
        return str(asyncio.run(_copied(place, progress.tell)))


async def _copied(place: str, tell: "Progress") -> Path:
    from mmsb.kernels.jit import cache_folder
    from mmsb.streams.kafka.cluster.client import open_broker
    from mmsb.streams.kafka.cluster.security import from_environment
    from mmsb.streams.kafka.copying.copy import TopicSource, copy
    from mmsb.streams.kafka.copying.destinations import MirrorDestination
    from mmsb.streams.world import RealWorld

    url, app = app_of(place)
    async with open_broker(url, from_environment()) as broker:
        folder = cache_folder().parent / FOLDER / broker.cluster / app
        destination = MirrorDestination(RealWorld(), folder, broker.cluster)
        try:
            await copy(TopicSource(broker, app), destination, None, tell)
        except (CorruptState, InvalidValue) as error:
            anew = f"if the topics were made anew, remove {folder}, which only commands use"
            kind = InvalidValue if isinstance(error, InvalidValue) else CorruptState
            raise kind(f"{error}; {anew}") from error
        finally:
            destination.close()
    return folder
