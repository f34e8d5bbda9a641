"""What the image and the service have installed runs as they have it run.

That is: by a user who owns nothing but the data, below a root that nobody can write to. It takes no container engine.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmsb.kernels.jit import cache_folder
from tests.project.tree import ROOT, run

USER = 10001  # as in deploy/container/Containerfile

STARTED = """
set -e
mount --make-rprivate /
mount --bind "$0/var" "$0/var"
mount -t tmpfs none /tmp
mount -o remount,ro,bind /
cd "$0/app"
exec setpriv --reuid USER --regid USER --clear-groups --no-new-privs --bounding-set=-all "$@"
"""
"""In a mount namespace: all is read-only but the data and /tmp, as `read_only: true` and `tmpfs: [/tmp]` say."""


def _python() -> str:
    """One that other users may run, too: not in the home of this one."""
    ours = Path(sys.base_prefix).resolve() / "bin" / "python3"
    return "/usr/bin/python3" if ours.is_relative_to(Path.home()) else str(ours)


@pytest.fixture
def place() -> Iterator[Path]:
    """An installation, an application, and a folder for the data. Not below /tmp, which is another one later."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        pytest.skip("only root, with unshare, setpriv and mount, can make the root read-only and become another user")
    if run("unshare", "--mount", "true", cwd=ROOT).returncode != 0:
        pytest.skip("this machine allows no mount namespaces")
    folder = Path(tempfile.mkdtemp(prefix="mmsb-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        done = run(ROOT / "deploy" / "install", folder / "mmsb", cwd=ROOT, env={"PYTHON": _python()})
        assert done.returncode == 0, done.stdout
        shutil.copytree(ROOT / "examples", folder / "app" / "examples")
        # Machine code of the same kernels is compiled already; without it this would take a minute more.
        shutil.copytree(cache_folder().parent, folder / "var" / "cache")
        run("chown", "-R", f"{USER}:{USER}", folder / "var", cwd=ROOT)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def worker(place: Path, command: str) -> Generator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    variables = {
        "PATH": f"{place}/mmsb/bin:/usr/bin:/bin",
        "MMSB_CACHE": f"{place}/var/cache",
        "MMSB_INTERPRETED": "true",
    }
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", STARTED.replace("USER", str(USER)), str(place), *command.split()],
        env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        try:
            yield process, json.loads(line)
        finally:
            process.kill()


def client(place: Path, *given: str) -> str:
    user = ("setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups")
    done = run(
        *user, place / "mmsb" / "bin" / "mmsb", *given, cwd=place / "app",
        env={"MMSB_CACHE": f"{place}/var/cache", "HOME": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_what_was_installed_runs_as_a_user_below_a_root_that_is_read_only(place):
    data = str(place / "var" / "data")
    settings = place / "app" / "bank.toml"
    settings.write_text(f'app = "examples.bank:app"\ndata = "{data}"\n')
    command = f"mmsb run --config {settings} --json"
    packages = {path.name.partition("-")[0] for path in place.glob("mmsb/lib/*/site-packages/*.dist-info")}
    assert {"mmsb", "numba", "rocksdict"} <= packages
    assert not {"pip", "setuptools", "pytest", "ruff"} & packages

    with worker(place, command) as (process, ready):
        assert ready["event"] == "ready"
        assert client(place, "submit", data, "Open", "account=1", "owner=ann") == "applied at offset 0\n"
        process.kill()  # whoever supervises it starts it again
        assert process.wait() == -signal.SIGKILL
    with worker(place, command) as (process, ready):
        assert ready["partitions"][0]["settled"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0

    assert "sound" in client(place, "verify", data)
    assert {path.stat().st_uid for path in Path(data).rglob("*")} == {USER}
