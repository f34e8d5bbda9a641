"""One loaded process that forks owners, for each process of the test run, and disks that may be mounted."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.owners import Owners


@pytest.fixture(scope="session")
def owners() -> Iterator[Owners]:
    with Owners() as owners:
        yield owners


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """`mount(*options)`: gives a folder where that is mounted until the end of the test."""
    mounted: list[Path] = []

    def mount(*options: str | Path) -> Path:
        path = tmp_path / f"mounted-{len(mounted)}"
        path.mkdir()
        done = subprocess.run(["mount", *options, path], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield mount
    for path in reversed(mounted):
        subprocess.run(["umount", "--lazy", path], check=True)
