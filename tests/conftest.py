"""Where compiled code is kept, the order of tests, and Hypothesis profiles.

CI draws the same examples each time; a developer new ones.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Compiled code is kept where `make clean` finds it, not in the user's home; before anything imports mmsb.kernels.
os.environ.setdefault("MMSB_CACHE", str(Path(__file__).resolve().parents[1] / ".cache" / "mmsb"))

# No deadline and no `too_slow`: three xdist workers share two cores, so a slow example says nothing.
settings.register_profile("mmsb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mmsb-ci", settings.get_profile("mmsb"), derandomize=True)
settings.load_profile("mmsb-ci" if os.environ.get("CI") else "mmsb")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what pytest makes of our modules even under PYTHONDONTWRITEBYTECODE: to make it anew takes seconds.

    What tests themselves write and import is not kept: they may write another file under its name at once.
    """
    asked, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = asked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no core is idle while the last of them runs on another.

    The Makefile has them handed out one at a time: in stretches, one worker would get them all.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
