"""NUMBA_BOUNDSCHECK=1 really checks, though code without checks lies in the same cache, and the other way round."""

import json
import sys
from pathlib import Path

import pytest

from tests.project.tree import ROOT, run

PLANTED = """
import json
import sys

import numpy as np

from mmsb.kernels.jit import CHECKED, cache_folder, kernel
from mmsb.kernels.memory import load_u64
from mmsb.kernels.pages.page_memory import zero_page


@kernel
def read(words, at):
    return words[at]


@kernel
def load(data, at):
    return load_u64(data, at)


def outcome(call, *args):
    try:
        result = call(*args)
    except IndexError:
        return "IndexError"
    return None if result is None else int(result)


if __name__ == "__main__":  # the arrays are parts of larger ones, so that a miss meets memory that is ours
    words, data = np.arange(64, dtype=np.uint64)[:8], np.arange(64, dtype=np.uint8)[:16]
    found = {
        "inside": [outcome(read, words, 7), outcome(load, data, 8) % 256],
        "outside": [outcome(read, words, 10), outcome(load, data, 9), outcome(zero_page, data, 9, 8)],
        "checked": CHECKED,
        "folder": str(cache_folder()),
        "from cache": sum(sum(function.stats.cache_hits.values()) for function in (read, load, zero_page)),
    }
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def in_a_child(tmp_path_factory):
    """Runs the planted module, with or without checks, with one cache for all."""
    folder: Path = tmp_path_factory.mktemp("planted")
    (folder / "planted.py").write_text(PLANTED, "utf-8")

    def outcomes(checks: str):
        env = {
            "MMSB_CACHE": str(folder / "cache"),
            "NUMBA_BOUNDSCHECK": checks,
            "NUMBA_DISABLE_JIT": "0",
            "PYTHONPATH": str(ROOT / "src"),
        }
        done = run(sys.executable, folder / "planted.py", cwd=folder, env=env)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)

    return outcomes


BEYOND = int.from_bytes(bytes(range(9, 17)), "little")


@pytest.mark.slow
def test_a_planted_access_beyond_an_array_is_caught_in_the_checked_run_and_only_there(in_a_child):
    first, again = in_a_child("0"), in_a_child("0")
    checked = in_a_child("1")
    after = in_a_child("0")
    checked_again = in_a_child("1")

    assert not first["checked"]
    assert checked["checked"]
    assert first["outside"] == again["outside"] == after["outside"] == [10, BEYOND, None]
    assert checked["outside"] == checked_again["outside"] == ["IndexError"] * 3
    assert all(found["inside"] == [7, 8] for found in (first, again, checked, after, checked_again))

    assert first["folder"] == again["folder"] == after["folder"] != checked["folder"] == checked_again["folder"]
    assert (first["from cache"], checked["from cache"]) == (0, 0), "neither found the other's code"
    assert again["from cache"] == after["from cache"] == checked_again["from cache"] == 3
