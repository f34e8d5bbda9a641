"""SIGKILL before each file operation of a checkpoint, a trim, an export, an import: the next one goes well.

Kills within a flush, at each step of it and at random, are those of tests/crash; what RocksDB does is its own affair,
of which tests/faults/test_system_calls.py lets single calls fail.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmsb.cli.exits import Exit
from mmsb.streams.checkpoints.folder import CHECKPOINTS, list_names
from mmsb.streams.files import RealFiles
from tests.faults import folders
from tests.faults.folders import Started
from tests.faults.owners import TRIM, Owners

pytestmark = pytest.mark.slow

KILLED = -9
STRIDE = 3  # every third operation; the begin differs from one kind to another


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folders.make(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def expected(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Started:
    return folders.start(folders.copy(image, tmp_path_factory.mktemp("sound") / "data"))


def kills(
    owners: Owners, tmp_path: Path, first: int, prepare: Callable[[Path], list[str]]
) -> Iterator[tuple[Path, bool]]:
    """A folder for each kill, and in the end one that nothing killed; whether it was killed."""
    number, code = first, KILLED
    while code == KILLED:
        work, errors = tmp_path / str(number), tmp_path / "errors"
        work.mkdir()
        code = owners.run(prepare(work), errors, number)
        assert code in (KILLED, Exit.DONE), errors.read_text()
        yield work, code == KILLED
        shutil.rmtree(work)
        number += STRIDE


@pytest.mark.parametrize("command", [["checkpoint"], [TRIM]])
def test_a_kill_while_a_checkpoint_is_made_or_logs_are_trimmed(
    owners: Owners, tmp_path: Path, image: Path, expected: Started, command: list[str]
) -> None:
    count = 0

    def prepare(work: Path) -> list[str]:
        data = folders.copy(image, work / "data")
        newest = list_names(RealFiles(), data / "0")[0]
        shutil.rmtree(data / "0" / CHECKPOINTS / newest)  # of the state that is in the home: it is made again
        return [*command, str(data)]

    for work, _ in kills(owners, tmp_path, 1, prepare):
        data = work / "data"
        assert folders.problems(data) == []
        started = folders.start(data)
        assert started.answers is not None, started
        assert started.said == ()
        now = (started.answers.digest, started.answers.pages, started.answers.then)
        assert expected.answers is not None
        assert now == (expected.answers.digest, expected.answers.pages, expected.answers.then)
        assert folders.problems(data) == []
        count += 1
    assert count > 5


def test_a_kill_while_an_archive_is_written(owners: Owners, tmp_path: Path, image: Path) -> None:
    """What has the archive's name is whole; and the next export writes it."""
    data = folders.copy(image, tmp_path / "data")
    for work, killed in kills(
        owners, tmp_path, 2, lambda work: ["checkpoint", "export", str(data), str(work / "archive")]
    ):
        if killed and not (work / "archive").exists():
            again = ["checkpoint", "export", str(data), str(work / "archive")]
            assert owners.run(again, tmp_path / "errors") == Exit.DONE
        into = ["checkpoint", "import", str(work / "archive"), str(work / "data")]
        assert owners.run(into, tmp_path / "errors") == Exit.DONE
        assert [path.name for path in work.iterdir() if path.name.startswith("archive")] == ["archive"]


def test_a_kill_while_an_archive_becomes_a_partition(
    owners: Owners, tmp_path: Path, image: Path, expected: Started
) -> None:
    """There is all of it or none; and the next import makes it."""
    archive, errors = tmp_path / "archive", tmp_path / "errors"
    assert owners.run(["checkpoint", "export", str(image), str(archive)], errors) == Exit.DONE
    for work, _ in kills(owners, tmp_path, 3, lambda work: ["checkpoint", "import", str(archive), str(work / "data")]):
        data = work / "data"
        if not (data / "0").exists():
            assert owners.run(["checkpoint", "import", str(archive), str(data)], errors) == Exit.DONE
        assert folders.problems(data) == []
        assert {path.name for path in data.iterdir()} == {"0", "lock"}
