"""In a container a worker is the process with the number 1, which the kernel spares what it has no handler for."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import environment
from tests.project.tree import ROOT
from tests.watching.asking import free_port, until

STARTS, SERVES = (200, 503, 200), (200, 200, 200)
ENDS_SECONDS = 30


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "code"), [(STARTS, 128 + signal.SIGTERM), (SERVES, 0)], ids=["starts", "serves"])
def test_sigterm_ends_it_while_it_starts_and_once_it_serves(
    tmp_path: Path, moment: tuple[int, int, int], code: int
) -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root, with unshare, can make another process number 1")
    gate, port = tmp_path / "gate", free_port()
    if moment == STARTS:
        gate.touch()  # its claim cannot be made durable
    words = ["run", "examples.bank:app", "--data", str(tmp_path / "bank"), "--interpreted", "--http", str(port)]
    worker = [sys.executable, "-m", "tests.watching.stalling", str(gate), *words]
    outer = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", *worker],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while outer.poll() is None:
            try:
                until(port, moment, ENDS_SECONDS)
                break
            except ConnectionRefusedError:
                continue
        [inner] = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        os.kill(int(inner), signal.SIGTERM)
        assert outer.wait(ENDS_SECONDS) == code
    finally:
        outer.kill()
        outer.communicate()
