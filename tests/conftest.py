"""How property-based tests run: the same examples each time, and no clock (HYPOTHESIS_PROFILE=explore looks for new ones)."""

import os

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
