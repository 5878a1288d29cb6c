"""For all tests: examples of hypothesis have no deadline, because durations depend on the machine.

`HYPOTHESIS_PROFILE=soak` tries twenty times as many examples, and sends as many more packets through the link's model.
"""

from hypothesis import settings

from tests.support.effort import PROFILE, many

settings.register_profile(PROFILE, deadline=None, max_examples=many(50))
settings.load_profile(PROFILE)
