"""The revision that `punctual` compares with: BENCH_BEFORE names it."""

import os
import subprocess
from pathlib import Path
from typing import Final

from testbed.errors import InputError

CHECKOUT: Final = Path(__file__).resolve().parents[1]
VARIABLE: Final = "BENCH_BEFORE"


def revision_before() -> str | None:
    """Return the commit that BENCH_BEFORE names, None if it is not set; raise InputError if there is no such commit."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        return None
    words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{named}^{{commit}}"]
    found = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if found.returncode:
        hint = "name a commit, a tag or a branch of this repository, or leave it empty"
        raise InputError([f"{VARIABLE}={named}: no such revision"], hint=hint)
    return found.stdout.strip()
