"""For all tests: examples of hypothesis have no deadline, because durations depend on the machine.

`HYPOTHESIS_PROFILE=soak` tries twenty times as many examples, and sends as many more packets through the link's model.
"""

import os
import sys

from hypothesis import settings

from tests.support.effort import PROFILE, many

settings.register_profile(PROFILE, deadline=None, max_examples=many(50))
settings.load_profile(PROFILE)

# Also where a container's image forbids it: else each worker and each program that a test starts compiles everything
# again, and rewriting the asserts of all tests takes longer than the rest of their collection.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
