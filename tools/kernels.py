"""Run the tests that need a guest VM once for each kernel: `make test-kernels` and the nightly job."""

import argparse
import sys

from testbed.vm.kernels import SUITES
from tools.lane_runner import Lane, run_lanes
from tools.lanes import BIN, KERNELS


def lane(kernel: str) -> Lane:
    """Return the lane of a kernel."""
    argv = ("env", f"TESTBED_TEST_KERNEL={kernel}", str(BIN / "pytest"), *KERNELS)
    return Lane(kernel, argv, prints=True, docker=True)


def main() -> int:
    """Run the tests under the named kernels, or all."""
    parser = argparse.ArgumentParser(prog="kernels", description="Run the tests that need a guest VM.")
    parser.add_argument(
        "kernels", nargs="*", default=list(SUITES), help=f"names or versions; default: {', '.join(SUITES)}"
    )
    return run_lanes([lane(kernel) for kernel in parser.parse_args().kernels])


if __name__ == "__main__":
    sys.exit(main())
