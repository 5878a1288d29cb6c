"""The build of the testbed that runs in this process."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from testbed.cluster.job import Build


@cache
def own_build() -> Build:
    """Return the version, and a digest of the source of `testbed`."""
    root = Path(__file__).resolve().parents[1]
    total = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        content = file.read_bytes()
        total.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    try:
        name = version("testbed")
    except PackageNotFoundError:
        name = "from source"
    return Build(name, total.hexdigest())
