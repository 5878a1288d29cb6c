"""Run the tests that need a guest once for each kernel by name: what `make test-kernels` and the nightly job do."""

import argparse
import sys
from typing import Final

from testbed.vm.kernels import SUITES
from tools.lanes import BIN, Lane, run_lanes

TESTS: Final = ("tests/integration", "-m", "vm")


def lane(kernel: str) -> Lane:
    """Return the lane of a kernel."""
    argv = ("env", f"TESTBED_TEST_KERNEL={kernel}", str(BIN / "pytest"), *TESTS)
    return Lane(kernel, argv, prints=True, docker=True)


def main() -> int:
    """Test the kernels that are named, or all."""
    parser = argparse.ArgumentParser(prog="kernels", description="Run the tests that need a guest, kernel by kernel.")
    parser.add_argument("kernels", nargs="*", default=list(SUITES), help=f"names or versions; else {', '.join(SUITES)}")
    return run_lanes([lane(kernel) for kernel in parser.parse_args().kernels])


if __name__ == "__main__":
    sys.exit(main())
