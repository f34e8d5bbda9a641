"""Apache Kafka's own programs, which `make kafka` fetches as deploy/kafka/pom.xml pins them."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.project.tree import ROOT

LIBS: Final = ROOT / ".cache" / "kafka" / "libs"
CLASSES: Final = LIBS.with_name("classes.jsa")
"""What Java makes of Kafka's classes, where it was kept (tests/kafka/classes.py)."""

JVM: Final = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
QUIET: Final = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")
"""What is kept and does not fit is not taken, and nothing is said of it."""

REQUIRED: Final = "MMSB_REQUIRE_KAFKA"
"""Set to 1, the suites that need these programs fail where they are missing. CI does."""

TIMEOUT_S: Final = 60
COMPLAINTS: Final = ("isvalid: false", "invalid bytes", "Non-consecutive", "Exception")

_BATCH = re.compile(
    r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .* partitionLeaderEpoch: (\d+) isTransactional: (\w+) "
    r"isControl: (\w+) .* position: (\d+) CreateTime: (\d+) size: (\d+) magic: (\d) compresscodec: none crc: (\d+) "
    r"isvalid: (\w+)$"
)
_RECORD = re.compile(r"^\| offset: (\d+) CreateTime: (\d+) keySize: (-?\d+) valueSize: (-?\d+)")


@dataclass(frozen=True)
class DumpedBatch:
    """What the dump tool says of one batch."""

    first: int
    last: int
    count: int
    epoch: int
    transactional: bool
    control: bool
    position: int
    time_max: int
    size: int
    magic: int
    checksum: int
    valid: bool


@dataclass(frozen=True)
class DumpedRecord:
    """What it says of one record; a size of -1 is null."""

    offset: int
    time: int
    key_size: int
    value_size: int


@dataclass(frozen=True)
class Dump:
    batches: list[DumpedBatch]
    records: list[DumpedRecord]
    complaints: list[str]


def missing() -> str | None:
    """Why they cannot run, if they cannot."""
    if shutil.which("java") is None:
        return "there is no java: install Java 17 and Maven, then `make kafka`"
    if not any(LIBS.glob("kafka-tools-*.jar")):
        return "Kafka's programs are not there: `make kafka` fetches them (it needs Java and Maven)"
    return None


def java(program: str) -> list[str]:
    """How one of Kafka's programs is started; its arguments follow."""
    kept = (f"-XX:SharedArchiveFile={CLASSES}", *QUIET) if CLASSES.exists() else ()
    return ["java", *JVM, *kept, "-cp", f"{LIBS}/*", program]


def is_required() -> bool:
    return os.environ.get(REQUIRED) == "1"


def dump(paths: Sequence[Path]) -> Dump:
    """Have Kafka read segments. Its exit code says little: what it complains of stands in its words."""
    files = ",".join(str(path) for path in paths)
    command = [*java("kafka.tools.DumpLogSegments"), "--deep-iteration", "--files", files]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=TIMEOUT_S
    )
    lines = done.stdout.splitlines()
    complaints = [line for line in lines if any(words in line for words in COMPLAINTS)]
    if done.returncode:
        complaints.append(f"exit code {done.returncode}")
    batches = [_batch(*found.groups()) for line in lines if (found := _BATCH.match(line))]
    records = [DumpedRecord(*map(int, found.groups())) for line in lines if (found := _RECORD.match(line))]
    return Dump(batches, records, complaints)


def describe_group(port: int, group: str, *more: str) -> str:
    """What Kafka's tool for groups says of one."""
    command = [
        *java("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
        "--bootstrap-server", f"127.0.0.1:{port}", "--describe", "--group", group, *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout


def _batch(*words: str) -> DumpedBatch:
    values: list[Any] = [word == "true" if word in ("true", "false") else int(word) for word in words]
    return DumpedBatch(*values)
