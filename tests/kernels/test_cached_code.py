"""Compiled code that a process finds in the cache runs as if the process had compiled it."""

import json
import sys
from pathlib import Path

import pytest

from tests.project.tree import ROOT, run

# A kernel that Python calls, and that a part of another kernel calls, which is compiled first.
MODULE = """
import json
import sys

import numpy as np

from mmsb.kernels.jit import inner, kernel
from mmsb.kernels.utf8 import is_text


@inner
def part(data, size):
    return is_text(data, 0, size)


@kernel
def whole(data, size):
    return part(data, size)


if __name__ == "__main__":
    data = np.frombuffer(b"text", np.uint8)
    if "whole" in sys.argv:
        assert whole(data, 4)
    hits = sum(is_text.stats.cache_hits.values())
    print(json.dumps({"is text": [bool(is_text(data, 0, 4)) for _ in range(3)], "hits": hits}))
"""


@pytest.mark.slow
def test_code_found_while_a_part_that_calls_it_is_compiled_can_be_called_from_python(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(MODULE, "utf-8")
    env = {"MMSB_CACHE": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "0", "PYTHONPATH": str(ROOT / "src")}

    def child(*asked: str) -> dict[str, object]:
        done = run(sys.executable, tmp_path / "module.py", *asked, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stdout
        found: dict[str, object] = json.loads(done.stdout)
        return found

    assert child() == {"is text": [True] * 3, "hits": 0}
    assert child("whole") == {"is text": [True] * 3, "hits": 1}
