"""The brokers that other tests rely on: shared by processes, back on their port after a kill, never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kafka.cluster import Cluster, free_ports
from tests.project.tree import ROOT

pytestmark = pytest.mark.usefixtures("programs")

USE = """
import sys, time
from pathlib import Path
from tests.kafka.sharing import shared_broker
with shared_broker(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""
DIE = """
import os, signal, sys
from pathlib import Path
from tests.kafka.cluster import running_cluster
with running_cluster(Path(sys.argv[1])) as cluster:
    print(cluster.nodes[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def python(code: str, *words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


@pytest.mark.slow
def test_a_killed_broker_comes_back_on_its_port(own_kafka: Cluster) -> None:
    [node] = own_kafka.nodes
    before = own_kafka.url, node.pid
    node.kill()
    own_kafka.restart()
    assert own_kafka.url == before[0]
    assert node.pid != before[1]
    node.freeze()
    node.resume()
    node.wait()


@pytest.mark.slow
def test_processes_share_a_broker_until_the_last_has_gone(tmp_path: Path) -> None:
    with python(USE, tmp_path) as first, python(USE, tmp_path) as second:
        assert said(first) == said(second) != ""
        owner, other = (first, second) if _children(first.pid) else (second, first)
        _tell(owner)
        time.sleep(0.5)
        assert owner.poll() is None, "the other one uses it still"
        _tell(other)
        assert other.wait(20) == 0
        assert owner.wait(20) == 0


@pytest.mark.slow
def test_a_broker_dies_with_who_started_it(tmp_path: Path) -> None:
    with python(DIE, tmp_path) as process:
        pid = int(said(process))
        assert process.wait(20) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_free_ports_are_different_ones() -> None:
    assert len(set(free_ports(50))) == 50


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()
