"""Hypothesis profiles. CI draws the same examples each time; a developer's run explores new ones."""

import os

from hypothesis import HealthCheck, settings

# No deadline and no `too_slow`: two xdist workers share two cores, so a slow example says nothing.
settings.register_profile("mmsb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mmsb-ci", settings.get_profile("mmsb"), derandomize=True)
settings.load_profile("mmsb-ci" if os.environ.get("CI") else "mmsb")
