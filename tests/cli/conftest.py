"""A folder that nobody runs, one that somebody does, and the command line within this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmsb.cli.main import main
from tests.cli.running import Owner, make

Said = tuple[int, str, str]
"""Exit code, output, complaints."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled as `tests.cli.running.fill` says; nobody writes to it any more."""
    return make(tmp_path_factory.mktemp("filled") / "bank")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Another one, which a process runs."""
    data = make(tmp_path_factory.mktemp("served") / "bank")
    with Owner(data):
        yield data


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def ask(*given: object) -> Said:
        code = main([str(part) for part in given])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ask
