"""The command `testbed`, also `python -m testbed`.

Nothing slow is imported before `main` runs: imports take most of the start-up time, and Ctrl-C must interrupt them,
too.
"""

import os
import sys
from typing import Final

_INTERRUPTED: Final = 130
"""The exit code of testbed.cli, which may not be imported yet."""


def _open_closed_streams() -> None:
    """Open /dev/null for streams that were closed before the start (`>&-`), so that printing needs no special case."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def main() -> None:
    """Run the command line and exit with its code."""
    _open_closed_streams()
    try:
        from testbed.cli import run_cli  # noqa: PLC0415 - see above

        code = run_cli()
    except KeyboardInterrupt:
        sys.stderr.write("testbed: interrupted\n")
        code = _INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
