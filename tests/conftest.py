"""Settings for every test."""

import os

from hypothesis import settings

# No deadline: shared machines stall. In CI the same examples each time, so that a red run is about
# the change; developers' runs go on searching.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")
