"""The build of the testbed that runs in this process."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from testbed.cluster.job import Build
from testbed.run.inputs import source_digest


@cache
def own_build() -> Build:
    """Return the version, and a digest of the source of `testbed`."""
    try:
        name = version("testbed")
    except PackageNotFoundError:
        name = "from source"
    return Build(name, source_digest(leave_out=()))
