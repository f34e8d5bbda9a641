"""What somebody says of itself: the owner of a folder, a folder that nobody runs, or a process over HTTP."""

import json
from pathlib import Path
from typing import Any, Final

from mmsb.cli.owner import owner_of
from mmsb.cli.screen import Screen
from mmsb.schemas.errors import EnvironmentFailed

ANSWER_SECONDS: Final = 10.0
COPY_OF_TOPICS: Final = (
    "a copy of what is in the topics; a worker tells more: `mmsb stats` of the folder that it runs over"
)

_HTTP: Final = "http://"


def stats_of(place: str, screen: Screen) -> tuple[dict[str, Any], str]:
    """The figures, and who says them. What only a process can say is null where none does."""
    if place.startswith(_HTTP):
        found = _of_http(place)
    else:
        owner = owner_of(Path(place))
        if owner is None:
            return _of_folder(Path(place), screen)
        found = {"running": True, **owner.stats().as_json()}
        owner.close()
    rate, megabytes = found["settled_per_second"], found["memory_bytes"] / 1e6
    return found, f"running for {found['seconds']:,.0f} s, {rate:,.0f} intents/s, {megabytes:,.0f} MB of memory"


def _of_http(place: str) -> dict[str, Any]:
    from http.client import HTTPException  # not at the top: other commands answer before these are loaded
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    url = f"{place.rstrip('/')}/stats"
    wanted = "name what `mmsb run --http` was given, as http://HOST:PORT"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=ANSWER_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
    except HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        raise EnvironmentFailed(f"{url}: expected figures, found {error.code}: {said}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise EnvironmentFailed(f"{url}: expected a process that answers, found: {error}; {wanted}") from error
    if "partitions" not in found:
        raise EnvironmentFailed(f"{url}: expected the figures of a process, found something else; {wanted}")
    return found


def _of_folder(folder: Path, screen: Screen) -> tuple[dict[str, Any], str]:
    """The same names as far as a folder knows them."""
    from mmsb.cli.stored import Stored

    stored = Stored(folder)
    with screen.progress("folding") as progress:
        partitions = [stored.partition_stats(number, progress.tell) for number in stored.partitions]
    last = stored.outline.reigns[-1].claim if stored.outline.reigns else None
    app = stored.outline.genesis.app
    stored.close()
    found = {
        "running": False,
        "app": app,
        "generation": last and last.generation,
        "bundle": last and last.bundle.hex(),
        "durability": last and last.durability.name.lower(),
        "seconds": None,
        "settled_per_second": None,
        "memory_bytes": None,
        "partitions": partitions,
    }
    return found, COPY_OF_TOPICS if stored.is_mirror else "nobody runs it"
