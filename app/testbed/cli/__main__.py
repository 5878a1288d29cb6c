"""`python -m testbed.cli`, the same as `python -m testbed`: where the command itself is not installed."""

from testbed.__main__ import main

if __name__ == "__main__":
    main()
