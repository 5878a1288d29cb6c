"""The command `testbed`, which is `python -m testbed` where the command itself is not installed.

Nothing is imported before `main` runs: imports take most of the time until a command begins, and Ctrl-C is to end them
as it ends everything else.
"""

import sys
from typing import Final

_INTERRUPTED: Final = 130
"""As in testbed.cli, which may not have been imported yet."""


def main() -> None:
    """Be the command."""
    try:
        from testbed.cli import run_cli  # noqa: PLC0415 - see above

        code = run_cli()
    except KeyboardInterrupt:
        sys.stderr.write("testbed: interrupted\n")
        code = _INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
