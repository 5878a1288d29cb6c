"""The command `testbed`, which is `python -m testbed` where the command itself is not installed.

Nothing that takes long is imported before `main` runs: imports take most of the time until a command begins, and Ctrl-C
is to end them as it ends everything else.
"""

import os
import sys
from typing import Final

_INTERRUPTED: Final = 130
"""As in testbed.cli, which may not have been imported yet."""


def _hold_streams() -> None:
    """Give streams that were closed before the start (`>&-`) a place to go, so that printing is no special case."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def main() -> None:
    """Be the command."""
    _hold_streams()
    try:
        from testbed.cli import run_cli  # noqa: PLC0415 - see above

        code = run_cli()
    except KeyboardInterrupt:
        sys.stderr.write("testbed: interrupted\n")
        code = _INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
