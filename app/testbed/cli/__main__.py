"""`python -m testbed.cli`, the same as `python -m testbed`: where the command itself is not installed."""

from testbed.cli import main

if __name__ == "__main__":
    main()
