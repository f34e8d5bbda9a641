"""Copies of this repository that a test may damage or build in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("streams", "processors", "kernels", "state", "schemas")


def copy_code(destination: Path) -> Path:
    """Copy what packages and contracts are made of, symlinks as symlinks."""
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in (*CODE_FOLDERS, "src"):
        shutil.copytree(ROOT / name, destination / name, symlinks=True, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", destination)
    return destination


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command with both its outputs in `stdout`; an `env` is added to ours."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


def tool(name: str) -> Path:
    """The command `name` of the environment these tests run in."""
    return Path(sys.executable).parent / name
