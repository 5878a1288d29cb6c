"""Build the project's images where the engine lacks them; print a line each: `built` or `ready`, and its tag.

The builder's own words go to stderr.
"""

import sys

from testbed.errors import TestbedError
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import DOCKERFILES, Images


def main() -> int:
    """Build what is missing; return the exit status."""
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
