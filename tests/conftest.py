"""Where compiled code is kept, and Hypothesis profiles. CI draws the same examples each time; a developer new ones."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Compiled code is kept where `make clean` finds it, not in the user's home; before anything imports mmsb.kernels.
os.environ.setdefault("MMSB_CACHE", str(Path(__file__).resolve().parents[1] / ".cache" / "mmsb"))

# No deadline and no `too_slow`: three xdist workers share two cores, so a slow example says nothing.
settings.register_profile("mmsb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mmsb-ci", settings.get_profile("mmsb"), derandomize=True)
settings.load_profile("mmsb-ci" if os.environ.get("CI") else "mmsb")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no core is idle while the last of them runs on another.

    The Makefile has them handed out one at a time: in stretches, one worker would get them all.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
