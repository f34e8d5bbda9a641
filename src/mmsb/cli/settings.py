"""What `mmsb run` can be told, each setting once.

Its flag, its variable, its key in a file, what refuses a wrong value and the table in docs/configuration.md are made of
that.
"""

import math
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import PARTITIONS_MAX, WINDOW_MAX

PREFIX: Final = "MMSB_"


@dataclass(frozen=True)
class Kind:
    """What a setting takes: as text, where a flag or a variable says it, and as TOML has it."""

    words: str
    read: Callable[[str], Any]  # ValueError: it is something else
    plain: tuple[type, ...] = ()  # types of a file that are taken as they are; text is read
    fits: Callable[[Any], bool] = bool

    def of(self, given: object) -> Any:
        try:
            value = given if type(given) in self.plain else self.read(given) if isinstance(given, str) else None
        except ValueError:
            value = None
        if value is None or not self.fits(value):
            raise InvalidValue(f"expected {self.words}, found {_shown(given)}")
        return value


def whole(least: int, most: int | None = None) -> Kind:
    words = f"a whole number from {least} {'on' if most is None else f'to {most}'}"
    return Kind(words, int, (int,), lambda value: value >= least and (most is None or value <= most))


def one_of(*words: str) -> Kind:
    return Kind(" or ".join((", ".join(words[:-1]), words[-1])), str, fits=lambda value: value in words)


def _bytes(text: str) -> int:
    power = "KMGT".find(text[-1:].upper()) + 1 if text else 0
    return int(text[:-1] if power else text) << (10 * power)


def _address(text: str) -> str:
    from mmsb.streams.watching.http import parse_address  # loads asyncio, which other commands do without

    parse_address(text)
    return text


SWITCH: Final = Kind("true or false", {"true": True, "false": False}.get, (bool,), lambda value: True)
TEXT: Final = Kind("a text", str)
SECONDS: Final = Kind("a number above 0", float, (int, float), lambda value: value > 0 and math.isfinite(value))
ADDRESS: Final = Kind('a text, [HOST:]PORT, as "9464"', _address)
BYTES: Final = Kind("a number of bytes, as 512M or 4G", _bytes, (int,), lambda value: value > 0)


@dataclass(frozen=True)
class Setting:
    key: str  # its name in a file, and of what the parser finds
    kind: Kind
    help: str
    metavar: str | None = None
    default: str = "–"  # in words: what it is lies with whoever reads it
    secret: bool = False  # neither a flag, which everybody on the machine may read, nor in a file of settings

    @property
    def flag(self) -> str:
        return f"--{self.key.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"{PREFIX}{self.key.upper()}"

    def of_flag(self, text: str) -> Any:
        try:
            return self.kind.of(text)
        except InvalidValue as error:
            raise ArgumentTypeError(str(error)) from None


APP: Final = Setting("app", TEXT, "module:name, or path/to/file.py where there is one mmsb.App in it", "APP")
"""The one that has no flag: on a command line it stands first."""

DATA: Final = Setting("data", TEXT, "the data folder; made if it is not there", "DATA")

GENERATION: Final = Setting(
    "generation", whole(1, 2**63 - 1),
    "the code's generation, instead of the one that it says: to go back, give the old code the next one",
    "N", "as the code says",
)  # fmt: skip

OWNING: Final = (
    GENERATION,
    Setting("interpreted", SWITCH, "run the code as plain Python: slow, and stops at your breakpoints"),
    Setting("dev", SWITCH, "while you develop: changed code takes the next generation by itself"),
    Setting(
        "durability", one_of("fsync", "process"),
        "what a receipt promises: it survives a loss of power (fsync, the default), or the death of the process",
        "{fsync,process}", "fsync",
    ),
    Setting("partitions", whole(1, PARTITIONS_MAX), "when the folder is made: how many (1)", "N", "1"),
    Setting(
        "window", whole(1, WINDOW_MAX), "when the folder is made: how many offsets back an id is known (2^20)",
        "N", "2^20",
    ),
    Setting(
        "memory", BYTES, "what pages and their indexes may take, as 512M or 4G (half of what the machine has)",
        "BYTES", "half of what the machine has",
    ),
    Setting("checkpoint_seconds", SECONDS, "make a checkpoint each S seconds", "S", "none is made by schedule"),
    Setting("trim", SWITCH, "remove log that lies before the older of the two newest checkpoints"),
)  # fmt: skip
"""Of whoever opens a data folder: `mmsb run`, and `mmsb submit --app`."""

HTTP: Final = Setting(
    "http", ADDRESS,
    "answer probes and Prometheus there: /alive /ready /progressing /metrics /stats (host 127.0.0.1)",
    "[HOST:]PORT", "nobody is answered",
)  # fmt: skip

RUNNING: Final = (
    Setting("spare", SWITCH, "wait until the process that runs DATA has ended, and take over at once"),
    HTTP,
    Setting(
        "log", TEXT, "kafka://HOST:PORT: the logs are topics, which several workers share (docs/kafka.md)",
        "URL", "in the data folder",
    ),
    Setting("replicas", whole(1), "with --log: copies of topics that are made", "N", "as the brokers say"),
    Setting("standby", SWITCH, "with --log: follow what others own, so as to take over at once"),
    Setting(
        "checkpoints", TEXT, "with --log: where workers put checkpoints, and find those of others",
        "FOLDER", "in the data folder",
    ),
    Setting(
        "events", one_of("packed", "json", "none"),
        "with --log: how events and rejects are published in their topics (packed)", "{packed,json,none}", "packed",
    ),
    Setting(
        "kafka_protocol", one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "with --log: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "WORD", "by what else is said",
    ),
    Setting(
        "kafka_mechanism", one_of("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"),
        "with --log: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", "WORD", "SCRAM-SHA-512",
    ),
    Setting("kafka_user", TEXT, "with --log: who we are to the brokers", "NAME"),
    Setting("kafka_password", TEXT, "with --log: the user's password", secret=True),
    Setting("kafka_password_file", TEXT, "with --log: a file that has the user's password", "FILE"),
    Setting(
        "kafka_ca", TEXT, "with --log: a file of certificates of those who vouch for the brokers", "FILE",
        "those that the system trusts",
    ),
    Setting("kafka_certificate", TEXT, "with --log: our own certificate", "FILE"),
    Setting("kafka_key", TEXT, "with --log: its key, if that is not in the same file", "FILE"),
)  # fmt: skip
"""Of `mmsb run` alone."""

SETTINGS: Final = (APP, DATA, *OWNING, *RUNNING)
BY_KEY: Final = {setting.key: setting for setting in SETTINGS}
FILE_VARIABLE: Final = f"{PREFIX}CONFIG"

OTHER_VARIABLES: Final = {
    FILE_VARIABLE: "the file of settings, where `--config` does not name one",
    "MMSB_CACHE": "the folder of compiled code, and of topics that commands have read; `~/.cache/mmsb` otherwise",
    "MMSB_REQUIRE_KAFKA": "of the tests: fail, instead of leaving out what needs brokers",
    "MMSB_BENCH_SLOW": "of the benchmarks: which stage to slow down, so as to see what that costs",
}
"""Those that say no setting, and are not refused."""


def add_flag(parser: ArgumentParser, setting: Setting, *, over_others: bool = False) -> None:
    """With `over_others`, a flag that is not given leaves the word to them, and `--no-…` says no to a switch."""
    if setting.kind is not SWITCH:
        parser.add_argument(setting.flag, type=setting.of_flag, metavar=setting.metavar, help=setting.help)
    elif over_others:
        parser.add_argument(setting.flag, action=BooleanOptionalAction, default=None, help=setting.help)
    else:
        parser.add_argument(setting.flag, action="store_true", help=setting.help)


def _shown(given: object) -> str:
    """As a file writes it."""
    return str(given).lower() if isinstance(given, bool) else repr(given)
