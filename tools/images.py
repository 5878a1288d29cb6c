"""Build the project's images that Docker lacks; print a line for each: `built` or `ready`, and its tag.

The output of the builder goes to standard error.
"""

import sys

from testbed.errors import TestbedError
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import DOCKERFILES, Images


def main() -> int:
    """Build the missing images; return the exit code."""
    engine = DockerEngine()
    try:
        engine.connect()
        images = Images(engine, lambda line: print(line, file=sys.stderr))
        for name in DOCKERFILES:
            outcome = "built" if engine.image(images.tag(name)) is None else "ready"
            print(outcome, images.ours(name)[0], flush=True)
    except TestbedError as error:
        print(f"{error}. {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
