"""SIGKILL at each step of a start that migrates: the next one makes up for it, and the pages are the same."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmsb.streams.files import RealFiles
from mmsb.streams.past.verifying import Summary, verify
from tests.crash.migrating import start
from tests.crash.steps import Watcher
from tests.golden.make_folders import EXPECTED, FOLDERS, standing
from tests.project.tree import ROOT

MIGRATING = ("migrate half written", "migrate written", "migrate synced")
KILLS = [(step, occurrence) for step in ("claim synced", *MIGRATING, "mark written") for occurrence in (1, 2)]


def first(folder: Path) -> Path:
    return Path(shutil.copytree(FOLDERS / "first", folder, ignore=shutil.ignore_patterns(EXPECTED)))


def run(folder: Path, *kill: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash.migrating", str(folder), *map(str, kill)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def digests(folder: Path) -> list[str]:
    return [each["digest"] for each in standing(folder)]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What it comes to where nothing is killed; each partition migrates once."""
    folder = first(tmp_path_factory.mktemp("unkilled") / "shop")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert {step: counts[step] for step in counts if "migrate" in step} == dict.fromkeys(MIGRATING, 2)
    found = digests(folder)
    assert found != digests(FOLDERS / "first")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("step", "occurrence"), KILLS)
def test_a_start_killed_at_any_step_is_made_up_for(
    tmp_path: Path, migrated: list[str], step: str, occurrence: int
) -> None:
    folder = first(tmp_path / "shop")
    killed = run(folder, step, occurrence)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    asyncio.run(start(folder, Watcher()))
    assert digests(folder) == migrated
    assert all(isinstance(found, Summary) for found in verify(RealFiles(), folder, lambda *_: None))
