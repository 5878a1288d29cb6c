"""For all tests: examples of hypothesis have no deadline, because durations depend on the machine.

`HYPOTHESIS_PROFILE=soak` tries ten times as many examples.
"""

import os

from hypothesis import settings

settings.register_profile("testbed", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "testbed"))
