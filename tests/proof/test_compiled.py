"""Compiled code and the interpreter come to the same, in children whose flags decide how kernels run.

Under NUMBA_DISABLE_JIT=1 generated code is plain Python, which many random applications can afford. Compiled, and
compiled with bounds checks, a few small ones and the bank must do. Compiled code is kept, so that reruns are fast.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"NUMBA_DISABLE_JIT": "1"}
COMPILED = {"NUMBA_DISABLE_JIT": "0"}
CHECKED = {"NUMBA_DISABLE_JIT": "0", "NUMBA_BOUNDSCHECK": "1"}
FLAGS = [pytest.param(COMPILED, id="compiled"), pytest.param(CHECKED, id="checked")]
SMALL = (250, 186)  # applications of one intent, which compile in seconds
TIMEOUT_S = 590
PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "-m", "not campaign")

pytestmark = pytest.mark.slow


def child(flags: dict[str, str], *arguments: str) -> str:
    """Run a module with these flags; gives what it said, having ended well."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NUMBA_"))}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**env, **flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def records_settled(said: str) -> int:
    """How many records compiled code settled, as the child counted."""
    found = re.search(r"compiled code settled (\d+) records", said)
    assert found, said
    return int(found[1])


@pytest.mark.guards(5)
def test_random_applications_agree_with_the_model_in_generated_code() -> None:
    """A floor of records, beyond what each seed asks for: the proof cannot become one about the interpreter.

    Each seed's records are stepped at three cuts; about half of them are JSON, most of it flat.
    """
    assert records_settled(child(PLAIN, "tests.proof.campaign", "0", "30", "compiled")) >= 30 * 80


def test_interleavings_of_compiled_writers_fold_to_what_the_model_says() -> None:
    assert records_settled(child(PLAIN, "tests.proof.campaign", "0", "30", "compiled-interleavings")) >= 30 * 4


def test_borders_cuts_and_migrations_hold_in_generated_code() -> None:
    files = [f"tests/proof/test_{name}.py" for name in ("borders", "cuts", "migrations")]
    said = child(PLAIN, *PYTEST, "-k", "compiled", *files)
    found = re.search(r"(\d+) passed", said)
    assert found, said
    assert int(found[1]) >= 33


@pytest.mark.guards(5)
@pytest.mark.parametrize("flags", FLAGS)
def test_what_is_really_compiled_agrees_with_the_model_and_the_bank_with_the_interpreter(flags: dict[str, str]) -> None:
    """One after another: children that begin at once would compile the same kernels."""
    for seed in SMALL:
        said = child(flags, "tests.proof.campaign", str(seed), str(seed + 1), "compiled")
        assert records_settled(said) >= 50
    said = child(flags, "tests.proof.compiled_bank", "16000")
    assert records_settled(said) == 16000 * 7 // 4
    assert "; 1 blocks were full" in said


def test_the_bank_settles_the_same_in_generated_code() -> None:
    assert records_settled(child(PLAIN, "tests.proof.compiled_bank", "4000")) == 4000 * 7 // 4
