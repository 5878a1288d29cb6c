"""How much the tests that draw at random try: little at each change, far more with `HYPOTHESIS_PROFILE=soak`."""

import os
from typing import Final

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "testbed")
_SOAK: Final = 20


def many(usual: int) -> int:
    """Return how many examples or packets a test tries."""
    return usual * _SOAK if PROFILE == "soak" else usual
