"""`kafka://host:port,host:port`: where some brokers of a cluster are; they say where the others are."""

from typing import Final, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

from mmsb.schemas.errors import InvalidValue

SCHEME: Final = "kafka"
DEFAULT_PORT: Final = 9092
_MEANT: Final = f"expected {SCHEME}://host:port, or several host:port with commas between them"


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_url(text: str) -> bool:
    """Whether it is meant as one, and not as a folder."""
    return text.partition(":")[0].lower() == SCHEME and "://" in text


def place_of(text: str) -> tuple[str, str | None]:
    """`kafka://host:port/app`, as commands take it: the cluster's URL, and the application if it is named."""
    scheme, _, rest = text.partition("://")
    hosts, _, app = rest.partition("/")
    return f"{scheme}://{hosts}", app or None


def app_of(text: str) -> tuple[str, str]:
    """The same where an application is needed. Raises InvalidValue."""
    url, app = place_of(text)
    if app is None:
        raise InvalidValue(f"{text}: expected the application as well, {url}/APP, whose topics are meant")
    return url, app


def parse_url(url: str) -> tuple[Address, ...]:
    """Raises InvalidValue, which never repeats what may be a password."""
    scheme, between, rest = url.partition("://")
    if "@" in rest:
        raise InvalidValue(
            f"{_MEANT}, found a user or password in it: those are said apart, so that they stand in no log "
            "(Security(user=..., password=...), or MMSB_KAFKA_USER and MMSB_KAFKA_PASSWORD)"
        )
    if not between or scheme.lower() != SCHEME:
        _refuse(url)
    if set(rest) & set("/?#"):
        raise InvalidValue(f"{_MEANT}, found more behind it: {url!r}; topics and settings are said apart")
    return tuple(_address(part, url) for part in rest.split(","))


def _address(text: str, url: str) -> Address:
    try:
        split = urlsplit(f"//{text}")
        port = split.port
    except ValueError:
        _refuse(url)
    host = split.hostname
    if not host or any(map(str.isspace, text)) or not _is_whole(text, split) or port == 0:
        _refuse(url)
    return Address(host, DEFAULT_PORT if port is None else port)


def _is_whole(text: str, split: SplitResult) -> bool:
    """Not `host:`, and no address of IPv6 without brackets, whose last part would be taken for a port."""
    host = text if split.port is None else text.rpartition(":")[0]
    return (host.startswith("[") and host.endswith("]")) or not set(host) & set(":[]")


def _refuse(url: str) -> NoReturn:
    raise InvalidValue(f"{_MEANT}, found {url!r}")
